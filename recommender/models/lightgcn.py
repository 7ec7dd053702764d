"""LightGCN: user and item vectors smoothed over the graph of who took what, with PyTorch Geometric.

He, Deng, Wang, Li, Zhang, Wang: "LightGCN: simplifying and powering graph convolution network for recommendation",
SIGIR 2020. https://arxiv.org/abs/2002.02126
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn.models import LightGCN as Network

from recommender.arrays import Floats, Ints, Sparse
from recommender.dataset import Dataset
from recommender.decomposition import right_vectors
from recommender.errors import ConfigurationError, ModelFitError
from recommender.histories import HistoryWeights
from recommender.propagation import Adjacency, Propagation, balanced
from recommender.scorers import FactorScorer
from recommender.splits import Cases, Cut
from recommender.training import (
    HERE,
    Run,
    Schedule,
    Trained,
    batch_size,
    checked,
    generator,
    softmax_among,
    tiled,
    train,
)

_RIDGE = 0.2  # λ of a spectral start: what Lae prefers
_SPREAD = 0.1  # of the vectors before training, a standard deviation


@dataclass(frozen=True, slots=True)
class LightGCN:
    """e^(l+1) = D^-1/2 A D^-1/2 e^(l); e = mean over l of e^(l); score = e_u · e_i.

    A joins users and items by the weight of the user's strongest action. ``loss`` is ``bpr`` as in the paper, or
    ``softmax``, sampled, of the cosine over ``temperature`` plus a learned bias of each item (Wu et al., TOIS 2024,
    arXiv 2201.02327); scores are then cosine and bias too. Someone without a learned vector, or whose history moved, is
    folded in: their vector is what propagation would send them from the items of their history.

    ``start`` is ``chance``, or ``spectral``: the singular vectors of D_u^-1/2 X D_i^-1/2, each times √(σ² / (σ² + λ)),
    from where on it takes a few epochs.

    Shapes: vectors (n_users + n_items, dimensions). Runs at most ``epochs`` epochs over all (user, item) pairs; with
    ``tune`` it stops after ``patience`` validations, one every ``every`` epochs, without a better NDCG@10. With a
    ``final_rate`` below 1, the share of the learning rate that is left in the last epoch, only that epoch is validated:
    one before it would be compared at a higher rate, and the length is as told.

    Every step propagates over the whole graph, so an epoch of equal batches costs the square of the edges. With
    ``most_steps`` the batch grows instead of the number of steps, and an epoch is linear; memory is not more, for the
    loss is tiled.
    """

    dimensions: int = 64
    layers: int = 2
    loss: Literal["softmax", "bpr"] = "softmax"
    temperature: float = 0.15
    start: Literal["chance", "spectral"] = "chance"
    learning_rate: float = 0.005
    final_rate: float = 1.0
    weight_decay: float = 1e-4
    batch: int = 2048
    most_steps: int | None = None
    negatives: int = 1024
    epochs: int = 60
    every: int = 5
    patience: int = 3
    seed: int = 0
    decay: float = 1.0
    run: Run = field(default=HERE, repr=False, compare=False)

    uses_relations: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "lightgcn"

    def fit(self, data: Dataset) -> FactorScorer:
        return self._trained(data, None).scorer

    def tune(self, cut: Cut) -> tuple[FactorScorer, "LightGCN"]:
        trained = self._trained(cut.train, cut.cases)
        return trained.scorer, replace(self, epochs=max(1, trained.epoch))

    def _trained(self, data: Dataset, cases: Cases | None) -> Trained[FactorScorer]:
        if data.matrix().nnz == 0:
            raise ModelFitError("LightGCN needs at least one interaction; the training set holds none")
        if self.loss not in ("softmax", "bpr"):
            raise ConfigurationError(f"the loss {self.loss!r} is unknown; expected softmax or bpr")
        if self.start not in ("chance", "spectral"):
            raise ConfigurationError(f"the start {self.start!r} is unknown; expected chance or spectral")
        if not 0 < self.final_rate <= 1:
            raise ConfigurationError(
                f"the final rate {self.final_rate} is no share of the learning rate; give 0 < it ≤ 1"
            )
        every = self.epochs if self.final_rate < 1 else self.every
        schedule = Schedule(self.seed, self.epochs, every, self.patience, self.final_rate)
        return train(LightGCNLearner(self, data), schedule, self.run, cases)


class _Module(nn.Module):
    """PyTorch Geometric's network with our propagation, and a bias of each item beside it."""

    def __init__(self, nodes: int, items: int, model: LightGCN) -> None:
        super().__init__()
        self.network = Network(nodes, model.dimensions, model.layers)
        self.network.convs = nn.ModuleList(Propagation() for _ in range(model.layers))
        nn.init.normal_(self.network.embedding.weight, std=_SPREAD, generator=generator(model.seed))
        self.bias = nn.Parameter(torch.zeros(items), requires_grad=model.loss == "softmax")

    @torch.no_grad()
    def begin(self, vectors: Floats) -> None:
        """From vectors (n_users + n_items, at most d), spread as widely as values by chance; other columns stay."""
        weight = self.network.embedding.weight
        weight[:, : vectors.shape[1]] = torch.from_numpy(vectors * (_SPREAD / max(float(vectors.std()), 1e-12)))

    def forward(self, adjacency: Adjacency) -> Tensor:
        """Vectors of all nodes, (n_users + n_items, d)."""
        x = self.network.embedding.weight
        total: Tensor = x * self.network.alpha[0]
        for layer, conv in enumerate(self.network.convs, start=1):
            x = conv(x, adjacency)
            total = total + x * self.network.alpha[layer]
        return total


@dataclass(frozen=True, slots=True)
class _Batch:
    """Pairs (b,), and what is not theirs: (m,) for all of them, or one each (b,) with BPR."""

    users: Ints
    items: Ints
    negatives: Ints

    def __len__(self) -> int:
        return len(self.users)


class LightGCNLearner:
    """One training of one model on one dataset: what the loop, or a benchmark of its steps, drives."""

    def __init__(self, model: LightGCN, data: Dataset) -> None:
        device = checked(model.run.device)
        self._model, self._data, self._device = model, data, device
        x = data.matrix()
        self._n_users = x.shape[0]
        self._pairs = np.array(x.nonzero(), np.int64)
        self._warm = np.flatnonzero(np.bincount(self._pairs[1], minlength=x.shape[1]))
        self._graph = Adjacency.symmetric(balanced(_bipartite(x)), device)
        self._item_degrees = np.asarray(x.sum(axis=0), np.float32).ravel()
        self.module = _Module(sum(x.shape), x.shape[1], model)
        if model.start == "spectral":
            self.module.begin(_singular(x, model.dimensions, model.seed))
        self.module.to(device)
        groups: list[dict[str, Any]] = [
            {"params": [self.module.network.embedding.weight]},
            {"params": [self.module.bias], "lr": 3 * model.learning_rate},
        ]
        self.optimiser = torch.optim.Adam(groups, lr=model.learning_rate, fused=True)
        content = hashlib.sha256(self._pairs.tobytes()).hexdigest()[:16]
        known = model if model.final_rate < 1 else replace(model, epochs=0)  # the rate falls over all epochs
        self.fingerprint = f"{known!r} {x.shape} {content}"

    def batches(self, random: np.random.Generator) -> Iterator[_Batch]:
        order = random.permutation(self._pairs.shape[1])
        size = batch_size(len(order), self._model.batch, self._model.most_steps)
        for start in range(0, len(order), size):
            users, items = self._pairs[:, order[start : start + size]]
            if self._model.loss == "softmax":
                yield _Batch(users, items, draw(self._warm, self._model.negatives, random))
            else:
                yield _Batch(users, items, self._warm[random.integers(0, len(self._warm), len(items))])

    def loss(self, batch: _Batch, rows: slice) -> Tensor:
        vectors = self.module(self._graph)
        people, things = vectors[: self._n_users], vectors[self._n_users :]
        if self._model.loss == "bpr":
            return self._bpr(people, things, batch, rows)
        return self._softmax(people, F.normalize(things, dim=1), batch, rows)

    def _softmax(self, people: Tensor, things: Tensor, batch: _Batch, rows: slice) -> Tensor:
        users, items, negatives = map(self._tensor, (batch.users[rows], batch.items[rows], batch.negatives))
        query = F.normalize(people[users], dim=1) / self._model.temperature
        bias, weight = self.module.bias, self.module.network.embedding.weight
        rivals = things[negatives], bias[negatives]

        def of_tile(_: slice, query: Tensor, vectors: Tensor, biases: Tensor, target: Tensor) -> Tensor:
            return softmax_among(query, (vectors, biases), rivals, negatives[None, :] == target[:, None])

        loss = tiled(of_tile, rows, query, things[items], bias[items], items)
        drawn = torch.cat((users, items + self._n_users))
        return (loss + self._model.weight_decay * torch.sum(weight[drawn] ** 2)) / len(batch)

    def _bpr(self, people: Tensor, things: Tensor, batch: _Batch, rows: slice) -> Tensor:
        users, items, wrong = batch.users[rows], batch.items[rows], batch.negatives[rows]
        chosen = people[self._tensor(users)]
        better = (chosen * things[self._tensor(items)]).sum(1)
        worse = (chosen * things[self._tensor(wrong)]).sum(1)
        if not len(users):
            return better.sum()  # the mean of nothing is no number
        drawn = np.concatenate((users, items + self._n_users, wrong + self._n_users))
        loss: Tensor = self.module.network.recommendation_loss(
            better, worse, self._tensor(drawn), lambda_reg=self._model.weight_decay
        )
        return loss * (len(users) / len(batch))

    def _tensor(self, places: Ints) -> Tensor:
        return torch.from_numpy(places).to(self._device)

    @torch.no_grad()
    def scorer(self) -> FactorScorer:
        vectors = self.module(self._graph)
        people, things = vectors[: self._n_users], vectors[self._n_users :]
        fold_in = self._fold_in()
        bias = None
        if self._model.loss == "softmax":
            people, things = F.normalize(people, dim=1), F.normalize(things, dim=1) / self._model.temperature
            bias = self.module.bias.cpu().numpy()
        return FactorScorer(
            self._data.items,
            things.cpu().numpy(),
            fold_in,
            self._data.users,
            people.cpu().numpy(),
            self._data.histories.last_at,
            HistoryWeights(self._model.decay, self._data.weights.actions),
            normalise=self._model.loss == "softmax",
            bias=bias,
        )

    def _fold_in(self) -> Floats:
        """What an item sends to a user in all layers, (n_items, d), but for the root of the user's own degree."""
        network = self.module.network
        x = network.embedding.weight
        sent = torch.zeros_like(x)
        for layer, conv in enumerate(network.convs, start=1):
            sent = sent + x * network.alpha[layer]
            x = conv(x, self._graph)
        items: Floats = sent[self._n_users :].cpu().numpy()
        scale = np.where(self._item_degrees > 0, 1 / np.sqrt(np.maximum(self._item_degrees, 1e-12)), 0)
        return (items * scale[:, None]).astype(np.float32)


def _singular(x: Sparse, width: int, seed: int) -> Floats:
    """Where a spectral start begins: left singular vectors, then right ones, (n_users + n_items, at most ``width``)."""
    graph = balanced(x)
    values, right = right_vectors(graph, width, seed=seed)
    left = np.asarray(graph @ right, np.float32) / values
    squares = values**2
    return np.concatenate((left, right)) * np.sqrt(squares / (squares + np.float32(_RIDGE)))


def _bipartite(x: Sparse) -> Sparse:
    """The symmetric matrix over users, then items."""
    both: Sparse = sp.block_array([[None, x], [x.T, None]], format="csr")
    return both


def draw(places: Ints, count: int, random: np.random.Generator) -> Ints:
    """``count`` of the places, each at most once; all of them where there are no more."""
    return places if len(places) <= count else random.choice(places, count, replace=False)

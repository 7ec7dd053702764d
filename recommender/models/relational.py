"""A relational graph network: facts carry vectors between products, and learn how much each relation is worth.

In the manner of LightKG (Li et al., KDD 2025): linear aggregation with one learned scalar a relation and layer, no
attention. What differs: co-occurrence is a relation among the others, and every epoch asks for one left-out item of
each user from a graph that does not hold that item's event, so that no message carries the answer.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recommender.arrays import Floats, Ints, Sparse
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.histories import Histories, HistoryWeights
from recommender.models.lightgcn import draw
from recommender.models.relations import Relations
from recommender.propagation import Adjacency, Propagation, balanced, unit_rows
from recommender.scorers import FactorScorer, RelationScorer, WeightedSumScorer
from recommender.splits import Cases, Cut, first_takes, leave_random_out, taking_actions
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

OTHER_MESSAGES = ("together", "taken by", "itself")


@dataclass(frozen=True, slots=True)
class Relational:
    """z^(l+1) = Σ_r w_r^l A_r z^l + w_t^l A_t z^l + w_u^l A_u u^l + w_s^l z^l; z = Σ_l a_l z^l; u = x̂ z + β e_u.

    z are item vectors; A_r is the balanced matrix of a relation between items, or carries entity vectors to items (and
    item vectors to entities); A_t is how often two items were taken together; A_u carries user vectors to items, with
    u^0 = e_u learned and u^l = x̂ z^(l-1); x̂ is the history weighted by action and age, of length 1. The weights w^l
    of a layer, and a, are softmaxes of learned numbers.

    score = cosine(u, z) / temperature + Σ_r λ_r x · R_r, and a learned bias of the item with ``bias``. The sum is the
    linear relation term (see ``relations``) with a learned λ_r ≥ 0 for each relation: what a fact says about two
    products must not be lost in vectors of few dimensions, and its share of the score stays exact. ``direct=False``
    leaves it out.

    A user's own vector e_u is a correction to what the history says; who has none is folded in by the history alone,
    by the same formula. Items that nobody took have no vector of their own: theirs is what their relations send.

    Shapes: z (n_items, dimensions), e (n_users, dimensions), entities (n_entities, dimensions). One epoch asks for one
    item of every user; ``item_dropout`` of the items lose their own vector in each step, so that relations learn to
    speak for those that have none. ``most_steps`` keeps an epoch linear in the edges, as in ``LightGCN``.
    """

    dimensions: int = 64
    layers: int = 2
    temperature: float = 0.2
    learning_rate: float = 0.005
    weight_decay: float = 1e-6
    item_dropout: float = 0.3
    together: bool = True
    direct: bool = True
    bias: bool = False
    batch: int = 2048
    most_steps: int | None = None
    negatives: int = 1024
    epochs: int = 60
    every: int = 5
    patience: int = 3
    seed: int = 0
    decay: float = 0.8
    run: Run = field(default=HERE, repr=False, compare=False)

    uses_relations: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return "relational"

    def fit(self, data: Dataset) -> WeightedSumScorer:
        return self._trained(data, None).scorer

    def tune(self, cut: Cut) -> tuple[WeightedSumScorer, "Relational"]:
        trained = self._trained(cut.train, cut.cases)
        return trained.scorer, replace(self, epochs=max(1, trained.epoch))

    def _trained(self, data: Dataset, cases: Cases | None) -> Trained[WeightedSumScorer]:
        if data.matrix().nnz == 0:
            raise ModelFitError("a relational model needs at least one interaction; the training set holds none")
        schedule = Schedule(self.seed, self.epochs, self.every, self.patience)
        return train(_Learner(self, data), schedule, self.run, cases)


@dataclass(frozen=True, slots=True)
class _Graph:
    """The messages of one moment. ``links`` and ``attributes`` are by relation, the others depend on the histories."""

    links: dict[str, Adjacency]
    attributes: dict[str, tuple[Adjacency, Adjacency]]  # entities → items, items → entities
    together: Adjacency | None
    to_users: Adjacency
    to_items: Adjacency


@dataclass(frozen=True, slots=True)
class _Batch:
    """Questions: ``rows`` (b,) of the epoch's cases, and what a step draws. ``shown`` (n_items, 1)."""

    graph: _Graph
    cases: Cases
    rows: Ints
    negatives: Ints
    shown: Floats

    def __len__(self) -> int:
        return len(self.rows)


class _Network(nn.Module):
    """Parameters and forward pass."""

    def __init__(self, sizes: tuple[int, int, int], relations: list[str], model: Relational) -> None:
        super().__init__()
        users, items, entities = sizes
        self.relations, self.layers = relations, model.layers
        chance = generator(model.seed)
        self.items = nn.Parameter(torch.randn(items, model.dimensions, generator=chance) * 0.1)
        self.entities = nn.Parameter(torch.randn(entities, model.dimensions, generator=chance) * 0.1)
        self.users = nn.Parameter(torch.zeros(users, model.dimensions))
        self.bias = nn.Parameter(torch.zeros(items), requires_grad=model.bias)
        self.strengths = nn.Parameter(torch.zeros(model.layers, len(relations) + len(OTHER_MESSAGES)))
        self.mix = nn.Parameter(torch.zeros(model.layers + 1))
        self.correction = nn.Parameter(torch.tensor(0.1))
        self.direct = nn.Parameter(torch.zeros(len(relations)))
        self.scale = 1.0 / model.temperature
        self.propagation = Propagation()

    def worth(self) -> Tensor:
        """λ, one number a relation."""
        return F.softplus(self.direct) * self.scale

    def forward(self, graph: _Graph, own: Tensor) -> tuple[Tensor, Tensor]:
        """Users (n_users, d) and items (n_items, d). ``own`` (n_items, 1) is 0 where an item's own vector is hidden."""
        send, mix = self.propagation, torch.softmax(self.mix, 0)
        items, entities, users = self.items * own, self.entities, self.users
        total = mix[0] * items
        for layer in range(self.layers):
            weights = dict(
                zip([*self.relations, *OTHER_MESSAGES], torch.softmax(self.strengths[layer], 0), strict=True)
            )
            heard = weights["itself"] * items + weights["taken by"] * send(users, graph.to_items)
            if graph.together is not None:
                heard = heard + weights["together"] * send(items, graph.together)
            for name, link in graph.links.items():
                heard = heard + weights[name] * send(items, link)
            told = entities
            for name, (to_items, to_entities) in graph.attributes.items():
                heard = heard + weights[name] * send(entities, to_items)
                told = told + send(items, to_entities)
            users = send(items, graph.to_users)
            items, entities = heard, told
            total = total + mix[layer + 1] * items
        return send(total, graph.to_users) + self.correction * self.users, total


class _Learner:
    """One training of one model on one dataset."""

    def __init__(self, model: Relational, data: Dataset) -> None:
        self._model, self._data = model, data
        self._device = checked(model.run.device)
        self._weights = HistoryWeights(model.decay, data.weights.actions)
        n_items, n_entities = len(data.items), len(data.entities)
        self._takes = first_takes(data.histories, n_items, taking_actions(data.histories))
        self._warm = np.unique(data.histories.items)
        self._links = {name: self._symmetric(e.matrix((n_items, n_items))) for name, e in data.links.items()}
        self._attributes = {
            name: self._both_ways(balanced(e.matrix((n_items, n_entities)))) for name, e in data.attributes.items()
        }
        self._term = self._relation_term()
        self._whole = self._graph(data)
        self._own = torch.zeros(n_items, 1)
        self._own[self._warm] = 1.0
        sizes = (len(data.users), n_items, n_entities)
        self.module = _Network(sizes, sorted({*self._links, *self._attributes}), model).to(self._device)
        self.module.direct.requires_grad_(self._term is not None)
        self.module.entities.requires_grad_(bool(self._attributes))
        self.optimiser = torch.optim.Adam(self._groups(), lr=model.learning_rate, fused=True)
        self.fingerprint = f"{replace(model, epochs=0)!r} {sizes} {_fingerprint(data)}"

    def _groups(self) -> list[dict[str, Any]]:
        net, model = self.module, self._model
        few = [net.strengths, net.mix, net.correction, *([net.bias] if model.bias else [])]
        return [
            {"params": [net.direct], "lr": 10 * model.learning_rate},
            {"params": [net.items, net.entities, net.users], "weight_decay": model.weight_decay},
            {"params": few, "lr": 3 * model.learning_rate},
        ]

    def _relation_term(self) -> RelationScorer | None:
        if not self._model.direct or not (self._links or self._attributes):
            return None
        return Relations(decay=self._model.decay).fit(self._data)

    def _symmetric(self, matrix: Sparse) -> Adjacency:
        both = sp.csr_array(matrix + matrix.T)
        both.setdiag(0)
        both.eliminate_zeros()
        return Adjacency.symmetric(balanced(both), self._device)

    def _both_ways(self, matrix: Sparse) -> tuple[Adjacency, Adjacency]:
        to_items = Adjacency.of(matrix, self._device)
        return to_items, Adjacency(to_items.backward, to_items.forward)

    def _graph(self, data: Dataset) -> _Graph:
        """The graph as the histories of ``data`` make it."""
        x = self._weights.matrix(data.histories, len(data.items))
        plain = data.matrix()
        together = self._symmetric(sp.csr_array(plain.T @ plain)) if self._model.together else None
        to_items = balanced(plain).T.tocsr()
        to_users = Adjacency.of(unit_rows(x), self._device)
        return _Graph(self._links, self._attributes, together, to_users, Adjacency.of(to_items, self._device))

    def batches(self, random: np.random.Generator) -> Iterator[_Batch]:
        cut = leave_random_out(self._data, self._takes, random)
        graph, cases = self._graph(cut.train), cut.cases
        order = random.permutation(len(cases))
        size = batch_size(len(order), self._model.batch, self._model.most_steps)
        for start in range(0, len(order), size):
            negatives = draw(self._warm, self._model.negatives, random)
            shown = self._own.numpy() * (random.random((len(self._own), 1)) >= self._model.item_dropout)
            yield _Batch(graph, cases, order[start : start + size], negatives, shown.astype(np.float32))

    def loss(self, batch: _Batch, rows: slice) -> Tensor:
        users, items = self.module(batch.graph, torch.from_numpy(batch.shown).to(self._device))
        return self._softmax(users, F.normalize(items, dim=1), batch, rows) / len(batch)

    def _softmax(self, users: Tensor, items: Tensor, batch: _Batch, rows: slice) -> Tensor:
        cases, places = batch.cases, batch.rows[rows]
        targets, negatives = self._tensor(cases.targets[places]), self._tensor(batch.negatives)
        query = F.normalize(users[self._tensor(cases.histories.users[places])], dim=1) / self._model.temperature
        rivals = items[negatives], self.module.bias[negatives]

        def of_tile(tile: slice, query: Tensor, vectors: Tensor, biases: Tensor, target: Tensor) -> Tensor:
            places = batch.rows[tile]
            said = self._said(cases.histories.take(places), cases.targets[places], batch.negatives)
            return softmax_among(query, (vectors, biases), rivals, negatives[None, :] == target[:, None], said)

        return tiled(of_tile, rows, query, items[targets], self.module.bias[targets], targets)

    def _said(self, histories: Histories, targets: Ints, negatives: Ints) -> tuple[Tensor, Tensor] | None:
        """Σ_r λ_r x · R_r of each target (b,) and of the negatives (b, m)."""
        if self._term is None:
            return None
        right, wrong = torch.zeros(1, device=self._device), torch.zeros(1, device=self._device)
        for name, strength in zip(self.module.relations, self.module.worth(), strict=True):
            if name in self._term.strengths:
                own, others = self._term.said(name, histories, targets, negatives)
                right = right + strength * torch.from_numpy(own).to(self._device)
                wrong = wrong + strength * torch.from_numpy(others).to(self._device)
        return right, wrong

    def _tensor(self, places: np.ndarray[Any, np.dtype[np.int64]]) -> Tensor:
        return torch.from_numpy(places).to(self._device)

    @torch.no_grad()
    def scorer(self) -> WeightedSumScorer:
        users, items = self.module(self._whole, self._own.to(self._device))
        factors = FactorScorer(
            self._data.items,
            (F.normalize(items, dim=1) / self._model.temperature).cpu().numpy(),
            items.cpu().numpy(),
            self._data.users,
            F.normalize(users, dim=1).cpu().numpy(),
            self._data.histories.last_at,
            self._weights,
            normalise=True,
            bias=self.module.bias.cpu().numpy().copy() if self._model.bias else None,
        )
        if self._term is None:
            return WeightedSumScorer(((1.0, factors),))
        worth = dict(zip(self.module.relations, self.module.worth().tolist(), strict=True))
        return WeightedSumScorer(((1.0, factors), (1.0, replace(self._term, strengths=worth))))


def _fingerprint(data: Dataset) -> str:
    whole = hashlib.sha256()
    for part in (data.histories.items, data.histories.indptr, data.histories.actions, data.histories.at):
        whole.update(part.tobytes())
    for name, edges in {**data.links, **data.attributes}.items():
        whole.update(name.encode())
        whole.update(edges.heads.tobytes() + edges.tails.tobytes() + edges.weights.tobytes())
    return whole.hexdigest()[:16]

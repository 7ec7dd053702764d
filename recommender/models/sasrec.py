"""SASRec: self-attention over what someone did predicts what comes next.

Kang, McAuley: "Self-attentive sequential recommendation", ICDM 2018. https://arxiv.org/abs/1808.09781. Its loss is
replaced: a softmax over many sampled negatives, without which it is undertrained (Klenitskiy, Vasilev: "Turning dross
into gold loss", RecSys 2023, https://arxiv.org/abs/2309.07602), corrected for how they were drawn (Bengio, Senécal:
"Adaptive importance sampling to accelerate training of a neural probabilistic language model", 2008).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recommender.arrays import Bools, Doubles, Floats, Ints
from recommender.attention import EPSILON, Blocks, Sequences, SequenceScorer, by_length, padded
from recommender.dataset import Dataset
from recommender.errors import ConfigurationError, ModelFitError
from recommender.histories import HistoryWeights
from recommender.splits import Cases, Cut
from recommender.training import HERE, Run, Schedule, Trained, checked, generator, sampled_softmax, train


@dataclass(frozen=True, slots=True)
class Sasrec:
    """h = Blocks(e_i + strength · s + p_place) at the newest item; score = h · e_j. Formula of a block: ``Blocks``.

    A history is its distinct items in the order of their newest event; each is predicted from those before it, and
    counts by the weight of its strongest action. Longer histories are cut into windows of ``longest``. One set of
    ``negatives`` a batch is drawn with replacement from q_j ∝ count_j ** ``popularity``; a negative's score is lowered
    by the logarithm of how often it is expected in the draw, so that the loss estimates the softmax over all items.

    Shapes: e (n_items, dimensions), p (longest, dimensions), blocks as wide. ``batch`` counts predictions, not users.
    Runs at most ``epochs`` epochs; with ``tune`` it stops after ``patience`` validations, one every ``every`` epochs,
    without a better NDCG@10. There are no user vectors: everyone is answered from the history alone.
    """

    dimensions: int = 128
    layers: int = 2
    heads: int = 2
    longest: int = 50
    dropout: float = 0.3
    learning_rate: float = 0.001
    batch: int = 1024
    negatives: int = 512
    popularity: float = 0.5
    epochs: int = 100
    every: int = 5
    patience: int = 3
    seed: int = 0
    run: Run = field(default=HERE, repr=False, compare=False)

    uses_relations: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "sasrec"

    def fit(self, data: Dataset) -> SequenceScorer:
        return self._trained(data, None).scorer

    def tune(self, cut: Cut) -> tuple[SequenceScorer, "Sasrec"]:
        trained = self._trained(cut.train, cut.cases)
        return trained.scorer, replace(self, epochs=max(1, trained.epoch))

    def _trained(self, data: Dataset, cases: Cases | None) -> Trained[SequenceScorer]:
        """Raises ConfigurationError where the heads do not share the dimensions evenly."""
        if self.dimensions % self.heads:
            raise ConfigurationError(f"{self.dimensions} dimensions cannot be shared by {self.heads} heads evenly")
        learner = _Learner(self, data)
        if not len(learner.windows):
            raise ModelFitError("SASRec needs a history of two different items; the training set holds none")
        return train(learner, Schedule(self.seed, self.epochs, self.every, self.patience), self.run, cases)


@dataclass(frozen=True, slots=True)
class _Windows:
    """Stretches of the sequences: ``starts`` and ``lengths`` (w,) of what is read, each place predicting the next."""

    starts: Ints
    lengths: Ints

    @classmethod
    def of(cls, sequences: Sequences, longest: int) -> "_Windows":
        """Counted from the newest item, so that the last window ends as the history does in serving."""
        reads = np.maximum(sequences.lengths - 1, 0)
        counts = -(-reads // longest)
        ends = np.repeat(sequences.indptr[:-1] + reads, counts)
        back = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        stops = ends - back * longest
        starts = np.maximum(stops - longest, np.repeat(sequences.indptr[:-1], counts))
        return cls(starts, stops - starts)

    def __len__(self) -> int:
        return len(self.starts)


class _Block(nn.Module):
    """One block of ``Blocks``, with dropout on what it adds."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=EPSILON) for _ in range(2))
        self.mix, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, drop: "_Dropout") -> Tensor:
        n, t, d = x.shape
        query, key, value = self.mix(self.norms[0](x)).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + drop(self.out(seen.transpose(1, 2).reshape(n, t, d)))
        added: Tensor = x + drop(self.down(F.relu(self.up(self.norms[1](x)))))
        return added


class _Dropout:
    """Dropout by a generator of its own, so that an epoch depends on nothing but its seed.

    What is dropped is drawn for all ``of`` rows of a batch, some ``rows`` of which pass through: whoever learns from
    another part of the batch drops the same.
    """

    def __init__(self, share: float, random: torch.Generator, rows: slice = slice(None), of: int | None = None) -> None:
        self._share, self._random, self._rows, self._of = share, random, rows, of

    def __call__(self, x: Tensor) -> Tensor:
        if not self._share:
            return x
        whole = x.new_empty((len(x) if self._of is None else self._of, *x.shape[1:]))
        kept = whole.bernoulli_(1 - self._share, generator=self._random)
        return x * kept[self._rows] / (1 - self._share)


class _Module(nn.Module):
    def __init__(self, items: int, model: Sasrec) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.empty(items, model.dimensions))
        self.positions = nn.Parameter(torch.empty(model.longest, model.dimensions))
        self.strength = nn.Parameter(torch.zeros(model.dimensions))
        self.blocks = nn.ModuleList(_Block(model.dimensions, model.heads) for _ in range(model.layers))
        self.norm = nn.LayerNorm(model.dimensions, eps=EPSILON)
        random = generator(model.seed)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=model.dimensions**-0.5 / 2, generator=random)
        for linear in (part for part in self.modules() if isinstance(part, nn.Linear) and part.bias is not None):
            nn.init.zeros_(linear.bias)

    def forward(self, items: Tensor, strengths: Tensor, drop: _Dropout) -> Tensor:
        """States, (n, t, d), of items and strengths (n, t)."""
        x = self.items[items] + strengths[:, :, None] * self.strength + self.positions[: items.shape[1]]
        x = drop(x)
        for block in self.blocks:
            x = block(x, drop)
        states: Tensor = self.norm(x)
        return states


@dataclass(frozen=True, slots=True)
class _Batch:
    """Windows (b,), the places in ``_Learner._warm`` of the negatives (m,), and the seed of what is dropped."""

    windows: Ints
    drawn: Ints
    seed: int

    def __len__(self) -> int:
        return len(self.windows)


class _Learner:
    """One training of one model on one dataset."""

    def __init__(self, model: Sasrec, data: Dataset) -> None:
        self._model, self._data, self._device = model, data, checked(model.run.device)
        n_items = len(data.items)
        self._sequences = Sequences.of(data.histories, data.weights, np.ones(n_items, bool))
        self.windows = _Windows.of(self._sequences, model.longest)
        counts = np.bincount(self._sequences.items, minlength=n_items)
        self._warm = np.flatnonzero(counts)
        drawn = counts[self._warm].astype(np.float64) ** model.popularity
        self._chances: Doubles = drawn / max(float(drawn.sum()), 1e-12)
        self.module = _Module(n_items, model).to(self._device)
        self.optimiser = torch.optim.Adam(
            self.module.parameters(), lr=model.learning_rate, betas=(0.9, 0.98), fused=True
        )
        content = hashlib.sha256(self._sequences.items.tobytes() + self._sequences.strengths.tobytes())
        content.update(self._sequences.indptr.tobytes())
        self.fingerprint = f"{replace(model, epochs=0)!r} {n_items} {content.hexdigest()[:16]}"

    def batches(self, random: np.random.Generator) -> Iterator[_Batch]:
        groups = by_length(random.permutation(len(self.windows)), self.windows.lengths, self._model.batch)
        for place in random.permutation(len(groups)):
            drawn = random.choice(len(self._warm), self._model.negatives, p=self._chances)
            yield _Batch(groups[place], drawn, int(random.integers(2**62)))

    def loss(self, batch: _Batch, rows: slice) -> Tensor:
        places, real = padded(self.windows.starts[batch.windows], self.windows.lengths[batch.windows])
        items, strengths = self._sequences.items, self._sequences.strengths
        weight = float(strengths[places + 1][real].sum())
        places, real = places[rows], real[rows]
        dice = torch.Generator(self._device).manual_seed(batch.seed)
        drop = _Dropout(self._model.dropout, dice, rows, len(batch))
        states = self.module(self._tensor(items[places]), self._tensor(strengths[places]), drop)
        expected = self._model.negatives * self._chances[batch.drawn]
        loss = sampled_softmax(
            states[self._tensor(real)],
            self.module.items,
            torch.zeros(len(self.module.items), device=self._device),
            self._tensor(items[places + 1][real]),
            self._tensor(self._warm[batch.drawn]),
            more=(torch.zeros((), device=self._device), -self._tensor(np.log(expected).astype(np.float32))),
            weights=self._tensor(strengths[places + 1][real]),
        )
        return loss / weight

    def _tensor(self, array: Ints | Floats | Bools) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def scorer(self) -> SequenceScorer:
        learned: dict[str, Floats] = {
            name: value.detach().cpu().numpy().copy() for name, value in self.module.state_dict().items()
        }
        vectors = np.zeros_like(learned["items"])
        vectors[self._warm] = learned["items"][self._warm]
        return SequenceScorer(
            self._data.items,
            vectors,
            learned["positions"],
            learned["strength"],
            _blocks(learned, self._model),
            HistoryWeights(1.0, self._data.weights.actions),
        )


def _blocks(learned: Mapping[str, Floats], model: Sasrec) -> Blocks:
    """The parameters of the module, by their names in it, as serving wants them."""

    def each(name: str) -> list[Floats]:
        return [learned[f"blocks.{block}.{name}"] for block in range(model.layers)]

    norms = [f"blocks.{block}.norms.{place}" for block in range(model.layers) for place in range(2)]
    return Blocks(
        model.heads,
        np.stack([np.stack((learned[f"{norm}.weight"], learned[f"{norm}.bias"])) for norm in (*norms, "norm")]),
        np.stack(each("mix.weight")).swapaxes(1, 2).copy(),
        np.stack(each("out.weight")).swapaxes(1, 2).copy(),
        np.stack(each("up.weight")).swapaxes(1, 2).copy(),
        np.stack(each("up.bias")),
        np.stack(each("down.weight")).swapaxes(1, 2).copy(),
        np.stack(each("down.bias")),
    )

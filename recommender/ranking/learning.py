"""Training the ranker: a softmax over each list for each task, tasks weighed by how uncertain they are.

Cao et al.: "Learning to rank: from pairwise approach to listwise approach" (ListNet), ICML 2007: the loss of a list.
Kendall, Gal, Cipolla: "Multi-task learning using uncertainty to weigh losses for scene geometry and semantics", CVPR
2018, https://arxiv.org/abs/1705.07115: L = Σ_t exp(−s_t) L_t + s_t, s_t learned. Imports torch.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from recommender.arrays import Bools, Floats, Ints
from recommender.errors import ModelFitError
from recommender.model import Scorer
from recommender.ranking.lessons import TASK_OF, Lessons, means_and_scales
from recommender.ranking.ranker import MOST, TASKS, Network, Ranker, Reranked
from recommender.ranking.view import View
from recommender.training import HERE, Run, Schedule, checked, generator, train


@dataclass(frozen=True, slots=True)
class Settings:
    """What is learned and how. ``values`` say what one click, cart, purchase and good rating is worth in an order; what
    takes no product where others do (``Cases.taking``) is worth nothing there, and only teaches the shared experts.

    A list is ``pool`` long, of which each epoch draws ``drawn`` anew, what came true always among them.

    Shapes as in ``Network``: ``width`` of what is read from the history, in ``heads``; ``experts`` of width ``hidden``.
    At the beginning towers are 0 and only the score speaks, so that an untrained ranker leaves the order as it is.
    """

    pool: int = 100
    most: int = 12
    drawn: int = 50
    width: int = 24
    heads: int = 4
    experts: int = 4
    hidden: int = 24
    learning_rate: float = 0.002
    weight_decay: float = 0.02
    batch: int = 64
    epochs: int = 12
    values: tuple[float, ...] = (0.2, 0.5, 1.0, 1.0)
    seed: int = 0
    run: Run = field(default=HERE, repr=False, compare=False)


def learn(base: Scorer, view: View, found: Lessons, rows: Ints, settings: Settings) -> Ranker:
    """A ranker from some rows of the lessons. Raises ModelFitError where no list holds anything that came true."""
    learner = _Learner(base, view, found, rows, settings)
    schedule = Schedule(settings.seed, settings.epochs, settings.epochs, 1)
    return train(learner, schedule, settings.run).scorer.ranker


class _Module(nn.Module):
    """``Network`` in torch, of features that are scaled already."""

    def __init__(self, near: int, alone: int, settings: Settings) -> None:
        super().__init__()
        width, experts, hidden, tasks = settings.width, settings.experts, settings.hidden, len(TASKS)
        self.enter, self.enter_bias = _empty(near, width), nn.Parameter(torch.zeros(width))
        self.attend = nn.Parameter(torch.zeros(width, settings.heads))
        self.experts = _empty(experts, alone + width, hidden)
        self.expert_bias = nn.Parameter(torch.zeros(experts, hidden))
        self.gates = nn.Parameter(torch.zeros(tasks, alone + width, experts))
        self.towers = nn.Parameter(torch.zeros(tasks, hidden))
        self.direct = nn.Parameter(torch.zeros(tasks, alone))
        self.uncertainty = nn.Parameter(torch.zeros(tasks))
        random = generator(settings.seed)
        for weights in (self.enter, self.experts):
            nn.init.normal_(weights, std=(2 / weights.shape[-2]) ** 0.5, generator=random)
        with torch.no_grad():
            self.direct[:, 0] = 1

    def forward(self, near: Tensor, past: Tensor, alone: Tensor, shown: Tensor) -> Tensor:
        """Log chances, (n, p, t)."""
        inner = torch.relu(near @ self.enter + self.enter_bias)
        n, p, most, width = inner.shape
        logits = (inner @ self.attend).masked_fill(~past[:, None, :, None], -torch.inf)
        nothing = torch.zeros_like(logits[:, :, :1])
        weights = torch.softmax(torch.cat([logits, nothing], dim=2), dim=2)[:, :, :-1]
        heads = inner.view(n, p, most, weights.shape[3], -1)
        x = torch.cat([alone, (weights[..., None] * heads).sum(2).reshape(n, p, width)], dim=2)
        hidden = torch.relu(torch.einsum("npx,exm->npem", x, self.experts) + self.expert_bias)
        gates = torch.softmax(torch.einsum("npx,txe->npte", x, self.gates), dim=3)
        mixed = torch.einsum("npte,npem->nptm", gates, hidden)
        told = torch.einsum("nptm,tm->npt", mixed, self.towers) + alone @ self.direct.T
        return torch.log_softmax(told.masked_fill(~shown[:, :, None], -1e9), dim=1)


def _empty(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(*shape))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows of the lessons (n,), what is drawn of their lists (n, drawn), its labels (n, drawn, t), and in how many of
    the lists each task came true (t,)."""

    rows: Ints
    columns: Ints
    labels: Floats
    lists: Floats

    def __len__(self) -> int:
        return len(self.rows)


class _Learner:
    """One training on some rows of the lessons."""

    def __init__(self, base: Scorer, view: View, found: Lessons, rows: Ints, settings: Settings) -> None:
        self._base, self._view, self._found, self._settings = base, view, found, settings
        self._device = checked(settings.run.device)
        self._rows = rows[found.labels[rows].any(axis=(1, 2))]
        if not len(self._rows):
            raise ModelFitError("the ranker needs lists of which something came true; there is none")
        self._near, self._alone = _scales(found, self._rows)
        near, alone = found.told.beside.shape[3], found.told.alone.shape[2]
        self.module = _Module(near, alone, settings).to(self._device)
        self.optimiser = torch.optim.AdamW(
            self.module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        content = hashlib.sha256(found.pools[self._rows].tobytes() + found.labels[self._rows].tobytes())
        content.update(found.told.alone[self._rows].tobytes())
        self.fingerprint = f"{replace(settings, epochs=0)!r} {near} {alone} {content.hexdigest()[:16]}"

    def batches(self, random: np.random.Generator) -> Iterator[_Batch]:
        order = random.permutation(self._rows)
        for start in range(0, len(order), self._settings.batch):
            rows = order[start : start + self._settings.batch]
            found = self._found.labels[rows]
            lot = random.random(found.shape[:2]) - found.any(axis=2) + 2 * ~self._found.told.shown[rows]
            columns = np.argsort(lot, axis=1)[:, : self._settings.drawn]
            drawn = np.take_along_axis(found, columns[:, :, None], axis=1)
            yield _Batch(rows, columns, drawn.astype(np.float32), drawn.any(axis=1).sum(axis=0).astype(np.float32))

    def loss(self, batch: _Batch, rows: slice) -> Tensor:
        told = self._found.part(batch.rows[rows], batch.columns[rows])
        near, alone = scaled(told.beside, self._near), scaled(told.alone, self._alone)
        chances = self.module(*(self._tensor(array) for array in (near, told.past, alone, told.shown)))
        labels, lists = self._tensor(batch.labels[rows]), self._tensor(batch.lists)
        counts = labels.sum(1)
        right = -(labels * chances).sum(1) / counts.clamp(min=1)
        losses = (right * (counts > 0)).sum(0) / lists.clamp(min=1)
        share = len(batch.rows[rows]) / len(batch)
        uncertainty = self.module.uncertainty
        loss: Tensor = ((torch.exp(-uncertainty) * losses + share * uncertainty) * (lists > 0)).sum()
        return loss

    def _tensor(self, array: Floats | Bools) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def scorer(self) -> Reranked:
        learned = {name: value.detach().cpu().numpy().copy() for name, value in self.module.state_dict().items()}
        learned.pop("uncertainty")
        network = Network(*self._near, *self._alone, **learned)
        settings, taking = self._settings, self._found.outcomes.taking
        taught: Bools = np.any(self._found.labels[self._rows], axis=(0, 1))
        values = worth(settings.values, taking, taught)
        ranker = Ranker(
            self._view, network, self._view.links, self._view.attributes, values, settings.pool, settings.most
        )
        return Reranked(self._base, ranker, taking)


def worth(values: Sequence[float], taking: Collection[str], taught: Bools) -> tuple[float, ...]:
    """The values of the tasks that take a product and that something has ``taught`` (t,); 0 for the others. Where none
    is left, what was taught at all."""
    takes = {TASK_OF[action] for action in taking}
    known = zip(TASKS, values, taught, strict=True)
    found = tuple(value if task in takes and seen else 0.0 for task, value, seen in known)
    return found if any(found) else tuple(v if t else 0.0 for v, t in zip(values, taught, strict=True))


def _scales(found: Lessons, rows: Ints) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Means and scales of what there is in these rows: no padding counts."""
    some = rows[:512]
    told = found.told
    near = told.beside[some].swapaxes(1, 2)[told.past[some]]
    return means_and_scales(near), means_and_scales(told.alone[rows][told.shown[rows]])


def scaled(values: Floats, scale: tuple[Floats, Floats]) -> Floats:
    cut: Floats = np.clip((values - scale[0]) / scale[1], -MOST, MOST)
    return cut

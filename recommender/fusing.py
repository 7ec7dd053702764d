"""A sum of what is complementary: one part after the other joins while the validation cases rank better with it.

Scores of the cases are kept on disk, a file a part, so that a part's scorer can be let go before the next is fitted and
a sum costs no more than reading. What joins a sum is tried under many weights, and only a few items can come into the
first k of any of them: those in the front of the sum or of the part. Every other item scores at most what the last of
both fronts would add up to. So ranks are counted in the fronts, and where that bound does not settle them among all
items: the figures are exact.

Fagin, Lotem, Naor: "Optimal aggregation algorithms for middleware", PODS 2001.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recommender.arrays import Bools, Floats, Ints
from recommender.evaluation import blocks, mask
from recommender.metrics import metrics_at, target_ranks
from recommender.model import Scorer
from recommender.splits import Cases

WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5)
"""Of a part that joins, in units of the sum's spread over the part's. The first says what the part is worth."""
_FRONT = 256  # items
_SAMPLE = 512  # cases whose spreads speak for all: sorting out the best of a row costs more than the rest of it


@dataclass(frozen=True, slots=True)
class Shelved:
    """The scores of one part in a file, (n_cases, n_items) float32, and how far a user's best stand above the rest."""

    path: Path
    spread: float


class Shelf:
    """A folder of scores over the same cases; whoever gives the folder deletes it."""

    def __init__(self, folder: Path, cases: Cases, n_items: int, k: int) -> None:
        self.folder, self.cases, self.n_items, self.k = folder, cases, n_items, k
        self.front = max(_FRONT, 4 * k)
        self._count = 0
        self._fronts: dict[Path, tuple[Ints, Floats]] = {}
        self._total: tuple[Sum, Shelved] | None = None

    def keep(self, scorer: Scorer) -> Shelved:
        """Scores every case once. Disk: 4 · n_cases · n_items bytes."""
        path, spreads = self._path(), list[Floats]()
        with path.open("wb") as file:
            for histories, *_ in blocks(self.cases, self.n_items):
                scores = np.ascontiguousarray(scorer.scores_batch(histories), np.float32)
                left = _SAMPLE - sum(map(len, spreads))
                if left > 0:
                    spreads.append(_spreads(scores[:left]))
                file.write(scores.data)
        return Shelved(path, float(np.concatenate(spreads).mean()) if spreads else 0.0)

    def ndcgs(self, parts: Sequence[Shelved], grid: Sequence[Sequence[float]]) -> list[float]:
        """NDCG@k of the sum of the parts under each row of weights."""
        ranks = [np.empty(len(self.cases.targets), np.int64) for _ in grid]
        for scores, rows, items, which, masked in self._blocks(parts):
            for weights, found in zip(grid, ranks, strict=True):
                found[which] = target_ranks(_sum(scores, weights), rows, items, masked)
        return [metrics_at(found, self.cases.owners, len(self.cases), self.k).ndcg for found in ranks]

    def total(self, parts: Sequence[Shelved], base: "Sum") -> Shelved:
        """The scores of a sum, as if it were one part; the file of the sum before it is deleted."""
        if len(base.members) == 1 and base.weights == (1.0,):
            return parts[base.members[0]]
        if self._total is not None and self._total[0] == base:
            return self._total[1]
        if self._total is not None:
            self._fronts.pop(self._total[1].path, None)
            self._total[1].path.unlink()
        path = self._path()
        with path.open("wb") as file:
            for scores, *_ in self._blocks([parts[member] for member in base.members]):
                file.write(_sum(scores, base.weights).data)
        self._total = (base, Shelved(path, 0.0))
        return self._total[1]

    def beside(self, base: Shelved, part: Shelved, weights: Sequence[float]) -> list[float]:
        """NDCG@k of base + w · part for each weight w ≥ 0, the same as of ``ndcgs``."""
        if 2 * self.front >= self.n_items:
            return self.ndcgs([base, part], [(1.0, weight) for weight in weights])
        fronts = [self._front(one) for one in (base, part)]
        ranks = [np.empty(len(self.cases.targets), np.int64) for _ in weights]
        start = 0
        for scores, rows, items, which, masked in self._blocks([base, part]):
            here = slice(start, start := start + len(masked))
            duel = _Duel.of(scores, [(columns[here], last[here]) for columns, last in fronts], rows, items, masked)
            for weight, found in zip(weights, ranks, strict=True):
                found[which] = duel.ranks(np.float32(weight), self.k)
        return [metrics_at(found, self.cases.owners, len(self.cases), self.k).ndcg for found in ranks]

    def _path(self) -> Path:
        self._count += 1
        return self.folder / f"{self._count}.f32"

    def _front(self, part: Shelved) -> tuple[Ints, Floats]:
        """The best ``front`` items of each case, (n_cases, front), and what the last of them scores, (n_cases,)."""
        if part.path not in self._fronts:
            columns, lasts = [], []
            for (scores,), *_, masked in self._blocks([part]):
                scores[masked] = -np.inf
                best = np.argpartition(scores, self.n_items - self.front, axis=1)[:, -self.front :]
                columns.append(best)
                lasts.append(np.take_along_axis(scores, best[:, :1], axis=1)[:, 0])
            self._fronts[part.path] = (np.concatenate(columns), np.concatenate(lasts))
        return self._fronts[part.path]

    def _blocks(self, parts: Sequence[Shelved]) -> Iterator[tuple[list[Floats], Ints, Ints, Ints, Bools]]:
        files = [part.path.open("rb") for part in parts]
        try:
            for histories, rows, items, which in blocks(self.cases, self.n_items):
                size = len(histories) * self.n_items
                scores = [np.fromfile(f, np.float32, size).reshape(len(histories), self.n_items) for f in files]
                yield scores, rows, items, which, mask(histories, self.cases, self.n_items)
        finally:
            for file in files:
                file.close()


def _sum(scores: Sequence[Floats], weights: Sequence[float]) -> Floats:
    total: Floats = np.float32(weights[0]) * scores[0]
    for weight, part in zip(weights[1:], scores[1:], strict=True):
        total += np.float32(weight) * part
    return total


@dataclass(frozen=True, slots=True)
class _Duel:
    """A block of b cases of base and part with their t targets, and what of both can be in the first k.

    ``near``: the scores of base and part on c columns, each (b, c): both fronts, then the targets; ``hidden`` (b, c)
    marks columns that repeat an earlier one or may not be shown. ``places`` (t,): the column of each target.
    ``lasts``: what the last of each front scores, (b,).
    """

    scores: Sequence[Floats]
    near: Sequence[Floats]
    hidden: Bools
    places: Ints
    lasts: Sequence[Floats]
    rows: Ints
    items: Ints
    masked: Bools

    @classmethod
    def of(
        cls, scores: Sequence[Floats], fronts: Sequence[tuple[Ints, Floats]], rows: Ints, items: Ints, masked: Bools
    ) -> "_Duel":
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        own = np.zeros((len(masked), int(place.max(initial=-1)) + 1), np.int64)
        own[rows, place] = items
        unused = np.ones(own.shape, bool)
        unused[rows, place] = masked[rows, items]
        known = masked.copy()
        known[rows, items] = True
        hidden = []
        for columns, _ in fronts:
            hidden.append(np.take_along_axis(known, columns, axis=1))
            np.put_along_axis(known, columns, True, axis=1)
        wanted = np.concatenate([*(columns for columns, _ in fronts), own], axis=1)
        near = [np.take_along_axis(part, wanted, axis=1) for part in scores]
        places = wanted.shape[1] - own.shape[1] + place
        lasts = [last for _, last in fronts]
        return cls(scores, near, np.concatenate([*hidden, unused], axis=1), places, lasts, rows, items, masked)

    def ranks(self, weight: np.float32, k: int) -> Ints:
        """The rank of each target, (t,), exact up to k; beyond it some number above k."""
        total = self.near[0] + weight * self.near[1]
        found = target_ranks(total, self.rows, self.places, self.hidden)
        most = self.lasts[0] + weight * self.lasts[1]  # rounding keeps the order, so no other item scores more
        unsettled = (found <= k) & (total[self.rows, self.places] <= most[self.rows])
        if unsettled.any():
            again = np.unique(self.rows[unsettled])
            which = np.isin(self.rows, again)
            whole = self.scores[0][again] + weight * self.scores[1][again]
            rows = np.searchsorted(again, self.rows[which])
            found[which] = target_ranks(whole, rows, self.items[which], self.masked[again])
        return found


def _spreads(scores: Floats) -> Floats:
    """Per row: the mean of the best tenth, at most 50, less the mean of all, (n,). A standard deviation would rather
    measure how many zeros a sparse part has."""
    top = max(1, min(50, scores.shape[1] // 10))
    best = np.partition(scores, -top, axis=1)[:, -top:]
    found: Floats = best.mean(axis=1) - scores.mean(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Sum:
    """Parts by their place in the list that was given, each with its weight, and NDCG@k of the sum."""

    members: tuple[int, ...]
    weights: tuple[float, ...]
    ndcg: float


def grow(
    shelf: Shelf, parts: Sequence[Shelved], start: Sum, others: Sequence[int], *, most: int, gain: float
) -> list[Sum]:
    """``start``, then the same with one more part each time: the one that adds most to NDCG@k.

    Ends at ``most`` parts, or where the best of ``others`` adds less than the share ``gain``: a part that adds nothing
    here costs memory and time wherever the sum is served.
    """
    grown, left = [start], [place for place in others if place not in start.members]
    while left and len(grown[-1].members) < most:
        best = max((best_of(joined(shelf, parts, grown[-1], place)) for place in left), key=lambda s: s.ndcg)
        if best.ndcg < grown[-1].ndcg * (1 + gain):
            break
        grown.append(best)
        left.remove(best.members[-1])
    return grown


def joined(shelf: Shelf, parts: Sequence[Shelved], base: Sum, place: int) -> list[Sum]:
    """``base`` with one more part under each of ``WEIGHTS``, in order."""
    reach = sum(weight * parts[member].spread for member, weight in zip(base.members, base.weights, strict=True))
    unit = reach / max(parts[place].spread, 1e-12)
    members = (*base.members, place)
    grid = [(*base.weights, float(f"{weight * unit:.3g}")) for weight in WEIGHTS]
    ndcgs = shelf.beside(shelf.total(parts, base), parts[place], [weights[-1] for weights in grid])
    return [Sum(members, row, ndcg) for row, ndcg in zip(grid, ndcgs, strict=True)]


def best_of(sums: Sequence[Sum]) -> Sum:
    """The best of those in which the part that joined has a weight above 0."""
    return max((s for s in sums if s.weights[-1] > 0), key=lambda s: s.ndcg)

"""A sum of what is complementary: one part after the other joins while the validation cases rank better with it.

Scores of the cases are kept on disk, a file a part, so that a part's scorer can be let go before the next is fitted and
a sum costs no more than reading.
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


@dataclass(frozen=True, slots=True)
class Shelved:
    """The scores of one part in a file, (n_cases, n_items) float32, and how far a user's best stand above the rest."""

    path: Path
    spread: float


class Shelf:
    """A folder of scores over the same cases; whoever gives the folder deletes it."""

    def __init__(self, folder: Path, cases: Cases, n_items: int, k: int) -> None:
        self.folder, self.cases, self.n_items, self.k = folder, cases, n_items, k
        self._count = 0

    def keep(self, scorer: Scorer) -> Shelved:
        """Scores every case once. Disk: 4 · n_cases · n_items bytes."""
        path = self.folder / f"{self._count}.f32"
        self._count += 1
        spreads: list[Floats] = []
        with path.open("wb") as file:
            for histories, *_ in blocks(self.cases, self.n_items):
                scores = np.ascontiguousarray(scorer.scores_batch(histories), np.float32)
                if sum(map(len, spreads)) < 256:
                    spreads.append(_spreads(scores))
                file.write(scores.data)
        return Shelved(path, float(np.concatenate(spreads).mean()) if spreads else 0.0)

    def ndcgs(self, parts: Sequence[Shelved], grid: Sequence[Sequence[float]]) -> list[float]:
        """NDCG@k of the sum of the parts under each row of weights."""
        ranks = [np.empty(len(self.cases.targets), np.int64) for _ in grid]
        for scores, rows, items, which, masked in self._blocks(parts):
            for weights, found in zip(grid, ranks, strict=True):
                total = np.zeros_like(scores[0])
                for weight, part in zip(weights, scores, strict=True):
                    total += np.float32(weight) * part
                found[which] = target_ranks(total, rows, items, masked)
        return [metrics_at(found, self.cases.owners, len(self.cases), self.k).ndcg for found in ranks]

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
    ndcgs = shelf.ndcgs([parts[member] for member in members], grid)
    return [Sum(members, row, ndcg) for row, ndcg in zip(grid, ndcgs, strict=True)]


def best_of(sums: Sequence[Sum]) -> Sum:
    """The best of those in which the part that joined has a weight above 0."""
    return max((s for s in sums if s.weights[-1] > 0), key=lambda s: s.ndcg)

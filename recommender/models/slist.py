"""SLIST: a linear item-item model that learns what comes after what.

Choi, Kim, Lee, Shim, Lee: "Session-aware linear item-item models for session-based recommendation", WWW 2021.
https://arxiv.org/abs/2103.16104. Its transition part, with the whole history as the session.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import lapack

from recommender.arrays import Floats, Ints, Sparse, group_starts, sparse
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.models.ease import mirrored_rows
from recommender.scorers import ItemItemScorer

_ROWS = 1024  # of B at a time, so that nothing of its size is made twice


@dataclass(frozen=True, slots=True)
class Slist:
    """B = argmin ‖T − S B‖² + λ‖B‖² = (SᵀS + λI)⁻¹ SᵀT; score = x · B.

    Every history is cut before each of its distinct items but the first: a row of S is what came before, each item
    weighing ``decay`` ** (items between it and the cut), the row of T what came after, weighing ``ahead`` ** (items
    between). Shapes: S, T (n_cuts, n_items), B (n_items, n_items) dense. Time n_items³; memory 8 n_items² bytes while
    fitting, 4 n_items² after, in single precision. B has a diagonal here: whoever took an item once may take it again.
    """

    regularisation: float = 30.0
    decay: float = 0.6
    ahead: float = 0.0

    uses_relations: ClassVar[bool] = False
    decay_is_learned: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return "slist"

    def fit(self, data: Dataset) -> ItemItemScorer:
        weights = HistoryWeights(self.decay, data.weights.actions)
        before, after = _cuts(_distinct(data), self.decay, self.ahead, len(data.items))
        if after.nnz == 0:
            raise ModelFitError("SLIST needs a history of two different items; the training set holds none")
        gram = (before.T @ before).toarray(order="F")  # the order of LAPACK, which otherwise copies it
        gram[np.diag_indices_from(gram)] += self.regularisation
        factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
        if failed:
            raise ModelFitError("the item matrix cannot be inverted; SLIST needs a regularisation well above 0")
        triangle, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
        wanted = (
            before.T @ after
        ).tocsr()  # sparse: multiplying by the inverse costs less than solving for each column
        result = np.empty(gram.shape, np.float32)
        for start in range(0, len(result), _ROWS):
            some = slice(start, start + _ROWS)
            result[some] = mirrored_rows(triangle, start, _ROWS) @ wanted
        return ItemItemScorer(data.items, result, weights)


def _distinct(data: Dataset) -> tuple[Ints, Ints, Floats]:
    """(owners, items, strengths) of each user's distinct items, (d,), in the order of their newest event."""
    newest, strengths = data.weights.distinct(data.histories, len(data.items))
    in_time = np.argsort(newest)
    positions = newest[in_time]
    return data.histories.owners[positions], data.histories.items[positions], strengths[in_time]


def _cuts(distinct: tuple[Ints, Ints, Floats], decay: float, ahead: float, n_items: int) -> tuple[Sparse, Sparse]:
    """S and T. A weight below a thousandth is left out: it costs as much as a large one."""
    owners, items, strengths = distinct
    starts = group_starts(owners)
    lengths = np.diff(np.concatenate((starts, [len(owners)])))
    place = np.arange(len(owners)) - np.repeat(starts, lengths)
    rest = np.repeat(lengths, lengths) - place
    before, after = [], []
    for gap in range(int(lengths.max(initial=1)) - 1):
        behind, onward = np.float32(decay) ** gap, np.float32(ahead) ** gap
        if max(behind, onward) < 1e-3:
            break
        # cuts are numbered by the item that stands right after them
        earlier = np.flatnonzero(place > gap)
        later = np.flatnonzero((rest > gap) & (place > 0))
        if behind >= 1e-3:
            before.append((earlier, items[earlier - gap - 1], behind * strengths[earlier - gap - 1]))
        if onward >= 1e-3:
            after.append((later, items[later + gap], onward * strengths[later + gap]))
    shape = (len(owners), n_items)
    return _stacked(before, shape), _stacked(after, shape)


def _stacked(cells: list[tuple[Ints, Ints, Floats]], shape: tuple[int, int]) -> Sparse:
    if not cells:
        return sparse(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), shape)
    rows, columns, values = (np.concatenate(part) for part in zip(*cells, strict=True))
    return sparse(rows, columns, values, shape)

"""What bibliographic coupling learned, ready to serve: products that are related to the same products.

Each pair of facts, from a product of the history to a third one and on to the product that is scored, adds its own
share to the score, so that a reason can be read off exactly.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recommender.arrays import Bools, Floats, Ints, Sparse, sparse
from recommender.histories import DEFAULT_WEIGHTS, NO_IDS, Histories, HistoryWeights, Ids
from recommender.model import Scorer

_NARROW = 32  # users whose signals pass the graph at once: their columns stay in the cache


@dataclass(frozen=True)
class CoupledScorer(Scorer):
    """score = x · diag(scale) (Q Q − diag(Q Q)) diag(scale) with Q = Σ_r (M_r + M_rᵀ).

    Shapes: ``links`` M_r (n_items, n_items), heads in rows, by relation, without a diagonal; ``related`` Q, symmetric;
    ``scale`` (n_items,), 0 where an item has no relation.
    """

    items: Ids
    links: Mapping[str, Sparse]
    related: Sparse
    scale: Floats
    weights: HistoryWeights = DEFAULT_WEIGHTS
    users: Ids = NO_IDS

    def scores_batch(self, histories: Histories) -> Floats:
        x = (self.weights.matrix(histories, len(self.items)) * self.scale[None, :]).tocsr()
        reached = (x @ self.related).tocsr()
        found = np.empty(x.shape, np.float32)
        for start in range(0, len(found), _NARROW):
            some = slice(start, start + _NARROW)
            found[some] = (self.related @ np.ascontiguousarray(reached[some].T.toarray())).T
        back = (x * self._returns[None, :]).tocoo()
        rows, columns = back.coords
        found[rows, columns] -= back.data
        found *= self.scale
        return found

    @cached_property
    def _returns(self) -> Floats:
        """The diagonal of Q Q: the ways from an item to itself, which are no reason."""
        return np.asarray(self.related.multiply(self.related).sum(axis=1), np.float32).ravel()

    @cached_property
    def turned(self) -> Mapping[str, Sparse]:
        """The transpose of each matrix of ``links``, by relation."""
        return {name: matrix.T.tocsr() for name, matrix in self.links.items()}

    def legs(self, item: int) -> dict[int, list[tuple[str, bool, float]]]:
        """By the place of the other product, the facts of ``item``: relation, whether ``item`` is the head, cell."""
        found: dict[int, list[tuple[str, bool, float]]] = {}
        for relation, matrix in self.links.items():
            for forward, side in ((True, matrix), (False, self.turned[relation])):
                for other, cell in row_of(side, item):
                    found.setdefault(other, []).append((relation, forward, cell))
        return found

    def joined(self, place: int, items: Ints) -> list[int]:
        """Those of ``items`` that are related to something that ``place`` is related to."""
        common = (self.related[items] @ self.related[[place]].T).toarray().ravel()
        return [int(item) for item in items[common > 0]]

    def speaks(self, histories: Histories) -> Bools:
        related = self.scale[histories.items] > 0
        return np.bincount(histories.owners[related], minlength=len(histories)) > 0


def row_of(matrix: Sparse, row: int) -> Iterator[tuple[int, float]]:
    """(column, value) of one row."""
    part = slice(int(matrix.indptr[row]), int(matrix.indptr[row + 1]))
    return zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True)


def both_ways(links: Mapping[str, Sparse], n_items: int) -> Sparse:
    """Q, (n_items, n_items)."""
    nothing = np.zeros(0, np.int64)
    total = sparse(nothing, nothing, np.zeros(0, np.float32), (n_items, n_items))
    for matrix in links.values():
        total = (total + matrix + matrix.T).tocsr()
    return total

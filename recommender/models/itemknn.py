"""Item k-nearest neighbours by cosine.

Sarwar, Karypis, Konstan, Riedl: "Item-based collaborative filtering recommendation algorithms", WWW 2001.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Sparse
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.scorers import ItemItemScorer


@dataclass(frozen=True, slots=True)
class ItemKNN:
    """C_ij = X_·i · X_·j / (|X_·i| |X_·j| + shrink), C_ii = 0; score = x · C.

    ``neighbours`` keeps the largest entries of each column, all of them where None. Shapes: X (n_users, n_items),
    C (n_items, n_items) sparse.
    """

    neighbours: int | None = None
    shrink: float = 0.0
    decay: float = 1.0

    uses_relations: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "itemknn"

    def fit(self, data: Dataset) -> ItemItemScorer:
        x = data.matrix()
        if x.nnz == 0:
            raise ModelFitError("item neighbours need at least one interaction; the training set holds none")
        similarity = (x.T @ x).tocoo()
        norms = np.sqrt(np.asarray(x.multiply(x).sum(axis=0)).ravel())
        rows, columns = similarity.coords
        values = similarity.data / (norms[rows] * norms[columns] + np.float32(self.shrink))
        apart = rows != columns
        matrix = sp.coo_array((values[apart], (rows[apart], columns[apart])), shape=similarity.shape).tocsr()
        matrix.sort_indices()
        if self.neighbours is not None:
            matrix = keep_largest(matrix, self.neighbours)
        weights = HistoryWeights(self.decay, data.weights.actions)
        return ItemItemScorer(data.items, matrix.astype(np.float32), weights)


def keep_largest(matrix: Sparse, count: int) -> Sparse:
    """Only the ``count`` entries of largest magnitude in each column; of equals, the lower row stays."""
    by_column = matrix.tocsc()
    by_column.sort_indices()
    columns = np.repeat(np.arange(matrix.shape[1]), np.diff(by_column.indptr))
    order = np.lexsort((by_column.indices, -np.abs(by_column.data), columns))
    place = np.arange(len(order)) - by_column.indptr[:-1][columns[order]]
    kept = order[place < count]
    parts = (by_column.data[kept], (by_column.indices[kept], columns[kept]))
    result = sp.coo_array(parts, shape=matrix.shape).tocsr()
    result.sort_indices()
    return result

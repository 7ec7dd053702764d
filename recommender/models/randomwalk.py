"""A random walk of three steps over the bipartite graph of users and items, with what is popular discounted.

Cooper, Lee, Radzik, Siantos: "Random walks in recommender systems: exact computation and simulations" (P³α), WWW 2014.
Paudel, Christoffel, Newell, Bernstein: "Updatable, accurate, diverse, and scalable recommendations for interactive
applications" (RP³β), ACM TiiS 2017.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Floats, Sparse
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.models.itemknn import keep_largest
from recommender.scorers import ItemItemScorer


@dataclass(frozen=True, slots=True)
class RandomWalk:
    """W_ij = Σ_u (X_ui / d_i)^α (X_uj / d_u)^α / d_j^β, W_ii = 0; score = x · W.

    From an item of the history to someone who took it, and on to another item of theirs: d are the row and column sums
    of X, so that for α = 1 the sum is the chance of that walk. β takes from an item what it owes to being popular.
    ``neighbours`` keeps the largest entries of each column, all of them where None. Shapes: X (n_users, n_items),
    W (n_items, n_items) sparse.
    """

    alpha: float = 0.4
    beta: float = 0.2
    neighbours: int | None = None
    decay: float = 1.0

    uses_relations: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "randomwalk"

    def fit(self, data: Dataset) -> ItemItemScorer:
        x = data.matrix()
        if x.nnz == 0:
            raise ModelFitError("a random walk needs at least one interaction; the training set holds none")
        of_users, of_items = (np.asarray(x.sum(axis=axis), np.float32).ravel() for axis in (1, 0))
        back = _powered((x * _inverse(of_items)[None, :]).tocsr(), self.alpha)
        onward = _powered((x * _inverse(of_users)[:, None]).tocsr(), self.alpha)
        onward = (onward * (_inverse(of_items) ** np.float32(self.beta))[None, :]).tocsr()
        walks = (back.T @ onward).tocoo()
        rows, columns = walks.coords
        apart = rows != columns
        matrix = sp.coo_array((walks.data[apart], (rows[apart], columns[apart])), shape=walks.shape).tocsr()
        matrix.sort_indices()
        if self.neighbours is not None:
            matrix = keep_largest(matrix, self.neighbours)
        return ItemItemScorer(data.items, matrix.astype(np.float32), HistoryWeights(self.decay, data.weights.actions))


def _powered(matrix: Sparse, exponent: float) -> Sparse:
    powered = matrix.copy()
    powered.data **= np.float32(exponent)
    return powered


def _inverse(sums: Floats) -> Floats:
    """1 / sum, and 0 where the sum is 0."""
    return np.where(sums > 0, 1.0 / np.maximum(sums, np.float32(1e-12)), 0.0).astype(np.float32)

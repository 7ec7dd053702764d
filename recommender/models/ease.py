"""EASE^R: a linear auto-encoder with a closed form.

Steck: "Embarrassingly shallow autoencoders for sparse data", WWW 2019. https://arxiv.org/abs/1905.03375
With facts: Jeunen, Van Balen, Goethals: "Closed-form models for collaborative filtering with side-information" (CEASE),
RecSys 2020.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from recommender.arrays import Doubles, Floats, Sparse
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.model import Scorer
from recommender.scorers import FactorScorer, ItemItemScorer, WeightedSumScorer
from recommender.spilling import gathered

_COLUMNS = 4096  # of K X at a time, in double precision
_ROWS = 1024  # of B at a time


@dataclass(frozen=True, slots=True)
class Ease:
    """G = XᵀX + λI; P = G⁻¹; B_ij = -P_ij / P_jj, B_jj = 0; score = x · B.

    Shapes: X (n_users, n_items), B (n_items, n_items) dense. Time n_items³; memory 8 n_items² bytes while fitting, G in
    double precision and in place; B takes 4 n_items² bytes, on disk where it is large (``spilling``). ``decay`` weighs
    a history by age when scoring only; B is always fitted on X without ages.

    Where users are fewer than half the items the same scores come from K = (XXᵀ + λI)⁻¹, (n_users, n_users): by the
    Woodbury identity B_ij = x_iᵀ K x_j / (1 − x_jᵀ K x_j), x_i the columns of X. Then B is never formed, and memory is
    4 n_users n_items bytes.

    ``facts`` > 0: G also gets facts · LᵀL, L the lists that relations between items make (``Dataset.baskets``), each as
    good as so many users. The history is scored alike.
    """

    regularisation: float = 100.0
    decay: float = 1.0
    facts: float = 0.0

    @property
    def name(self) -> str:
        return "collective ease" if self.facts else "ease"

    @property
    def uses_relations(self) -> bool:
        return self.facts > 0

    def fit(self, data: Dataset) -> Scorer:
        x = data.matrix()
        if x.nnz == 0:
            raise ModelFitError("EASE needs at least one interaction; the training set holds none")
        if 2 * x.shape[0] < x.shape[1] and not self.facts:
            return self._through_users(data, x)
        together = x.T @ x
        if self.facts:
            together = together + np.float32(self.facts) * gram_of_facts(data, self.name)
        gram = together.astype(np.float64).toarray(order="F")  # the order of LAPACK, which otherwise copies it
        gram[np.diag_indices_from(gram)] += self.regularisation
        weights = HistoryWeights(self.decay, data.weights.actions)
        regression = gathered(_rows_of_regression(_inverse_triangle(gram)), gram.shape)
        return ItemItemScorer(data.items, regression, weights)

    def _through_users(self, data: Dataset, x: Sparse) -> WeightedSumScorer:
        """x · B as (x Xᵀ) · K X scaled by column, less what an item would add to itself."""
        gram = (x @ x.T).astype(np.float64).toarray(order="F")
        gram[np.diag_indices_from(gram)] += self.regularisation
        triangle = np.tril(_inverse_triangle(gram))
        inverse = triangle + np.tril(triangle, -1).T
        factors = np.empty(x.shape[::-1], np.float32)
        own = np.empty(x.shape[1])
        for start in range(0, x.shape[1], _COLUMNS):
            columns = x[:, start : start + _COLUMNS].T.tocsr()
            block = np.asarray(columns @ inverse)
            own[start : start + _COLUMNS] = np.asarray(columns.multiply(block).sum(axis=1)).ravel()
            factors[start : start + _COLUMNS] = block / (1 - own[start : start + _COLUMNS, None])
        weights = HistoryWeights(self.decay, data.weights.actions)
        onto_itself = sp.diags_array((own / (1 - own)).astype(np.float32)).tocsr()
        return WeightedSumScorer(
            (
                (1.0, FactorScorer(data.items, factors, x.T.tocsr(), weights=weights)),
                (-1.0, ItemItemScorer(data.items, onto_itself, weights)),
            )
        )


def gram_of_facts(data: Dataset, name: str) -> Sparse:
    """LᵀL of the lists that relations make. Raises ModelFitError where there are none."""
    lists = data.baskets()
    if lists.nnz == 0:
        raise ModelFitError(f"{name} needs a relation between items; the training set holds none")
    found: Sparse = (lists.T @ lists).tocsr()
    return found


def _inverse_triangle(gram: Doubles) -> Doubles:
    """The inverse of a positive definite matrix, in its place; only the lower triangle is valid."""
    factor, failed = lapack.dpotrf(gram, lower=1, overwrite_a=1, clean=0)
    if not failed:
        factor, failed = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise ModelFitError("the item matrix cannot be inverted; EASE needs a regularisation well above 0")
    inverse: Doubles = factor
    return inverse


def _rows_of_regression(triangle: Doubles) -> Iterator[Floats]:
    """B from the lower triangle of P, a block of rows at a time, so that nothing of its size is made twice."""
    n = len(triangle)
    diagonal = triangle.diagonal().astype(np.float32)
    for start in range(0, n, _ROWS):
        rows = mirrored_rows(triangle, start, _ROWS)
        rows /= -diagonal
        rows[np.arange(len(rows)), np.arange(start, start + len(rows))] = 0.0
        yield rows


def mirrored_rows(triangle: Doubles | Floats, start: int, count: int) -> Floats:
    """Rows from ``start`` on of the symmetric matrix whose lower triangle this is, in single precision."""
    n = len(triangle)
    stop = min(start + count, n)
    rows = np.empty((stop - start, n), np.float32)
    rows[:, :start] = triangle[start:stop, :start]
    block = np.tril(triangle[start:stop, start:stop]).astype(np.float32)
    rows[:, start:stop] = block + np.tril(block, -1).T
    rows[:, stop:] = triangle[stop:, start:stop].T
    return rows

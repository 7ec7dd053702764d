"""A graph filter that keeps the middle of the spectrum too, by Chebyshev interpolation.

Kim, Choe, Yoo, Kang: "Graph spectral filtering with Chebyshev interpolation for recommendation" (ChebyCF), SIGIR 2025.
https://arxiv.org/abs/2505.00552. Its ideal low-pass part is ``spectral``: the two are summed where that ranks better.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.scorers import GraphFilterScorer


@dataclass(frozen=True, slots=True)
class Chebyshev:
    """R̃ = D_u^-1/2 X D_i^-1/2; L = 2 (I − R̃ᵀR̃) − I; score = x · D_i^-β Σ_k c_k T_k(L) D_i^β.

    T_k are the Chebyshev polynomials, c_k those that meet the plateau at the order + 1 Chebyshev nodes:
    h(z) = ½ − ½ sign(z) |z|^flatness for z in [-1, 1], z = -1 being the smoothest signal. Nothing is learned but
    degrees; scoring costs 4 · order · nnz(X) operations a user.
    """

    order: int = 8
    flatness: float = 10.0
    degrees: float = 0.5
    decay: float = 1.0

    uses_relations: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "chebyshev"

    def fit(self, data: Dataset) -> GraphFilterScorer:
        x = data.matrix()
        if x.nnz == 0:
            raise ModelFitError("a graph filter needs at least one interaction; the training set holds none")
        users, items = (np.asarray(x.sum(axis=axis), np.float32).ravel() for axis in (1, 0))
        graph = (x * _power(users, -0.5)[:, None] * _power(items, -0.5)[None, :]).tocsr()
        return GraphFilterScorer(
            data.items,
            graph[np.flatnonzero(users > 0)],
            _coefficients(self.order, self.flatness),
            _power(items, -self.degrees),
            _power(items, self.degrees),
            HistoryWeights(self.decay, data.weights.actions),
        )


def _power(
    sums: np.ndarray[tuple[int], np.dtype[np.float32]], exponent: float
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """sums ** exponent, and 0 where the sum is 0."""
    return np.where(sums > 0, np.maximum(sums, np.float32(1e-12)) ** np.float32(exponent), 0.0).astype(np.float32)


def _coefficients(order: int, flatness: float) -> tuple[float, ...]:
    """c_0 … c_order of the interpolation at the roots of T_(order+1)."""
    angles = (np.arange(order + 1) + 0.5) * np.pi / (order + 1)
    nodes = np.cos(angles)
    plateau = 0.5 - 0.5 * np.sign(nodes) * np.abs(nodes) ** flatness
    found = [2.0 / (order + 1) * float(plateau @ np.cos(k * angles)) for k in range(order + 1)]
    return (found[0] / 2.0, *found[1:])

"""The ideal low-pass filter of the interaction graph, by randomised SVD.

Shen et al.: "How powerful is graph convolution for recommendation?" (GF-CF), CIKM 2021, its low-pass part.
https://arxiv.org/abs/2108.07567.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recommender.arrays import Floats
from recommender.dataset import Dataset
from recommender.decomposition import right_vectors
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.scorers import FactorScorer


@dataclass(frozen=True, slots=True)
class Spectral:
    """R̃ = D_u^-1/2 X D_i^-1/2 ≈ U Σ Vᵀ; score = x · D_i^-1/2 V Vᵀ D_i^1/2.

    There are no user vectors: everyone is folded in, so a history that moves needs no second path. Shapes: V
    (n_items, dimensions). Fewer dimensions are used where the matrix has less rank.
    """

    dimensions: int = 256
    power_iterations: int = 2
    seed: int = 0
    decay: float = 1.0

    uses_relations: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "spectral"

    def fit(self, data: Dataset) -> FactorScorer:
        x = data.matrix()
        if x.nnz == 0:
            raise ModelFitError("a spectral model needs at least one interaction; the training set holds none")
        user_scale, item_scale = _inverse_root(x.sum(axis=1)), _inverse_root(x.sum(axis=0))
        scaled = (x * user_scale[:, None] * item_scale[None, :]).tocsr()
        vectors = right_vectors(scaled, self.dimensions, self.power_iterations, self.seed)[1]
        root = np.sqrt(np.asarray(x.sum(axis=0), np.float32)).ravel()
        return FactorScorer(
            data.items,
            item_factors=np.ascontiguousarray(vectors * root[:, None]),
            fold_in=np.ascontiguousarray(vectors * item_scale[:, None]),
            weights=HistoryWeights(self.decay, data.weights.actions),
        )


def _inverse_root(sums: Floats) -> Floats:
    """1 / sqrt(sum), and 0 where the sum is 0."""
    flat = np.asarray(sums, np.float32).ravel()
    return np.where(flat > 0, 1.0 / np.sqrt(np.maximum(flat, np.float32(1e-12))), 0.0).astype(np.float32)

"""Implicit ALS: user and item vectors by alternating least squares, through the library ``implicit`` (MIT).

Hu, Koren, Volinsky: "Collaborative filtering for implicit feedback datasets", ICDM 2008; solved by conjugate gradient
as in Takács, Pilászy, Tikk: "Applications of the conjugate gradient method for implicit feedback collaborative
filtering", RecSys 2011.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Floats, Sparse
from recommender.dataset import Dataset
from recommender.errors import ConfigurationError, ModelFitError
from recommender.histories import HistoryWeights
from recommender.scorers import LeastSquaresScorer


@dataclass(frozen=True, slots=True)
class Als:
    """min Σ_ui c_ui (p_ui − u·y_i)² + λ(Σ‖u‖² + Σ‖y_i‖²) with c = 1 + αx, p = 1 where x > 0; score = u · y.

    There are no stored user vectors: given the item vectors, everyone's u is the exact minimum for their history as it
    is now, so known and new users take one path. Shapes: X (n_users, n_items), y (n_items, dimensions). ``decay``
    weighs a history by age when scoring only. One thread: the sums of several have no fixed order.
    """

    dimensions: int = 64
    regularisation: float = 5.0
    alpha: float = 10.0
    iterations: int = 15
    seed: int = 0
    decay: float = 1.0

    uses_relations: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "als"

    def fit(self, data: Dataset) -> LeastSquaresScorer:
        """Raises ConfigurationError where the library is not installed."""
        x = data.matrix()
        if x.nnz == 0:
            raise ModelFitError("ALS needs at least one interaction; the training set holds none")
        vectors = self._item_vectors(x)
        if not np.isfinite(vectors).all():
            raise ModelFitError(
                "the item vectors of ALS are not finite; use a larger regularisation or a smaller alpha"
            )
        weights = HistoryWeights(self.decay, data.weights.actions)
        return LeastSquaresScorer(data.items, vectors, self.alpha, self.regularisation, weights)

    def _item_vectors(self, x: Sparse) -> Floats:
        library, limits = _library()
        confidence = sp.csr_matrix((1 + np.float32(self.alpha) * x.data, x.indices, x.indptr), shape=x.shape)
        with limits(1, "blas"):
            fitted = library(
                factors=self.dimensions,
                regularization=self.regularisation,
                alpha=1.0,  # the confidence is in the values already
                iterations=self.iterations,
                num_threads=1,
                random_state=self.seed,
            )
            fitted.fit(confidence, show_progress=False)
        return np.ascontiguousarray(fitted.item_factors, np.float32)


def _library() -> tuple[Any, Any]:
    """The class that factorises, and what limits the threads of BLAS beside it."""
    try:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise ConfigurationError(f"ALS needs the library implicit ({error}): pip install 'shopgraph[als]'") from error
    return AlternatingLeastSquares, threadpool_limits

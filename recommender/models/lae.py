"""A linear auto-encoder of the normalised interactions, without a matrix of items by items.

Park, Yoon, Kim, Lee: "Why is normalization necessary for linear recommenders?" (DAN), SIGIR 2025.
https://arxiv.org/abs/2504.05805. The split into one hop and a low rank is that of GF-CF: Shen et al., CIKM 2021.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Floats, Sparse
from recommender.dataset import Dataset
from recommender.decomposition import right_vectors
from recommender.errors import ConfigurationError, ModelFitError
from recommender.histories import HistoryWeights
from recommender.model import Scorer
from recommender.scorers import FactorScorer, GraphFilterScorer, WeightedSumScorer


@dataclass(frozen=True, slots=True)
class Lae:
    """R̃ = D_u^-α X D_i^-β / σ₁; h(z) = (1 + λ) z / (z + λ); score = x · D_i^-γ (h(R̃ᵀR̃) + w V Vᵀ) D_i^γ.

    h is the auto-encoder argmin_B ‖R̃ − R̃B‖² + λ‖B‖² with h(1) = 1, V (n_items, dimensions) are the first right
    singular vectors of R̃, w = ``low_pass``. Where z is small, h is the straight line (1 + 1/λ) z: one hop over the
    graph, which is sparse. So only its difference from that line needs V, and nothing of items by items is formed.
    α, β, γ are ``user_degrees``, ``item_degrees``, ``degrees``: how far the activity of users and the popularity of
    items are taken out of the signal; γ puts the latter back into the score. ``facts`` > 0: X also gets the lists that
    relations between items make (``Dataset.baskets``) as rows, times √facts.
    """

    dimensions: int = 256
    regularisation: float = 0.2
    low_pass: float = 0.5
    user_degrees: float = 0.3
    item_degrees: float = 0.3
    degrees: float = 0.3
    seed: int = 0
    decay: float = 1.0
    facts: float = 0.0

    @property
    def name(self) -> str:
        return "collective lae" if self.facts else "lae"

    @property
    def uses_relations(self) -> bool:
        return self.facts > 0

    def fit(self, data: Dataset) -> Scorer:
        x = data.matrix()
        if x.nnz == 0:
            raise ModelFitError("an auto-encoder needs at least one interaction; the training set holds none")
        if self.regularisation <= 0:
            raise ConfigurationError(f"the regularisation is {self.regularisation}; expected a number above 0")
        if self.facts:
            x = self._with_facts(data, x)
        users, items = (np.asarray(x.sum(axis=axis), np.float32).ravel() for axis in (1, 0))
        graph = (x * _power(users, -self.user_degrees)[:, None] * _power(items, -self.item_degrees)[None, :]).tocsr()
        values, vectors = right_vectors(graph, self.dimensions, seed=self.seed)
        graph = (graph * (1.0 / values[0])).astype(np.float32).tocsr()
        return self._scorer(data, graph, (values / values[0]) ** 2, vectors, items)

    def _with_facts(self, data: Dataset, x: Sparse) -> Sparse:
        lists = data.baskets()
        if lists.nnz == 0:
            raise ModelFitError(f"{self.name} needs a relation between items; the training set holds none")
        found: Sparse = sp.vstack([x, lists * np.float32(self.facts**0.5)], format="csr")
        return found

    def _scorer(self, data: Dataset, graph: Sparse, spectrum: Floats, vectors: Floats, items: Floats) -> Scorer:
        """``spectrum`` (d,): the eigenvalues of R̃ᵀR̃ that belong to ``vectors``."""
        line = 1.0 + 1.0 / self.regularisation
        wanted = (1.0 + self.regularisation) * spectrum / (spectrum + self.regularisation) + self.low_pass
        before, after = _power(items, -self.degrees), _power(items, self.degrees)
        weights = HistoryWeights(self.decay, data.weights.actions)
        hop = GraphFilterScorer(data.items, graph, (0.5, -0.5), before, after, weights)
        rest = vectors * (wanted - line * spectrum).astype(np.float32)
        low_rank = FactorScorer(
            data.items,
            item_factors=np.ascontiguousarray(vectors * after[:, None]),
            fold_in=np.ascontiguousarray(rest * before[:, None]),
            weights=weights,
        )
        return WeightedSumScorer(((line, hop), (1.0, low_rank)))


def _power(sums: Floats, exponent: float) -> Floats:
    """sums ** exponent, and 0 where the sum is 0."""
    found = np.where(sums > 0, np.maximum(sums, np.float32(1e-12)) ** np.float32(exponent), 0.0)
    return found.astype(np.float32)

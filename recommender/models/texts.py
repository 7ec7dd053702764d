"""Products that no one has bought, by their texts: they inherit the behaviour of what reads like them.

Gantner, Drumond, Freudenthaler, Rendle, Schmidt-Thieme: "Learning attribute-to-feature mappings for cold-start
recommendations", ICDM 2010, its mapping by nearest neighbours; what is inherited are item similarities, not factors.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Floats, Sparse
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.models.itemknn import ItemKNN, keep_largest
from recommender.scorers import ItemItemScorer
from recommender.texts import nearest, tf_idf


@dataclass(frozen=True, slots=True)
class Texts:
    """S = T + behaviour · C A; score = x · S.

    T_ij is the cosine of the texts of i and j where i is among the ``neighbours`` nearest to j. A_ij = T_ij² / Σ_i
    T_ij² over the ``inherits`` nearest that somebody acted on: C A is the mean of what behaviour says of these, C being
    the cosine of ``ItemKNN``. So an item without an event gets scores on one scale with all others; without any event
    there is T alone. Words that more than ``most_shared`` texts have tell nothing apart.

    The text vectors are tf-idf of hashed n-grams (``recommender.texts``). With ``dataset.text_vectors``, rows v of an
    encoder, T_ij gains ``encoder`` · cosine(v_i, v_j), v less the mean of all. An item without a text has no neighbour
    and scores 0, a text that is like no other as well.

    Shapes: T, A, C, S (n_items, n_items) sparse, at most ``kept`` entries a column in S. Time grows with n_items².
    """

    neighbours: int = 50
    inherits: int = 10
    behaviour: float = 3.0
    encoder: float = 1.0
    most_shared: int = 1000
    kept: int = 300
    decay: float = 1.0

    uses_relations: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "texts"

    def fit(self, data: Dataset) -> ItemItemScorer:
        """Raises ModelFitError where no two items have a text in common."""
        if not any(data.texts) and data.text_vectors is None:
            raise ModelFitError("a model of texts needs texts of products; the training set holds none")
        vectors = tf_idf(data.texts or [""] * len(data.items), self.most_shared)
        near = nearest(vectors, self._dense(data), self.neighbours)
        if near.nnz == 0:
            raise ModelFitError("no two products have words in common in their texts; there is nothing to learn")
        whole = near if data.matrix().nnz == 0 else near + np.float32(self.behaviour) * self._inherited(near, data)
        weights = HistoryWeights(self.decay, data.weights.actions)
        return ItemItemScorer(data.items, keep_largest(sp.csr_array(whole), self.kept), weights)

    def _dense(self, data: Dataset) -> Floats | None:
        """Rows of length √encoder, centred; 0 where there is no text."""
        if data.text_vectors is None:
            return None
        told = np.any(data.text_vectors != 0, axis=1)
        if not told.any():
            return None
        centred = np.where(told[:, None], data.text_vectors - data.text_vectors[told].mean(axis=0), 0)
        lengths = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
        return np.asarray(np.sqrt(self.encoder) * centred / lengths, np.float32)

    def _inherited(self, near: Sparse, data: Dataset) -> Sparse:
        """C A."""
        acted = np.bincount(data.histories.items, minlength=len(data.items)) > 0
        from_acted: Sparse = (near * acted.astype(np.float32)[:, None]).tocsr()
        from_acted.eliminate_zeros()
        shares = keep_largest(from_acted, self.inherits).power(2)
        sums: Floats = np.asarray(shares.sum(axis=0), np.float32).ravel()
        inverse = np.asarray(1 / np.maximum(sums, 1e-12), np.float32)
        shares = (shares * inverse[None, :]).tocsr()
        behaviour = ItemKNN().fit(data).matrix
        inherited: Sparse = sp.csr_array(behaviour @ shares)
        inherited.setdiag(0)
        inherited.eliminate_zeros()
        return inherited

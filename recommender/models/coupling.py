"""Bibliographic coupling: products are alike whose facts lead to the same products.

Kessler: "Bibliographic coupling between scientific papers", American Documentation 1963; with cosine.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recommender.arrays import Floats, Sparse, scaled_rows
from recommender.dataset import Dataset, Edges
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.scorers import GraphFilterScorer


@dataclass(frozen=True, slots=True)
class Coupling:
    """Q = Σ_r (M_r + M_rᵀ) without its diagonal; C_ij = Q_i · Q_j / (|Q_i| |Q_j|), C_ii = 0; score = x · C.

    M_r (n_items, n_items) holds the facts of relation r between items, so Q_i is what item i is related to. The linear
    relation term asks whether two products are related, this whether they are related to the same. C is never formed.
    """

    decay: float = 1.0

    uses_relations: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return "coupling"

    def fit(self, data: Dataset) -> GraphFilterScorer:
        related = _related(data)
        if related.nnz == 0:
            raise ModelFitError("coupling needs a relation between items; the training set holds none")
        lengths = np.sqrt(np.asarray(related.multiply(related).sum(axis=1))).ravel()
        known: Floats = (lengths > 0).astype(np.float32)
        graph = scaled_rows(related, known / np.maximum(lengths, 1e-12)).T.tocsr()
        # GᵀG − I as a polynomial of L = I − 2 GᵀG: the diagonal of GᵀG is 1 where there is a relation
        return GraphFilterScorer(
            data.items, graph, (-0.5, -0.5), known, known, HistoryWeights(self.decay, data.weights.actions)
        )


def _related(data: Dataset) -> Sparse:
    """Q, (n_items, n_items)."""
    n = len(data.items)
    total = Edges.of(np.zeros(0, np.int64), np.zeros(0, np.int64)).matrix((n, n))
    for edges in data.links.values():
        apart = edges.heads != edges.tails
        one = Edges.of(edges.heads[apart], edges.tails[apart], edges.weights[apart]).matrix((n, n))
        total = (total + one + one.T).tocsr()
    return total

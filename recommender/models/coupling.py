"""Bibliographic coupling: products are alike whose facts lead to the same products.

Kessler: "Bibliographic coupling between scientific papers", American Documentation 1963; with cosine.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recommender.coupled import CoupledScorer, both_ways
from recommender.dataset import Dataset, Edges
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.reading import NAMED


@dataclass(frozen=True, slots=True)
class Coupling:
    """Q = Σ_r (M_r + M_rᵀ) without its diagonal; C_ij = Q_i · Q_j / (|Q_i| |Q_j|), C_ii = 0; score = x · C.

    M_r (n_items, n_items) holds the facts of relation r between items, so Q_i is what item i is related to. The linear
    relation term asks whether two products are related, this whether they are related to the same. C is never formed.
    Relations by name are left out: products made for one Thing share the Thing, which is a fact of its own.
    """

    decay: float = 1.0

    uses_relations: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return "coupling"

    def fit(self, data: Dataset) -> CoupledScorer:
        n = len(data.items)
        named = {name: _apart(edges) for name, edges in data.links.items() if not name.endswith(NAMED)}
        links = {name: edges.matrix((n, n)) for name, edges in named.items() if len(edges)}
        if not links:
            raise ModelFitError("coupling needs a relation between items; the training set holds none")
        related = both_ways(links, n)
        lengths = np.sqrt(np.asarray(related.multiply(related).sum(axis=1))).ravel()
        scale = np.where(lengths > 0, 1.0 / np.maximum(lengths, 1e-12), 0.0).astype(np.float32)
        return CoupledScorer(data.items, links, related, scale, HistoryWeights(self.decay, data.weights.actions))


def _apart(edges: Edges) -> Edges:
    """Without those of an item to itself."""
    apart = edges.heads != edges.tails
    return Edges.of(edges.heads[apart], edges.tails[apart], edges.weights[apart])

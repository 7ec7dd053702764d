"""The linear relation term: what facts alone say, without a parameter to learn.

Every contribution of a fact to a score can be read off exactly, which is what reasons are made of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Floats, Sparse
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.histories import HistoryWeights
from recommender.scorers import RelationScorer


@dataclass(frozen=True, slots=True)
class Relations:
    """Q = Σ_r w_r S_r; D = row sums of Q; R = D^-1/2 Q D^-1/2; score = x · R.

    ``strengths`` names the relations to use with their weights w_r; without it every relation of the dataset has
    weight 1. An entity shared by more than ``most_shared`` items (a category that is half the shop) is left out of
    S_r: it tells nothing apart. ``through`` limits the term to relations between ``items``, or to those through
    ``entities``; a relation that has both keeps one weight for both. Shapes: Q, R (n_items, n_items), never formed
    for relations through entities.
    """

    strengths: Mapping[str, float] | None = field(default=None, hash=False)
    decay: float = 1.0
    most_shared: int = 2000
    through: Literal["items", "entities"] | None = None
    name: str = "relations"

    uses_relations: ClassVar[bool] = True

    def fit(self, data: Dataset) -> RelationScorer:
        n = len(data.items)
        strengths = dict.fromkeys([*data.links, *data.attributes], 1.0) if self.strengths is None else self.strengths
        named = {} if self.through == "entities" else {r: e for r, e in data.links.items() if strengths.get(r)}
        shared = {} if self.through == "items" else {r: e for r, e in data.attributes.items() if strengths.get(r)}
        links = {name: _apart(edges.matrix((n, n))) for name, edges in named.items()}
        attributes = {
            name: _useful(edges.matrix((n, len(data.entities))), self.most_shared) for name, edges in shared.items()
        }
        if not links and not attributes:
            raise ModelFitError("the relation term needs a relation; the training set holds none that has a weight")
        rarity = {name: _rarity(matrix) for name, matrix in attributes.items()}
        used = {name: float(strengths[name]) for name in [*links, *attributes]}
        sums = _row_sums(links, attributes, rarity, used)
        scale = np.where(sums > 0, 1.0 / np.sqrt(np.maximum(sums, 1e-12)), 0.0).astype(np.float32)
        weights = HistoryWeights(self.decay, data.weights.actions)
        return RelationScorer(data.items, links, attributes, rarity, scale, used, data.entities, weights)


def _apart(matrix: Sparse) -> Sparse:
    """Without the diagonal: an item is no reason for itself."""
    cells = matrix.tocoo()
    rows, columns = cells.coords
    apart = rows != columns
    result = sp.coo_array((cells.data[apart], (rows[apart], columns[apart])), shape=cells.shape).tocsr()
    result.sort_indices()
    return result


def _useful(matrix: Sparse, most_shared: int) -> Sparse:
    """Without the entities that join nothing or nearly everything."""
    degrees = np.bincount(matrix.indices, minlength=matrix.shape[1])
    keep = ((degrees >= 2) & (degrees <= most_shared)).astype(np.float32)
    kept = (matrix * keep[None, :]).tocsr()
    kept.eliminate_zeros()
    return kept


def _rarity(matrix: Sparse) -> Floats:
    """1 / degree of each entity, 0 where nothing is left of it."""
    degrees = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return np.where(degrees > 0, 1.0 / np.maximum(degrees, 1), 0.0).astype(np.float32)


def _row_sums(
    links: Mapping[str, Sparse],
    attributes: Mapping[str, Sparse],
    rarity: Mapping[str, Floats],
    strengths: Mapping[str, float],
) -> Floats:
    """D, (n_items,)."""
    parts: list[Floats] = []
    for name, matrix in links.items():
        both: Floats = np.asarray(matrix.sum(axis=1)).ravel() + np.asarray(matrix.sum(axis=0)).ravel()
        parts.append(np.asarray(strengths[name] * both, np.float32))
    for name, matrix in attributes.items():
        through = matrix @ (rarity[name] * np.asarray(matrix.sum(axis=0), np.float32).ravel())
        parts.append(np.asarray(strengths[name] * (through - (matrix * matrix) @ rarity[name]), np.float32))
    return np.asarray(np.sum(parts, axis=0), np.float32)

"""A weighted sum of models, fitted side by side on the same dataset."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.model import Model, Scorer, Tunable
from recommender.models.relations import Relations
from recommender.scorers import ItemItemScorer, WeightedSumScorer
from recommender.spilling import set_down

_log = logging.getLogger("shopgraph.recommender.mixture")


@dataclass(frozen=True, slots=True)
class Mixture:
    """score = Σ_t w_t · score_t. Serving a sum with a relation term keeps each fact's contribution exact.

    Parts that use relations are left out where the dataset has none, so that a shop without facts is served too. So are
    relation terms and parts that learn from links, with a warning, where those that they need were never mined.
    """

    parts: Sequence[tuple[float, Model]]

    @property
    def name(self) -> str:
        return " + ".join(part.name for _, part in self.parts)

    @property
    def uses_relations(self) -> bool:
        return any(part.uses_relations for _, part in self.parts)

    def fit(self, data: Dataset) -> WeightedSumScorer:
        linked = any(map(len, data.links.values()))
        related = bool(data.links or data.attributes)
        usable = [(weight, part) for weight, part in self.parts if related or not part.uses_relations]
        fitted: dict[int, Scorer] = {}
        for place in _closed_forms_first(usable):
            try:
                fitted[place] = _small(usable[place][1].fit(data))
            except ModelFitError as error:
                if not (isinstance(usable[place][1], Relations) or (usable[place][1].uses_relations and not linked)):
                    raise
                _log.warning("%s is left out of the sum: %s", usable[place][1].name, error)
        if not fitted:
            raise ModelFitError(f"no part of {self.name} can learn from this training set; is the shop mined?")
        return WeightedSumScorer(tuple((usable[place][0], fitted[place]) for place in sorted(fitted)))


def _closed_forms_first(parts: Sequence[tuple[float, Model]]) -> list[int]:
    """Their places. A closed form needs most memory while it is fitted, a trained network leaves most behind."""
    return sorted(range(len(parts)), key=lambda place: isinstance(parts[place][1], Tunable))


def _small(scorer: Scorer) -> Scorer:
    """The same scorer; a dense item-by-item matrix is out of the way of the parts that are fitted after it."""
    if isinstance(scorer, ItemItemScorer) and isinstance(scorer.matrix, np.ndarray):
        return replace(scorer, matrix=set_down(scorer.matrix))
    return scorer

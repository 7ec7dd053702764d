"""A weighted sum of models, fitted side by side on the same dataset."""

from collections.abc import Sequence
from dataclasses import dataclass

from recommender.dataset import Dataset
from recommender.models.base import Model
from recommender.scorers import WeightedSumScorer


@dataclass(frozen=True, slots=True)
class Mixture:
    """score = Σ_t w_t · score_t. Serving a sum with a relation term keeps each fact's contribution exact."""

    parts: Sequence[tuple[float, Model]]

    @property
    def name(self) -> str:
        return " + ".join(f"{weight:g} {part.name}" if weight != 1 else part.name for weight, part in self.parts)

    def fit(self, data: Dataset) -> WeightedSumScorer:
        return WeightedSumScorer(tuple((weight, part.fit(data)) for weight, part in self.parts))

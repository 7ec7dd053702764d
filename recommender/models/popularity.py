"""Popularity: what everyone takes, lately. The floor under every other model, and the answer to an empty history."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.histories import ACTION_CODES
from recommender.scorers import PopularityScorer

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Popularity:
    """score_i = Σ over events on i of action weight · 2^(-(T - t) / half_life), T the newest event.

    Without ``half_life_days`` it is a plain count of (user, item) pairs. Shapes: scores (n_items,).
    """

    half_life_days: float | None = None

    uses_relations: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "popularity"

    def fit(self, data: Dataset) -> PopularityScorer:
        if len(data.histories.items) == 0:
            raise ModelFitError("popularity needs at least one event; the training set holds none")
        if self.half_life_days is None:
            return PopularityScorer(data.items, np.asarray(data.matrix().sum(axis=0), np.float32).ravel())
        strength = np.zeros(len(ACTION_CODES))
        for action, code in ACTION_CODES.items():
            strength[code] = data.weights.actions.get(action, 0.0)
        age_days = (data.histories.at.max() - data.histories.at) / DAY
        events = strength[data.histories.actions] * 2.0 ** (-age_days / self.half_life_days)
        counts = np.bincount(data.histories.items, weights=events, minlength=len(data.items))
        return PopularityScorer(data.items, counts.astype(np.float32))

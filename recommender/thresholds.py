"""How sure a recommendation must be to be shown: a least score, and a least confidence of the facts that lead to it.

A threshold is the one thing that makes a list shorter than what passes the filters: better fewer than doubtful ones.
It asks what the model says, so a pin, which stands whatever a model says, needs to pass none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recommender.arrays import Bools, Doubles, Floats, Sparse
from recommender.coupled import CoupledScorer, both_ways
from recommender.errors import FilterError
from recommender.explanation import fact_terms
from recommender.filters import Shelf
from recommender.histories import Histories, HistoryWeights
from recommender.listing import Bar, Chain
from recommender.rules import Rule, concerned
from recommender.scorers import RelationScorer
from recommender.titles import ALIKE
from recommender.widening import NewcomerTerm

MIN_SCORE, MIN_CONFIDENCE = "min_score", "min_confidence"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """``min_score`` is held against the score that an answer tells, of whoever speaks for the product: scores of one
    origin cannot be compared with those of another, and the score of what only the catalogue has is 0.
    ``min_confidence`` asks for a fact, or a pair of facts through an entity or a third product, of at least this
    confidence between a product of the history and the one that is shown, among the relations that speak in the chain.

    Raises FilterError for a score that is no number and a confidence that is not between 0 and 1.
    """

    min_score: float | None = None
    min_confidence: float | None = None

    def __post_init__(self) -> None:
        if self.min_score is not None and not math.isfinite(self.min_score):
            raise FilterError(f"{MIN_SCORE} is {self.min_score}; expected a number")
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise FilterError(f"{MIN_CONFIDENCE} is {self.min_confidence}; expected a number from 0 to 1")


NO_THRESHOLDS = Thresholds()


def bars(thresholds: Thresholds, rules: Sequence[Rule], shelf: Shelf) -> tuple[Bar, ...]:
    """The scores to be reached: by the request, and by each rule that hides what scores below something."""
    n_items = len(shelf.items)
    found = []
    if thresholds.min_score is not None:
        found.append(Bar(MIN_SCORE, np.full(n_items, thresholds.min_score)))
    for rule in rules:
        if rule.action == "hide" and rule.below is not None:
            least: Doubles = np.where(concerned(rule, shelf), rule.below, -np.inf)
            found.append(Bar(rule.name, least))
    return tuple(found)


def led_to(chain: Chain, histories: Histories, least: float) -> Bools:
    """The products that facts of at least this confidence join to the history of the one row, (n_items,)."""
    found = np.zeros(len(chain[0][1].items), bool)
    for _, scorer in chain:
        for weight, term in fact_terms(scorer):
            if weight > 0:
                found |= _sure(term, least).scores_batch(histories)[0] > 0
    return found


def _sure(term: RelationScorer | CoupledScorer, least: float) -> RelationScorer | CoupledScorer:
    """The term with ones for facts that are sure enough and nothing for the others: it counts the ways to a product.
    Counts are whole numbers, so that a way from an item back to itself takes itself away exactly."""
    links = {name: _at_least(matrix, least) for name, matrix in term.links.items() if name != ALIKE}
    weights = HistoryWeights(1.0, _all(term.weights.actions))
    if isinstance(term, CoupledScorer):
        related = both_ways(links, len(term.items))
        return replace(term, links=links, related=related, scale=_ones(term.scale), weights=weights)
    parts: dict[str, Any] = {
        "links": links,
        "attributes": {name: _at_least(matrix, least) for name, matrix in term.attributes.items()},
        "rarity": {name: _ones(rarity) for name, rarity in term.rarity.items()},
        "scale": _ones(term.scale),
        "strengths": {name: 1.0 for name, strength in term.strengths.items() if strength > 0 and name != ALIKE},
        "weights": weights,
    }
    if isinstance(term, NewcomerTerm):
        return replace(term, **parts)
    return RelationScorer(items=term.items, entities=term.entities, users=term.users, **parts)


def _at_least(matrix: Sparse, least: float) -> Sparse:
    kept: Sparse = matrix.copy()
    kept.data = (matrix.data >= np.float32(least)).astype(np.float32)
    kept.eliminate_zeros()
    return kept


def _ones(values: Floats) -> Floats:
    return (values > 0).astype(np.float32)


def _all(actions: Mapping[str, float]) -> dict[str, float]:
    return {name: float(weight > 0) for name, weight in actions.items()}

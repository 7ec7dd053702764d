"""A list that is not all of one kind: candidates are put in another order, and their scores stay what they were.

Flow: ranked candidates → what they have in common (category, brand, path type) → the order in which they are shown.
``data-driven-diversity`` is maximal marginal relevance: of those left, next comes the one with the largest

    t · relevance − (1 − t) · max over those already chosen of similarity

where relevance is the score of its origin scaled to [0, 1], similarity the share of the three traits that two products
have in common, and t belongs to the level (Carbonell & Goldstein, The use of MMR, diversity-based reranking, SIGIR
1998). ``rule-based-diversity`` shows at most 3, 2 or 1 products of a category (low, medium, high) as long as there are
others among the candidates. Names and caps are those of Google's Retail API.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from recommender.arrays import Doubles, Ints
from recommender.coupled import CoupledScorer
from recommender.explanation import fact_terms
from recommender.filters import Shelf
from recommender.histories import Histories
from recommender.model import Scorer
from recommender.titles import ALIKE

Level: TypeAlias = Literal["no-diversity", "low-diversity", "medium-diversity", "high-diversity", "auto-diversity"]
Kind: TypeAlias = Literal["rule-based-diversity", "data-driven-diversity"]

POOL = 200
"""Candidates that change places, the best ones. It does not depend on k, so that a short list heads a long one."""
COUPLED = "related to the same"
NOTHING = -1
"""The code of a trait that a product does not have; it is like no other."""

_TRADE_OFF: Mapping[Level, float] = {"low-diversity": 0.85, "medium-diversity": 0.7, "high-diversity": 0.5}
_CAPS: Mapping[Level, int] = {"low-diversity": 3, "medium-diversity": 2, "high-diversity": 1}


@dataclass(frozen=True, slots=True)
class Diversity:
    """How much, and by which of the two ways. ``auto-diversity`` takes the level from the history (``level_for``)."""

    level: Level = "no-diversity"
    kind: Kind = "data-driven-diversity"

    def __bool__(self) -> bool:
        return self.level != "no-diversity"

    def order(self, level: Level, scores: Doubles, origins: Sequence[str], traits: Sequence[Ints]) -> list[int]:
        """The places (n,) of the candidates in the order in which they are shown, for a level that is not auto.

        ``scores`` (n,), best first within an origin; ``origins`` (n,), those of one origin together; ``traits`` are
        the codes (n,) of category, brand and path type. By data, an origin ends before the next one begins: their
        scores say nothing about each other.
        """
        if self.kind == "rule-based-diversity":
            return _capped(traits[0], _CAPS[level])
        return _marginal(_TRADE_OFF[level], _scaled(scores, origins), origins, traits)


NO_DIVERSITY = Diversity()


def level_for(diversity: Diversity, categories: Sequence[str | None]) -> Level:
    """The level of a request, for someone whose products lie in these categories, one a product.

    By ``auto-diversity``, who keeps to few categories gets little and who roams gets much: the share of different
    categories among the products decides by thirds. Fewer than two products say nothing: medium.
    """
    if diversity.level != "auto-diversity":
        return diversity.level
    known = [category for category in categories if category is not None]
    if len(known) < 2:
        return "medium-diversity"
    variety = (len(set(known)) - 1) / (len(known) - 1)
    return "low-diversity" if variety < 1 / 3 else "medium-diversity" if variety < 2 / 3 else "high-diversity"


def codes(names: Sequence[str | None]) -> Ints:
    """Equal names get equal codes, None gets ``NOTHING``, (n,)."""
    known: dict[str, int] = {}
    return np.array([NOTHING if name is None else known.setdefault(name, len(known)) for name in names], np.int64)


def path_types(scorer: Scorer | None, histories: Histories, items: Sequence[int]) -> list[str | None]:
    """The relation that carries most of each product's score, (n,); None where no fact carries it, for a title is none.
    Being related to the same products is one way of its own, whatever the relations."""
    if scorer is None or not items:
        return [None] * len(items)
    places = np.array(items, np.int64)
    carried: dict[str, Doubles] = {}
    for weight, term in fact_terms(scorer):
        if isinstance(term, CoupledScorer):
            said = weight * term.scores_batch(histories)[0, places].astype(np.float64)
            carried[COUPLED] = carried.get(COUPLED, np.zeros(len(items))) + said
            continue
        for name, strength in term.strengths.items():
            if name == ALIKE:
                continue
            said = weight * strength * term.said(name, histories, places[:1], places)[1][0].astype(np.float64)
            carried[name] = carried.get(name, np.zeros(len(items))) + said
    if not carried:
        return [None] * len(items)
    names, shares = list(carried), np.stack(list(carried.values()))
    best = shares.argmax(axis=0)
    return [names[row] if shares[row, column] > 0 else None for column, row in enumerate(best)]


def traits_of(shelf: Shelf, scorers: Sequence[Scorer | None], histories: Histories, items: Sequence[int]) -> list[Ints]:
    """The codes of category, brand and path type of each candidate, three of (n,)."""
    ways: list[str | None] = [None] * len(items)
    for scorer in dict.fromkeys(map(id, scorers)):
        rows = [row for row, one in enumerate(scorers) if id(one) == scorer]
        theirs = path_types(scorers[rows[0]], histories, [items[row] for row in rows])
        for row, way in zip(rows, theirs, strict=True):
            ways[row] = way
    categories = [shelf.tail("IN_CATEGORY", item) for item in items]
    brands = [shelf.tail("MADE_BY", item) for item in items]
    return [codes(categories), codes(brands), codes(ways)]


def _scaled(scores: Doubles, origins: Sequence[str]) -> Doubles:
    """Scores as shares of the range of their origin, (n,); equals are all 1."""
    scaled = np.ones(len(scores))
    names = np.array(origins)
    for origin in dict.fromkeys(origins):
        rows = names == origin
        low, high = scores[rows].min(), scores[rows].max()
        if high > low:
            scaled[rows] = (scores[rows] - low) / (high - low)
    return scaled


def _marginal(trade_off: float, relevance: Doubles, origins: Sequence[str], traits: Sequence[Ints]) -> list[int]:
    names, nearest = np.array(origins), np.zeros(len(relevance))
    left, order = np.ones(len(relevance), bool), list[int]()
    for origin in dict.fromkeys(origins):
        rows = names == origin
        while (waiting := left & rows).any():
            gain = np.where(waiting, trade_off * relevance - (1 - trade_off) * nearest, -np.inf)
            chosen = int(gain.argmax())  # of equals the one that ranked higher
            left[chosen] = False
            order.append(chosen)
            alike = [(trait == trait[chosen]) & (trait != NOTHING) for trait in traits]
            nearest = np.maximum(nearest, np.mean(alike, axis=0))
    return order


def _capped(categories: Ints, cap: int) -> list[int]:
    """In rank order, those of a category that has its share wait until all others had theirs."""
    shown: dict[int, int] = {}
    rounds = []
    for place, category in enumerate(categories.tolist()):
        had = shown[category] = shown.get(category, 0) + 1
        rounds.append((0 if category == NOTHING else (had - 1) // cap, place))
    return [place for _, place in sorted(rounds)]

"""Why a product is not shown: the filter, rule, threshold or missing path that keeps it out, and where it stands.

Flow: the gates that it does not pass → its rank among all that pass and itself → what stands between that rank and the
list → whether any fact leads to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from recommender.diversity import NO_DIVERSITY
from recommender.explanation import contributions, fact_terms
from recommender.histories import UserState
from recommender.listing import Chain, Place, Wish, arranged, listed
from recommender.ranking.ranker import RANKER
from recommender.rules import Rule, concerned

Cause: TypeAlias = Literal["filter", "rule", "threshold", "diversity", "path"]

MOST_BOOSTS = 20
_FILTERS = {
    "exclude_seen": "it was taken before",
    "exclude": "it is among the products to be left out",
    "only": "it is not among the products asked for",
    "category": "it does not lie in the category asked for",
    "brand": "it is not made by the brand asked for",
    "available": "the catalogue says that it cannot be had",
    "min_price": "its price is absent or below the least asked for",
    "max_price": "its price is absent or above the most asked for",
}


@dataclass(frozen=True, slots=True)
class Against:
    """One thing that keeps a product out: a ``filter`` or ``rule`` by its name, a ``threshold`` (a score or confidence
    that was asked for, or the last place of the list), ``diversity``, or a missing ``path`` of facts."""

    cause: Cause
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a product stands. ``shown_at`` is its rank in the list, 0 where it is not shown; ``rank`` and ``score`` are
    those among all products that pass every filter and rule, as if this one passed them too. ``against`` is empty where
    it is shown."""

    product_id: str
    shown_at: int
    rank: int
    score: float
    origin: str
    against: tuple[Against, ...] = ()


def standing(chain: Chain, wish: Wish, user: UserState, item: int, *, k: int) -> Standing:
    """Of the product at a place of the shelf, in the list of k."""
    name = wish.shelf.items[item]
    among = wish.allowed
    among[item] = True
    everything = arranged(chain, _excused(wish, item), len(among), among)
    rank, place = next((rank, place) for rank, place in enumerate(everything, start=1) if place.item == item)
    shown_at = next((at for at, shown in enumerate(listed(chain, wish, k), start=1) if shown.item == item), 0)
    against: list[Against] = []
    if not shown_at:
        against += [
            Against(_cause(gate.kind), gate.name, _refused(gate.kind, gate.name))
            for gate in wish.gates
            if not gate.passes[item]
        ]
        against += _under(wish, item, place.score)
        against += [] if against else [*_outranked(chain, wish, everything, rank, k), *_boosted(chain, wish, item, k)]
        fresh = wish.known is not None and item >= wish.known
        against += _unreached(chain, user, name, fresh)
    return Standing(name, shown_at, rank, place.score, place.origin, tuple(against))


def _excused(wish: Wish, item: int) -> Wish:
    """The same request, with no bar for this item."""
    at = np.arange(len(wish.shelf.items)) == item
    return replace(wish, bars=tuple(replace(bar, least=np.where(at, -np.inf, bar.least)) for bar in wish.bars))


def _under(wish: Wish, item: int, score: float) -> Iterator[Against]:
    """The scores that it does not reach."""
    for bar in wish.bars:
        if score < bar.least[item]:
            said = f"its score is {score:.6g}, and {float(bar.least[item]):.6g} is the least"
            yield Against("threshold", bar.name, said)


def _cause(kind: str) -> Cause:
    return "rule" if kind == "rule" else "threshold" if kind == "threshold" else "filter"


def _refused(kind: str, name: str) -> str:
    if kind == "rule":
        return "the rule hides it"
    if kind == "threshold":
        return "no fact of the confidence asked for joins it to the history"
    return _FILTERS.get(name, f"it states none of the values asked for as {name.removeprefix('attribute ')}")


def _outranked(chain: Chain, wish: Wish, everything: list[Place], rank: int, k: int) -> Iterator[Against]:
    """It passes every gate and is not in the list."""
    place = everything[rank - 1]
    if rank > k > 0:
        last = everything[k - 1]
        said = f"ranked by {place.key:.6g}, it is number {rank}"
        said += " where the ranker put it" if RANKER in place.moved_by else ""
        if place.tier == last.tier:
            yield Against("threshold", f"rank {k}", f"{said}; number {k} has {last.key:.6g}")
        else:
            said = f"{said}; {place.tier} speaks only after {last.tier}, which has number {k}"
            yield Against("threshold", f"rank {k}", said)
        return
    if wish.diversity and any(p.item == place.item for p in listed(chain, replace(wish, diversity=NO_DIVERSITY), k)):
        yield Against("diversity", wish.diversity.level, "it is too much like products that are shown before it")
        return
    rules = dict.fromkeys(rule.name for rule in wish.rules if rule.action == "pin")
    for name in rules:
        yield Against("rule", name, f"what it pins takes a place of the {k}")


def _boosted(chain: Chain, wish: Wish, item: int, k: int) -> Iterator[Against]:
    """The boosts that keep it out of the k: each without which it would be there, or all where none does it alone. Of
    more than ``MOST_BOOSTS`` none is tried by itself: each takes a ranking."""
    boosting = [rule for rule in wish.rules if rule.action == "boost"]

    def shown_without(left_out: Sequence[Rule]) -> bool:
        left = replace(wish, rules=tuple(rule for rule in wish.rules if rule not in left_out))
        return any(place.item == item for place in listed(chain, left, k))

    alone = [rule for rule in boosting if shown_without([rule])] if len(boosting) <= MOST_BOOSTS else []
    together = boosting if not alone and len(boosting) > 1 and shown_without(boosting) else []
    for rule in alone or together:
        said = "it lowers this product" if _lowers(rule, wish, item) else "it lifts products above this one"
        yield Against("rule", rule.name, f"{said}; it would be shown without {'this rule' if alone else 'the boosts'}")


def _lowers(rule: Rule, wish: Wish, item: int) -> bool:
    return rule.by < 1 and bool(concerned(rule, wish.shelf)[item])


def _unreached(chain: Chain, user: UserState, name: str, fresh: bool) -> Iterator[Against]:
    """Whether no fact carries it, as far as anybody in the chain looks at facts; nor the title of one that is
    ``fresh``."""
    if not user.history:
        yield Against("path", "history", "no event of theirs is known, so that no fact can lead anywhere")
        return
    scorers = [scorer for _, scorer in chain if any(fact_terms(scorer))]
    if not scorers:
        yield Against("path", "facts", "the model knows no relation between products, so that no fact can lead to it")
    elif not any(contributions(scorer, user, name) for scorer in scorers):
        touched = len({event.product_id for event in user.history})
        said = "the one product" if touched == 1 else f"any of the {touched} products"
        told = f"no fact joins it to {said} of the history"
        told += ", and its title reads like none that the model knows there" if fresh else ""
        yield Against("path", "facts", told)

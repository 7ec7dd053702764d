"""From scores to the list that is shown: who speaks for which product, and in which order.

Flow: what may be shown → each scorer of the chain in turn, boosted, as far as scores reach their bars → what only the
catalogue has → the ranker → diversity → chance → pins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from recommender.arrays import Bools, Doubles
from recommender.diversity import NO_DIVERSITY, POOL, Diversity, level_for, traits_of
from recommender.exploring import MOVED, Draw
from recommender.filters import Shelf
from recommender.histories import Histories
from recommender.model import Scorer
from recommender.ranking.ranker import RANKER, Ranker, arrangement, carried
from recommender.retrieval import top_k
from recommender.rules import Rule, boosted, boosts, merged, pins

NEWCOMER = "newcomer"
"""The origin of products that came after the model was trained: their facts and titles speak for them, beside
whoever speaks."""
CATALOGUE = "catalogue"
"""The origin of products about which nobody in the chain says anything: they come last, in the order of their ids."""

Chain = Sequence[tuple[str, Scorer]]


@dataclass(frozen=True, slots=True)
class Place:
    """A product where it is ranked; ``scorer`` is None for what only the catalogue has. ``key`` is what it is ranked by
    within its tier, the link of the chain that ranked it: its score, or its score after the boosts; whom the ranker
    moves takes the key of its new place. The origin is the tier, or ``NEWCOMER``. ``drawn`` is its place among the
    candidates of a draw before chance had its say, −1 where chance has none."""

    origin: str
    scorer: Scorer | None
    item: int
    score: float
    key: float
    moved_by: tuple[str, ...] = ()
    drawn: int = -1
    tier: str = CATALOGUE


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition, what kind it is (``filter``, ``rule`` or ``threshold``), and which items pass it, (n_items,)."""

    kind: str
    name: str
    passes: Bools


@dataclass(frozen=True, slots=True)
class Bar:
    """A score that must be reached: ``name`` is ``min_score`` or that of a rule, ``least`` (n_items,) is −inf for items
    that it is not about."""

    name: str
    least: Doubles


@dataclass(frozen=True, slots=True)
class Wish:
    """One request, ready to be answered: whose history (one row), what may be shown, and how it is to be arranged.
    Items from the place ``known`` on are newcomers; there are none where it is None."""

    histories: Histories
    shelf: Shelf
    gates: tuple[Gate, ...] = ()
    bars: tuple[Bar, ...] = ()
    rules: tuple[Rule, ...] = ()
    diversity: Diversity = NO_DIVERSITY
    draw: Draw | None = None
    known: int | None = None
    ranker: Ranker | None = None

    @property
    def allowed(self) -> Bools:
        """Which items pass every gate, (n_items,)."""
        return self._passing(self.gates)

    @property
    def pinnable(self) -> Bools:
        """Which items pass all but the thresholds: a pin stands whatever a model says, (n_items,)."""
        return self._passing([gate for gate in self.gates if gate.kind != "threshold"])

    @property
    def floor(self) -> Doubles:
        """The score that each item must reach, (n_items,)."""
        return reduce(np.maximum, (bar.least for bar in self.bars), np.full(len(self.shelf.items), -np.inf))

    def _passing(self, gates: Sequence[Gate]) -> Bools:
        return reduce(np.logical_and, (gate.passes for gate in gates), np.ones(len(self.shelf.items), bool))


def listed(chain: Chain, wish: Wish, k: int) -> list[Place]:
    """At most k products as they are shown; the list for k heads the list for k + 1."""
    allowed, pinnable = wish.allowed, wish.pinnable
    pinned = [(rank, rule, item) for rank, rule, item in pins(wish.rules, wish.shelf) if pinnable[item]]
    apart = np.zeros(len(allowed), bool)
    apart[[item for _, _, item in pinned]] = True
    deep = max(k, POOL if wish.diversity else 0, wish.draw.exploration.reach if wish.draw else 0)
    natural = arranged(chain, wish, deep, allowed & ~apart)
    if wish.diversity:
        natural = _diverse(natural, wish)
    if wish.draw:
        natural = _explored(natural, wish.draw)
    if not pinned:
        return natural[:k]
    spoken = {place.item: place for place in ranked(chain, replace(wish, bars=()), len(pinned), apart)}
    placed = [(rank, replace(spoken[item], moved_by=(rule.label,))) for rank, rule, item in pinned]
    return merged(natural, placed, k)


def arranged(chain: Chain, wish: Wish, k: int, allowed: Bools) -> list[Place]:
    """At least k as they are ranked, if there are so many; the best of the model in the order of the ranker where one
    is served. Its pool does not depend on k."""
    if wish.ranker is None:
        return list(ranked(chain, wish, k, allowed))
    places = list(ranked(chain, wish, max(k, wish.ranker.pool), allowed))
    known = len(wish.shelf.items) if wish.known is None else wish.known
    first = enumerate(places[: wish.ranker.pool])
    slots = [slot for slot, place in first if place.tier == chain[0][0] and place.item < known]
    if len(slots) < 2:
        return places
    pool = [places[slot] for slot in slots]
    order = arrangement(_worth(pool, wish, wish.ranker, known), _carried(pool, wish))
    for new, (slot, old) in enumerate(zip(slots, order, strict=True)):
        if old != new:
            moved_by = (*pool[old].moved_by, RANKER)
            places[slot] = replace(pool[old], key=pool[new].key, moved_by=moved_by)
    return places


def _carried(pool: Sequence[Place], wish: Wish) -> Bools:
    """Which places have a reason, (p,)."""
    scorer = pool[0].scorer
    assert scorer is not None
    items = np.array([place.item for place in pool], np.int64)
    found: Bools = carried(scorer, wish.histories)[0][items]
    return found


def _worth(pool: Sequence[Place], wish: Wish, ranker: Ranker, known: int) -> Doubles:
    """What the ranker expects of each place of the pool, (p,), boosted as the score is."""
    by_score = np.argsort([-place.score for place in pool], kind="stable")  # as it was taught, without boosts
    items = np.array([pool[place].item for place in by_score], np.int64)
    scores = np.array([pool[place].score for place in by_score], np.float32)
    history = wish.histories.keep(wish.histories.items < known)
    worth = np.empty(len(pool))
    worth[by_score] = ranker.relevance(history, items[None], scores[None])[0]
    places = np.array([place.item for place in pool], np.int64)
    for rule, theirs in boosts(wish.rules, wish.shelf):
        worth[theirs[places]] *= rule.by
    return worth


def ranked(chain: Chain, wish: Wish, k: int, allowed: Bools) -> Iterator[Place]:
    """Each scorer that knows something fills what the ones before it left open, and the catalogue the rest. Who speaks
    first for a product decides whether it reaches its bar: it gets no second chance by another measure."""
    left, still, floor = k, allowed.copy(), wish.floor
    boosting = boosts(wish.rules, wish.shelf)
    for origin, scorer in chain:
        if left == 0:
            return
        if not scorer.speaks(wish.histories)[0]:
            continue
        scores = scorer.scores_batch(wish.histories)[0]
        keys = boosted(scores, boosting)
        spoken = still & (scores != 0)
        still &= ~spoken
        for item in top_k(keys, left, spoken & (scores >= floor)).tolist():
            left -= 1
            moved_by = tuple(rule.label for rule, theirs in boosting if theirs[item])
            told = origin if wish.known is None or item < wish.known else NEWCOMER
            yield Place(told, scorer, item, float(scores[item]), float(keys[item]), moved_by, tier=origin)
    for item in np.flatnonzero(still & (floor <= 0))[:left].tolist():
        yield Place(CATALOGUE, None, item, 0.0, 0.0)


def _diverse(places: list[Place], wish: Wish) -> list[Place]:
    """The first ``POOL`` in another order, then the others as they are."""
    pool = places[:POOL]
    touched = np.unique(wish.histories.items).tolist()
    level = level_for(wish.diversity, [wish.shelf.tail("IN_CATEGORY", item) for item in touched])
    traits = traits_of(wish.shelf, [p.scorer for p in pool], wish.histories, [p.item for p in pool])
    order = wish.diversity.order(level, np.array([p.key for p in pool]), [p.tier for p in pool], traits)
    moved = [
        pool[old] if old == new else replace(pool[old], moved_by=(*pool[old].moved_by, level))
        for new, old in enumerate(order)
    ]
    return [*moved, *places[POOL:]]


def _explored(places: list[Place], draw: Draw) -> list[Place]:
    """The candidates in the order that chance gives them, what stands before and after them as it is."""
    begin, end = draw.exploration.first - 1, draw.exploration.reach
    pool = [replace(place, drawn=n) for n, place in enumerate(places[begin:end])]
    order = draw.order(len(pool))
    moved = [
        pool[old] if old == new else replace(pool[old], moved_by=(*pool[old].moved_by, MOVED))
        for new, old in enumerate(order)
    ]
    return [*places[:begin], *moved, *places[end:]]

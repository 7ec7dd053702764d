"""Why a product is shown: the facts that carry its score, each with its exact contribution.

Flow: the terms of a scorer that are sums over facts → contributions (history item, relation, what is between) → the
facts behind the largest of them → reasons. A contribution is read off the same arrays that made the score, so the
contributions of all facts add up to these terms' part of it. What no fact carries gets no reason: none is invented.

What says the same is told once: a fact that several terms use, a symmetric fact stated from both ends ("A is bought
with B", "B is bought with A"), and facts between the same two products that rest on the same evidence ("A is bought
with B", "A goes with B", both by the same seven users). The reason tells the one that adds most, carries the sum of
what is still in the graph, and names every fact of it.
"""

import heapq
import logging
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kg import ids
from kg.errors import UnknownEntity
from kg.schema import SHOP
from kg.store import GraphReader
from kg.types import Evidence, Fact, GraphPath, Interaction, Reason, Timestamp
from recommender.coupled import CoupledScorer, row_of
from recommender.histories import Histories, UserState
from recommender.model import Scorer
from recommender.naming import is_named_by, naming_of
from recommender.reading import NAMED
from recommender.scorers import RelationScorer, WeightedSumScorer
from recommender.titles import ALIKE

MOST_EVENTS = 3  # newest events that a reason shows of one history item

_log = logging.getLogger("shopgraph.recommender.explanation")


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one fact, or one pair of facts through an entity or a product, adds to a score; or, as ``titles.ALIKE``, a
    title.

    ``item`` is the product of the history it starts from. A fact between products has ``forward`` True where that
    product is its head; facts through an entity name it in ``entity``. Facts through a product name that one there, and
    ``onward`` is the second of them: its relation, and whether the product between is its head.
    """

    value: float
    item: str
    relation: str
    forward: bool = True
    entity: str | None = None
    onward: tuple[str, bool] | None = None


def contributions(scorer: Scorer, user: UserState, product_id: str) -> list[Contribution]:
    """Everything that facts add to the product's score by the terms of ``scorer``, largest first.

    Their values sum to the part of the score that is these terms', up to rounding.
    """
    found: list[Contribution] = []
    for weight, term in fact_terms(scorer):
        place = term.items.get(product_id)
        if place >= 0 and term.scale[place] > 0:
            if isinstance(term, CoupledScorer):
                found += _of_coupling(weight, term, user, place)
            else:
                found += _of_term(weight, term, user, place)
    return sorted(found, key=lambda c: (-c.value, c.item, c.relation, c.entity or "", not c.forward, c.onward or ()))


def fact_terms(scorer: Scorer, weight: float = 1.0) -> Iterator[tuple[float, RelationScorer | CoupledScorer]]:
    """What inside a scorer says which facts carry its part of a score, with its weight in the sum."""
    if isinstance(scorer, RelationScorer | CoupledScorer):
        yield weight, scorer
    elif isinstance(scorer, WeightedSumScorer):
        for factor, part in scorer.parts:
            yield from fact_terms(part, weight * factor)


def relation_terms(scorer: Scorer) -> Iterator[tuple[float, RelationScorer]]:
    """The linear relation terms among them."""
    return ((weight, term) for weight, term in fact_terms(scorer) if isinstance(term, RelationScorer))


def _shares(weight: float, term: RelationScorer | CoupledScorer, user: UserState, place: int) -> dict[int, float]:
    """What a fact of strength 1 adds, by the place of the history item it starts from."""
    x = term.weights.matrix(Histories.of([user], term.items, term.users), len(term.items))
    return {
        int(item): weight * float(strength) * float(term.scale[item]) * float(term.scale[place])
        for item, strength in zip(x.indices, x.data, strict=True)
    }


def _of_coupling(weight: float, term: CoupledScorer, user: UserState, place: int) -> Iterator[Contribution]:
    shares, theirs = _shares(weight, term, user, place), term.legs(place)
    for item in term.joined(place, np.array([i for i, share in shares.items() if share and i != place], np.int64)):
        mine = term.legs(item)
        for between in sorted(mine.keys() & theirs.keys()):
            middle = ids.product(term.items[between])
            for relation, forward, cell in mine[between]:
                for onward, backward, other in theirs[between]:
                    value = shares[item] * cell * other
                    yield Contribution(value, term.items[item], relation, forward, middle, (onward, not backward))


def _of_term(weight: float, term: RelationScorer, user: UserState, place: int) -> Iterator[Contribution]:
    shares = {i: share for i, share in _shares(weight, term, user, place).items() if term.joins(i, place)}
    for relation, matrix in term.links.items():
        for forward, side in ((True, term.turned[relation]), (False, matrix)):
            for item, cell in row_of(side, place):
                if shares.get(item):
                    value = shares[item] * term.strengths[relation] * cell
                    yield Contribution(value, term.items[item], relation, forward)
    rows = np.array([item for item, share in shares.items() if share], np.int64)
    for relation, matrix in term.attributes.items():
        theirs = {entity: cell * float(term.rarity[relation][entity]) for entity, cell in row_of(matrix, place)}
        for item in rows if theirs else ():
            for entity, cell in row_of(matrix, int(item)):
                if theirs.get(entity):
                    value = shares[int(item)] * term.strengths[relation] * cell * theirs[entity]
                    yield Contribution(value, term.items[int(item)], relation, entity=term.entities[entity])


def statements(parts: Iterable[Contribution]) -> list[tuple[Contribution, ...]]:
    """The contributions that say the same thing to a person, together; each group holds one for each direction.

    What several terms draw from one fact is added up; whatever joins two products to the same third one is one
    statement. The values of all groups sum to those of ``parts``.
    """
    facts: dict[Hashable, Contribution] = {}
    for part in parts:
        key = replace(part, value=0.0)
        facts[key] = replace(part, value=part.value + facts[key].value) if key in facts else part
    groups: defaultdict[Hashable, list[Contribution]] = defaultdict(list)
    for part in facts.values():
        relation = SHOP.relations.get(part.relation)
        symmetric = relation is not None and relation.symmetric
        said = part.relation, symmetric or part.forward
        groups[part.item, part.entity, said if part.onward is None else "through"].append(part)
    return [tuple(group) for group in groups.values()]


@dataclass(frozen=True, slots=True)
class _Statement:
    """Contributions of one history item that may say the same; ``told`` are the facts of each, once looked up."""

    parts: tuple[Contribution, ...]
    told: tuple[GraphPath, ...] | None = None

    @property
    def value(self) -> float:
        return sum(part.value for part in self.parts)

    @property
    def order(self) -> tuple[float, str, str, str, str, bool, bool, bool]:
        """What adds most comes first; no two are equal."""
        first = self.parts[0]
        names = first.item, first.relation, first.entity or "", *(first.onward or ("", False))
        return -self.value, *names, not first.forward, self.told is None

    def reason(self, user: UserState) -> Reason:
        assert self.told is not None
        best = max(range(len(self.parts)), key=lambda place: (self.parts[place].value, self.parts[place].forward))
        path = self.told[best]
        others = dict.fromkeys(fact for other in self.told for fact in other.facts)
        also = tuple(fact for fact in others if fact not in path.facts)
        return Reason(_events(user, self.parts[best].item), path, self.value, also)


class Explainer:
    """Finds the facts behind contributions. Holds no state but the reader; safe to use from several threads."""

    def __init__(self, reader: GraphReader) -> None:
        self._reader = reader

    def reasons(
        self, scorer: Scorer, user: UserState, product_id: str, *, limit: int = 3, until: Timestamp | None = None
    ) -> tuple[Reason, ...]:
        """The ``limit`` facts or pairs of facts that add most to this score, largest first, nothing said twice.

        Facts come from the graph as it is before ``until``, with their quotes and counts; what is no longer there is
        passed over. An empty answer says that no path of facts carries the product.
        """
        found: list[Reason] = []
        parts = (part for part in contributions(scorer, user, product_id) if part.relation != ALIKE)
        # what has not been looked up stands where it would if all of it said the same: nothing after it can add more
        heap = [(one.order, one) for one in _together(parts)]
        heapq.heapify(heap)
        while heap and len(found) < limit:
            (less, *_), one = heapq.heappop(heap)
            if less >= 0:
                break
            if one.told is not None:
                found.append(one.reason(user))
                continue
            for looked_up in self._looked_up(one.parts, product_id, until):
                heapq.heappush(heap, (looked_up.order, looked_up))
        return tuple(found)

    def _looked_up(
        self, parts: tuple[Contribution, ...], product_id: str, until: Timestamp | None
    ) -> Iterator[_Statement]:
        """What is still in the graph, by what it says."""
        groups: list[dict[Contribution, GraphPath]] = []
        for group in statements(parts):
            found = {part: path for part in group if (path := self._path(part, product_id, until))}
            if len(found) < len(group):
                _log.debug("a fact behind %s is no longer in the graph", group)
            if found:
                same = [_same([*told.values()], [*found.values()]) for told in groups]
                alike = (told for told, one in zip(groups, same, strict=True) if one)
                merged = {part: path for told in (*alike, found) for part, path in told.items()}
                groups = [*(told for told, one in zip(groups, same, strict=True) if not one), merged]
        return (_Statement(tuple(told), tuple(told.values())) for told in groups)

    def _path(self, part: Contribution, product_id: str, until: Timestamp | None) -> GraphPath | None:
        here, there = ids.product(part.item), ids.product(product_id)
        if part.entity is None:
            fact = self._between(here, part.relation, there, part.forward, until)
            return GraphPath((fact,)) if fact else None
        if part.onward is None:
            mine = self._fact(here, part.relation, part.entity, until)
            theirs = self._fact(there, part.relation, part.entity, until)
        else:
            mine = self._between(here, part.relation, part.entity, part.forward, until)
            theirs = self._between(part.entity, part.onward[0], there, part.onward[1], until)
        return GraphPath((mine, theirs)) if mine and theirs else None

    def _between(self, one: str, relation: str, other: str, forward: bool, until: Timestamp | None) -> Fact | None:
        """The fact between two products, with ``one`` as its head where it is ``forward``."""
        head, tail = (one, other) if forward else (other, one)
        if relation.endswith(NAMED):
            return self._fact_by_name(head, relation.removesuffix(NAMED), tail, until)
        return self._fact(head, relation, tail, until)

    def _fact(self, head: str, relation: str, tail: str, until: Timestamp | None) -> Fact | None:
        facts = self._reader.facts(head=head, relation=relation, tail=tail, until=until, allow_undated=True)
        return next(iter(facts), None)

    def _fact_by_name(self, head: str, relation: str, product: str, until: Timestamp | None) -> Fact | None:
        """The most confident fact of ``head`` whose Thing names the product: the Thing stands for it in the path."""
        try:
            naming = naming_of(self._reader, self._reader.entity(product))
        except UnknownEntity:
            return None
        best: Fact | None = None
        for fact in self._reader.facts(head=head, relation=relation, until=until, allow_undated=True):
            thing = self._reader.entity(fact.tail)
            names = any(is_named_by(naming, surface) for surface in (thing.name, *thing.aliases))
            if names and thing.type == "Thing" and (best is None or fact.confidence > best.confidence):
                best = fact
        return best


def _together(parts: Iterable[Contribution]) -> list[_Statement]:
    """By history item, what its facts with the product add: whether they rest on the same evidence is not known yet.
    Pairs of facts through an entity say nothing but themselves, those through a product what they say together."""
    groups: defaultdict[Hashable, list[Contribution]] = defaultdict(list)
    for part in parts:
        through = "" if part.entity is None or part.onward is not None else part.relation
        groups[part.item, through, part.entity].append(part)
    return [_Statement(tuple(group)) for group in groups.values()]


def _same(some: Sequence[GraphPath], others: Sequence[GraphPath]) -> bool:
    """Whether two facts between the same ends are one observation under two names."""
    found = {basis for path in some if (basis := _basis(path)) is not None}
    return any(_basis(path) in found for path in others)


def _basis(path: GraphPath) -> Hashable | None:
    """What a path of one fact rests on: its ends, and each quote or count behind it.

    None where it is a pair of facts, or where a bare source says so: a catalogue may state two relations apart.
    """
    fact, *others = path.facts
    if others or not all(e.quote is not None or e.counts for e in fact.evidence):
        return None
    relation = SHOP.relations.get(fact.relation)
    symmetric = relation is not None and relation.symmetric
    ends = tuple(sorted((fact.head, fact.tail))) if symmetric else (fact.head, fact.tail)
    return symmetric, ends, frozenset(map(_observation, fact.evidence))


def _observation(evidence: Evidence) -> Hashable:
    """Counts name the relation that they were counted for as their source, so that it tells nothing apart."""
    if evidence.quote is not None:
        return evidence.source, evidence.start, evidence.end, evidence.method
    return evidence.method, evidence.confidence, evidence.at, tuple(sorted(evidence.counts.items()))


def _events(user: UserState, item: str) -> tuple[Interaction, ...]:
    """The newest events on the item, oldest first."""
    return tuple(event for event in user.history if event.product_id == item)[-MOST_EVENTS:]

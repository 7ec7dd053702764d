"""Why a product is shown: the facts that carry its score, each with its exact contribution.

Flow: the relation terms of a scorer → contributions (history item, relation, entity between) → the facts behind the
largest of them → reasons. A contribution is read off the same arrays that made the score, so the contributions of all
facts add up to the relation terms' part of it. What no fact carries gets no reason: none is invented for it.

What says the same is told once: a fact that several terms use, and a symmetric fact stated from both ends ("A is bought
with B", "B is bought with A"). The reason carries the sum of what is still in the graph.
"""

import heapq
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from kg import ids
from kg.errors import UnknownEntity
from kg.schema import SHOP
from kg.store import GraphReader
from kg.types import Fact, GraphPath, Interaction, Reason, Timestamp
from recommender.arrays import Sparse
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
    """What one fact, or one pair of facts through an entity, adds to a score; or, as ``titles.ALIKE``, a title.

    ``item`` is the product of the history it starts from. A fact between products has ``forward`` True where that
    product is its head; facts through an entity name it in ``entity``.
    """

    value: float
    item: str
    relation: str
    forward: bool = True
    entity: str | None = None


def contributions(scorer: Scorer, user: UserState, product_id: str) -> list[Contribution]:
    """Everything that the relation terms of ``scorer`` add to the product's score, largest first.

    Their values sum to the relation terms' part of the score, up to rounding.
    """
    found: list[Contribution] = []
    for weight, term in relation_terms(scorer):
        place = term.items.get(product_id)
        if place >= 0 and term.scale[place] > 0:
            found += _of_term(weight, term, user, place)
    return sorted(found, key=lambda c: (-c.value, c.item, c.relation, c.entity or "", not c.forward))


def relation_terms(scorer: Scorer, weight: float = 1.0) -> Iterator[tuple[float, RelationScorer]]:
    """The relation terms inside a scorer with their weight in its sum."""
    if isinstance(scorer, RelationScorer):
        yield weight, scorer
    elif isinstance(scorer, WeightedSumScorer):
        for factor, part in scorer.parts:
            yield from relation_terms(part, weight * factor)


def _of_term(weight: float, term: RelationScorer, user: UserState, place: int) -> Iterator[Contribution]:
    x = term.weights.matrix(Histories.of([user], term.items, term.users), len(term.items))
    shares = {
        int(item): weight * float(strength) * float(term.scale[item]) * float(term.scale[place])
        for item, strength in zip(x.indices, x.data, strict=True)
        if term.joins(int(item), place)
    }
    for relation, matrix in term.links.items():
        for forward, side in ((True, term.turned[relation]), (False, matrix)):
            for item, cell in _row(side, place):
                if shares.get(item):
                    value = shares[item] * term.strengths[relation] * cell
                    yield Contribution(value, term.items[item], relation, forward)
    rows = np.array([item for item, share in shares.items() if share], np.int64)
    for relation, matrix in term.attributes.items():
        theirs = {entity: cell * float(term.rarity[relation][entity]) for entity, cell in _row(matrix, place)}
        for item in rows if theirs else ():
            for entity, cell in _row(matrix, int(item)):
                if theirs.get(entity):
                    value = shares[int(item)] * term.strengths[relation] * cell * theirs[entity]
                    yield Contribution(value, term.items[int(item)], relation, entity=term.entities[entity])


def _row(matrix: Sparse, row: int) -> Iterator[tuple[int, float]]:
    """(column, value) of one row."""
    part = slice(int(matrix.indptr[row]), int(matrix.indptr[row + 1]))
    return zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True)


def statements(parts: Iterable[Contribution]) -> list[tuple[Contribution, ...]]:
    """The contributions that say the same thing to a person, together; each group holds one for each direction.

    What several terms draw from one fact is added up. The values of all groups sum to those of ``parts``.
    """
    facts: dict[tuple[str, str, str | None, bool], Contribution] = {}
    for part in parts:
        key = (part.item, part.relation, part.entity, part.forward)
        facts[key] = replace(part, value=part.value + facts[key].value) if key in facts else part
    groups: defaultdict[tuple[str, str, str | None, bool], list[Contribution]] = defaultdict(list)
    for part in facts.values():
        relation = SHOP.relations.get(part.relation)
        symmetric = relation is not None and relation.symmetric
        groups[part.item, part.relation, part.entity, symmetric or part.forward].append(part)
    return [tuple(group) for group in groups.values()]


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
        heap = [(_order(group), group) for group in statements(parts)]
        heapq.heapify(heap)
        while heap and len(found) < limit:
            (less, *_), group = heapq.heappop(heap)
            if less >= 0:
                break
            paths = {part: path for part in group if (path := self._path(part, product_id, until))}
            if len(paths) == len(group):
                best = max(group, key=lambda part: (part.value, part.forward))
                found.append(Reason(_events(user, best.item), paths[best], -less))
            else:
                _log.debug("a fact behind %s is no longer in the graph", group)
                if paths:  # worth less than it seemed: others may come first now
                    heapq.heappush(heap, (_order(tuple(paths)), tuple(paths)))
        return tuple(found)

    def _path(self, part: Contribution, product_id: str, until: Timestamp | None) -> GraphPath | None:
        here, there = ids.product(part.item), ids.product(product_id)
        if part.entity is not None:
            mine = self._fact(here, part.relation, part.entity, until)
            theirs = self._fact(there, part.relation, part.entity, until)
            return GraphPath((mine, theirs)) if mine and theirs else None
        head, tail = (here, there) if part.forward else (there, here)
        if part.relation.endswith(NAMED):
            fact = self._fact_by_name(head, part.relation.removesuffix(NAMED), tail, until)
        else:
            fact = self._fact(head, part.relation, tail, until)
        return GraphPath((fact,)) if fact else None

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


def _order(group: tuple[Contribution, ...]) -> tuple[float, str, str, str, bool]:
    """What adds most comes first; no two groups are equal."""
    first = group[0]
    return -sum(part.value for part in group), first.item, first.relation, first.entity or "", not first.forward


def _events(user: UserState, item: str) -> tuple[Interaction, ...]:
    """The newest events on the item, oldest first."""
    return tuple(event for event in user.history if event.product_id == item)[-MOST_EVENTS:]

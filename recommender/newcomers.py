"""Products that came after the model was trained: what the graph says of them, read from the graph alone.

Flow: product entities that are not among the model's items → their facts, from and to them, and the products that a
Thing names → what joins them to everything else. Nothing is remembered anywhere but in the graph, so a restart and
another process see the same newcomers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from kg import ids
from kg.errors import UnknownEntity
from kg.store import GraphReader
from kg.types import Entity, Fact
from recommender.compatibility import STATING, facts_naming, named_among, nearby
from recommender.histories import Ids
from recommender.reading import NAMED, NOT_A_TASTE
from recommender.scorers import RelationScorer

MOST_SHARED = 2000
"""An entity that more products share tells nothing apart, as in ``models.relations.Relations``."""

Cells = Mapping[tuple[str, str], float]  # (head, tail) by their names → confidence


@dataclass(frozen=True, slots=True)
class Arrived:
    """What joins newcomers to other products. ``items`` are the model's, then the newcomers by id.

    ``links`` holds facts between a newcomer and a product, ``attributes`` facts of newcomers with other things, by
    relation. Things that tell products apart only since a newcomer shares them, for the model saw them at one product
    or nowhere, are in ``late``: they bring the facts of the products that had them before along.
    """

    items: Ids
    links: Mapping[str, Cells] = field(default_factory=dict)
    attributes: Mapping[str, Cells] = field(default_factory=dict)
    late: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # relation → entity → products that have it

    @property
    def joined(self) -> bool:
        """Whether any fact joins a newcomer to anything."""
        return bool(self.links or self.attributes)


class _Meaning(NamedTuple):
    """The products that a Thing names, and what that was worked out from."""

    thing: Entity
    near: list[Entity]
    products: list[Entity]


class Newcomers:
    """Reads newcomers, again for each version of the graph; for one thread at a time.

    It remembers from one reading to the next which products a Thing names, the slow part, for as long as the Thing and
    the products that it may name are what they were. Facts are always read again. Where one of these products gets or
    loses nothing but an attribute ``model``, the Thing is asked again only once another of them changes.
    """

    def __init__(self, reader: GraphReader, items: Ids, term: RelationScorer | None) -> None:
        self._reader = reader
        self._items = items
        self._term = term
        self._named: dict[str, _Meaning] = {}
        self._before: dict[str, _Meaning] = {}

    def read(self, products: Iterable[Entity]) -> Arrived:
        """The newcomers among the products of the graph."""
        fresh = {key: e for e in products if (key := ids.product_id(e.id)) is not None and key not in self._items}
        if not fresh:
            return Arrived(self._items)
        items = Ids((*self._items.names, *sorted(fresh)))
        if self._term is None:
            return Arrived(items)
        links: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        stated: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        self._before, self._named = self._named, {}
        for key in sorted(fresh):
            facts = tuple(f for f in self._reader.facts(head=fresh[key].id) if f.relation not in NOT_A_TASTE)
            for fact in facts:
                other = ids.product_id(fact.tail)
                if other is None:
                    stated[fact.relation][key, fact.tail] = fact.confidence
                elif other in items and other != key:
                    links[fact.relation][key, other] = fact.confidence
            for head, fact in self._toward(fresh[key].id):
                if head in items and head != key:
                    links[fact.relation][head, key] = fact.confidence
            for relation, cells in self._by_name(key, fresh[key], facts).items():
                links[relation].update({pair: told for pair, told in cells.items() if items.places.keys() >= set(pair)})
        attributes, late = self._useful(items, stated)
        return Arrived(items, {r: dict(c) for r, c in links.items() if c}, attributes, late)

    def _toward(self, product: str) -> Iterator[tuple[str, Fact]]:
        for fact in self._reader.facts(tail=product):
            head = ids.product_id(fact.head)
            if head is not None and fact.relation not in NOT_A_TASTE:
                yield head, fact

    def _by_name(self, key: str, product: Entity, facts: tuple[Fact, ...]) -> dict[str, Cells]:
        """Links through a Thing that names a product, in either direction."""
        found: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        for fact in facts:
            if fact.relation in STATING and ids.product_id(fact.tail) is None:
                for other in self._meant(fact.tail):
                    found[fact.relation + NAMED][key, other] = fact.confidence
        for fact in facts_naming(self._reader, product, self._naming):
            head = ids.product_id(fact.head)
            if head is not None and head != key:
                found[fact.relation + NAMED][head, key] = fact.confidence
        return {name: dict(cells) for name, cells in found.items()}

    def _meant(self, thing: str) -> Iterator[str]:
        try:
            entity = self._reader.entity(thing)
        except UnknownEntity:
            return
        for product in self._naming(self._reader, entity):
            key = ids.product_id(product.id)
            if key is not None:
                yield key

    def _naming(self, reader: GraphReader, thing: Entity) -> list[Entity]:
        """``named_products``, asked once a reading, and worked out again only where what it rests on has changed."""
        if thing.id not in self._named:
            near = nearby(reader, thing)
            held = self._before.get(thing.id)
            same = held is not None and held.thing == thing and held.near == near
            self._named[thing.id] = held if held and same else _Meaning(thing, near, named_among(reader, thing, near))
        return self._named[thing.id].products

    def _useful(self, items: Ids, stated: Mapping[str, Cells]) -> tuple[dict[str, Cells], dict[str, dict[str, int]]]:
        """Facts with things that join products; for those that the model knows no use of, also the facts of others."""
        attributes: dict[str, Cells] = {}
        late: dict[str, dict[str, int]] = {}
        for relation, cells in stated.items():
            kept: dict[tuple[str, str], float] = {}
            counts: dict[str, int] = {}
            by_tail: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
            for pair, value in cells.items():
                by_tail[pair[1]][pair] = value
            for tail in sorted(by_tail):
                if self._known(relation, tail):
                    kept |= by_tail[tail]
                    continue
                having = self._having(relation, tail, items)
                if 2 <= len(having) <= MOST_SHARED:
                    counts[tail] = len(having)
                    kept |= having
            if kept:
                attributes[relation] = kept
            if counts:
                late[relation] = counts
        return attributes, late

    def _known(self, relation: str, tail: str) -> bool:
        """Whether the model already joins products through it."""
        assert self._term is not None
        place = self._term.entities.get(tail)
        rarity = self._term.rarity.get(relation)
        return rarity is not None and place >= 0 and float(rarity[place]) > 0

    def _having(self, relation: str, tail: str, items: Ids) -> dict[tuple[str, str], float]:
        facts = islice(self._reader.facts(relation=relation, tail=tail), MOST_SHARED + 1)
        heads = ((ids.product_id(fact.head), fact.confidence) for fact in facts)
        return {(head, tail): confidence for head, confidence in heads if head is not None and head in items}

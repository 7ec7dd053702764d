"""Products that came after the model was trained: what the graph says of them, read from the graph alone.

Flow: product entities that are not among the model's items → their facts, from and to them, and the products that a
Thing names → what joins them to everything else. Nothing is remembered anywhere but in the graph, so a restart and
another process see the same newcomers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from kg import ids
from kg.errors import UnknownEntity
from kg.store import GraphReader
from kg.types import Entity, Fact
from recommender.compatibility import STATING, facts_naming, named_products
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


class Arrivals:
    """Reads newcomers, again for each version of the graph. Holds what it has found out about Things that name
    products, which is the slow part; for one thread at a time."""

    def __init__(self, reader: GraphReader, items: Ids, term: RelationScorer | None) -> None:
        self._reader = reader
        self._items = items
        self._term = term
        self._named: dict[str, tuple[object, tuple[Fact, ...], dict[str, Cells]]] = {}

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
        self._named = {key: known for key, known in self._named.items() if key in fresh}
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
        """Links through a Thing that names a product, in either direction; asked again where the product changed."""
        held = self._named.get(key)
        if held is not None and held[0] == product and held[1] == facts:
            return held[2]
        found: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        for fact in facts:
            if fact.relation in STATING and ids.product_id(fact.tail) is None:
                for other in self._meant(fact.tail):
                    found[fact.relation + NAMED][key, other] = fact.confidence
        for fact in facts_naming(self._reader, product):
            head = ids.product_id(fact.head)
            if head is not None and head != key:
                found[fact.relation + NAMED][head, key] = fact.confidence
        told: dict[str, Cells] = {name: dict(cells) for name, cells in found.items()}
        self._named[key] = (product, facts, told)
        return told

    def _meant(self, thing: str) -> Iterator[str]:
        try:
            entity = self._reader.entity(thing)
        except UnknownEntity:
            return
        for product in named_products(self._reader, entity):
            key = ids.product_id(product.id)
            if key is not None:
                yield key

    def _useful(self, items: Ids, stated: Mapping[str, Cells]) -> tuple[dict[str, Cells], dict[str, dict[str, int]]]:
        """Facts with things that join products; for those that the model knows no use of, also the facts of others."""
        attributes: dict[str, Cells] = {}
        late: dict[str, dict[str, int]] = {}
        for relation, cells in stated.items():
            kept: dict[tuple[str, str], float] = {}
            counts: dict[str, int] = {}
            for tail in sorted({tail for _, tail in cells}):
                if self._known(relation, tail):
                    kept |= {pair: value for pair, value in cells.items() if pair[1] == tail}
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

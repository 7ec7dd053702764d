"""Products that came after the model was trained: what the graph says of them, read from the graph alone.

Flow: product entities that are not among the model's items → their facts, from and to them, the products that a Thing
names, and the products whose titles read like theirs → what joins them to everything else. Nothing is remembered
anywhere but in the graph, so a restart and another process see the same newcomers.
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
from recommender.titles import ALIKE, Titles

MOST_SHARED = 2000
"""An entity that more products share tells nothing apart, as in ``models.relations.Relations``."""

LEAST_ALIKE = 0.2
"""Cosine from which on two titles read alike."""
MOST_ALIKE = 10
"""Products that a newcomer is linked with for their titles, the nearest."""

Cells = Mapping[tuple[str, str], float]  # (head, tail) by their names → confidence


@dataclass(frozen=True, slots=True)
class Arrived:
    """What joins newcomers to other products. ``items`` are the model's, then the newcomers by id.

    ``links`` holds facts between a newcomer and a product, and as ``titles.ALIKE`` the cosine of a newcomer's title
    with that of a product that the model knows; ``attributes`` facts of newcomers with other things, by relation.
    Things that tell products apart only since a newcomer shares them, for the model saw them at one product or nowhere,
    are in ``late``: they bring the facts of the products that had them before along.
    """

    items: Ids
    links: Mapping[str, Cells] = field(default_factory=dict)
    attributes: Mapping[str, Cells] = field(default_factory=dict)
    late: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # relation → entity → products that have it

    @property
    def joined(self) -> bool:
        """Whether anything joins a newcomer to anything."""
        return bool(self.links or self.attributes)


class Change(NamedTuple):
    """One product was written, an entity by its id, and between two versions of the graph nothing else was."""

    product: str
    since: int
    until: int


class _Meaning(NamedTuple):
    """The products that a Thing names, and what that was worked out from."""

    thing: Entity
    near: list[Entity]
    products: list[Entity]

    @property
    def ids(self) -> set[str]:
        return {product.id for product in self.products}


class _Told(NamedTuple):
    """What joins one newcomer to other products, seen from it: ``links`` by relation, the other things that it states
    by relation and id, and the Things that were asked for the products they name."""

    links: Mapping[str, Cells]
    stated: Mapping[str, Mapping[str, float]]
    things: frozenset[str]

    @property
    def linked(self) -> set[str]:
        """The products at either end of a link."""
        return {name for cells in self.links.values() for pair in cells for name in pair}


class Newcomers:
    """Reads newcomers: all of them by ``read``, or by ``again`` what one product may have changed since; for one
    thread at a time.

    It remembers what each newcomer said when it was last read, and which products a Thing names, the slow part, for as
    long as the Thing and the products that it may name are what they were. Where one of these products gets or loses
    nothing but an attribute ``model``, the Thing is asked again only once another of them changes.
    """

    def __init__(self, reader: GraphReader, items: Ids, term: RelationScorer | None) -> None:
        self._reader = reader
        self._items = items
        self._term = term
        self._fresh: dict[str, Entity] = {}
        self._told: dict[str, _Told] = {}
        self._known_titles: dict[str, str] = {}
        self._titles = Titles({})
        self._alikes: dict[str, dict[str, float]] = {}  # by title
        self._held: dict[tuple[str, str], dict[tuple[str, str], float]] = {}  # who has a thing by a relation
        self._meanings: dict[str, _Meaning] = {}
        self._asked: set[str] = set()  # Things of which this reading knows the meaning
        self._moved: set[str] = set()  # products that a Thing has begun or ceased to name in this reading

    def read(self, products: Iterable[Entity]) -> Arrived:
        """The newcomers among the products of the graph, everything about them read anew."""
        known: dict[str, str] = {}
        self._fresh = {}
        for product in products:
            key = ids.product_id(product.id)
            if key is not None and key in self._items:
                known[key] = product.name
            elif key is not None:
                self._fresh[key] = product
        self._retitle(known)
        self._begin()
        self._held = {}
        self._told = {key: self._tell(key, self._fresh[key]) for key in sorted(self._fresh)}
        self._meanings = {thing: meaning for thing, meaning in self._meanings.items() if thing in self._asked}
        return self._arrived()

    def again(self, product: Entity) -> Arrived:
        """The same where, since the last reading, nothing has changed but this product and what it says.

        It is read anew, with the newcomers that it is linked with or was, and those that share a Thing with it which
        names other products now. The one difference to ``read``: where a search finds more than it is looked through,
        newcomers that are not read anew may keep a Thing that the product has pushed out.
        """
        key = ids.product_id(product.id)
        assert key is not None
        self._begin()
        before, said = self._told.get(key), self._tell(key, product)
        for thing in sorted(((before.things if before else frozenset()) | self._nearby(product)) - self._asked):
            self._named_by(thing)
        if key not in self._items:
            self._fresh[key], self._told[key] = product, said
        elif self._known_titles.get(key) != product.name:
            self._retitle({**self._known_titles, key: product.name})
        told = (said,) if before is None else (said, before)
        states = {(relation, tail) for one in told for relation, tails in one.stated.items() for tail in tails}
        self._held = {
            thing: cells
            for thing, cells in self._held.items()
            if thing not in states and not any(key == head for head, _ in cells)
        }
        concerned = self._moved | said.linked
        for other in sorted(self._told.keys() - {key}):
            there = self._told[other]
            if other in concerned or there.things & self._moved or key in there.linked:
                self._told[other] = self._tell(other, self._fresh[other])
        return self._arrived()

    def _retitle(self, known: dict[str, str]) -> None:
        if known != self._known_titles:
            self._known_titles, self._titles = known, Titles(dict(sorted(known.items())))
            self._alikes = {}

    def _begin(self) -> None:
        self._asked, self._moved = set(), set()

    def _tell(self, key: str, product: Entity) -> _Told:
        if self._term is None:
            return _Told({}, {}, frozenset())
        links: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        stated: defaultdict[str, dict[str, float]] = defaultdict(dict)
        things = set[str]()
        facts = tuple(f for f in self._reader.facts(head=product.id) if f.relation not in NOT_A_TASTE)
        for fact in facts:
            other = ids.product_id(fact.tail)
            if other is None:
                stated[fact.relation][fact.tail] = fact.confidence
            elif other != key:
                links[fact.relation][key, other] = fact.confidence
        for head, fact in self._toward(product.id):
            if head != key:
                links[fact.relation][head, key] = fact.confidence
        for relation, cells in self._by_name(key, product, facts, things).items():
            links[relation].update(cells)
        return _Told(dict(links), dict(stated), frozenset(things))

    def _toward(self, product: str) -> Iterator[tuple[str, Fact]]:
        for fact in self._reader.facts(tail=product):
            head = ids.product_id(fact.head)
            if head is not None and fact.relation not in NOT_A_TASTE:
                yield head, fact

    def _by_name(self, key: str, product: Entity, facts: tuple[Fact, ...], things: set[str]) -> dict[str, Cells]:
        """Links through a Thing that names a product, in either direction; ``things`` gains those that were asked."""

        def named(_: GraphReader, thing: Entity) -> list[Entity]:
            things.add(thing.id)
            return self._naming(thing)

        found: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        for fact in facts:
            if fact.relation in STATING and ids.product_id(fact.tail) is None:
                things.add(fact.tail)
                for other in self._named_by(fact.tail):
                    found[fact.relation + NAMED][key, other] = fact.confidence
        for fact in facts_naming(self._reader, product, named):
            head = ids.product_id(fact.head)
            if head is not None and head != key:
                found[fact.relation + NAMED][head, key] = fact.confidence
        return {name: dict(cells) for name, cells in found.items()}

    def _named_by(self, thing: str) -> list[str]:
        try:
            entity = self._reader.entity(thing)
        except UnknownEntity:
            return []
        keys = (ids.product_id(product.id) for product in self._naming(entity))
        return [key for key in keys if key is not None]

    def _nearby(self, product: Entity) -> set[str]:
        """The Things that this product was looked through for while it was something else: under another name it may
        leave them to others, whether or not they named it."""
        return {
            thing
            for thing, meaning in self._meanings.items()
            if any(e.id == product.id and e != product for e in meaning.near)
        }

    def _naming(self, thing: Entity) -> list[Entity]:
        """``named_products``, asked once a reading, and worked out again only where what it rests on has changed."""
        held = self._meanings.get(thing.id)
        if held is not None and thing.id in self._asked:
            return held.products
        near = nearby(self._reader, thing)
        self._asked.add(thing.id)
        if held is None or held.thing != thing or held.near != near:
            meaning = _Meaning(thing, near, named_among(self._reader, thing, near))
            changed = meaning.ids ^ (held.ids if held else set())
            if changed:
                self._moved |= {thing.id, *(key for e in changed if (key := ids.product_id(e)) is not None)}
            self._meanings[thing.id] = meaning
        return self._meanings[thing.id].products

    def _arrived(self) -> Arrived:
        """What all newcomers told, together."""
        if not self._fresh:
            return Arrived(self._items)
        items = Ids((*self._items.names, *sorted(self._fresh)))
        if self._term is None:
            return Arrived(items)
        links: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        stated: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        for key in sorted(self._told):
            for relation, cells in self._told[key].links.items():
                links[relation].update({pair: told for pair, told in cells.items() if items.places.keys() >= set(pair)})
            for relation, tails in self._told[key].stated.items():
                stated[relation].update({(key, tail): told for tail, told in tails.items()})
            for other, cosine in self._alike(self._fresh[key].name).items():
                links[ALIKE][key, other] = cosine
        attributes, late = self._useful(items, stated)
        return Arrived(items, {r: dict(c) for r, c in links.items() if c}, attributes, late)

    def _alike(self, title: str) -> Mapping[str, float]:
        held = self._alikes.get(title)
        if held is None:
            held = self._alikes[title] = self._titles.alike(title, least=LEAST_ALIKE, most=MOST_ALIKE)
        return held

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
                having = {pair: told for pair, told in self._having(relation, tail).items() if pair[0] in items}
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

    def _having(self, relation: str, tail: str) -> dict[tuple[str, str], float]:
        """Who has it, and how surely; cut above ``MOST_SHARED``."""
        if (relation, tail) not in self._held:
            facts = islice(self._reader.facts(relation=relation, tail=tail), MOST_SHARED + 1)
            heads = ((ids.product_id(fact.head), fact.confidence) for fact in facts)
            self._held[relation, tail] = {(head, tail): told for head, told in heads if head is not None}
        return self._held[relation, tail]

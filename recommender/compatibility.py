"""Whether two products can go together, by what they state: who is made for one thing does not fit another of its kind.

A battery "for the Velkin K5" goes with the K5, and with a bag, and with no other camera. A product states what it is
made for by ``COMPATIBLE_WITH`` and ``ACCESSORY_OF``, of a product or of a Thing that names products. It conflicts with
another product where it is made for products of that one's category, and not for that one. What is made for nothing
that the shop has conflicts with nothing: silence is no refusal.
"""

from collections.abc import Callable, Iterator

from kg import ids
from kg.errors import UnknownEntity
from kg.store import GraphReader
from kg.types import Entity, Fact
from recommender.naming import MOST_NAMED, Naming, is_named_by, naming_of

STATING = ("COMPATIBLE_WITH", "ACCESSORY_OF")
_NEAR = 50  # products that a search for a Thing's name is looked through


def conflict(reader: GraphReader, one: Entity, other: Entity) -> Fact | None:
    """The most confident fact by which one of two products is made for others of the other's category and not for it;
    None where neither says so, or where either is stated to be made for the other."""
    if _fits(reader, one, other) or _fits(reader, other, one):
        return None
    against = [*_elsewhere(reader, one, other), *_elsewhere(reader, other, one)]
    return min(against, key=lambda fact: (-fact.confidence, fact.triple), default=None)


def _fits(reader: GraphReader, maker: Entity, product: Entity) -> bool:
    """Whether ``maker`` states to be made for ``product``."""
    return any(
        tail.id == product.id or (tail.type == "Thing" and _names(reader, tail, product))
        for _, tail in _stated(reader, maker)
    )


def _elsewhere(reader: GraphReader, maker: Entity, product: Entity) -> Iterator[Fact]:
    """What ``maker`` states to be made for that lies in the category of ``product``."""
    here = _categories(reader, product.id)
    for fact, tail in _stated(reader, maker) if here else ():
        meant = [tail] if tail.type == "Product" else named_products(reader, tail)
        if any(here & _categories(reader, target.id) for target in meant):
            yield fact


def _stated(reader: GraphReader, maker: Entity) -> Iterator[tuple[Fact, Entity]]:
    for relation in STATING:
        for fact in reader.facts(head=maker.id, relation=relation):
            try:
                yield fact, reader.entity(fact.tail)
            except UnknownEntity:
                continue


def _categories(reader: GraphReader, product: str) -> set[str]:
    return {fact.tail for fact in reader.facts(head=product, relation="IN_CATEGORY")}


def _names(reader: GraphReader, thing: Entity, product: Entity) -> bool:
    return _is_meant(naming_of(reader, product), thing)


def _is_meant(naming: Naming, thing: Entity) -> bool:
    return any(is_named_by(naming, surface) for surface in (thing.name, *thing.aliases))


def named_products(reader: GraphReader, thing: Entity) -> list[Entity]:
    """The products that a Thing names; none where it names so many that it is a kind of product."""
    return named_among(reader, thing, nearby(reader, thing))


def nearby(reader: GraphReader, thing: Entity) -> list[Entity]:
    """The products that a Thing may name: those found by its names that are not themselves made for it."""
    near: dict[str, Entity] = {}
    for surface in (thing.name, *thing.aliases):
        near |= {e.id: e for e, _ in reader.search(surface, type="Product", limit=_NEAR) if ids.product_id(e.id)}
    made_for = {fact.head for relation in STATING for fact in reader.facts(relation=relation, tail=thing.id)}
    return [e for e in near.values() if e.id not in made_for]


def named_among(reader: GraphReader, thing: Entity, near: list[Entity]) -> list[Entity]:
    """The products among ``nearby`` ones that a Thing names, as ``named_products``; what each is called is read."""
    named = [e for e in near if _names(reader, thing, e)]
    return named if len(named) <= MOST_NAMED else []


def facts_naming(
    reader: GraphReader, product: Entity, named: Callable[[GraphReader, Entity], list[Entity]] = named_products
) -> list[Fact]:
    """What other products state to be made for by a Thing that names this product: each one's most confident fact of
    each relation, by triple. ``named`` is ``named_products``, or what remembers its answers."""
    naming, best = naming_of(reader, product), dict[tuple[str, str], Fact]()
    for surface in (*naming.names, *naming.codes):
        for thing, _ in reader.search(surface, type="Thing", limit=_NEAR):
            if not _is_meant(naming, thing) or all(e.id != product.id for e in named(reader, thing)):
                continue
            for fact in (f for relation in STATING for f in reader.facts(relation=relation, tail=thing.id)):
                key = (fact.head, fact.relation)
                if key not in best or fact.confidence > best[key].confidence:
                    best[key] = fact
    return sorted(best.values(), key=lambda fact: fact.triple)

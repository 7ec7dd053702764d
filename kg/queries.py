"""Knowledge questions in shop words, over any reader: what is this, what goes with it, how do two things differ."""

from collections.abc import Iterator
from dataclasses import dataclass

from kg import ids
from kg.schema import SHOP
from kg.store import GraphReader
from kg.types import Document, Entity, Fact


@dataclass(frozen=True, slots=True)
class Profile:
    """One entity: its facts by relation (those in which it is the head first), and the texts about it."""

    entity: Entity
    facts: dict[str, list[Fact]]
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Related:
    """An entity and the fact that leads to it."""

    entity: Entity
    fact: Fact


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing on which two products are compared: an attribute, or a relation where the tail is no value."""

    name: str
    shared: tuple[Related, ...]
    only_first: tuple[Related, ...]
    only_second: tuple[Related, ...]

    @property
    def differs(self) -> bool:
        """Both products say something here, and not the same."""
        both_speak = (self.shared or self.only_first) and (self.shared or self.only_second)
        return bool(both_speak and (self.only_first or self.only_second))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two products side by side, aspect by aspect, in the order of the names."""

    first: Entity
    second: Entity
    aspects: tuple[Aspect, ...]


def profile(reader: GraphReader, entity_id: str) -> Profile:
    """Everything the graph says about one entity. Raises UnknownEntity."""
    entity = reader.entity(entity_id)
    facts: dict[str, list[Fact]] = {}
    for _, fact in _steps(reader, entity_id, None, both=True):
        facts.setdefault(fact.relation, []).append(fact)
    return Profile(entity, {name: facts[name] for name in sorted(facts)}, tuple(reader.documents(about=entity_id)))


def related(reader: GraphReader, entity_id: str, relation: str, *, limit: int = 20) -> list[Related]:
    """What this relation leads to; a symmetric relation is read in both directions.

    Ordered by the confidence of the fact, then its lift, its support and the id. Raises UnknownEntity, SchemaError.
    """
    if relation not in SHOP.relations:
        SHOP.check(relation, "", "")  # says which relations there are
    return _best(reader, entity_id, relation, both=SHOP.relations[relation].symmetric, limit=limit)


def substitutes(reader: GraphReader, product_id: str, *, limit: int = 20) -> list[Related]:
    """What is chosen instead of this product (a shop's key)."""
    return related(reader, ids.product(product_id), "SUBSTITUTE_FOR", limit=limit)


def complements(reader: GraphReader, product_id: str, *, limit: int = 20) -> list[Related]:
    """What is chosen together with this product (a shop's key)."""
    return related(reader, ids.product(product_id), "COMPLEMENTS", limit=limit)


def compatible_with(reader: GraphReader, product_id: str, *, limit: int = 20) -> list[Related]:
    """What this product (a shop's key) is stated to work with, by its own text or by that of the other product."""
    return _best(reader, ids.product(product_id), "COMPATIBLE_WITH", both=True, limit=limit)


def accessories(reader: GraphReader, product_id: str, *, limit: int = 20) -> list[Related]:
    """The parts, refills, cases and consumables of this product (a shop's key)."""
    entity_id = ids.product(product_id)
    reader.entity(entity_id)
    found = {f.head: f for f in reader.facts(relation="ACCESSORY_OF", tail=entity_id) if f.head != entity_id}
    return _ordered(reader, found, limit)


def compare(reader: GraphReader, first: str, second: str) -> Comparison:
    """What two products (shop's keys) state alike and what only one states. Raises UnknownEntity.

    Values are compared under the name of their attribute, everything else but products under its relation.
    """
    entities = [reader.entity(ids.product(key)) for key in (first, second)]
    left, right = (_statements(reader, entity.id) for entity in entities)
    aspects = []
    for name in sorted(left.keys() | right.keys()):
        mine, theirs = left.get(name, {}), right.get(name, {})
        aspects.append(
            Aspect(
                name,
                tuple(mine[i] for i in sorted(mine.keys() & theirs.keys())),
                tuple(mine[i] for i in sorted(mine.keys() - theirs.keys())),
                tuple(theirs[i] for i in sorted(theirs.keys() - mine.keys())),
            )
        )
    return Comparison(entities[0], entities[1], tuple(aspects))


def taxonomy(reader: GraphReader) -> dict[str | None, list[Entity]]:
    """The children of each category id, by id; the roots under None. A category with two parents is under both."""
    parents: dict[str, list[str | None]] = {}
    for fact in reader.facts(relation="SUBCATEGORY_OF"):
        if fact.head != fact.tail:
            parents.setdefault(fact.head, []).append(fact.tail)
    tree: dict[str | None, list[Entity]] = {}
    for entity in reader.entities(type="Category"):
        for parent in parents.get(entity.id, [None]):
            tree.setdefault(parent, []).append(entity)
    return tree


def _steps(reader: GraphReader, entity_id: str, relation: str | None, *, both: bool) -> Iterator[tuple[str, Fact]]:
    """The other end of each fact, and the fact; an entity's fact with itself is told once."""
    for fact in reader.facts(head=entity_id, relation=relation):
        yield fact.tail, fact
    if both:
        for fact in reader.facts(relation=relation, tail=entity_id):
            if fact.head != entity_id:
                yield fact.head, fact


def _best(reader: GraphReader, entity_id: str, relation: str, *, both: bool, limit: int) -> list[Related]:
    reader.entity(entity_id)
    best: dict[str, Fact] = {}
    for other, fact in _steps(reader, entity_id, relation, both=both):
        if other != entity_id and (other not in best or _strength(fact) > _strength(best[other])):
            best[other] = fact
    return _ordered(reader, best, limit)


def _ordered(reader: GraphReader, found: dict[str, Fact], limit: int) -> list[Related]:
    ordered = sorted(found, key=lambda other: (*(-x for x in _strength(found[other])), other))
    return [Related(reader.entity(other), found[other]) for other in ordered[: max(limit, 0)]]


def _strength(fact: Fact) -> tuple[float, float, float]:
    counts = fact.counts
    return (fact.confidence, counts.get("lift", 0.0), counts.get("support", 0.0))


def _statements(reader: GraphReader, entity_id: str) -> dict[str, dict[str, Related]]:
    """What a product states about things that are no products: aspect → tail id → the tail and the fact."""
    stated: dict[str, dict[str, Related]] = {}
    for fact in reader.facts(head=entity_id):
        if ids.product_id(fact.tail) is None:
            tail = reader.entity(fact.tail)
            name = str(tail.properties.get("attribute", fact.relation)) if tail.type == "Value" else fact.relation
            stated.setdefault(name, {})[tail.id] = Related(tail, fact)
    return stated

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
class Comparison:
    """Two products side by side: (relation, tail id) → entity."""

    shared: tuple[Related, ...]
    only_first: tuple[Related, ...]
    only_second: tuple[Related, ...]


def profile(reader: GraphReader, entity_id: str) -> Profile:
    """Raises UnknownEntity."""
    entity = reader.entity(entity_id)
    facts: dict[str, list[Fact]] = {}
    for fact in (*reader.facts(head=entity_id), *reader.facts(tail=entity_id)):
        if fact.head != fact.tail or fact.head == entity_id:
            facts.setdefault(fact.relation, []).append(fact)
    return Profile(entity, {name: facts[name] for name in sorted(facts)}, tuple(reader.documents(about=entity_id)))


def related(reader: GraphReader, entity_id: str, relation: str, *, limit: int = 20) -> list[Related]:
    """What this relation leads to; a symmetric relation is read in both directions.

    Ordered by the confidence of the fact, then its lift, then the id. Raises UnknownEntity, SchemaError.
    """
    reader.entity(entity_id)
    known = SHOP.relations.get(relation)
    if known is None:
        SHOP.check(relation, "", "")  # says which relations there are
    best: dict[str, Fact] = {}
    for other, fact in _steps(reader, entity_id, relation, both=known is not None and known.symmetric):
        if other not in best or _strength(fact) > _strength(best[other]):
            best[other] = fact
    ordered = sorted(best, key=lambda other: (*(-x for x in _strength(best[other])), other))
    return [Related(reader.entity(other), best[other]) for other in ordered[: max(limit, 0)]]


def _steps(reader: GraphReader, entity_id: str, relation: str, *, both: bool) -> Iterator[tuple[str, Fact]]:
    for fact in reader.facts(head=entity_id, relation=relation):
        if fact.tail != entity_id:
            yield fact.tail, fact
    if both:
        for fact in reader.facts(relation=relation, tail=entity_id):
            if fact.head != entity_id:
                yield fact.head, fact


def _strength(fact: Fact) -> tuple[float, float]:
    return (fact.confidence, fact.counts.get("lift", 0.0))


def substitutes(reader: GraphReader, product_id: str, *, limit: int = 20) -> list[Related]:
    """What is chosen instead of this product (a shop's key)."""
    return related(reader, ids.product(product_id), "SUBSTITUTE_FOR", limit=limit)


def complements(reader: GraphReader, product_id: str, *, limit: int = 20) -> list[Related]:
    """What is chosen together with this product (a shop's key)."""
    return related(reader, ids.product(product_id), "COMPLEMENTS", limit=limit)


def compatible_with(reader: GraphReader, product_id: str, *, limit: int = 20) -> list[Related]:
    """What this product (a shop's key) is stated to work with."""
    return related(reader, ids.product(product_id), "COMPATIBLE_WITH", limit=limit)


def compare(reader: GraphReader, first: str, second: str) -> Comparison:
    """What two products (shop's keys) state alike, and what only one states. Raises UnknownEntity."""
    stated = []
    for key in (first, second):
        reader.entity(ids.product(key))
        facts = reader.facts(head=ids.product(key))
        stated.append({(f.relation, f.tail): f for f in facts if ids.product_id(f.tail) is None})
    left, right = stated
    return Comparison(
        tuple(_told(reader, left[key]) for key in sorted(left.keys() & right.keys())),
        tuple(_told(reader, left[key]) for key in sorted(left.keys() - right.keys())),
        tuple(_told(reader, right[key]) for key in sorted(right.keys() - left.keys())),
    )


def _told(reader: GraphReader, fact: Fact) -> Related:
    return Related(reader.entity(fact.tail), fact)


def taxonomy(reader: GraphReader) -> dict[str | None, list[Entity]]:
    """The children of each category id; the roots under None."""
    parents = {fact.head: fact.tail for fact in reader.facts(relation="SUBCATEGORY_OF")}
    tree: dict[str | None, list[Entity]] = {}
    for entity in reader.entities(type="Category"):
        tree.setdefault(parents.get(entity.id), []).append(entity)
    return tree

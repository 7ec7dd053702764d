"""What the graph knows about one thing, cut to what a page can show; what is cut off is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kg import ids, queries
from kg.errors import SchemaError
from kg.schema import SHOP
from kg.store import GraphReader
from kg.types import Document, Entity, Fact

PRODUCT_RELATIONS = tuple(
    name for name, r in SHOP.relations.items() if "Product" in r.heads and "Product" in r.tails and name != "SAME_AS"
)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """An entity with its facts by relation, in the schema's order, and its texts.

    At most ``limit`` facts a relation, the most confident first; ``fact_counts`` and ``document_count`` count all.
    """

    entity: Entity
    facts: dict[str, list[Fact]]
    fact_counts: dict[str, int]
    documents: list[Document]
    document_count: int

    def every_fact(self) -> Iterator[Fact]:
        return (fact for group in self.facts.values() for fact in group)


def about(reader: GraphReader, entity: Entity, *, limit: int) -> Knowledge:
    """Everything that touches the entity: the facts it heads and those it is the tail of."""
    profile = queries.profile(reader, entity.id)
    found = profile.facts
    known = [*SHOP.relations, *sorted(found.keys() - SHOP.relations.keys())]
    documents = sorted(profile.documents, key=lambda d: (d.kind != "product", d.id))
    return Knowledge(
        entity=entity,
        facts={r: most_confident(found[r])[:limit] for r in known if r in found},
        fact_counts={r: len(found[r]) for r in known if r in found},
        documents=documents[:limit],
        document_count=len(documents),
    )


def most_confident(facts: Iterable[Fact]) -> list[Fact]:
    """As ``kg.queries`` orders them: by confidence, then lift, then support."""

    def strength(fact: Fact) -> tuple[float, float, float]:
        counts = fact.counts
        return -fact.confidence, -counts.get("lift", 0.0), -counts.get("support", 0.0)

    return sorted(facts, key=lambda fact: (*strength(fact), fact.triple))


def related(reader: GraphReader, product: Entity, relation: str, *, limit: int) -> list[tuple[Entity, Fact]]:
    """The products that facts of this relation join to the product, in either direction, most confident first.

    Raises SchemaError for a relation that joins no products.
    """
    if relation not in PRODUCT_RELATIONS:
        raise SchemaError(f"{relation!r} joins no products; expected one of {', '.join(PRODUCT_RELATIONS)}")
    outward = reader.facts(head=product.id, relation=relation)
    inward = reader.facts(relation=relation, tail=product.id)
    best: dict[str, Fact] = {}
    for fact in most_confident((*outward, *inward)):
        other = fact.tail if fact.head == product.id else fact.head
        if ids.product_id(other) is not None and other != product.id:
            best.setdefault(other, fact)
    return [(reader.entity(other), fact) for other, fact in list(best.items())[:limit]]


def count_by_type(reader: GraphReader) -> Counter[str]:
    """How many entities the graph has, by type."""
    return Counter(entity.type for entity in reader.entities())

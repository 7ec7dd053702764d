"""What the graph knows about one thing, cut to what a page can show; what is cut off is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kg import ids, queries
from kg.errors import SchemaError
from kg.schema import SHOP
from kg.store import GraphReader
from kg.types import Document, Entity, Fact
from recommender.compatibility import STATING, conflict, facts_naming, named_products

PRODUCT_RELATIONS = tuple(
    name for name, r in SHOP.relations.items() if "Product" in r.heads and "Product" in r.tails and name != "SAME_AS"
)

COMPLEMENT = "complement"
"""Another name of COMPLEMENTS, as it is said in other services."""


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


@dataclass(frozen=True, slots=True)
class Related:
    """Products that a relation joins to one, with the fact that says so; and complements that were kept out because one
    of the two is made for something else, with the fact that says that."""

    items: list[tuple[Entity, Fact]]
    kept_out: list[tuple[Entity, Fact]]


def related(reader: GraphReader, product: Entity, relation: str, *, limit: int) -> Related:
    """The products that facts of this relation join to the product, in either direction, most confident first.

    A Thing that names a product stands for it: "made for the Velkin K5" joins a battery and the camera of that name.
    ``complement`` is ``COMPLEMENTS``; what people buy together is no complement where the texts say that it does not
    fit. Raises SchemaError for a relation that joins no products.
    """
    relation = "COMPLEMENTS" if relation == COMPLEMENT else relation
    if relation not in PRODUCT_RELATIONS:
        known = ", ".join((*PRODUCT_RELATIONS, COMPLEMENT))
        raise SchemaError(f"{relation!r} joins no products; expected one of {known}")
    best: dict[str, Fact] = {}
    ends = list(_ends(reader, product, relation))
    for fact in most_confident({fact.triple: fact for _, fact in ends}.values()):
        for other in (other for other, told in ends if told.triple == fact.triple):
            if ids.product_id(other) is not None and other != product.id:
                best.setdefault(other, fact)
    found = Related([], [])
    for other, fact in best.items():
        if len(found.items) == limit:
            break
        entity = reader.entity(other)
        against = conflict(reader, product, entity) if relation == "COMPLEMENTS" else None
        (found.kept_out if against else found.items).append((entity, against or fact))
    return found


def _ends(reader: GraphReader, product: Entity, relation: str) -> Iterator[tuple[str, Fact]]:
    """The other end of each fact of the relation that touches the product, or that names it."""
    for fact in reader.facts(head=product.id, relation=relation):
        yield fact.tail, fact
        if relation in STATING and ids.product_id(fact.tail) is None:
            yield from ((other.id, fact) for other in named_products(reader, reader.entity(fact.tail)))
    for fact in reader.facts(relation=relation, tail=product.id):
        yield fact.head, fact
    if relation in STATING:
        yield from ((fact.head, fact) for fact in facts_naming(reader, product) if fact.relation == relation)


def count_by_type(reader: GraphReader) -> Counter[str]:
    """How many entities the graph has, by type."""
    return Counter(entity.type for entity in reader.entities())

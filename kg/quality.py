"""Is the graph healthy? What it holds, by what method and how sure, and what looks wrong."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from kg import ids
from kg.store import GraphReader
from kg.types import Entity, Fact

EXAMPLES = 10  # ids told of each kind of trouble


@dataclass(frozen=True, slots=True)
class Health:
    """``facts``: relation → method → tenth of confidence → count; a fact found by two methods counts under both.

    ``orphans`` are entities that no fact mentions; ``factless_products`` are the products among them,
    ``silent_products`` those without any quoted fact. ``same_names`` counts names that several entities of one type
    bear (products and values apart), ``several_brands`` the products with more than one. ``coverage``: relation → share
    of the products that have it. ``examples``: the first ids of each trouble.
    """

    entities: dict[str, int]
    facts: dict[str, dict[str, dict[str, int]]]
    quoted_facts: int
    products: int
    orphans: int
    factless_products: int
    silent_products: int
    same_names: int
    several_brands: int
    coverage: dict[str, float]
    examples: dict[str, list[str]]


def health(reader: GraphReader) -> Health:
    """One pass over the entities and one over the facts; memory for the ids."""
    seen = _Seen()
    for entity in reader.entities():
        seen.add_entity(entity)
    for fact in reader.facts():
        seen.add_fact(fact)
    return seen.told()


@dataclass(slots=True)
class _Seen:
    """What the two passes collect."""

    types: Counter[str] = field(default_factory=Counter)
    names: defaultdict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    products: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    counted: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    quoted: int = 0
    covered: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    brands: Counter[str] = field(default_factory=Counter)

    def add_entity(self, entity: Entity) -> None:
        self.types[entity.type] += 1
        self.alone.add(entity.id)
        if entity.type == "Product":
            self.products.add(entity.id)
            self.silent.add(entity.id)
        elif entity.type != "Value":  # values are scoped by their ids: the same name there is no duplicate
            self.names[entity.type, ids.normal_form(entity.name)].append(entity.id)

    def add_fact(self, fact: Fact) -> None:
        ends = {fact.head, fact.tail}
        self.alone -= ends
        self.covered[fact.relation] |= ends & self.products
        for method in {e.method for e in fact.evidence}:
            by_method = self.counted.setdefault(fact.relation, {})
            by_method.setdefault(method, Counter())[_tenth(fact.confidence)] += 1
        if any(e.quote is not None for e in fact.evidence):
            self.quoted += 1
            self.silent.discard(fact.head)
        if fact.relation == "MADE_BY":
            self.brands[fact.head] += 1

    def told(self) -> Health:
        same = {pair: found for pair, found in self.names.items() if len(found) > 1}
        troubles = {
            "orphans": self.alone,
            "factless_products": self.alone & self.products,
            "silent_products": self.silent,
            "same_names": {entity_id for found in same.values() for entity_id in found},
            "several_brands": {product for product, count in self.brands.items() if count > 1},
        }
        return Health(
            entities=dict(sorted(self.types.items())),
            facts={
                relation: {method: dict(sorted(tenths.items())) for method, tenths in sorted(methods.items())}
                for relation, methods in sorted(self.counted.items())
            },
            quoted_facts=self.quoted,
            products=len(self.products),
            orphans=len(self.alone),
            factless_products=len(self.alone & self.products),
            silent_products=len(self.silent),
            same_names=len(same),
            several_brands=len(troubles["several_brands"]),
            coverage={r: len(found) / len(self.products) for r, found in sorted(self.covered.items()) if found},
            examples={name: sorted(found)[:EXAMPLES] for name, found in troubles.items() if found},
        )


def _tenth(confidence: float) -> str:
    low = min(int(confidence * 10), 9)
    return f"{low / 10:.1f}-{(low + 1) / 10:.1f}"

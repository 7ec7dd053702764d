"""Is the graph healthy? What it holds, by what method and how sure, and what looks wrong."""

from collections import Counter
from dataclasses import dataclass

from kg import ids
from kg.store import GraphReader


@dataclass(frozen=True, slots=True)
class Health:
    """``facts``: relation → method → tenth of confidence → count. ``orphans`` are entities that no fact mentions,
    ``silent_products`` those without any fact from a text; ``same_names`` are names shared within a type."""

    entities: dict[str, int]
    facts: dict[str, dict[str, dict[str, int]]]
    quoted_facts: int
    orphans: int
    products: int
    silent_products: int
    same_names: int


def health(reader: GraphReader) -> Health:
    """One pass over entities and facts."""
    types: Counter[str] = Counter()
    names: Counter[tuple[str, str]] = Counter()
    alone = set()
    for entity in reader.entities():
        types[entity.type] += 1
        names[entity.type, ids.normal_form(entity.name)] += 1
        alone.add(entity.id)
    silent = {entity_id for entity_id in alone if ids.product_id(entity_id) is not None}
    counted: dict[str, dict[str, Counter[str]]] = {}
    quoted = 0
    for fact in reader.facts():
        alone -= {fact.head, fact.tail}
        methods = {e.method for e in fact.evidence}
        for method in methods:
            counted.setdefault(fact.relation, {}).setdefault(method, Counter())[_tenth(fact.confidence)] += 1
        if any(e.quote is not None for e in fact.evidence):
            quoted += 1
            silent.discard(fact.head)
    facts = {r: {m: dict(sorted(c.items())) for m, c in sorted(by.items())} for r, by in sorted(counted.items())}
    repeated = sum(1 for (kind, _), count in names.items() if count > 1 and kind not in ("Product", "Value"))
    return Health(dict(sorted(types.items())), facts, quoted, len(alone), types["Product"], len(silent), repeated)


def _tenth(confidence: float) -> str:
    low = min(int(confidence * 10), 9)
    return f"{low / 10:.1f}-{(low + 1) / 10:.1f}"

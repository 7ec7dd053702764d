"""What a user seems to care about, and the events that say so."""

from collections.abc import Iterable
from dataclasses import dataclass

from kg import ids
from kg.store import GraphReader
from kg.types import Entity, Fact, Interaction

# How much one event says; a purchase says more than a look.
WEIGHT = {"view": 1.0, "click": 1.0, "rating": 2.0, "cart": 3.0, "purchase": 5.0}
RELATIONS = ("MADE_BY", "IN_CATEGORY", "USED_FOR", "SUITS", "HAS_ATTRIBUTE", "COMPATIBLE_WITH")
RECENT = 200  # events looked at, the newest ones


@dataclass(frozen=True, slots=True)
class Interest:
    """One entity that several of the user's products share, with the events and facts behind it."""

    entity: Entity
    weight: float
    events: tuple[Interaction, ...]
    facts: tuple[Fact, ...]


def interests(reader: GraphReader, history: Iterable[Interaction], *, limit: int = 10) -> list[Interest]:
    """Entities by the summed weight of the events whose products state them, times the fact's confidence."""
    recent = list(history)[-RECENT:]
    by_product: dict[str, list[Interaction]] = {}
    for event in recent:
        by_product.setdefault(event.product_id, []).append(event)
    weights: dict[str, float] = {}
    behind: dict[str, list[tuple[Fact, list[Interaction]]]] = {}
    for product_id, events in by_product.items():
        said = sum(WEIGHT[e.action] for e in events)
        for fact in reader.facts(head=ids.product(product_id)):
            if fact.relation in RELATIONS and ids.product_id(fact.tail) is None:
                weights[fact.tail] = weights.get(fact.tail, 0.0) + said * fact.confidence
                behind.setdefault(fact.tail, []).append((fact, events))
    best = sorted(weights, key=lambda entity_id: (-weights[entity_id], entity_id))[:limit]
    return [_interest(reader, entity_id, weights[entity_id], behind[entity_id]) for entity_id in best]


def _interest(reader: GraphReader, entity_id: str, weight: float, behind: list[tuple[Fact, list[Interaction]]]) -> Interest:
    events = sorted((e for _, events in behind for e in events), key=lambda e: (e.at, e.event_id))
    return Interest(reader.entity(entity_id), round(weight, 6), tuple(events[-5:]), tuple(f for f, _ in behind[:5]))

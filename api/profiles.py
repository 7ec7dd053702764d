"""What a user seems to care about, and the events that say so."""

from collections.abc import Sequence
from dataclasses import dataclass

from kg import ids
from kg.store import GraphReader
from kg.types import Action, Entity, Fact, Interaction

# How much one event says; a purchase says more than a look.
WEIGHT: dict[Action, float] = {"view": 1.0, "click": 1.0, "rating": 2.0, "cart": 3.0, "purchase": 5.0}
RELATIONS = ("MADE_BY", "IN_CATEGORY", "USED_FOR", "SUITS", "HAS_ATTRIBUTE", "COMPATIBLE_WITH")
RECENT = 200  # events looked at, the newest ones
MOST_EVENTS = 5  # newest events that an interest shows
MOST_FACTS = 5


@dataclass(frozen=True, slots=True)
class Interest:
    """One entity that several of the user's products share, with the newest events and the facts behind it."""

    entity: Entity
    weight: float
    events: tuple[Interaction, ...]
    facts: tuple[Fact, ...]


def interests(reader: GraphReader, history: Sequence[Interaction], *, limit: int = 10) -> list[Interest]:
    """Entities by the summed weight of the events whose products state them, each times the fact's confidence."""
    by_product: dict[str, list[Interaction]] = {}
    for event in history[-RECENT:]:
        by_product.setdefault(event.product_id, []).append(event)
    weights: dict[str, float] = {}
    behind: dict[str, list[tuple[Fact, list[Interaction]]]] = {}
    for product_id, events in by_product.items():
        said = sum(WEIGHT[e.action] for e in events)
        for fact in _stated(reader, ids.product(product_id)):
            weights[fact.tail] = weights.get(fact.tail, 0.0) + said * fact.confidence
            behind.setdefault(fact.tail, []).append((fact, events))
    best = sorted(weights, key=lambda entity_id: (-weights[entity_id], entity_id))[:limit]
    return [_interest(reader, entity_id, weights[entity_id], behind[entity_id]) for entity_id in best]


def _stated(reader: GraphReader, product: str) -> list[Fact]:
    """What the product's facts say about it, other products aside."""
    found = (fact for relation in RELATIONS for fact in reader.facts(head=product, relation=relation))
    return [fact for fact in found if ids.product_id(fact.tail) is None]


def _interest(
    reader: GraphReader, entity_id: str, weight: float, behind: list[tuple[Fact, list[Interaction]]]
) -> Interest:
    events = sorted((e for _, events in behind for e in events), key=lambda e: (e.at, e.event_id))
    facts = tuple(f for f, _ in behind[:MOST_FACTS])
    return Interest(reader.entity(entity_id), round(weight, 6), tuple(events[-MOST_EVENTS:]), facts)

"""A reason as one sentence, made of nothing but its events and facts."""

from collections.abc import Iterable, Mapping

from kg import ids
from kg.schema import SHOP
from kg.types import Entity, Evidence, Fact, Interaction, Reason

DID = {"view": "viewed", "click": "clicked", "cart": "put in the cart", "purchase": "bought", "rating": "rated"}
SAYS = {
    "MADE_BY": "is made by",
    "IN_CATEGORY": "is in",
    "SUBCATEGORY_OF": "is part of",
    "HAS_ATTRIBUTE": "has",
    "USED_FOR": "is used for",
    "LIKELY_USED_FOR": "is probably used for",
    "SUITS": "suits",
    "COMPATIBLE_WITH": "works with",
    "ACCESSORY_OF": "is an accessory of",
    "SUBSTITUTE_FOR": "is an alternative to",
    "COMPLEMENTS": "goes with",
    "BOUGHT_WITH": "is bought with",
    "VIEWED_WITH": "is viewed with",
    "BOUGHT_AFTER": "is often followed by",
    "PRAISED_FOR": "is praised for",
    "CRITICISED_FOR": "is criticised for",
    "SAME_AS": "is the same as",
}
LONGEST = 90  # characters of a name in a sentence; what is not a sentence has it whole


def sentence(reason: Reason, names: Mapping[str, str]) -> str:
    """What was done, then the facts that lead from there to the product.

    ``names`` are what entities are ``spoken`` of as; ids speak where a name is missing. A product that was just named
    is "it" where the next fact begins with it.
    """
    did = list(dict.fromkeys(ids.product(event.product_id) for event in reason.events))
    start = did[-1] if did else None
    facts = []
    for fact in reason.path.facts:
        facts.append(fact_sentence(fact, names, start=start))
        start = fact.head if start == fact.tail else fact.tail
    if facts and len(did) == 1:
        facts[0] = _it(facts[0], f"“{names.get(did[0], ids.product_id(did[0]) or did[0])}” ")
    return "; ".join([*_done(reason.events, names), *facts]) + "."


def _it(told: str, name: str) -> str:
    return f"it {told.removeprefix(name)}" if told.startswith(name) else told


def _done(events: Iterable[Interaction], names: Mapping[str, str]) -> list[str]:
    """One clause for all events, each action on each product named once."""
    did: dict[str, list[str]] = {}
    for event in events:
        product = ids.product(event.product_id)
        verbs = did.setdefault(names.get(product, event.product_id), [])
        if DID[event.action] not in verbs:
            verbs.append(DID[event.action])
    clauses = [f"{_listed(verbs)} “{name}”" for name, verbs in did.items()]
    return [f"You {', '.join(clauses)}"] if clauses else []


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def spoken(entity: Entity) -> str:
    """The name under which a sentence speaks of it; a bare value says what it is the value of."""
    attribute = entity.properties.get("attribute")
    return shortened(f"{attribute}: {entity.name}" if entity.type == "Value" and attribute else entity.name)


def shortened(name: str) -> str:
    """A name that a sentence can hold, cut after a word where there is one: some titles have 400 characters."""
    if len(name) <= LONGEST:
        return name
    return f"{name[:LONGEST].rsplit(maxsplit=1)[0].rstrip(',;:|-– ')}…"


def fact_sentence(fact: Fact, names: Mapping[str, str], *, start: str | None = None) -> str:
    """``“A” works with “B” (the text says “…”)``. A symmetric relation is told from ``start``, where that is an end."""
    ends = [f"“{names.get(i, ids.product_id(i) or i)}”" for i in (fact.head, fact.tail)]
    relation = SHOP.relations.get(fact.relation)
    if relation is not None and relation.symmetric and start == fact.tail:
        ends.reverse()
    return f"{ends[0]} {SAYS.get(fact.relation, fact.relation)} {ends[1]} ({proof(fact)})"


def proof(fact: Fact) -> str:
    """The best evidence in a few words: a quote before counts before a bare source."""
    best = max(fact.evidence, key=lambda e: (e.quote is not None, bool(e.counts), e.confidence))
    return f"the text says “{best.quote}”" if best.quote is not None else counted(best)


def counted(evidence: Evidence) -> str:
    """Counts for people: how many did it, and how much more often than chance."""
    counts = evidence.counts
    parts = []
    if "users" in counts:
        parts.append(f"{counts['users']:,.0f} {'user' if counts['users'] == 1 else 'users'}")
    elif "support" in counts:
        parts.append(f"{counts['support']:,.0f} {'time' if counts['support'] == 1 else 'times'}")
    if "lift" in counts:
        parts.append(f"{counts['lift']:,.1f} times more often than chance")
    return ", ".join(parts) or f"stated by {evidence.source}"

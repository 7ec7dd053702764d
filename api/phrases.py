"""A reason as one sentence, made of nothing but its events and facts."""

from collections.abc import Mapping

from kg.types import Evidence, Fact, Reason

DID = {"view": "viewed", "click": "clicked", "cart": "put in the cart", "purchase": "bought", "rating": "rated"}
SAYS = {
    "MADE_BY": "is made by", "IN_CATEGORY": "is in", "SUBCATEGORY_OF": "is part of", "HAS_ATTRIBUTE": "has",
    "USED_FOR": "is used for", "LIKELY_USED_FOR": "is probably used for", "SUITS": "suits",
    "COMPATIBLE_WITH": "works with", "ACCESSORY_OF": "is an accessory of", "SUBSTITUTE_FOR": "is an alternative to",
    "COMPLEMENTS": "goes with", "BOUGHT_WITH": "is bought with", "VIEWED_WITH": "is viewed with",
    "BOUGHT_AFTER": "is followed by", "PRAISED_FOR": "is praised for", "CRITICISED_FOR": "is criticised for",
    "SAME_AS": "is the same as",
}  # fmt: skip


def sentence(reason: Reason, names: Mapping[str, str], products: Mapping[str, str]) -> str:
    """``names`` are those of entities, ``products`` the titles by shop key; ids speak where a name is missing."""
    did = [f"{DID[e.action]} “{products.get(e.product_id, e.product_id)}”" for e in reason.events]
    because = f"You {' and '.join(dict.fromkeys(did))}; " if did else ""
    return because + "; ".join(_fact(f, names) for f in reason.path.facts)


def _fact(fact: Fact, names: Mapping[str, str]) -> str:
    head, tail = names.get(fact.head, fact.head), names.get(fact.tail, fact.tail)
    return f"“{head}” {SAYS[fact.relation]} “{tail}” ({_proof(fact)})"


def _proof(fact: Fact) -> str:
    best = max(fact.evidence, key=lambda e: (e.quote is not None, e.confidence))
    return f"its text says “{best.quote}”" if best.quote is not None else _counted(best)


def _counted(evidence: Evidence) -> str:
    counts = evidence.counts
    parts = []
    if "users" in counts:
        parts.append(f"{counts['users']:.0f} users")
    elif "support" in counts:
        parts.append(f"{counts['support']:.0f} times")
    if "lift" in counts:
        parts.append(f"{counts['lift']:.1f} times more often than chance")
    return ", ".join(parts) or f"stated by {evidence.source}"

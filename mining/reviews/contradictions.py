"""Where reviews contradict the catalogue: "it says waterproof; 7 of 31 reviews that mention water disagree".

For each product and each claim of ``claims.CLAIMS``: does the catalogue state it (a fact of the graph with its quote,
else the product's text)? How many reviews mention what it is about, and how many of those deny it, by their words or by
a ``CRITICISED_FOR`` fact of an aspect that the claim names? It is told where the share that disagrees is more than what
misreading, other use and a bad piece here and there explain: the lower end of its 95 % Wilson interval (1927) lies
above ``tolerated``. That speaks of each product and claim by itself: where the true share is ``tolerated`` everywhere,
about 2.5 % of the ``tested`` are told all the same.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kg.store import GraphReader
from kg.types import Document, Fact, Timestamp
from mining import wilson
from mining.catalog import ATTRIBUTE_FIELD
from mining.reviews.claims import BY_NAME, CLAIMS, Claim, Heard, Stance, heard, stated
from mining.reviews.quotes import Quote, sentence_quote

_STATING = ("HAS_ATTRIBUTE", "SUITS", "USED_FOR")
_SIDES: tuple[tuple[str, Stance], ...] = (("CRITICISED_FOR", "disagrees"), ("PRAISED_FOR", "agrees"))
_NO = re.compile(
    r"\s*(?:(?:no|none|not|never|false|without|0|unknown)\b(?!\.\d)|n/?a\b|-+\s*$"
    r"|(?:否|无|暂无|不|没有|不详|未知)\s*$|不(?:防|耐|支持|可|能|是|适)|非防)",
    re.IGNORECASE,
)  # a value that denies its attribute, or says nothing


@dataclass(frozen=True, slots=True)
class ContradictionConfig:
    """``tolerated``: the share of disagreement that needs no explanation. ``at_least``: reviews that disagree.

    ``z``: of Wilson's interval, 1.96 for 95 %. ``quotes``: how many of each side are kept, the newest.
    """

    tolerated: float = 0.1
    at_least: int = 3
    z: float = 1.96
    quotes: int = 5


@dataclass(frozen=True, slots=True)
class Contradiction:
    """``disagree`` and ``agree`` of ``mention`` reviews; the rest takes no side.

    ``low``, ``high``: Wilson's interval of the share that disagrees. ``statement`` quotes the catalogue; ``quotes``
    (who disagrees) and ``agreeing`` are sentences of reviews.
    """

    about: str
    claim: str
    statement: Quote
    disagree: int
    agree: int
    mention: int
    low: float
    high: float
    quotes: tuple[Quote, ...]
    agreeing: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class ContradictionReport:
    """``tested``: products and claims that at least one review mentions; ``repeated``: reviews with the very text of
    another one of the product, which count once."""

    contradictions: tuple[Contradiction, ...] = ()
    tested: int = 0
    repeated: int = 0


def contradictions(
    reader: GraphReader,
    *,
    until: Timestamp | None = None,
    product: str | None = None,
    config: ContradictionConfig | None = None,
) -> ContradictionReport:
    """What reviews before ``until`` deny, surest first. ``product``: the entity id of the only one to look at.

    With ``until``, reviews without a time do not count; the catalogue is as it is.
    """
    config = config or ContradictionConfig()
    claimed = _claimed(reader, product)
    tallies = _tallies(reader, claimed, until, product)
    found: list[Contradiction] = []
    for (about, name), tally in tallies.sides.items():
        told = _judged(about, name, claimed[about][name], tally, config)
        if told is not None:
            found.append(told)
    found.sort(key=lambda c: (-c.low, c.about, c.claim))
    return ContradictionReport(tuple(found), len(tallies.sides), tallies.repeated)


def _judged(
    about: str, name: str, statement: Quote, tally: dict[Stance, list[Quote]], config: ContradictionConfig
) -> Contradiction | None:
    disagree, agree = tally.get("disagrees", []), tally.get("agrees", [])
    mention = sum(map(len, tally.values()))
    low, high = wilson.interval(len(disagree), mention, config.z)
    if len(disagree) < config.at_least or low <= config.tolerated:
        return None
    shown = (tuple(_newest(side)[: config.quotes]) for side in (disagree, agree))
    return Contradiction(about, name, statement, len(disagree), len(agree), mention, low, high, *shown)


def _newest(quotes: Iterable[Quote]) -> list[Quote]:
    return sorted(quotes, key=lambda q: (-(q.at if q.at is not None else -1), q.document))


def _claimed(reader: GraphReader, product: str | None) -> dict[str, dict[str, Quote]]:
    """Product → claim → where the catalogue states it; a fact speaks before the text."""
    claimed: dict[str, dict[str, Quote]] = {}
    for document in reader.documents(about=product):
        if document.kind == "product":
            claimed[document.about] = _of_text(document)
    for relation in _STATING:
        for fact in reader.facts(relation=relation, head=product):
            if fact.head in claimed:
                for claim, quote in _of_fact(reader, fact):
                    claimed[fact.head][claim] = quote
    return claimed


def _of_text(document: Document) -> dict[str, Quote]:
    """What the text claims. The name of an attribute claims nothing; its value is a fact of its own."""
    names = [
        (f.start, f.start + len(f.name) - len(ATTRIBUTE_FIELD))
        for f in document.fields
        if f.name.startswith(ATTRIBUTE_FIELD)
    ]
    found: dict[str, Quote] = {}
    for claim in CLAIMS:
        for start, end in stated(claim, document.text):
            if any(first <= start and end <= last for first, last in names):
                continue
            found.setdefault(claim.name, Quote(document.id, document.text[start:end], start, end, document.at))
    return found


def _of_fact(reader: GraphReader, fact: Fact) -> Iterable[tuple[str, Quote]]:
    """The claims that a fact makes by the name of its attribute or by its words."""
    attribute = None
    if fact.relation == "HAS_ATTRIBUTE":
        attribute = str(reader.entity(fact.tail).properties.get("attribute", "")).casefold()
    for e in fact.evidence:
        if e.quote is None or e.start is None or e.end is None or _NO.match(e.quote):
            continue
        said = Quote(e.source, e.quote, e.start, e.end, e.at)
        for claim in CLAIMS:
            if attribute in claim.attributes or (attribute is None and any(stated(claim, e.quote))):
                yield claim.name, said


@dataclass(slots=True)
class _Tallies:
    """``sides``: (product, claim) → stance → one quote a review."""

    sides: dict[tuple[str, str], dict[Stance, list[Quote]]] = field(default_factory=dict)
    repeated: int = 0


def _tallies(
    reader: GraphReader, claimed: dict[str, dict[str, Quote]], until: Timestamp | None, product: str | None
) -> _Tallies:
    tallies = _Tallies()
    of_aspects = _of_aspects(reader, claimed, product)
    seen: set[tuple[str, str]] = set()
    for document in reader.documents(about=product):
        if document.kind != "review" or not claimed.get(document.about):
            continue
        if until is not None and (document.at is None or document.at >= until):
            continue
        text = (document.about, " ".join(document.text.casefold().split()))
        if text in seen:
            tallies.repeated += 1
            continue
        seen.add(text)
        for name in claimed[document.about]:
            one = _stance(BY_NAME[name], document, of_aspects.get((document.id, name), {}))
            if one is not None:
                quote = sentence_quote(document, one.start, one.end)
                tallies.sides.setdefault((document.about, name), {}).setdefault(one.stance, []).append(quote)
    return tallies


def _stance(claim: Claim, document: Document, facts: dict[Stance, Heard]) -> Heard | None:
    """By its words; what a fact says of an aspect counts where the words take no side, and breaks no tie."""
    words = heard(claim, document.text)
    if words is not None and words.stance != "mentions":
        other: Stance = "agrees" if words.stance == "disagrees" else "disagrees"
        return Heard("mentions", words.start, words.end) if other in facts else words
    return next(iter(facts.values())) if len(facts) == 1 else words


def _of_aspects(
    reader: GraphReader, claimed: dict[str, dict[str, Quote]], product: str | None
) -> dict[tuple[str, str], dict[Stance, Heard]]:
    """(review, claim) → stance → the words of a fact about an aspect that the claim names."""
    claims = {aspect: claim.name for claim in CLAIMS for aspect in claim.aspects}
    found: dict[tuple[str, str], dict[Stance, Heard]] = {}
    for relation, stance in _SIDES:
        for fact in reader.facts(relation=relation, head=product):
            name = claims.get(fact.tail.removeprefix("aspect:"))
            if name is None or name not in claimed.get(fact.head, {}):
                continue
            for e in fact.evidence:
                if e.start is not None and e.end is not None:
                    found.setdefault((e.source, name), {}).setdefault(stance, Heard(stance, e.start, e.end))
    return found

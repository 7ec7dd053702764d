"""The nouns of the shop: frozen values without a backend.

A graph is, per triple (head, relation, tail), a set of evidence. Everything else about a fact (its confidence, its
counts) is computed from that set, so that putting evidence and retracting it again leaves no trace.

Times are Unix seconds, UTC, as ``int``. Spans are half-open and count code points.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Literal, TypeAlias

Scalar: TypeAlias = str | int | float | bool
Timestamp: TypeAlias = int
Triple: TypeAlias = tuple[str, str, str]
Action: TypeAlias = Literal["view", "click", "cart", "purchase", "rating"]
DocumentKind: TypeAlias = Literal["product", "review"]

ACTIONS: tuple[Action, ...] = ("view", "click", "cart", "purchase", "rating")


@dataclass(frozen=True, slots=True)
class Product:
    """One row of the catalogue, decoded. ``id`` is the shop's own key; the graph knows it as ``product:<id>``."""

    id: str
    title: str
    description: str = ""
    brand: str | None = None
    category: tuple[str, ...] = ()  # from the root down
    price: float | None = None
    currency: str | None = None
    gtin: str | None = None
    mpn: str | None = None
    image_urls: tuple[str, ...] = ()
    available: bool = True
    attributes: Mapping[str, str] = dataclass_field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class FieldSpan:
    """Where one source field lies inside a document's text; for readers, never part of an identity."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One product or one review: its decoded fields joined by a line feed, title first.

    ``about`` is the entity id of the product. Facts cite a document by its ``id`` as their ``source``.
    """

    id: str
    about: str
    kind: DocumentKind
    text: str
    at: Timestamp | None = None
    fields: tuple[FieldSpan, ...] = ()

    def field_at(self, start: int) -> str | None:
        """The name of the field that holds code point ``start``, or None between fields."""
        return next((f.name for f in self.fields if f.start <= start < f.end), None)


@dataclass(frozen=True, slots=True)
class Interaction:
    """One event of the log.

    ``product_id`` is the shop's key, not the entity id. ``value`` is a rating or a quantity.
    """

    event_id: str
    product_id: str
    action: Action
    at: Timestamp
    user_id: str | None = None
    session_id: str | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """A node. ``name`` is the surface as written; other surfaces and languages are ``aliases``."""

    id: str
    type: str
    name: str
    aliases: tuple[str, ...] = ()
    lang: str | None = None
    properties: Mapping[str, Scalar] = dataclass_field(default_factory=dict, hash=False)


EvidenceKey: TypeAlias = tuple[str, str, str, int, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a fact is believed.

    Text evidence has ``quote``, ``start`` and ``end`` in the document named by ``source``; behaviour evidence has
    ``counts`` (support, lift, ...) and ``source`` names the log window. ``confidence`` lies in [0, 1]. ``run`` says
    which run found it first and is no part of its identity.
    """

    source: str
    method: str
    confidence: float
    at: Timestamp | None = None
    run: str | None = dataclass_field(default=None, compare=False)
    field: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    counts: Mapping[str, float] = dataclass_field(default_factory=dict, hash=False)

    @property
    def key(self) -> EvidenceKey:
        """What makes two pieces of evidence the same one: (source, method, field, start, end)."""
        start = -1 if self.start is None else self.start
        end = -1 if self.end is None else self.end
        return (self.source, self.method, self.field or "", start, end)


def _preference(evidence: Evidence) -> tuple[float, int, str, str]:
    counts = json.dumps(dict(evidence.counts), sort_keys=True)
    at = evidence.at if evidence.at is not None else -(2**63)
    return (evidence.confidence, at, evidence.quote or "", counts)


def merge_evidence(known: Iterable[Evidence], new: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """The union by key, in key order. Under one key the more confident wins, so order of arrival does not matter."""
    merged: dict[EvidenceKey, Evidence] = {}
    for evidence in (*known, *new):
        held = merged.get(evidence.key)
        if held is None or _preference(evidence) > _preference(held):
            merged[evidence.key] = evidence
    return tuple(merged[key] for key in sorted(merged))


@dataclass(frozen=True, slots=True)
class Fact:
    """A triple and everything that supports it. ``evidence`` is never empty in a store."""

    head: str
    relation: str
    tail: str
    evidence: tuple[Evidence, ...]

    @property
    def triple(self) -> Triple:
        return (self.head, self.relation, self.tail)

    @property
    def confidence(self) -> float:
        """Maximum within a source, noisy-or between sources: three quotes of one catalogue are not three reasons."""
        best: dict[str, float] = {}
        for evidence in self.evidence:
            best[evidence.source] = max(best.get(evidence.source, 0.0), evidence.confidence)
        if len(best) == 1:
            return next(iter(best.values()))
        return 1.0 - math.prod(1.0 - best[source] for source in sorted(best))

    @property
    def counts(self) -> Mapping[str, float]:
        """The counts of all evidence; under one name the last in key order speaks."""
        merged: dict[str, float] = {}
        for evidence in self.evidence:
            merged.update(evidence.counts)
        return merged

    def before(self, until: Timestamp, *, allow_undated: bool = False) -> "Fact | None":
        """This fact with only the evidence from before ``until``, or None where nothing is left."""
        kept = tuple(e for e in self.evidence if (allow_undated if e.at is None else e.at < until))
        if len(kept) == len(self.evidence):
            return self
        return Fact(self.head, self.relation, self.tail, kept) if kept else None


@dataclass(frozen=True, slots=True)
class GraphPath:
    """A chain of facts in which neighbours share an entity; a fact may be walked against its direction."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """What the user did, the facts that lead from there to the product, and what they add to its score.

    ``also`` are facts that say no more than the path does: stated from the other end, resting on the very same
    evidence, or joining both to the same product between. Their share is in the contribution.
    """

    events: tuple[Interaction, ...]
    path: GraphPath
    contribution: float | None
    also: tuple[Fact, ...] = ()

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts that the contribution is made of: those of the path, then the others."""
        return (*self.path.facts, *self.also)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One ranked product. ``rank`` starts at 1; ``origin`` names the model or fallback that spoke.

    ``moved_by`` names what gave it another rank than its score would: a level of diversity, a business rule. The score
    is the same with and without.
    """

    product_id: str
    score: float
    rank: int
    origin: str
    reasons: tuple[Reason, ...] = ()
    moved_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """What a write changed. Zero everywhere: the store already knew."""

    entities: int = 0
    facts: int = 0
    documents: int = 0
    evidence: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.entities + other.entities,
            self.facts + other.facts,
            self.documents + other.documents,
            self.evidence + other.evidence,
        )

    def __bool__(self) -> bool:
        return bool(self.entities or self.facts or self.documents or self.evidence)

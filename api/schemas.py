"""What the service says and accepts. Domain objects never leave by themselves: they are turned into these."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kg import ids
from kg.types import Document, Entity, Evidence, Fact, Interaction, Reason, Recommendation


def iso(at: int | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


class Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class Answer(Out):
    """What every answer names: the model that spoke, the graph it saw and the time of the last event it knew."""

    model: str | None
    graph_version: int
    as_of: str | None


class EvidenceOut(Out):
    source: str
    method: str
    confidence: float
    at: str | None = None
    field: str | None = None
    quote: str | None = None
    start: int | None = Field(None, description="code points into the document's text, half-open")
    end: int | None = None
    counts: dict[str, float] = {}

    @classmethod
    def of(cls, e: Evidence) -> "EvidenceOut":
        return cls(
            source=e.source, method=e.method, confidence=e.confidence, at=iso(e.at), field=e.field,
            quote=e.quote, start=e.start, end=e.end, counts=dict(e.counts),
        )  # fmt: skip


class EntityOut(Out):
    id: str
    type: str
    name: str
    aliases: list[str] = []
    lang: str | None = None
    properties: dict[str, Any] = {}

    @classmethod
    def of(cls, e: Entity) -> "EntityOut":
        return cls(
            id=e.id, type=e.type, name=e.name, aliases=list(e.aliases), lang=e.lang, properties=dict(e.properties)
        )


class FactOut(Out):
    head: str
    relation: str
    tail: str
    head_name: str | None = None
    tail_name: str | None = None
    confidence: float
    evidence: list[EvidenceOut]

    @classmethod
    def of(cls, fact: Fact, names: dict[str, str]) -> "FactOut":
        return cls(
            head=fact.head, relation=fact.relation, tail=fact.tail,
            head_name=names.get(fact.head), tail_name=names.get(fact.tail),
            confidence=fact.confidence, evidence=[EvidenceOut.of(e) for e in fact.evidence],
        )  # fmt: skip


class DocumentOut(Out):
    id: str
    kind: str
    text: str
    at: str | None = None

    @classmethod
    def of(cls, d: Document) -> "DocumentOut":
        return cls(id=d.id, kind=d.kind, text=d.text, at=iso(d.at))


class EventOut(Out):
    event_id: str
    product_id: str
    product: str | None = Field(None, description="the product's title, where the graph knows it")
    action: str
    at: str | None

    @classmethod
    def of(cls, i: Interaction, names: dict[str, str]) -> "EventOut":
        return cls(
            event_id=i.event_id, product_id=i.product_id, product=names.get(ids.product(i.product_id)),
            action=i.action, at=iso(i.at),
        )  # fmt: skip


class ReasonOut(Out):
    text: str = Field(description="the reason in one sentence, made of the events and facts below")
    contribution: float | None = Field(description="what exactly it adds to the score, or null where none is computed")
    events: list[EventOut]
    facts: list[FactOut]

    @classmethod
    def of(cls, reason: Reason, text: str, names: dict[str, str]) -> "ReasonOut":
        return cls(
            text=text, contribution=reason.contribution,
            events=[EventOut.of(e, names) for e in reason.events],
            facts=[FactOut.of(f, names) for f in reason.path.facts],
        )  # fmt: skip


class RecommendationOut(Out):
    id: str
    title: str | None
    score: float
    rank: int
    origin: str = Field(description="the model or fallback that spoke")
    reasons: list[ReasonOut]
    explained: bool = Field(description="false where no path of facts carries this score")

    @classmethod
    def of(cls, r: Recommendation, reasons: list[ReasonOut], names: dict[str, str]) -> "RecommendationOut":
        return cls(
            id=r.product_id, title=names.get(ids.product(r.product_id)), score=r.score, rank=r.rank, origin=r.origin,
            reasons=reasons, explained=bool(reasons),
        )  # fmt: skip


class RecommendationsAnswer(Answer):
    recommendation_id: str
    user_id: str | None
    session_id: str | None
    items: list[RecommendationOut]


class ProductAnswer(Answer):
    id: str
    product: EntityOut
    facts: dict[str, list[FactOut]] = Field(description="the product's facts by relation")
    documents: list[DocumentOut]


class RelatedOut(Out):
    product: EntityOut
    fact: FactOut


class RelatedAnswer(Answer):
    id: str
    relation: str
    items: list[RelatedOut]


class PathOut(Out):
    facts: list[FactOut]


class PathsAnswer(Answer):
    source: str
    target: str
    paths: list[PathOut]


class HitOut(Out):
    entity: EntityOut
    score: float


class SearchAnswer(Answer):
    query: str
    items: list[HitOut]


class InterestOut(Out):
    entity: EntityOut
    weight: float
    events: list[EventOut] = Field(description="the events this interest comes from")
    facts: list[FactOut]


class ProfileAnswer(Answer):
    user_id: str
    events: int
    interests: list[InterestOut]


class EventIn(BaseModel):
    """One thing a visitor did. Unknown fields are refused, so that a typo is not lost."""

    model_config = ConfigDict(extra="forbid")

    event_id: Annotated[str, Field(min_length=1, max_length=200, description="sending it twice changes nothing")]
    product_id: Annotated[str, Field(min_length=1, max_length=500)]
    action: Annotated[str, Field(description="view, click, cart, purchase or rating")]
    user_id: str | None = None
    session_id: str | None = None
    at: datetime | None = Field(None, description="ISO 8601 or Unix seconds; now, where it is missing")
    value: float | None = None


class EventsIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1000)]


class EventReport(Out):
    index: int
    event_id: str | None
    status: str = Field(description="accepted, duplicate or rejected")
    reason: str | None = None


class EventsAnswer(Out):
    accepted: int
    duplicates: int
    rejected: int
    events: list[EventReport]


class Problem(Out):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None

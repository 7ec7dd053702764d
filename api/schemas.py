"""What the service says. Domain objects never leave by themselves: they are turned into these.

Every number that leaves is finite or null, every time is ISO 8601 in UTC, every example is checked against its schema.
"""

import math
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api import examples
from kg import ids
from kg.types import Document, Entity, Evidence, Fact, Interaction, Reason, Recommendation, Scalar
from recommender.exploring import MOVED
from recommender.refusing import Cause

REFERENCE = "#/components/schemas/"

_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # the years 1 and 9999: what ISO 8601 can say


def iso(at: int | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC; what lies outside the years 1 to 9999 is told as the nearest end."""
    if at is None:
        return None
    return datetime.fromtimestamp(min(max(at, _FIRST_SECOND), _LAST_SECOND), UTC).isoformat().replace("+00:00", "Z")


def finite(value: Any) -> Any:
    """The value itself, or None for a number that JSON cannot say."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def described(example: dict[str, Any], extra: Literal["ignore", "forbid"] = "ignore") -> ConfigDict:
    """The configuration of a schema with its example."""
    return ConfigDict(frozen=True, json_schema_extra={"examples": [example]}, extra=extra)


class Answer(BaseModel):
    """What every answer names: the model that spoke, the graph it saw and the time of the last event it knew."""

    model: str | None = Field(description="the served model; null where none has been trained")
    graph_version: int = Field(description="rises with each write to the graph")
    as_of: str | None = Field(description="the time of the newest event; null where there is none")


class EvidenceOut(BaseModel):
    """Why a fact is believed: a quote in a text, or counts over a log."""

    model_config = described(examples.EVIDENCE)

    source: str = Field(description="the document's id, or the log window")
    method: str = Field(description="who found it: catalog, rules, llm, behavior, ...")
    confidence: float
    at: str | None = None
    field: str | None = Field(default=None, description="the field of the source row, for readers")
    quote: str | None = None
    start: int | None = Field(default=None, description="code points into the document's text, half-open")
    end: int | None = None
    counts: dict[str, float | None] = Field(default={}, description="support, lift, users, ... of behaviour")

    @classmethod
    def of(cls, e: Evidence) -> "EvidenceOut":
        return cls(
            source=e.source, method=e.method, confidence=e.confidence, at=iso(e.at), field=e.field,
            quote=e.quote, start=e.start, end=e.end, counts={name: finite(n) for name, n in e.counts.items()},
        )  # fmt: skip


class EntityOut(BaseModel):
    """A thing of the graph: a product, a brand, a category, a value, a use, ..."""

    model_config = described(examples.ENTITY)

    id: str
    type: str
    name: str
    aliases: list[str] = []
    lang: str | None = None
    properties: dict[str, Scalar | None] = {}

    @classmethod
    def of(cls, e: Entity) -> "EntityOut":
        properties = {name: finite(value) for name, value in e.properties.items()}
        return cls(id=e.id, type=e.type, name=e.name, aliases=list(e.aliases), lang=e.lang, properties=properties)


class FactOut(BaseModel):
    """One fact with everything that proves it."""

    model_config = described(examples.FACT)

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


class DocumentOut(BaseModel):
    """One text of a product. Quotes are code points of ``text``."""

    model_config = described(examples.DOCUMENT)

    id: str
    kind: str = Field(description="product or review")
    text: str
    at: str | None = None

    @classmethod
    def of(cls, d: Document) -> "DocumentOut":
        return cls(id=d.id, kind=d.kind, text=d.text, at=iso(d.at))


class EventOut(BaseModel):
    """Something that was done."""

    model_config = described(examples.EVENT)

    event_id: str
    product_id: str
    product: str | None = Field(default=None, description="the product's title, where the graph knows it")
    action: str
    at: str | None

    @classmethod
    def of(cls, i: Interaction, names: dict[str, str]) -> "EventOut":
        return cls(
            event_id=i.event_id, product_id=i.product_id, product=names.get(ids.product(i.product_id)),
            action=i.action, at=iso(i.at),
        )  # fmt: skip


class ReasonOut(BaseModel):
    """Why a product is shown: what was done, the facts that lead from there to it, and what they add."""

    model_config = described(examples.REASON)

    text: str = Field(description="the reason in one sentence, made of nothing but the events and facts below")
    contribution: float | None = Field(description="what exactly it adds to the score, or null where none is computed")
    events: list[EventOut]
    facts: list[FactOut]

    @classmethod
    def of(cls, reason: Reason, text: str, names: dict[str, str]) -> "ReasonOut":
        return cls(
            text=text, contribution=finite(reason.contribution),
            events=[EventOut.of(e, names) for e in reason.events],
            facts=[FactOut.of(f, names) for f in reason.path.facts],
        )  # fmt: skip


class RecommendationOut(BaseModel):
    """One ranked product."""

    model_config = described(examples.RECOMMENDATION)

    id: str = Field(description="the shop's own id of the product")
    title: str | None
    score: float | None = Field(description="comparable within one origin")
    rank: int
    origin: str = Field(
        description="the model or fallback that spoke; `newcomer` where facts alone spoke, for the product came after "
        "the model was trained"
    )
    reasons: list[ReasonOut]
    explained: bool = Field(description="false where no path of facts carries this score, or none was asked for")
    moved_by: list[str] = Field(
        default=[],
        description="what gave it another rank than its score would: a level of diversity, a rule, exploration",
    )
    explored: bool = Field(default=False, description="whether chance gave it another rank than it has by itself")
    propensity: float = Field(
        default=1.0, description="the probability that this request shows it at just this rank; 1 without exploration"
    )

    @classmethod
    def of(
        cls, r: Recommendation, reasons: list[ReasonOut], names: dict[str, str], propensity: float = 1.0
    ) -> "RecommendationOut":
        return cls(
            id=r.product_id, title=names.get(ids.product(r.product_id)), score=finite(r.score), rank=r.rank,
            origin=r.origin, reasons=reasons, explained=bool(reasons), moved_by=list(r.moved_by),
            explored=MOVED in r.moved_by, propensity=propensity,
        )  # fmt: skip


class RuleOut(BaseModel):
    """A business rule that held for an answer. The items that it moved name it in ``moved_by``."""

    model_config = described(examples.RULE)

    name: str
    action: Literal["pin", "hide", "boost"]
    products: int = Field(description="products that it concerns")


class RecommendationsAnswer(Answer):
    """What to show, best first."""

    model_config = described(examples.RECOMMENDATIONS)

    recommendation_id: str = Field(description="names this answer, to be sent along with what came of it")
    user_id: str | None
    session_id: str | None
    items: list[RecommendationOut]
    rules: list[RuleOut] = Field(default=[], description="the business rules that held")


class AgainstOut(BaseModel):
    """One thing that keeps a product out."""

    model_config = described(examples.AGAINST)

    cause: Cause
    name: str = Field(description="of the filter, the rule, the last rank of the list, the level, ...")
    detail: str


class WhyNotAnswer(Answer):
    """What keeps one product out of an answer; nothing where it is in it."""

    model_config = described(examples.WHY_NOT)

    user_id: str | None
    session_id: str | None
    id: str = Field(description="the shop's own id of the product")
    title: str | None
    shown_at: int = Field(description="its rank in the answer of `k`; 0 where it is not shown")
    rank: int = Field(
        description="its rank among all products that pass the filters and rules, as if it passed them too"
    )
    score: float | None
    origin: str = Field(description="the model or fallback that gives it this score")
    against: list[AgainstOut]
    rules: list[RuleOut] = Field(default=[], description="the business rules that held")


class UnusedEvent(BaseModel):
    """An event of a session that did not speak, and why."""

    model_config = described(examples.UNUSED_EVENT)

    index: int = Field(description="its place in the request, from 0")
    product_id: str | None
    reason: str


class SessionAnswer(Answer):
    """What to show in a session, best first. ``used + unknown + rejected`` is the number of events sent."""

    model_config = described(examples.SESSION)

    recommendation_id: str = Field(description="names this answer, to be sent along with what came of it")
    events: int
    used: int
    unknown: int = Field(description="events on products that the model does not know")
    rejected: int = Field(description="events that are none: a misspelt action, a date in the future")
    unused: list[UnusedEvent]
    items: list[RecommendationOut]
    rules: list[RuleOut] = Field(default=[], description="the business rules that held")


class ProductAnswer(Answer):
    """One product with its facts and texts."""

    model_config = described(examples.PRODUCT)

    id: str
    product: EntityOut
    facts: dict[str, list[FactOut]] = Field(description="by relation, the most confident first, at most `limit` each")
    fact_counts: dict[str, int] = Field(description="how many facts there are by relation, shown or not")
    documents: list[DocumentOut] = Field(description="the product's own text first; at most `limit`")
    document_count: int


class ArrivalAnswer(Answer):
    """What became of a product that was sent, and the facts that its text gave."""

    model_config = described(examples.ARRIVAL)

    id: str
    status: Literal["created", "changed", "unchanged"]
    product: EntityOut
    facts: dict[str, list[FactOut]] = Field(description="by relation; what rules read in the text, and its own fields")
    set_aside: dict[str, int] = Field(description="what was read in the text and is not believed, by reason")
    notes: list[str] = Field(description="what was changed or left out while reading the fields")


class RelatedOut(BaseModel):
    """A related product and the fact that says so."""

    model_config = described(examples.RELATED_ITEM)

    product: EntityOut
    fact: FactOut


class RelatedAnswer(Answer):
    """Products that a relation joins to one, most confident first."""

    model_config = described(examples.RELATED)

    id: str
    relation: str
    items: list[RelatedOut]
    kept_out: list[RelatedOut] = Field(
        default=[], description="complements that do not fit, with the fact that says what is made for something else"
    )


class PathOut(BaseModel):
    """A chain of facts in which neighbours share an entity."""

    model_config = described(examples.PATH)

    facts: list[FactOut]


class PathsAnswer(Answer):
    """How two things hang together, shortest first."""

    model_config = described(examples.PATHS)

    source: str = Field(description="an entity id")
    target: str = Field(description="an entity id")
    paths: list[PathOut]


class HitOut(BaseModel):
    """An entity whose name matches."""

    model_config = described(examples.HIT)

    entity: EntityOut
    score: float = Field(description="in (0, 1]; 1 is the very name")


class SearchAnswer(Answer):
    """Entities that match, best first."""

    model_config = described(examples.SEARCH)

    query: str
    items: list[HitOut]


class InterestOut(BaseModel):
    """Something that several of a user's products share."""

    model_config = described(examples.INTEREST)

    entity: EntityOut
    weight: float = Field(description="the user's events on products that state it, weighed by action and confidence")
    events: list[EventOut] = Field(description="the newest events this interest comes from")
    facts: list[FactOut]


class ProfileAnswer(Answer):
    """What a user seems to care about."""

    model_config = described(examples.PROFILE)

    user_id: str
    events: int = Field(description="events looked at, the newest 200 at most; 0 for someone unknown")
    interests: list[InterestOut]


class LiveAnswer(BaseModel):
    """The process answers."""

    model_config = described(examples.LIVE)

    status: Literal["live"] = "live"


class ReadyAnswer(Answer):
    """The graph and the log answer and a model is loaded."""

    model_config = described(examples.READY)

    status: Literal["ready"] = "ready"


class EventReport(BaseModel):
    """What became of one event."""

    model_config = described(examples.EVENT_REPORT)

    index: int = Field(description="its place in the request, from 0")
    event_id: str | None
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str | None = Field(default=None, description="why it was rejected")


class EventsAnswer(Answer):
    """What became of each event. ``accepted + duplicates + rejected`` is the number of events sent."""

    model_config = described(examples.EVENTS)

    accepted: int
    duplicates: int
    rejected: int
    joined: int = Field(
        default=0, description="events that name a logged answer which showed their product; 0 where none are logged"
    )
    events: list[EventReport]


class Problem(BaseModel):
    """RFC 9457 problem details, with a stable ``code``."""

    model_config = described(examples.PROBLEM)

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    field: str | None = Field(default=None, description="the part of the request that is not understood")

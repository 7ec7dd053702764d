"""The nouns of the graph as the service says them, and how numbers and times are said."""

import math
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api import examples
from kg import ids
from kg.types import Document, Entity, Evidence, Fact, Interaction, Reason, Scalar

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
    facts: list[FactOut] = Field(
        description="those that the sentence tells, then those that say no more than these: stated from the other end, "
        "resting on the very same evidence, or joining both to the same product between"
    )

    @classmethod
    def of(cls, reason: Reason, text: str, names: dict[str, str]) -> "ReasonOut":
        return cls(
            text=text, contribution=finite(reason.contribution),
            events=[EventOut.of(e, names) for e in reason.events],
            facts=[FactOut.of(f, names) for f in reason.facts],
        )  # fmt: skip

"""What the service says. Domain objects never leave by themselves: they are turned into these (nouns: ``nouns``).

Every number that leaves is finite or null, every time is ISO 8601 in UTC, every example is checked against its schema.
"""

from typing import Literal

from pydantic import BaseModel, Field

from api import examples
from api.nouns import Answer, DocumentOut, EntityOut, EventOut, FactOut, ReasonOut, described, finite
from kg import ids
from kg.types import Recommendation
from recommender.exploring import MOVED
from recommender.refusing import Cause

INTERLEAVED = (
    "a second model that shares the list with `model`, where the shop compares two; each item is one of theirs"
)


class RecommendationOut(BaseModel):
    """One ranked product."""

    model_config = described(examples.RECOMMENDATION)

    id: str = Field(description="the shop's own id of the product")
    title: str | None
    score: float | None = Field(description="comparable within one origin")
    rank: int
    origin: str = Field(
        description="the model or fallback that spoke; `newcomer` where facts and its title alone spoke, for the "
        "product came after the model was trained"
    )
    reasons: list[ReasonOut]
    explained: bool = Field(description="false where no path of facts carries this score, or none was asked for")
    moved_by: list[str] = Field(
        default=[],
        description="what gave it another rank than its score would: the ranker, a level of diversity, a rule, "
        "exploration, interleaving",
    )
    explored: bool = Field(default=False, description="whether chance gave it another rank than it has by itself")
    propensity: float = Field(
        default=1.0, description="the probability that this request shows it at just this rank; 1 without chance"
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
    interleaved_with: str | None = Field(default=None, description=INTERLEAVED)


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
    interleaved_with: str | None = Field(default=None, description=INTERLEAVED)


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

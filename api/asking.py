"""What may be asked of a recommendation, by query or by body, and how the shop's words become filters."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from api import examples
from api.incoming import MAX_EVENTS, ActorId, Moment, NeededId
from api.nouns import REFERENCE, described
from kg import ids
from kg.errors import UnknownEntity
from kg.store import GraphReader
from mining.catalog import CATEGORY_SEPARATOR
from recommender.diversity import Diversity, Kind, Level
from recommender.errors import FilterError
from recommender.filters import Filters
from recommender.thresholds import Thresholds

MOST_CONDITIONS = 100  # attributes, or products left out, of one request


def _pair(text: str) -> str:
    name, colon, value = text.partition(":")
    if not (colon and name.strip() and value.strip()):
        raise ValueError(f"{text!r} is no attribute with its value; expected name:value, such as color:black")
    return text


def _level(word: object) -> object:
    """``low`` and the like are as good as the whole name."""
    return f"{word}-diversity" if word in ("no", "low", "medium", "high", "auto") else word


def _kind(word: object) -> object:
    return {"rule": "rule-based-diversity", "data": "data-driven-diversity"}.get(str(word), word)


Words = Annotated[str, Field(min_length=1, max_length=512)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Asked(BaseModel):
    """How many, which products may be among them, and how much of an explanation. Unknown names are refused, so that
    a misspelt filter is not passed over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int = Field(default=10, ge=1, le=100, examples=[10])
    exclude_seen: bool = Field(
        default=True, examples=[True], description="leave out what was ever taken before, however long ago"
    )
    reasons: int = Field(default=3, ge=0, le=10, examples=[3], description="of an item, at most")
    category: Words | None = Field(
        default=None,
        examples=["Coffee > Coffee Machines"],
        description="its path, its name where that is the only one, or its entity id; with everything below it",
    )
    brand: Words | None = Field(default=None, examples=["Caldoro"], description="its name or its entity id")
    min_price: Price | None = Field(
        default=None, examples=[10], description="a product without a price passes no price condition"
    )
    max_price: Price | None = Field(default=None, examples=[150], description="included, as the lower end is")
    available: bool = Field(
        default=True, examples=[True], description="leave out what the catalogue says cannot be had"
    )
    attribute: list[Annotated[Words, AfterValidator(_pair)]] = Field(
        default=[],
        max_length=MOST_CONDITIONS,
        examples=[["color:black", "color:cream"]],
        description="`name:value`; one of the values of each attribute named must be stated",
    )
    exclude: list[NeededId] = Field(
        default=[], max_length=MOST_CONDITIONS, examples=[["cof-03"]], description="products that are blocked"
    )

    min_score: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        default=None,
        examples=[0.05],
        description="leave out what scores lower, so that an answer may have fewer than `k` items; scores of one "
        "`origin` are no measure for another",
    )
    min_confidence: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        examples=[0.8],
        description="leave out what no fact of at least this confidence joins to the history; the model's facts, as "
        "they were when it was trained",
    )

    diversity_level: Annotated[Level, BeforeValidator(_level)] = Field(
        default="no-diversity",
        examples=["medium-diversity"],
        description="how different the items are from each other; `auto-diversity` takes it from the history",
    )
    diversity_type: Annotated[Kind, BeforeValidator(_kind)] = Field(
        default="data-driven-diversity",
        examples=["rule-based-diversity"],
        description="by data, relevance is weighed against category, brand and path type; by rule, a category has at "
        "most 3, 2 or 1 items (low, medium, high) while there are others",
    )

    @property
    def diversity(self) -> Diversity:
        return Diversity(self.diversity_level, self.diversity_type)

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(self.min_score, self.min_confidence)

    def filters(self, reader: GraphReader) -> Filters:
        """Raises UnknownEntity for a category or brand that there is not, FilterError for what no product can meet."""
        pairs = (pair.partition(":") for pair in self.attribute)
        return Filters(
            category=None if self.category is None else category_named(reader, self.category),
            brand=None if self.brand is None else _entity(reader, "Brand", self.brand, ids.brand),
            min_price=self.min_price,
            max_price=self.max_price,
            attributes=tuple((name.strip(), value.strip()) for name, _, value in pairs),
            exclude=tuple(self.exclude),
            available=self.available,
        )


class Who(BaseModel):
    """A user, a session, both or nobody."""

    user_id: ActorId = Field(default=None, examples=["u0421"], description="someone unknown gets a named fallback")
    session_id: ActorId = Field(default=None, examples=["s-7c1e"], description="with or instead of a user")


class Replayable(BaseModel):
    """A request in which chance may have a hand."""

    replay: NeededId | None = Field(
        default=None,
        examples=["5f0c2c6a7d1e4b0f9a3d8e7c6b5a4f3e"],
        description="the `recommendation_id` of an answer in which chance filled ranks: it fills them alike again, and "
        "nothing is logged",
    )


class Past(BaseModel):
    """The same question at an earlier moment."""

    as_of: Moment = Field(
        default=None,
        examples=["2026-06-29T21:00:00Z"],
        description="ISO 8601 or Unix seconds: answer as if no event at or after this moment were known; it lies after "
        "what the model has learned from. Nothing is logged then",
    )


class RecommendationsAsked(Past, Replayable, Asked, Who):
    """What ``GET /v1/recommendations`` is asked, by query; who it is for comes first."""


class WhyNotAsked(Past, Asked, Who):
    """The same request, left to no chance, and the product that is not in its answer."""

    product_id: NeededId = Field(examples=["cof-03"], description="the product that is missed")


class SessionAsked(Replayable, Asked):
    """Up to 1000 events of someone who is not known. Each is judged by itself: a bad one does not stop the others."""

    model_config = described(examples.SESSION_ASKED, extra="forbid")

    events: Annotated[
        list[Any],  # each one is held against SessionEventIn by itself
        Field(max_length=MAX_EVENTS, json_schema_extra={"items": {"$ref": f"{REFERENCE}SessionEventIn"}}),
    ]


def category_named(reader: GraphReader, asked: str) -> str:
    """The id of the category that goes by this id, path or name.

    Raises UnknownEntity, and FilterError where several categories have that name.
    """
    try:
        return _entity(reader, "Category", asked, lambda path: ids.category(tuple(path.split(CATEGORY_SEPARATOR))))
    except UnknownEntity:
        hits = reader.search(asked, type="Category", limit=100)
        alike = sorted(e.id for e, _ in hits if ids.normal_form(e.name) == ids.normal_form(asked))
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise FilterError(
                f"{len(alike)} categories are named {asked!r}; expected one of {', '.join(alike)}"
            ) from None
        raise


def _entity(reader: GraphReader, type_name: str, asked: str, id_of: Callable[[str], str]) -> str:
    for entity_id in (asked, id_of(asked)):
        try:
            entity = reader.entity(entity_id)
        except UnknownEntity:
            continue
        if entity.type == type_name:
            return entity.id
    raise UnknownEntity(id_of(asked))

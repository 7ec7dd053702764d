"""What the service accepts: ids, times, actions and numbers are read as they are from files, events one by one."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator, model_validator

from api import examples
from api.nouns import REFERENCE, described, iso
from api.problems import told
from kg.errors import EventError
from kg.types import ACTIONS, Action, Interaction
from mining.sources.values import MAX_ID, BadRow, action_of, available_of, number_of, optional_id, price_of, time_of

MAX_EVENTS = 1000  # of one call
AHEAD = 86_400  # seconds that a visitor's clock may be ahead of ours; a date of next year would stay the newest event


def _id(value: object) -> str | None:
    """Ids as files are read too: text or a whole number, without white space around it."""
    try:
        return optional_id(value, "the id")
    except BadRow as error:
        raise ValueError(str(error)) from error


def needed_id(value: object) -> str:
    """An id as files are read too. Raises ValueError where there is none."""
    read = _id(value)
    if read is None:
        raise ValueError("the id is missing")
    return read


def _moment(value: object) -> int | None:
    if isinstance(value, bool | list | dict):
        raise ValueError("expected ISO 8601 or Unix seconds")
    try:
        return None if value is None else time_of(value)
    except BadRow as error:
        raise ValueError(f"{error}; expected ISO 8601 or Unix seconds") from error


def _action(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected one of {', '.join(ACTIONS)}")
    try:
        return action_of(value)
    except EventError as error:
        raise ValueError(str(error)) from error


ActorId = Annotated[str | None, BeforeValidator(_id)]
NeededId = Annotated[str, BeforeValidator(needed_id), Field(min_length=1, max_length=MAX_ID)]


Moment = Annotated[int | None, BeforeValidator(_moment, json_schema_input_type=str | int | float | None)]
Deed = Annotated[Action, BeforeValidator(_action)]


class EventIn(BaseModel):
    """One thing a visitor did. Unknown fields are refused, so that a typo is not lost.

    One of ``user_id`` and ``session_id`` is needed: an event of nobody teaches nothing.
    """

    model_config = described(examples.EVENT_IN, extra="forbid")

    event_id: NeededId = Field(description="sending it twice changes nothing")
    product_id: NeededId
    action: Deed = Field(
        description="also under the names of other systems, such as `detail-page-view` or `add-to-cart`"
    )
    user_id: ActorId = None
    session_id: ActorId = None
    at: Moment = Field(
        default=None, description="ISO 8601 or Unix seconds, at most a day ahead of our clock; now, where it is missing"
    )
    value: float | None = Field(default=None, description="a rating or a quantity")
    recommendation_id: ActorId = Field(
        default=None, description="the answer from which it came; joined with it where the shop logs its answers"
    )

    @field_validator("value", mode="before")
    @classmethod
    def _finite(cls, value: object) -> float | None:
        return number_of(value)

    @model_validator(mode="after")
    def _somebody(self) -> "EventIn":
        if self.user_id is None and self.session_id is None:
            raise ValueError("neither user_id nor session_id is given; one of them is needed")
        return self


class SessionEventIn(BaseModel):
    """One thing that a visitor did in a session. Unknown fields are refused, so that a typo is not lost."""

    model_config = described(examples.SESSION_EVENT_IN, extra="forbid")

    product_id: NeededId
    action: Deed = Field(description="also under the names of other systems, as in `/v1/events`")
    at: Moment = Field(
        default=None, description="ISO 8601 or Unix seconds; events may come in any order. Now, where it is missing"
    )
    event_id: ActorId = Field(default=None, description="named in reasons; its place in the request, where missing")


class EventsIn(BaseModel):
    """Up to 1000 events. Each is judged by itself: a bad one does not stop the others."""

    model_config = described(examples.EVENTS_IN, extra="forbid")

    events: Annotated[
        list[Any],  # each one is held against EventIn by itself
        Field(min_length=1, max_length=MAX_EVENTS, json_schema_extra={"items": {"$ref": f"{REFERENCE}EventIn"}}),
    ]


def _price(value: object) -> object:
    try:
        if value is None or price_of(value)[0] is not None:
            return value
    except BadRow as error:
        raise ValueError(str(error)) from error
    raise ValueError(f"{value!r} is no price")


def _path(value: object) -> object:
    if not isinstance(value, str | list) or (isinstance(value, list) and not all(isinstance(v, str) for v in value)):
        raise ValueError("expected a path such as 'Photo > Power', or a list of names from the root down")
    return value


def _availability(value: object) -> bool:
    try:
        return available_of(value)
    except BadRow as error:
        raise ValueError(str(error)) from error


class ProductIn(BaseModel):
    """A product as the shop would write it in its catalogue; its id stands in the path. Unknown fields are refused."""

    model_config = described(examples.PRODUCT_IN, extra="forbid")

    title: Annotated[str, Field(min_length=1, pattern=r"\S")]
    description: str = Field(default="", description="text, HTML too: it is read as a catalogue's is")
    brand: str | None = None
    category: Annotated[str | list[str], BeforeValidator(_path)] = Field(
        default="", description="`A > B > C`, or a list, from the root down"
    )
    price: Annotated[float | str | None, BeforeValidator(_price)] = Field(default=None, description="19.9 or `€ 19,90`")
    currency: str | None = None
    gtin: str | None = None
    mpn: str | None = Field(default=None, description="the maker's part number: texts may name the product by it")
    available: Annotated[bool, BeforeValidator(_availability, json_schema_input_type=bool | str | int)] = True
    attributes: dict[str, str | bool | int | float] = Field(default={}, description="name → value")


Form = TypeVar("Form", EventIn, SessionEventIn)


def judged(raw: object, form: type[Form], now: int, event_of: Callable[[Form, int], Interaction]) -> Interaction | str:
    """The event that ``event_of`` makes of what was sent and its moment, or why it is none."""
    if not isinstance(raw, dict):
        return f"expected an object, found {type(raw).__name__}"
    try:
        sent = form.model_validate(raw)
    except ValidationError as error:
        return told(error.errors()[0])
    at = now if sent.at is None else sent.at
    if at > now + AHEAD:
        return f"at: {iso(at)} lies in the future; it is {iso(now)}"
    return event_of(sent, at)

"""New behaviour comes in here: each event is judged by itself, and sending one twice changes nothing."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import ValidationError

from api import schemas
from api.deps import ServicesDep
from api.incoming import EventIn, EventsIn
from api.problems import printable, responses, told
from api.schemas import EventReport
from kg.types import Interaction

router = APIRouter(prefix="/v1", tags=["events"])

AHEAD = 86_400  # seconds that a visitor's clock may be ahead of ours; a date of next year would stay the newest event


@router.post(
    "/events",
    summary="Append events; each one gets its own verdict",
    responses=responses(400, 413, 415, 422, 503),
)
def append(services: ServicesDep, body: EventsIn) -> schemas.EventsAnswer:
    """What is good is appended in one transaction, what is not is rejected with its reason; nothing is lost silently.

    The same user's next recommendations know these events.
    """
    now = int(time.time())
    judged = [_judged(raw, now) for raw in body.events]
    good = [event for event in judged if isinstance(event, Interaction)]
    fresh = iter(services.log.append_each(good))
    reports = [_report(index, event, body.events[index], fresh) for index, event in enumerate(judged)]
    verdicts: Counter[str] = Counter(report.status for report in reports)
    services.metrics.events(verdicts)
    return schemas.EventsAnswer(
        **services.stamp(), accepted=verdicts["accepted"], duplicates=verdicts["duplicate"],
        rejected=verdicts["rejected"], events=reports,
    )  # fmt: skip


def _judged(raw: Any, now: int) -> Interaction | str:
    """The event, or why it is none."""
    if not isinstance(raw, dict):
        return f"expected an object, found {type(raw).__name__}"
    try:
        event = EventIn.model_validate(raw)
    except ValidationError as error:
        return told(error.errors()[0])
    at = now if event.at is None else event.at
    if at > now + AHEAD:
        return f"at: {schemas.iso(at)} lies in the future; it is {schemas.iso(now)}"
    return Interaction(
        event_id=event.event_id, product_id=event.product_id, action=event.action, at=at,
        user_id=event.user_id, session_id=event.session_id, value=event.value,
    )  # fmt: skip


def _report(index: int, judged: Interaction | str, raw: Any, fresh: Iterator[bool]) -> EventReport:
    if isinstance(judged, Interaction):
        verdict: Literal["accepted", "duplicate"] = "accepted" if next(fresh) else "duplicate"
        return EventReport(index=index, event_id=judged.event_id, status=verdict)
    return EventReport(index=index, event_id=_shown_id(raw), status="rejected", reason=printable(judged))


def _shown_id(raw: Any) -> str | None:
    """The id of an event that was rejected, as far as it has one that can be shown."""
    event_id = raw.get("event_id") if isinstance(raw, dict) else None
    return printable(event_id) if isinstance(event_id, str) else None

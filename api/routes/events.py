"""New behaviour comes in here: each event is judged by itself, and sending one twice changes nothing."""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter

from api import schemas
from api.deps import ServicesDep
from api.incoming import EventIn, EventsIn, judged
from api.problems import printable, responses
from api.schemas import EventReport
from kg.types import Interaction

router = APIRouter(prefix="/v1", tags=["events"])


@router.post(
    "/events",
    summary="Append events; each one gets its own verdict",
    responses=responses(400, 413, 415, 422, 503),
)
def append(services: ServicesDep, body: EventsIn) -> schemas.EventsAnswer:
    """What is good is appended in one transaction, what is not is rejected with its reason; nothing is lost silently.

    The same user's next recommendations know these events. One that names the `recommendation_id` of an answer is
    joined with it, where the shop logs its answers.
    """
    now = int(time.time())
    named: dict[str, str] = {}
    read = [judged(raw, EventIn, now, partial(_event, named)) for raw in body.events]
    good = [event for event in read if isinstance(event, Interaction)]
    fresh = iter(services.log.append_each(good))
    reports = [_report(index, event, body.events[index], fresh) for index, event in enumerate(read)]
    verdicts: Counter[str] = Counter(report.status for report in reports)
    services.metrics.events(verdicts)
    joined = services.feedback.join(good, named, services.metrics)
    return schemas.EventsAnswer(
        **services.stamp(), accepted=verdicts["accepted"], duplicates=verdicts["duplicate"],
        rejected=verdicts["rejected"], joined=joined, events=reports,
    )  # fmt: skip


def _event(named: dict[str, str], sent: EventIn, at: int) -> Interaction:
    """The event; the answer from which it came goes to ``named``, by the event's id."""
    if sent.recommendation_id is not None:
        named.setdefault(sent.event_id, sent.recommendation_id)
    return Interaction(
        event_id=sent.event_id, product_id=sent.product_id, action=sent.action, at=at,
        user_id=sent.user_id, session_id=sent.session_id, value=sent.value,
    )  # fmt: skip


def _report(index: int, read: Interaction | str, raw: Any, fresh: Iterator[bool]) -> EventReport:
    if isinstance(read, Interaction):
        verdict: Literal["accepted", "duplicate"] = "accepted" if next(fresh) else "duplicate"
        return EventReport(index=index, event_id=read.event_id, status=verdict)
    return EventReport(index=index, event_id=_shown_id(raw), status="rejected", reason=printable(read))


def _shown_id(raw: Any) -> str | None:
    """The id of an event that was rejected, as far as it has one that can be shown."""
    event_id = raw.get("event_id") if isinstance(raw, dict) else None
    return printable(event_id) if isinstance(event_id, str) else None

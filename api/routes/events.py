"""New behaviour comes in here: each event is judged by itself, and sending one twice changes nothing."""

import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError

from api import schemas
from api.deps import ServicesDep
from kg.errors import EventError
from kg.events import EventLog
from kg.types import Interaction
from mining.sources import action_of

router = APIRouter(prefix="/v1", tags=["events"])


@router.post("/events", summary="Append events; each one gets its own verdict")
def append(services: ServicesDep, body: schemas.EventsIn) -> schemas.EventsAnswer:
    now = int(time.time())
    reports = [_take(services.log, index, raw, now) for index, raw in enumerate(body.events)]
    count = {s: sum(r.status == s for r in reports) for s in ("accepted", "duplicate", "rejected")}
    return schemas.EventsAnswer(
        accepted=count["accepted"], duplicates=count["duplicate"], rejected=count["rejected"], events=reports
    )


def _take(log: EventLog, index: int, raw: Mapping[str, Any], now: int) -> schemas.EventReport:
    event_id = raw.get("event_id") if isinstance(raw.get("event_id"), str) else None
    try:
        report = log.append([_interaction(schemas.EventIn.model_validate(raw), now)])
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        return schemas.EventReport(index=index, event_id=event_id, status="rejected", reason=reason)
    except EventError as error:
        return schemas.EventReport(index=index, event_id=event_id, status="rejected", reason=str(error))
    return schemas.EventReport(index=index, event_id=event_id, status="accepted" if report.added else "duplicate")


def _interaction(event: schemas.EventIn, now: int) -> Interaction:
    return Interaction(
        event_id=event.event_id,
        product_id=event.product_id,
        action=action_of(event.action),
        at=now if event.at is None else int(event.at.timestamp()),
        user_id=event.user_id,
        session_id=event.session_id,
        value=event.value,
    )

"""Recommendations for someone who is nobody yet: the events come with the request, and nothing is kept of them."""

import time
from typing import Any
from uuid import uuid4

from fastapi import APIRouter
from pydantic import ValidationError

from api import schemas
from api.asking import SessionAsked, SessionEventIn
from api.deps import ServicesDep
from api.problems import printable, responses, told
from api.routes.events import AHEAD
from api.routes.recommendations import answered, told_rules
from api.routes.recommendations import told as told_items
from kg.types import Interaction

router = APIRouter(prefix="/v1", tags=["recommendations"])


@router.post(
    "/sessions:recommend",
    summary="What to show in an anonymous session, from its events alone, with reasons",
    responses=responses(400, 404, 413, 415, 422, 503),
)
def recommend_session(services: ServicesDep, body: SessionAsked) -> schemas.SessionAnswer:
    """Nothing is written: no event, no user, no session. Events that cannot speak are counted and told; where none can,
    the named fallback answers, as for a stranger. `origin` names who spoke for each item."""
    served = services.served()
    stamp = services.stamp(served)
    now = int(time.time())
    judged = [_judged(index, raw, now) for index, raw in enumerate(body.events)]
    known = served.recommender.artifact.items
    history = [event for event in judged if isinstance(event, Interaction) and event.product_id in known]
    rejected = sum(isinstance(event, str) for event in judged)
    rules = services.rules.holding()
    found = answered(services, served, body, rules, history=history)
    return schemas.SessionAnswer(
        **stamp, recommendation_id=uuid4().hex, events=len(judged), used=len(history),
        unknown=len(judged) - len(history) - rejected, rejected=rejected,
        unused=[
            _unused(index, event, body.events[index])
            for index, event in enumerate(judged)
            if not (isinstance(event, Interaction) and event.product_id in known)
        ],
        items=told_items(services, found), rules=told_rules(served, rules),
    )  # fmt: skip


def _judged(index: int, raw: Any, now: int) -> Interaction | str:
    """The event, or why it is none."""
    if not isinstance(raw, dict):
        return f"expected an object, found {type(raw).__name__}"
    try:
        event = SessionEventIn.model_validate(raw)
    except ValidationError as error:
        return told(error.errors()[0])
    at = now if event.at is None else event.at
    if at > now + AHEAD:
        return f"at: {schemas.iso(at)} lies in the future; it is {schemas.iso(now)}"
    return Interaction(event.event_id or str(index), event.product_id, event.action, at)


def _unused(index: int, judged: Interaction | str, raw: Any) -> schemas.UnusedEvent:
    if isinstance(judged, Interaction):
        reason = f"the model knows no product {judged.product_id!r}"
        return schemas.UnusedEvent(index=index, product_id=judged.product_id, reason=reason)
    product_id = raw.get("product_id") if isinstance(raw, dict) else None
    shown = printable(product_id) if isinstance(product_id, str) else None
    return schemas.UnusedEvent(index=index, product_id=shown, reason=printable(judged))

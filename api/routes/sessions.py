"""Recommendations for someone who is nobody yet: the events come with the request, and nothing is kept of them."""

import time
from functools import partial
from typing import Any
from uuid import uuid4

from fastapi import APIRouter

from api import schemas
from api.asking import SessionAsked
from api.deps import ServicesDep
from api.incoming import SessionEventIn, judged
from api.problems import printable, responses
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
    """Nothing is written of the visitor: no event, no user, no session. Events that cannot speak are counted and told;
    where none can, the named fallback answers, as for a stranger. `origin` names who spoke for each item."""
    served = services.served()
    stamp = services.stamp(served)
    now = int(time.time())
    read = [judged(raw, SessionEventIn, now, partial(_event, index)) for index, raw in enumerate(body.events)]
    known = served.recommender.items
    history = [event for event in read if isinstance(event, Interaction) and event.product_id in known]
    rejected = sum(isinstance(event, str) for event in read)
    rules = services.rules.holding()
    name = uuid4().hex
    found = answered(services, served, body, rules, name, history=history)
    return schemas.SessionAnswer(
        **stamp, recommendation_id=name, events=len(read), used=len(history),
        unknown=len(read) - len(history) - rejected, rejected=rejected,
        unused=[
            _unused(index, event, body.events[index])
            for index, event in enumerate(read)
            if not (isinstance(event, Interaction) and event.product_id in known)
        ],
        items=told_items(services, found.shown, found.propensity), rules=told_rules(served, rules),
        interleaved_with=found.rival,
    )  # fmt: skip


def _event(index: int, sent: SessionEventIn, at: int) -> Interaction:
    return Interaction(sent.event_id or str(index), sent.product_id, sent.action, at)


def _unused(index: int, read: Interaction | str, raw: Any) -> schemas.UnusedEvent:
    if isinstance(read, Interaction):
        reason = f"neither the model nor the graph knows a product {read.product_id!r}"
        return schemas.UnusedEvent(index=index, product_id=read.product_id, reason=reason)
    product_id = raw.get("product_id") if isinstance(raw, dict) else None
    shown = printable(product_id) if isinstance(product_id, str) else None
    return schemas.UnusedEvent(index=index, product_id=shown, reason=printable(read))

"""Recommendations with their reasons, and what a user's history says about them."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Query

from api import profiles, schemas
from api.deps import Services, ServicesDep
from api.errors import NotTrained
from api.phrases import sentence
from kg import ids
from kg.types import Interaction, Recommendation

router = APIRouter(prefix="/v1", tags=["recommendations"])


@router.get("/recommendations", summary="What to show this user or session, best first, with reasons")
def recommendations(
    services: ServicesDep,
    user_id: Annotated[str | None, Query(max_length=500, description="an unknown user gets the named fallback")] = None,
    session_id: Annotated[str | None, Query(max_length=500)] = None,
    k: Annotated[int, Query(ge=1, le=100)] = 10,
    exclude_seen: Annotated[bool, Query(description="leave out what the user has bought")] = True,
    reasons: Annotated[int, Query(ge=0, le=10, description="reasons an item, at most")] = 3,
) -> schemas.RecommendationsAnswer:
    served = services.models.current
    if served is None:
        raise NotTrained("there is no model: run `shopgraph train`")
    found = served.recommender.recommend(
        user_id=user_id, session_id=session_id, k=k, exclude_seen=exclude_seen, max_reasons=reasons
    )
    return schemas.RecommendationsAnswer(
        **services.stamp(), recommendation_id=uuid4().hex, user_id=user_id, session_id=session_id,
        items=told(services, found),
    )  # fmt: skip


def told(services: Services, found: list[Recommendation]) -> list[schemas.RecommendationOut]:
    """Recommendations with names and sentences."""
    facts = [f for r in found for reason in r.reasons for f in reason.path.facts]
    events: list[Interaction] = [e for r in found for reason in r.reasons for e in reason.events]
    products = {r.product_id for r in found} | {e.product_id for e in events}
    names = services.names(facts, tuple(map(ids.product, products)))
    titles = {p: names[ids.product(p)] for p in products if ids.product(p) in names}
    out = []
    for r in found:
        reasons = [schemas.ReasonOut.of(reason, sentence(reason, names, titles), names) for reason in r.reasons]
        out.append(schemas.RecommendationOut.of(r, reasons, names))
    return out


@router.get("/users/{user_id:path}/profile", summary="A user's interests, each with the events behind it")
def profile(services: ServicesDep, user_id: str, limit: Annotated[int, Query(ge=1, le=50)] = 10) -> schemas.ProfileAnswer:
    history = services.log.history(user_id)
    found = profiles.interests(services.reader, history, limit=limit)
    facts = [f for i in found for f in i.facts]
    names = services.names(facts, tuple(ids.product(e.product_id) for i in found for e in i.events))
    items = [
        schemas.InterestOut(
            entity=schemas.EntityOut.of(i.entity), weight=i.weight,
            events=[schemas.EventOut.of(e, names) for e in i.events],
            facts=[schemas.FactOut.of(f, names) for f in i.facts],
        )
        for i in found
    ]  # fmt: skip
    return schemas.ProfileAnswer(**services.stamp(), user_id=user_id, events=len(history), interests=items)

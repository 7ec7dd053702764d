"""Recommendations with their reasons, and what a user's history says about them."""

from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query

from api import phrases, profiles, schemas
from api.deps import Services, ServicesDep
from api.incoming import ActorId
from api.problems import responses
from kg import ids
from kg.types import Recommendation

router = APIRouter(prefix="/v1", tags=["recommendations"])


@router.get(
    "/recommendations",
    summary="What to show this user or session, best first, with reasons",
    responses=responses(422, 503),
)
def recommendations(
    services: ServicesDep,
    user_id: Annotated[ActorId, Query(examples=["u0421"], description="someone unknown gets a named fallback")] = None,
    session_id: Annotated[ActorId, Query(examples=["s-7c1e"], description="with or instead of a user")] = None,
    k: Annotated[int, Query(ge=1, le=100, examples=[10])] = 10,
    exclude_seen: Annotated[bool, Query(examples=[True], description="leave out what was taken before")] = True,
    reasons: Annotated[int, Query(ge=0, le=10, examples=[3], description="of an item, at most")] = 3,
) -> schemas.RecommendationsAnswer:
    """An answer with fewer than `k` items says that nobody has more to say. `origin` names who spoke for each."""
    served = services.served()
    stamp = services.stamp(served)
    found = served.recommender.recommend(
        user_id=user_id, session_id=session_id, k=k, exclude_seen=exclude_seen, max_reasons=reasons
    )
    services.metrics.shown(r.origin for r in found)
    return schemas.RecommendationsAnswer(
        **stamp, recommendation_id=uuid4().hex, user_id=user_id, session_id=session_id, items=told(services, found)
    )


def told(services: Services, found: Sequence[Recommendation]) -> list[schemas.RecommendationOut]:
    """Recommendations with names and sentences."""
    facts = [f for r in found for reason in r.reasons for f in reason.path.facts]
    products = {r.product_id for r in found} | {e.product_id for r in found for p in r.reasons for e in p.events}
    entities = services.entities(facts, map(ids.product, products))
    names = {i: entity.name for i, entity in entities.items()}
    spoken = {i: phrases.spoken(entity) for i, entity in entities.items()}
    out = []
    for r in found:
        reasons = [schemas.ReasonOut.of(reason, phrases.sentence(reason, spoken), names) for reason in r.reasons]
        out.append(schemas.RecommendationOut.of(r, reasons, names))
    return out


@router.get(
    "/users/{user_id:path}/profile",
    summary="A user's interests, each with the events behind it",
    responses=responses(422, 503),
)
def profile(
    services: ServicesDep,
    user_id: Annotated[str, Path(examples=["u0421"])],
    limit: Annotated[int, Query(ge=1, le=50, examples=[10])] = 10,
) -> schemas.ProfileAnswer:
    """Someone unknown has no events and no interests: that is an answer, not an error."""
    stamp = services.stamp()
    history = services.log.history(user_id, limit=profiles.RECENT)
    found = profiles.interests(services.reader, history, limit=limit)
    facts = [f for i in found for f in i.facts]
    names = services.names(facts, (ids.product(e.product_id) for i in found for e in i.events))
    items = [
        schemas.InterestOut(
            entity=schemas.EntityOut.of(i.entity), weight=i.weight,
            events=[schemas.EventOut.of(e, names) for e in i.events],
            facts=[schemas.FactOut.of(f, names) for f in i.facts],
        )
        for i in found
    ]  # fmt: skip
    return schemas.ProfileAnswer(**stamp, user_id=user_id, events=len(history), interests=items)

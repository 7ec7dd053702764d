"""Recommendations with their reasons, and what a user's history says about them."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Path, Query

from api import phrases, profiles, schemas
from api.asking import RecommendationsAsked, SessionAsked, WhyNotAsked
from api.deps import Services, ServicesDep
from api.nouns import EntityOut, EventOut, FactOut, ReasonOut, finite
from api.problems import responses
from api.serving import Served
from kg import ids
from kg.types import Recommendation
from recommender.drafting import drafted
from recommender.exploring import Draw
from recommender.recommender import Answer
from recommender.rules import Rule

router = APIRouter(prefix="/v1", tags=["recommendations"])


@router.get(
    "/recommendations",
    summary="What to show this user or session, best first, with reasons",
    responses=responses(404, 422, 503),
)
def recommendations(
    services: ServicesDep, asked: Annotated[RecommendationsAsked, Query()]
) -> schemas.RecommendationsAnswer:
    """Filters are exact: an answer has fewer than `k` items only where no more products pass them and reach the score
    and confidence asked for. `origin` names who spoke for each: the model, a fallback, or `catalogue` for products
    about which none of them says anything."""
    served = services.served()
    stamp = services.stamp(served, asked.as_of)
    rules = services.rules.holding()
    name = uuid4().hex
    found = answered(
        services, served, asked, rules, name,
        user_id=asked.user_id, session_id=asked.session_id, as_of=asked.as_of,
    )  # fmt: skip
    return schemas.RecommendationsAnswer(
        **stamp, recommendation_id=name, user_id=asked.user_id, session_id=asked.session_id,
        items=told(services, found.shown, found.propensity), rules=told_rules(served, rules),
        interleaved_with=found.rival,
    )  # fmt: skip


@router.get(
    "/recommendations:why-not",
    summary="What keeps a product out of the answer to a request, and where it stands",
    responses=responses(404, 422, 503),
)
def why_not(services: ServicesDep, asked: Annotated[WhyNotAsked, Query()]) -> schemas.WhyNotAnswer:
    """Every filter and rule that it does not pass, or else what stands between its rank and the list; and whether any
    fact leads to it from the history. Ask as `/v1/recommendations` was asked."""
    served = services.served()
    stamp = services.stamp(served, asked.as_of)
    rules = services.rules.holding()
    found = served.recommender.why_not(
        asked.product_id, asked.user_id, session_id=asked.session_id, k=asked.k, exclude_seen=asked.exclude_seen,
        filters=asked.filters(services.reader), diversity=asked.diversity, rules=rules,
        thresholds=asked.thresholds, as_of=asked.as_of,
    )  # fmt: skip
    name = ids.product(asked.product_id)
    return schemas.WhyNotAnswer(
        **stamp, user_id=asked.user_id, session_id=asked.session_id, id=asked.product_id,
        title=services.names([], [name]).get(name), shown_at=found.shown_at, rank=found.rank,
        score=finite(found.score), origin=found.origin, rules=told_rules(served, rules),
        against=[schemas.AgainstOut(cause=a.cause, name=a.name, detail=a.detail) for a in found.against],
    )  # fmt: skip


def answered(
    services: Services, served: Served, asked: SessionAsked | RecommendationsAsked, rules: Sequence[Rule], name: str,
    **whom: Any,
) -> Answer:  # fmt: skip
    """What is asked for, for whom ``Recommender.answer`` is told to speak; counted, and logged under its name.

    Where there is a rival, it is asked the same, and both share the list.
    """
    filters, seed = asked.filters(services.reader), asked.replay or name

    def answer(by: Served, draw: Draw | None = None) -> Answer:
        return by.recommender.answer(
            **whom, k=asked.k, exclude_seen=asked.exclude_seen, filters=filters, diversity=asked.diversity, rules=rules,
            thresholds=asked.thresholds, max_reasons=asked.reasons, draw=draw,
        )  # fmt: skip

    live = asked.replay is None and whom.get("as_of") is None
    by_chance = live or asked.replay is not None
    rival = services.beside(served, asked.diversity, asked.thresholds, rules) if by_chance else None
    found = answer(served, services.feedback.draw(seed) if by_chance and rival is None else None)
    if rival is not None:
        try:
            pins = served.recommender.pinned(rules)
            found = drafted(found, answer(rival), asked.k, seed, rival=rival.name, pins=pins)
        except Exception:  # whatever is wrong with the rival, a comparison never costs a visitor an answer
            services.rival_failed(rival)
    elif services.rival is not None and live:
        services.metrics.feedback("not drafted")
    services.metrics.shown(r.origin for r in found.shown)
    if live:
        services.feedback.log(
            name, served.name, found, services.metrics,
            user_id=whom.get("user_id"), session_id=whom.get("session_id"),
        )  # fmt: skip
    return found


def told_rules(served: Served, rules: Sequence[Rule]) -> list[schemas.RuleOut]:
    """Rules with the number of products that each is about."""
    counted = zip(rules, served.recommender.concerned(rules), strict=True)
    return [schemas.RuleOut(name=rule.name, action=rule.action, products=count) for rule, count in counted]


def told(
    services: Services, found: Sequence[Recommendation], propensity: Callable[[Recommendation], float] = lambda _: 1.0
) -> list[schemas.RecommendationOut]:
    """Recommendations with names, sentences and the propensity of each."""
    facts = [f for r in found for reason in r.reasons for f in reason.facts]
    products = {r.product_id for r in found} | {e.product_id for r in found for p in r.reasons for e in p.events}
    entities = services.entities(facts, map(ids.product, products))
    names = {i: entity.name for i, entity in entities.items()}
    spoken = {i: phrases.spoken(entity) for i, entity in entities.items()}
    out = []
    for r in found:
        reasons = [ReasonOut.of(reason, phrases.sentence(reason, spoken), names) for reason in r.reasons]
        out.append(schemas.RecommendationOut.of(r, reasons, names, propensity(r)))
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
            entity=EntityOut.of(i.entity), weight=i.weight,
            events=[EventOut.of(e, names) for e in i.events],
            facts=[FactOut.of(f, names) for f in i.facts],
        )
        for i in found
    ]  # fmt: skip
    return schemas.ProfileAnswer(**stamp, user_id=user_id, events=len(history), interests=items)

"""Products with their facts, what they are related to, paths between things, and search."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BeforeValidator
from starlette.routing import Match
from starlette.types import Scope

from api import knowledge, schemas
from api.deps import Services, ServicesDep
from api.incoming import ProductIn, needed_id
from api.nouns import DocumentOut, EntityOut, FactOut
from api.problems import responses
from kg import ids
from kg.schema import LABELS
from kg.types import Entity
from mining.sources.values import MAX_ID
from recommender.newcomers import Change

router = APIRouter(prefix="/v1", tags=["knowledge"])

Limit = Annotated[int, Query(ge=1, le=100, examples=[20])]
ProductKey = Annotated[str, Path(examples=["cof-01"], description="the shop's own id of the product, percent-encoded")]
TakenKey = Annotated[
    str, BeforeValidator(needed_id), Path(max_length=MAX_ID, examples=["cof-01"], description="percent-encoded")
]
Anything = Annotated[str, Query(min_length=1, examples=["cof-01"], description="a product's id or an entity id")]


def _label(word: str | None) -> str | None:
    if word is not None and word not in LABELS:
        raise ValueError(f"{word!r} is no type of entity; expected one of {', '.join(LABELS)}")
    return word


def _product(services: Services, shop_id: str) -> Entity:
    """Raises UnknownEntity."""
    return services.reader.entity(ids.product(shop_id))


class RelatedRoute(APIRoute):
    """An id may end in ``/related`` itself: percent-encoded it is a part of the id, and the next route's business."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        raw: Any = scope.get("raw_path") or b""
        if raw and not raw.partition(b"?")[0].endswith(b"/related"):
            return Match.NONE, {}
        return super().matches(scope)


def related(
    services: ServicesDep,
    product_id: ProductKey,
    relation: Annotated[
        str,
        Query(
            examples=["BOUGHT_WITH"],
            json_schema_extra={"enum": [*knowledge.PRODUCT_RELATIONS, knowledge.COMPLEMENT]},
            description="complements obey what the texts say about compatibility",
        ),
    ] = "BOUGHT_WITH",
    limit: Limit = 20,
) -> schemas.RelatedAnswer:
    """In either direction; the fact beside each product says which, and proves it."""
    stamp = services.stamp()
    found = knowledge.related(services.reader, _product(services, product_id), relation, limit=limit)
    names = services.names([fact for _, fact in (*found.items, *found.kept_out)])
    items, kept_out = (
        [schemas.RelatedOut(product=EntityOut.of(e), fact=FactOut.of(f, names)) for e, f in pairs]
        for pairs in (found.items, found.kept_out)
    )
    return schemas.RelatedAnswer(**stamp, id=product_id, relation=relation, items=items, kept_out=kept_out)


router.add_api_route(
    "/products/{product_id:path}/related",
    related,
    route_class_override=RelatedRoute,
    summary="Products related to this one, with the fact that says so",
    responses=responses(404, 422, 503),
)


@router.get(
    "/products/{product_id:path}",
    summary="One product: its facts with their quotes, its texts",
    responses=responses(404, 422, 503),
)
def product(
    services: ServicesDep,
    product_id: ProductKey,
    limit: Annotated[int, Query(ge=1, le=1000, examples=[50], description="facts a relation, and texts")] = 50,
) -> schemas.ProductAnswer:
    """Facts that the product heads and facts that others state about it. What the limit cuts off is counted."""
    stamp = services.stamp()
    known = knowledge.about(services.reader, _product(services, product_id), limit=limit)
    names = services.names(known.every_fact())
    return schemas.ProductAnswer(
        **stamp,
        id=product_id,
        product=EntityOut.of(known.entity),
        facts={relation: [FactOut.of(f, names) for f in group] for relation, group in known.facts.items()},
        fact_counts=known.fact_counts,
        documents=[DocumentOut.of(d) for d in known.documents],
        document_count=known.document_count,
    )


@router.put(
    "/products/{product_id:path}",
    summary="Take a product in, or its changed text: at once it is found, related and recommended",
    responses=responses(400, 413, 415, 422, 501, 503),
)
def put_product(services: ServicesDep, product_id: TakenKey, body: ProductIn) -> schemas.ArrivalAnswer:
    """Read by the rules that `load` and `mine` use; no language model is asked. The served model need not know it:
    until the next training its facts and its title speak for it where the model has relations, under the origin
    `newcomer`; where it has none, it comes last. Sending the same again changes nothing; a changed text takes back what
    only the old one said. While another process writes the workspace, the answer is 503: send it again."""
    arrival = services.taking().take({**body.model_dump(exclude_none=True), "id": product_id})
    services.metrics.taken(arrival.status)
    stamp = services.stamp()
    change, current = Change(arrival.product.id, arrival.since, arrival.until), services.models.current
    if current is not None:
        current.recommender.refresh(change)
    if services.rival is not None:
        try:
            services.rival.recommender.refresh(change)
        except Exception:  # the product is in: whatever is wrong with the rival, that is no failure of it
            services.rival_failed(services.rival)
    names = services.names(arrival.facts)
    facts: dict[str, list[FactOut]] = {}
    for fact in arrival.facts:
        facts.setdefault(fact.relation, []).append(FactOut.of(fact, names))
    return schemas.ArrivalAnswer(
        **stamp, id=product_id, status=arrival.status, product=EntityOut.of(arrival.product),
        facts=facts, set_aside=dict(arrival.set_aside), notes=list(arrival.notes),
    )  # fmt: skip


@router.get("/paths", summary="How two things hang together, fact by fact", responses=responses(404, 422, 503))
def paths(
    services: ServicesDep,
    source: Anything,
    target: Anything,
    max_hops: Annotated[int, Query(ge=1, le=4, examples=[3])] = 3,
    limit: Limit = 10,
) -> schemas.PathsAnswer:
    """Facts are walked in either direction; the shortest chains come first, then the most confident."""
    stamp = services.stamp()
    start, goal = services.resolve(source).id, services.resolve(target).id
    found = services.reader.paths(start, goal, max_hops=max_hops, limit=limit)
    names = services.names([f for path in found for f in path.facts])
    out = [schemas.PathOut(facts=[FactOut.of(f, names) for f in path.facts]) for path in found]
    return schemas.PathsAnswer(**stamp, source=start, target=goal, paths=out)


@router.get("/search", summary="Entities whose name or other names match", responses=responses(422, 503))
def search(
    services: ServicesDep,
    q: Annotated[str, Query(min_length=1, max_length=200, examples=["lirra capsules"])],
    type: Annotated[
        str | None, AfterValidator(_label), Query(examples=["Product"], json_schema_extra={"enum": list(LABELS)})
    ] = None,
    limit: Limit = 20,
) -> schemas.SearchAnswer:
    """English and Chinese words; those that match every word come first."""
    stamp = services.stamp()
    hits = services.reader.search(q, type=type, limit=limit)
    items = [schemas.HitOut(entity=EntityOut.of(entity), score=score) for entity, score in hits]
    return schemas.SearchAnswer(**stamp, query=q, items=items)

"""Products with their facts, what they are related to, paths between things, and search."""

from typing import Annotated

from fastapi import APIRouter, Query

from api import schemas
from api.deps import Services, ServicesDep
from kg import ids, queries
from kg.types import Fact

router = APIRouter(prefix="/v1", tags=["knowledge"])

Limit = Annotated[int, Query(ge=1, le=100)]


def entity_id(product_or_entity: str) -> str:
    """Shop keys and entity ids are both accepted: ``B00X`` is ``product:B00X``."""
    return product_or_entity if ":" in product_or_entity else ids.product(product_or_entity)


def _product_id(services: Services, shop_id: str) -> str:
    """The entity id of a product by its shop key, which may itself hold a colon. Raises UnknownEntity."""
    return services.reader.entity(ids.product(shop_id)).id


@router.get("/products/{product_id:path}/related", summary="Products related to this one, with the fact that says so")
def related(
    services: ServicesDep, product_id: str, relation: Annotated[str, Query()] = "BOUGHT_WITH", limit: Limit = 20
) -> schemas.RelatedAnswer:
    found = queries.related(services.reader, _product_id(services, product_id), relation, limit=limit)
    names = services.names([r.fact for r in found])
    items = [
        schemas.RelatedOut(product=schemas.EntityOut.of(r.entity), fact=schemas.FactOut.of(r.fact, names)) for r in found
    ]
    return schemas.RelatedAnswer(**services.stamp(), id=product_id, relation=relation, items=items)


@router.get("/products/{product_id:path}", summary="One product: its facts with their quotes, its texts")
def product(services: ServicesDep, product_id: str) -> schemas.ProductAnswer:
    known = _product_id(services, product_id)
    profile = queries.profile(services.reader, known)
    facts: list[Fact] = [f for group in profile.facts.values() for f in group]
    names = services.names(facts)
    return schemas.ProductAnswer(
        **services.stamp(),
        id=product_id,
        product=schemas.EntityOut.of(profile.entity),
        facts={r: [schemas.FactOut.of(f, names) for f in group] for r, group in profile.facts.items()},
        documents=[schemas.DocumentOut.of(d) for d in profile.documents],
    )


@router.get("/paths", summary="How two things hang together, fact by fact")
def paths(
    services: ServicesDep,
    source: Annotated[str, Query(description="a product's shop key or an entity id")],
    target: Annotated[str, Query(description="a product's shop key or an entity id")],
    max_hops: Annotated[int, Query(ge=1, le=4)] = 3,
    limit: Limit = 10,
) -> schemas.PathsAnswer:
    start, goal = entity_id(source), entity_id(target)
    services.reader.entity(start), services.reader.entity(goal)
    found = services.reader.paths(start, goal, max_hops=max_hops, limit=limit)
    names = services.names([f for path in found for f in path.facts])
    out = [schemas.PathOut(facts=[schemas.FactOut.of(f, names) for f in path.facts]) for path in found]
    return schemas.PathsAnswer(**services.stamp(), source=start, target=goal, paths=out)


@router.get("/search", summary="Entities whose name matches")
def search(
    services: ServicesDep,
    q: Annotated[str, Query(min_length=1, max_length=200)],
    type: Annotated[str | None, Query(description="Product, Brand, Category, Value, Use, ...")] = None,
    limit: Limit = 20,
) -> schemas.SearchAnswer:
    hits = services.reader.search(q, type=type, limit=limit)
    items = [schemas.HitOut(entity=schemas.EntityOut.of(e), score=score) for e, score in hits]
    return schemas.SearchAnswer(**services.stamp(), query=q, items=items)

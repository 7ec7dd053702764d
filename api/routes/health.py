"""Is the service alive, is it ready, and what does it measure?"""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import schemas
from api.deps import ServicesDep
from api.problems import responses

router = APIRouter(tags=["health"])

_METRICS = 'shopgraph_requests_total{route="/v1/search",status="200"} 17.0\n'


@router.get("/health/live", summary="The process answers")
def live() -> schemas.LiveAnswer:
    return schemas.LiveAnswer()


@router.get(
    "/health/ready",
    summary="The graph and the log answer and a model is loaded; 503 otherwise",
    responses=responses(503),
)
def ready(services: ServicesDep) -> schemas.ReadyAnswer:
    return schemas.ReadyAnswer(**services.stamp(services.served()))


@router.get(
    "/metrics",
    summary="What the service counts, for Prometheus",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"example": _METRICS}}}},
)
def metrics(services: ServicesDep) -> PlainTextResponse:
    return PlainTextResponse(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)

"""Is the service alive, is it ready, and what does it measure?"""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.deps import ServicesDep
from api.errors import NotTrained

router = APIRouter(tags=["health"])


@router.get("/health/live", summary="The process answers")
def live() -> dict[str, str]:
    return {"status": "live"}


@router.get("/health/ready", summary="The graph answers and a model is loaded; 503 otherwise")
def ready(services: ServicesDep) -> dict[str, str | int]:
    version = services.reader.version
    if services.models.current is None:
        raise NotTrained("the graph answers, but there is no model: run `shopgraph train`")
    return {"status": "ready", "graph_version": version, "model": services.models.current.name}


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(services: ServicesDep) -> Response:
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)

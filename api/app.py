"""The HTTP service: routes, problem+json errors and metrics around one set of open services."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from api.deps import Services
from api.errors import PROBLEMS
from api.routes import events, health, products, recommendations
from api.schemas import Problem

DESCRIPTION = """Recommendations that are explained by facts, and facts that are proved by quotes.

Every answer names the `model` that spoke, the `graph_version` it saw and `as_of`, the time of the last event it knew.
Errors are `application/problem+json` (RFC 9457) with a stable `code`."""


def create_app(services: Services) -> FastAPI:
    """The application over services that are open; closing them is the caller's business."""
    app = FastAPI(title="shopgraph", version="0.1.0", description=DESCRIPTION, responses=_problem_responses())
    app.state.services = services
    for module in (recommendations, products, events, health):
        app.include_router(module.router)
    for kind, status, code, title in PROBLEMS:
        app.add_exception_handler(kind, _handler(status, code, title))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _handler(500, "internal", "Something broke on our side", tell=False))
    app.middleware("http")(_measured)
    return app


def _problem_responses() -> dict[int | str, dict[str, Any]]:
    told = {404: "no such thing", 422: "the request is not understood", 503: "a part that is needed is not there"}
    return {s: {"model": Problem, "description": d, "content": {"application/problem+json": {}}} for s, d in told.items()}


def problem(status: int, code: str, title: str, detail: str, field: str | None = None) -> JSONResponse:
    body = Problem(title=title, status=status, detail=detail, code=code, field=field)
    return JSONResponse(body.model_dump(exclude_none=True), status, media_type="application/problem+json")


def _handler(
    status: int, code: str, title: str, *, tell: bool = True
) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(_: Request, error: Exception) -> Response:
        return problem(status, code, title, str(error) if tell else "see the service's log")

    return handle


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("query", "body", "path"))
    return problem(422, "invalid_request", "The request is not understood", f"{field}: {first['msg']}", field)


async def _measured(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    started = time.perf_counter()
    response = await call_next(request)
    route = request.scope.get("route")
    services: Services = request.app.state.services
    services.metrics.observe(getattr(route, "path", "unmatched"), response.status_code, time.perf_counter() - started)
    return response

"""The HTTP service: routes, problem+json errors and metrics around one set of open services."""

from importlib import metadata
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api import problems
from api.deps import Services
from api.door import Door
from api.incoming import EventIn, SessionEventIn
from api.routes import events, health, products, recommendations, sessions
from api.schemas import Problem

DESCRIPTION = """Recommendations that are explained by facts, and facts that are proved by quotes.

Every answer names the `model` that spoke, the `graph_version` it saw and `as_of`, the time of the last event it knew.
Errors are `application/problem+json` (RFC 9457) with a stable `code`. Ids in a path are percent-encoded."""


class Service(FastAPI):
    """FastAPI that describes every operation with an example, and every refusal as a problem."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        schemas = described["components"]["schemas"]
        if "Problem" not in schemas:  # made anew, and kept until a route is added
            schemas |= {kind.__name__: kind.model_json_schema() for kind in (EventIn, SessionEventIn, Problem)}
            for path in described["paths"].values():
                for operation in path.values():
                    _give_examples(operation, schemas)
        return described


def create_app(services: Services) -> FastAPI:
    """The application over services that are open; closing them is the caller's business.

    The page of FastAPI at ``/docs`` would fetch its scripts from the internet; ours is a part of ``api.page``.
    """
    app = Service(
        title="shopgraph",
        version=metadata.version("shopgraph"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_name,
    )
    app.state.services = services
    for module in (recommendations, sessions, products, events, health):
        app.include_router(module.router)
    problems.register(app)
    app.add_middleware(Door)
    return app


def _name(route: APIRoute) -> str:
    return route.name


def _give_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """The example of each schema, where its operation sends or takes it."""
    for part in (operation.get("requestBody", {}), operation["responses"].get("200", {})):
        for content in part.get("content", {}).values():
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            if name:
                content["example"] = schemas[name]["examples"][0]

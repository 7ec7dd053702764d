"""Put the page onto the service, where the extra ``ui`` is installed."""

import importlib.util

from fastapi import FastAPI
from starlette.routing import Match, Mount
from starlette.types import Scope

from api.deps import Services

RESERVED = ("/v1/", "/health/", "/metrics", "/openapi.json")  # unknown routes below these are problems, not pages


class PageMount(Mount):
    """Everything but the API's own paths."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["path"].startswith(RESERVED):
            return Match.NONE, {}
        return super().matches(scope)


def mount(app: FastAPI, services: Services) -> bool:
    """Whether the page could be mounted at ``/``.

    The page's application is one a process: mounted anew, it answers from the services given last.
    """
    if importlib.util.find_spec("nicegui") is None:
        return False
    from nicegui import core, ui

    from api.page.pages import register

    core.app.user_middleware.clear()  # run_with adds its own at each call, and refuses once the application has run
    core.app.middleware_stack = None
    register(services, app.openapi)
    ui.run_with(app, title="shopgraph", favicon="🕸️", show_welcome_message=False, reconnect_timeout=10.0)
    del app.router.routes[-1]
    app.router.routes.append(PageMount("/", app=core.app))
    return True

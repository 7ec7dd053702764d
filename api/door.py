"""What every HTTP request passes on its way in and out: a bounded body, safe headers, a count, and no stack trace."""

import logging
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.problems import of_status, problem

log = logging.getLogger("shopgraph.api")

MAX_BODY = 1 << 20  # bytes; a thousand events are some 200 kB

# The page is built in the browser from templates, so scripts of its own origin may evaluate; nothing else may come in.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self' data: blob: ws: wss: 'unsafe-inline' 'unsafe-eval'; "
    "frame-ancestors 'none'; object-src 'none'; base-uri 'self'",
}


class Door:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = _Passage(scope, send)
        try:
            await self._pass(scope, receive, passage)
        except Exception:
            if passage.status is not None:
                raise  # too late to say anything else
            log.exception("%s %s failed", scope["method"], scope["path"])
            broken = problem(500, "internal", "Something broke on our side", "see the service's log")
            await broken(scope, receive, passage.send)
        finally:
            passage.count()

    async def _pass(self, scope: Scope, receive: Receive, passage: "_Passage") -> None:
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, passage.send)
            return
        body = await _bounded(scope, receive)
        if body is None:
            refused = of_status(413, f"a request body may hold {MAX_BODY:,} bytes", headers={"Connection": "close"})
            await refused(scope, receive, passage.send)
            return
        await self._app(scope, _replayed(body, receive), passage.send)


class _Passage:
    """One request: watches its answer go out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._metrics: Metrics = scope["app"].state.services.metrics  # a mounted application will put itself there
        self._began = time.perf_counter()
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if self._scope["path"].startswith("/v1/"):
                headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    def count(self) -> None:
        route: Any = self._scope.get("route")
        path = str(getattr(route, "path_format", None) or getattr(route, "path", "unmatched"))
        self._metrics.observe(path, self.status or 499, time.perf_counter() - self._began)  # 499: nobody waited for it


async def _bounded(scope: Scope, receive: Receive) -> list[Message] | None:
    """What was sent, read to its end; None where it is more than ``MAX_BODY``."""
    declared = Headers(scope=scope).get("content-length", "0")
    if declared.isdecimal() and int(declared) > MAX_BODY:
        return None
    held: list[Message] = []
    size = 0
    while True:
        message = await receive()
        held.append(message)
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return held


def _replayed(held: list[Message], receive: Receive) -> Receive:
    """Hands out what was read, then whatever comes later."""
    waiting = iter(held)

    async def replay() -> Message:
        return next(waiting, None) or await receive()

    return replay

"""Every refusal in one shape: problem+json (RFC 9457) for our errors, for wrong requests and for unknown routes."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from api.errors import PROBLEMS, PUBLIC, FrontDoorError
from api.nouns import REFERENCE
from api.schemas import Problem
from kg.errors import KGError
from recommender.errors import RecommenderError

log = logging.getLogger("shopgraph.api")

MEDIA_TYPE = "application/problem+json"
LONGEST = 500  # characters of a detail; it may quote what was sent

_ROWS = {row[0]: row for row in PROBLEMS}

_CODES = {
    400: ("malformed", "The request cannot be read"),
    404: ("no_such_route", "There is no such route"),
    405: ("method_not_allowed", "The route does not take this method"),
    413: ("too_large", "The request is too large"),
    415: ("unsupported_media_type", "The body is not said to be JSON"),
    422: ("invalid_request", "The request is not understood"),
    503: ("not_ready", "A part that is needed is not there"),
}


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = Problem(title=title, status=status, detail=printable(detail), code=code, field=field and printable(field))
    return JSONResponse(body.model_dump(exclude_none=True), status, headers=headers, media_type=MEDIA_TYPE)


def of_status(
    status: int, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A problem that is named by its status alone."""
    phrase = HTTPStatus(status).phrase
    code, title = _CODES.get(status, (phrase.casefold().replace(" ", "_"), phrase))
    return problem(status, code, title, detail, field=field, headers=headers)


def printable(text: str) -> str:
    """Cut, and without the half characters that a request may hold and no answer can."""
    return text[:LONGEST].encode("utf-8", "backslashreplace").decode("utf-8")


def register(app: FastAPI) -> None:
    """Make every error of this application a problem."""
    for root in (KGError, RecommenderError, FrontDoorError):
        app.add_exception_handler(root, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def in_public(error: Exception) -> str:
    """What the world may hear of one of our errors: its own sentence, or where that names our hosts, paths or
    processes, another one; then its own goes to the log."""
    kind, status, code, _ = _row(error)
    if kind in PUBLIC:
        log.warning("%s: %s", code, error)
        return PUBLIC[kind]
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s: %s", code, error, exc_info=error)
        return "see the service's log"
    return str(error)


def _row(error: Exception) -> tuple[type[Exception], int, str, str]:
    """The row of ``PROBLEMS`` of an error's nearest kin."""
    return next(_ROWS[kind] for kind in type(error).__mro__ if kind in _ROWS)


async def _of_ours(request: Request, error: Exception) -> Response:
    _, status, code, title = _row(error)
    return problem(status, code, title, in_public(error))


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    asked = f"{request.method} {request.url.path}"
    details = {404: f"{asked} is no route of this service; /openapi.json lists them", 405: f"{asked} is not offered"}
    return of_status(error.status_code, details.get(error.status_code, str(error.detail)), headers=error.headers)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "it ends early")
        return of_status(400, f"the body is not JSON: {reason} (at character {first['loc'][-1]})", field="body")
    if first["loc"] == ("body",) and "json" not in request.headers.get("content-type", ""):
        return of_status(415, "send the body as application/json", field="body")
    return of_status(422, told(first), field=field_of(first))


def field_of(error: Mapping[str, Any]) -> str:
    """Where in the request a validation error lies: ``k``, ``events.3``."""
    path = [str(part) for part in error["loc"] if part not in ("query", "path")]
    return ".".join(path[1:] if path[:1] == ["body"] and len(path) > 1 else path)


def told(error: Mapping[str, Any]) -> str:
    """One validation error as a sentence."""
    where, message = field_of(error), str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for OpenAPI; status 422 stands for any request not understood."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        code, title = _EXAMPLES[status] if status in _EXAMPLES else _CODES[status]
        example = {"type": "about:blank", "title": title, "status": status, "detail": "what was seen", "code": code}
        schema = {"$ref": f"{REFERENCE}Problem"}
        described[status] = {"description": title, "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}
    return described


_EXAMPLES = {
    404: ("unknown_entity", "There is no such entity"),
    501: ("missing_extra", "An optional part is not installed"),
    503: ("not_trained", "There is no model yet"),
}

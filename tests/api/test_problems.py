"""Every refusal is problem+json with a stable code, and tells nothing of our insides."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.door import MAX_BODY
from api.errors import PROBLEMS, PUBLIC, FrontDoorError
from api.problems import MEDIA_TYPE
from kg.errors import KGError, StoreAuthError, StoreLocked, StoreUnavailable, UnknownDocument, UnknownEntity
from recommender.errors import RecommenderError, UnknownProduct

JSON = {"content-type": "application/json"}


def _family(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for kind in root.__subclasses__():
        yield from _family(kind)


OURS = [kind for root in (KGError, RecommenderError, FrontDoorError) for kind in _family(root)]


def raised(bare: Any, error: Exception) -> Any:
    """What a route says that fails with this error."""
    app = create_app(bare.services)

    def fail() -> None:
        raise error

    app.add_api_route("/v1/fail", fail)
    return TestClient(app, raise_server_exceptions=False).get("/v1/fail")


def told(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == MEDIA_TYPE
    body = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert body["status"] == answer.status_code
    return body["status"], body["code"]


def test_the_table_names_each_error_once_with_its_own_code() -> None:
    kinds = [kind for kind, *_ in PROBLEMS]
    codes = [code for _, _, code, _ in PROBLEMS]
    assert len(set(kinds)) == len(kinds)
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", list(_family(KGError)), ids=lambda kind: kind.__name__)
def test_every_error_of_the_graph_is_in_the_table(kind: type[Exception]) -> None:
    assert kind in {known for known, *_ in PROBLEMS}


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_of_ours_leaves_as_the_problem_of_its_nearest_kin(
    bare: Any, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    table = {known: (status, code) for known, status, code, _ in PROBLEMS}
    nearest = next(ancestor for ancestor in kind.__mro__ if ancestor in table)
    expected, kept = table[nearest], table[nearest][0] == 500 or nearest in PUBLIC
    answer = raised(bare, kind("what was seen"))
    assert told(answer) == expected
    assert ("what was seen" in answer.json()["detail"]) == (not kept)
    assert ("what was seen" in caplog.text) == kept


def test_unforeseen_errors_are_logged_and_not_told(untrained: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = raised(untrained, RuntimeError("password=secret"))
    assert told(answer) == (500, "internal")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "password=secret" in caplog.text
    text = untrained.client.get("/metrics").text
    assert 'shopgraph_requests_total{route="/v1/fail",status="500"} 1.0' in text


@pytest.mark.parametrize(
    ("method", "path", "expected", "field"),
    [
        ("GET", "/v1/nothing", (404, "no_such_route"), None),
        ("GET", "/nothing", (404, "no_such_route"), None),
        ("GET", "/health/nothing", (404, "no_such_route"), None),
        ("DELETE", "/v1/search", (405, "method_not_allowed"), None),
        ("GET", "/v1/products/nope", (404, "unknown_entity"), None),
        ("GET", "/v1/products/nope/related", (404, "unknown_entity"), None),
        ("GET", "/v1/products/k5%2Fnope%2Frelated", (404, "unknown_entity"), None),
        ("GET", "/v1/products/k5/related?relation=MADE_BY", (422, "schema"), None),
        ("GET", "/v1/products/k5/related?relation=%00", (422, "schema"), None),
        ("GET", "/v1/paths?source=k5&target=nope", (404, "unknown_entity"), None),
        ("GET", "/v1/paths?source=k5", (422, "invalid_request"), "target"),
        ("GET", "/v1/paths?source=k5&target=vb&max_hops=9", (422, "invalid_request"), "max_hops"),
        ("GET", "/v1/search", (422, "invalid_request"), "q"),
        ("GET", "/v1/search?q=a&type=Planet", (422, "invalid_request"), "type"),
        ("GET", "/v1/recommendations?k=0", (422, "invalid_request"), "k"),
        ("GET", "/v1/recommendations?k=many", (422, "invalid_request"), "k"),
        ("GET", "/v1/recommendations", (503, "not_trained"), None),
        ("GET", "/health/ready", (503, "not_trained"), None),
    ],
)
def test_wrong_requests(bare: Any, method: str, path: str, expected: tuple[int, str], field: str | None) -> None:
    answer = bare.client.request(method, path)
    assert told(answer) == expected
    assert answer.json().get("field") == field
    if expected[0] == 405:
        assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("content", "headers", "expected", "field"),
    [
        (b"{", JSON, (400, "malformed"), "body"),
        (b"", JSON, (422, "invalid_request"), "body"),
        (b"\xff\xfe", JSON, (400, "malformed"), "body"),
        (b'"\xff"', JSON, (400, "malformed"), None),
        (b"[" * 100_000, JSON, (400, "malformed"), None),
        (b'{"events": [' + b"9" * 10_000 + b"]}", JSON, (400, "malformed"), None),
        (b'{"events": []}', JSON, (422, "invalid_request"), "events"),
        (b'{"events": [' + b"1," * 1000 + b"1]}", JSON, (422, "invalid_request"), "events"),
        (b'{"events": [1], "\\ud800": 1}', JSON, (422, "invalid_request"), "body"),
        (b"[]", JSON, (422, "invalid_request"), "body"),
        (b'{"events": [1]}', {"content-type": "text/plain"}, (415, "unsupported_media_type"), "body"),
        (b" " * (MAX_BODY + 1), JSON, (413, "too_large"), None),
    ],
    ids=range(12),
)
def test_wrong_bodies(
    bare: Any, content: bytes, headers: dict[str, str], expected: tuple[int, str], field: str | None
) -> None:
    answer = bare.client.post("/v1/events", content=content, headers=headers)
    assert told(answer) == expected
    assert answer.json().get("field") == field


def test_a_body_without_a_length_is_measured_as_it_comes(bare: Any) -> None:
    def chunks(count: int) -> Iterator[bytes]:
        yield b'{"events": [7]}'
        yield from (b" " * (1 << 16) for _ in range(count))

    assert told(bare.client.post("/v1/events", content=chunks(17), headers=JSON)) == (413, "too_large")
    answer = bare.client.post("/v1/events", content=chunks(15), headers=JSON)
    assert (answer.status_code, answer.json()["rejected"]) == (200, 1)


def test_a_message_cannot_flood_the_answer(bare: Any) -> None:
    answer = bare.client.get(f"/v1/products/{'x' * 5000}")
    assert told(answer) == (404, "unknown_entity")
    assert len(answer.json()["detail"]) <= 500


@pytest.mark.parametrize("error", [UnknownEntity("a"), UnknownDocument("b"), UnknownProduct("c")], ids=repr)
def test_unknown_things_are_named(bare: Any, error: Exception) -> None:
    assert raised(bare, error).json()["detail"] == str(error)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnavailable("neo4j://graph.shop.internal:7687 does not answer; start it"), "store_unavailable"),
        (StoreAuthError("neo4j://graph.shop.internal:7687 refused the credentials of shopgraph"), "store_auth"),
        (StoreLocked("/srv/shop.internal/graph.db is held by another writer"), "store_locked"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_store_that_is_away_is_503_and_its_address_stays_in_the_log(
    bare: Any, error: Exception, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = raised(bare, error)
    assert told(answer) == (503, code)
    assert "shop.internal" not in answer.text
    assert str(error) in caplog.text

"""Events: each judged by itself, appended together, taken once, known to the next answer; no JSON breaks the route."""

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD = {"event_id": "n1", "product_id": "k5", "action": "purchase", "user_id": "new", "at": "2026-03-01T00:00:00Z"}


def send(shop: Any, *events: object) -> dict[str, Any]:
    answer = shop.client.post("/v1/events", json={"events": list(events)})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert body["accepted"] + body["duplicates"] + body["rejected"] == len(events)
    assert [r["index"] for r in body["events"]] == list(range(len(events)))
    return body


def test_an_event_is_taken_once_and_moves_as_of_and_the_next_answer(shop: Any) -> None:
    before = shop.client.get("/v1/recommendations", params={"user_id": "new"}).json()
    first = send(shop, GOOD)
    assert (first["accepted"], first["as_of"]) == (1, "2026-03-01T00:00:00Z")
    assert send(shop, GOOD)["events"] == [{"index": 0, "event_id": "n1", "status": "duplicate", "reason": None}]
    after = shop.client.get("/v1/recommendations", params={"user_id": "new"}).json()
    assert before["as_of"] != after["as_of"] == "2026-03-01T00:00:00Z"
    assert before["items"][0]["origin"] == "popularity"
    assert {"vb", "bag"} <= {i["id"] for i in after["items"] if i["explained"]}
    assert "k5" not in {i["id"] for i in after["items"]}


def test_an_earlier_moment_is_answered_without_what_came_since(shop: Any) -> None:
    asked = {"user_id": "new", "as_of": "2026-03-01T00:00:00Z"}
    before = shop.client.get("/v1/recommendations", params={"user_id": "new"}).json()
    send(shop, GOOD)  # at that very moment
    then = shop.client.get("/v1/recommendations", params=asked).json()
    assert (then["items"], then["as_of"]) == (before["items"], before["as_of"])
    later = shop.client.get("/v1/recommendations", params=asked | {"as_of": "2026-03-01T00:00:01Z"}).json()
    assert {"vb", "bag"} <= {i["id"] for i in later["items"] if i["explained"]}
    missed = {"product_id": "k5", "user_id": "new"}
    for moment, had in ((asked["as_of"], False), ("2026-03-01T00:00:01Z", True)):
        told = shop.client.get("/v1/recommendations:why-not", params=missed | {"as_of": moment}).json()
        assert ("exclude_seen" in {a["name"] for a in told["against"]}) is had, told


def test_a_moment_that_the_model_has_learned_from_is_refused(shop: Any) -> None:
    told = shop.client.get("/v1/recommendations", params={"user_id": "new", "as_of": "2020-01-01"})
    assert (told.status_code, told.json()["code"]) == (422, "as_of"), told.text
    assert "train one with until" in told.json()["detail"]


def test_a_batch_keeps_each_verdict_and_every_good_event(shop: Any) -> None:
    known = shop.log.count
    again = {**GOOD, "event_id": "e1"}
    body = send(shop, GOOD, {**GOOD, "event_id": "n2"}, again, {"event_id": "n3"}, GOOD, 7, None, {**GOOD, "typo": 1})
    assert [r["status"] for r in body["events"]] == [
        "accepted", "accepted", "duplicate", "rejected", "duplicate", "rejected", "rejected", "rejected",
    ]  # fmt: skip
    assert shop.log.count == known + 2
    reasons = [r["reason"] for r in body["events"] if r["status"] == "rejected"]
    assert reasons == [
        "product_id: Field required",
        "expected an object, found int",
        "expected an object, found NoneType",
        "typo: Extra inputs are not permitted",
    ]
    assert body["events"][3]["event_id"] == "n3"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event_id": ""}, "event_id: the id is missing"),
        ({"event_id": True}, "event_id: the id is no text or whole number"),
        ({"product_id": "x" * 513}, "product_id: the id longer than 512 characters"),
        ({"product_id": "a\x00b"}, "product_id: the id with control characters or broken Unicode"),
        ({"action": "dance"}, "action: unknown action: 'dance'; expected view, click, cart, purchase or rating"),
        ({"action": "home-page-view"}, "action: action about no product: 'home-page-view'"),
        ({"action": 3}, "action: expected one of view, click, cart, purchase, rating"),
        ({"user_id": None}, "neither user_id nor session_id is given; one of them is needed"),
        ({"at": "yesterday"}, "at: time not recognised: 'yesterday'; expected ISO 8601 or Unix seconds"),
        ({"at": True}, "at: expected ISO 8601 or Unix seconds"),
        ({"at": 1e300}, "at: time out of range"),
        ({"at": "9999-01-01"}, "at: 9999-01-01T00:00:00Z lies in the future"),
        ({"value": "much"}, "value: not a number"),
    ],
)
def test_a_bad_event_is_told_why(trained: Any, change: dict[str, object], reason: str) -> None:
    known = trained.log.count
    (report,) = send(trained, {**GOOD, **change})["events"]
    assert report["status"] == "rejected"
    assert report["reason"].startswith(reason)
    assert trained.log.count == known


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        ("2026-03-01T08:00:00+08:00", 1772323200), ("2026-03-01", 1772323200), (1772323200, 1772323200),
        (1772323200.9, 1772323200), ("1772323200", 1772323200), (1772323200123, 1772323200), (-1, -1),
    ],
)  # fmt: skip
def test_times_are_iso_or_unix(shop: Any, at: object, seconds: int) -> None:
    assert send(shop, {**GOOD, "at": at})["accepted"] == 1
    assert [e.at for e in shop.log.history("new")] == [seconds]


@pytest.mark.parametrize("change", [{"at": None}, {}])
def test_without_a_time_it_is_now(shop: Any, change: dict[str, None]) -> None:
    began = int(time.time())
    send(shop, {k: v for k, v in GOOD.items() if k != "at"} | change)
    (event,) = shop.log.history("new")
    assert began <= event.at <= time.time()


def test_other_systems_words_and_numbers_as_ids(shop: Any) -> None:
    names = {
        "detail-page-view": "view", "add-to-cart": "cart", "purchase-complete": "purchase", "pv": "view",
        "buy": "purchase", "点击": "click",
    }  # fmt: skip
    send(shop, *({**GOOD, "event_id": n, "action": word, "product_id": 17} for n, word in enumerate(names)))
    history = shop.log.history("new")
    assert [e.action for e in history] == list(names.values())
    assert {(e.product_id, type(e.event_id)) for e in history} == {("17", str)}


def test_a_session_then_its_user(shop: Any) -> None:
    send(shop, {**GOOD, "user_id": None, "session_id": "会话 1"})
    items = shop.client.get("/v1/recommendations", params={"session_id": "会话 1"}).json()["items"]
    assert "vb" in {i["id"] for i in items if i["explained"]}


def test_an_unknown_product_is_taken_and_harms_nobody(shop: Any) -> None:
    assert send(shop, {**GOOD, "product_id": "not in the catalogue"})["accepted"] == 1
    assert shop.client.get("/v1/recommendations", params={"user_id": "new"}).json()["items"]
    assert shop.client.get("/v1/users/new/profile").json()["events"] == 1


def test_verdicts_are_counted(shop: Any) -> None:
    send(shop, GOOD, GOOD, {})
    text = shop.client.get("/metrics").text
    for verdict in ("accepted", "duplicate", "rejected"):
        assert f'shopgraph_events_total{{verdict="{verdict}"}} 1.0' in text


def test_half_characters_are_rejected_and_shown_safely(shop: Any) -> None:
    body = (
        '{"events": [{"event_id": "\\ud800", "product_id": "k5", "action": "view", "user_id": "u"}, {"\\ud800": NaN}]}'
    )
    answer = shop.client.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert [r["status"] for r in answer.json()["events"]] == ["rejected", "rejected"]
    assert answer.json()["events"][0]["event_id"] == "\\ud800"


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
words = st.sampled_from(["event_id", "product_id", "action", "user_id", "session_id", "at", "value"])
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(), inner, max_size=7)
)
nearly = st.fixed_dictionaries(
    {"event_id": scalars, "product_id": scalars, "action": st.sampled_from(["view", "buy", "?"]) | scalars},
    optional={"user_id": scalars, "session_id": scalars, "at": scalars, "value": scalars},
)
bodies = st.fixed_dictionaries({"events": st.lists(nearly | anything, max_size=5)}) | anything


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
def test_no_json_breaks_the_route(shop: Any, body: object) -> None:
    text = json.dumps(body)  # with NaN and Infinity, as careless clients send them
    answer = shop.client.post("/v1/events", content=text, headers={"content-type": "application/json"})
    told = json.loads(answer.text, parse_constant=lambda word: pytest.fail(f"{word} left the service"))
    if answer.status_code == 200:
        assert isinstance(body, dict)
        assert told["accepted"] + told["duplicates"] + told["rejected"] == len(body["events"])
    else:
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"

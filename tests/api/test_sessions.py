"""A session that nobody knows: events in, reasons out, nothing kept."""

from itertools import permutations
from typing import Any

import pytest

from api.problems import MEDIA_TYPE

ROUTE = "/v1/sessions:recommend"
ODD = "咖啡/机:1?#%"


def asked(trained: Any, *events: Any, **more: Any) -> Any:
    answer = trained.client.post(ROUTE, json={"events": list(events), **more})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["events"] == len(events) == body["used"] + body["unknown"] + body["rejected"]
    assert len(body["unused"]) == body["unknown"] + body["rejected"]
    return body


def did(product: str, action: str = "view", **more: Any) -> dict[str, Any]:
    return {"product_id": product, "action": action, **more}


def test_one_event_is_enough_for_recommendations_with_reasons(trained: Any) -> None:
    body = asked(trained, did("k5", "purchase", event_id="mine"), k=2)
    assert {i["id"] for i in body["items"]} == {"vb", "bag"}
    assert {i["origin"] for i in body["items"]} == {"itemknn + relations"}
    for item in body["items"]:
        assert item["explained"]
        assert [e["event_id"] for e in item["reasons"][0]["events"]] == ["mine"]


def test_nothing_is_written(trained: Any) -> None:
    def state() -> tuple[Any, ...]:
        table = trained.log.table()
        return trained.store.version, table.num_rows, trained.log.users(), sorted(trained.models.iterdir())

    before = state()
    first = asked(trained, did("k5", "purchase"), did("mug"))
    assert asked(trained, did("k5", "purchase"), did("mug"))["items"][0]["id"] == first["items"][0]["id"]
    assert state() == before
    assert first["as_of"] == "2026-01-02T00:00:00Z"


def test_what_cannot_speak_is_counted_and_told(trained: Any) -> None:
    body = asked(
        trained,
        did("k5"),
        did("gone"),
        did("gone", "purchase"),
        did("mug", "worship"),
        did("mug", at="2999-01-01"),
        did("mug", user_id="u1"),
        7,
        {"action": "view"},
        did("mug", at=float(10**9)),
    )
    assert (body["used"], body["unknown"], body["rejected"]) == (2, 2, 5)
    assert [(u["index"], u["product_id"]) for u in body["unused"]] == [
        (1, "gone"), (2, "gone"), (3, "mug"), (4, "mug"), (5, "mug"), (6, None), (7, None),
    ]  # fmt: skip
    reasons = [u["reason"] for u in body["unused"]]
    assert reasons[0] == "neither the model nor the graph knows a product 'gone'"
    for reason, word in zip(reasons[2:], ("worship", "future", "user_id", "int", "product_id"), strict=True):
        assert word in reason


@pytest.mark.parametrize("events", [[], [did("gone")]], ids=["no events", "unknown products"])
def test_a_session_that_says_nothing_gets_the_named_fallback(trained: Any, events: list[Any]) -> None:
    items = asked(trained, *events, k=2)["items"]
    assert items[0]["id"] == "mug"
    assert [(i["origin"], i["explained"]) for i in items] == [("popularity", False)] * 2


def test_events_come_in_any_order(trained: Any) -> None:
    events = [did("k5", at=100), did("bag", "cart", at=200), did("mug", at=300)]
    answers = [asked(trained, *order, k=5)["items"] for order in permutations(events)]
    ranked = [[(i["id"], i["score"]) for i in items] for items in answers]
    assert all(items == ranked[0] for items in ranked)


def test_a_product_without_any_text_and_an_id_of_any_letters(trained: Any) -> None:
    assert asked(trained, did(ODD), did("🎧 a b"), did("tent"), k=9)["used"] == 3


def test_filters_hold_as_for_users(trained: Any) -> None:
    body = asked(trained, did("k5", "purchase"), category="Photo", exclude_seen=False, k=9)
    assert {i["id"] for i in body["items"]} == {"k5", "vb"}
    assert {
        i["id"] for i in asked(trained, did("k5"), min_price=40, max_price=60, attribute=["volume:1 l"])["items"]
    } == {"vb"}


def test_a_thousand_events_and_no_more(trained: Any) -> None:
    assert asked(trained, *[did("k5", at=n) for n in range(1000)], k=1)["items"]
    answer = trained.client.post(ROUTE, json={"events": [did("k5")] * 1001})
    assert (answer.status_code, answer.json()["field"]) == (422, "events")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "events"),
        ({"events": {}}, "events"),
        ({"events": [], "k": 0}, "k"),
        ({"events": [], "min_price": "NaN"}, "min_price"),
        ({"events": [], "attribute": ["black"]}, "attribute.0"),
        ({"events": [], "user_id": "u1"}, "user_id"),
    ],
)
def test_wrong_requests_are_problems(trained: Any, body: dict[str, Any], field: str) -> None:
    answer = trained.client.post(ROUTE, json=body)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_without_a_model_it_says_so(bare: Any) -> None:
    assert bare.client.post(ROUTE, json={"events": []}).json()["code"] == "not_trained"

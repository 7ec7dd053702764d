"""Filters over HTTP: exact, in the shop's own words, and refused by name where they cannot be met."""

from typing import Any

import pytest

from api.problems import MEDIA_TYPE

EVERYTHING = {"available": "false", "exclude_seen": "false", "k": "100"}


def ids_of(trained: Any, **query: Any) -> set[str]:
    answer = trained.client.get("/v1/recommendations", params=query)
    assert answer.status_code == 200, answer.text
    return {item["id"] for item in answer.json()["items"]}


def test_without_conditions_every_product_of_the_model_is_answered(trained: Any) -> None:
    items = trained.services.served().recommender.artifact.items.names
    assert ids_of(trained, user_id="u1", **EVERYTHING) == set(items)
    assert ids_of(trained, user_id="u1", available="false", k=100) == set(items) - {"mug", "tent"}
    assert "tent" not in ids_of(trained, k=100)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"category": "category:photo"}, {"k5", "vb"}),
        ({"category": "PHOTO"}, {"k5", "vb"}),
        ({"category": "Photo > Power"}, {"vb"}),
        ({"category": "Power"}, {"vb"}),
        ({"brand": "Velkin"}, {"k5"}),
        ({"brand": "brand:velkin"}, {"k5"}),
        ({"min_price": 50, "max_price": 50}, {"vb"}),
        ({"min_price": 51}, {"k5"}),
        ({"max_price": 1000, "exclude": "k5"}, {"vb"}),
        ({"attribute": "volume:1 L"}, {"vb"}),
        ({"attribute": ["volume:1 l", "Volume:2 l"]}, {"vb"}),
        ({"attribute": "volume:2 l"}, set()),
    ],
)
def test_filters_are_exact(trained: Any, query: dict[str, Any], expected: set[str]) -> None:
    for user in ("用户/a:b", "nobody"):
        assert ids_of(trained, user_id=user, **EVERYTHING, **query) == expected


def test_any_letters_can_be_blocked(trained: Any) -> None:
    odd = ["咖啡/机:1?#%", "🎧 a b"]
    assert not set(odd) & ids_of(trained, **EVERYTHING, exclude=odd)


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ({"category": "Garden"}, 404, "unknown_entity", None),
        ({"category": "brand:velkin"}, 404, "unknown_entity", None),
        ({"brand": "Nobody"}, 404, "unknown_entity", None),
        ({"min_price": "nan"}, 422, "invalid_request", "min_price"),
        ({"max_price": "inf"}, 422, "invalid_request", "max_price"),
        ({"min_price": -1}, 422, "invalid_request", "min_price"),
        ({"min_price": 9, "max_price": 3}, 422, "invalid_filter", None),
        ({"attribute": "black"}, 422, "invalid_request", "attribute.0"),
        ({"attribute": "colour:black"}, 422, "invalid_filter", None),
        ({"exclude": ""}, 422, "invalid_request", "exclude.0"),
        ({"max_prize": 9}, 422, "invalid_request", "max_prize"),
        ({"diversity_level": "some"}, 422, "invalid_request", "diversity_level"),
        ({"diversity_type": "random"}, 422, "invalid_request", "diversity_type"),
    ],
)
def test_conditions_that_cannot_be_met_are_refused(
    trained: Any, query: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = trained.client.get("/v1/recommendations", params=query)
    assert answer.headers["content-type"] == MEDIA_TYPE
    body = answer.json()
    assert (answer.status_code, body["code"], body.get("field")) == (status, code, field)
    assert body["detail"]


@pytest.mark.parametrize("kind", ["rule", "data-driven-diversity"])
def test_diversity_moves_items_and_says_so(trained: Any, kind: str) -> None:
    def items(**more: Any) -> dict[str, Any]:
        query = {"user_id": "用户/a:b", "k": 100, "exclude_seen": False, **more}
        return {i["id"]: i for i in trained.client.get("/v1/recommendations", params=query).json()["items"]}

    plain = items()
    assert all(i["moved_by"] == [] for i in plain.values())
    for level in ("low", "medium-diversity", "high"):
        other = items(diversity_level=level, diversity_type=kind)
        assert other.keys() == plain.keys()
        for name, item in other.items():
            assert (item["score"], item["reasons"]) == (plain[name]["score"], plain[name]["reasons"])
            moved = item["rank"] != plain[name]["rank"]
            assert item["moved_by"] == ([f"{level.removesuffix('-diversity')}-diversity"] if moved else [])


def test_thresholds_make_an_answer_shorter_and_why_not_says_so(trained: Any) -> None:
    query = {"user_id": "用户/a:b", "k": 100, "available": "false"}
    items = trained.client.get("/v1/recommendations", params=query).json()["items"]
    scores = sorted({i["score"] for i in items if i["origin"] == items[0]["origin"]})
    wish = {**query, "min_score": scores[-1]}
    left = trained.client.get("/v1/recommendations", params=wish).json()["items"]
    assert [i["id"] for i in left] == [i["id"] for i in items if i["score"] >= scores[-1]]
    assert 0 < len(left) < len(items)
    gone = next(i for i in items if i["score"] < scores[-1])
    why = trained.client.get("/v1/recommendations:why-not", params={**wish, "product_id": gone["id"]}).json()
    assert ("threshold", "min_score") in [(a["cause"], a["name"]) for a in why["against"]]
    sure = ids_of(trained, **query, min_confidence=0.01)
    assert {i["id"] for i in items if i["explained"]} <= sure < {i["id"] for i in items}
    body = {"events": [{"product_id": "k5", "action": "view"}], "min_score": 1e9}
    assert trained.client.post("/v1/sessions:recommend", json=body).json()["items"] == []


@pytest.mark.parametrize("query", [{"min_score": "nan"}, {"min_confidence": 1.5}, {"min_confidence": "sure"}])
def test_what_is_no_threshold_is_refused(trained: Any, query: dict[str, Any]) -> None:
    body = trained.client.get("/v1/recommendations", params=query).json()
    assert (body["code"], body["field"].split(".")[0]) == ("invalid_request", next(iter(query)))

"""What the routes answer, on a shop whose answers are known."""

import json
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from api.nouns import EntityOut, EvidenceOut
from kg.types import Entity, Evidence, Fact

Get = Callable[..., Any]
ODD = "咖啡/机:1?#%"


def test_every_answer_names_model_graph_and_time(shared: Any, get: Get) -> None:
    model = shared.services.models.current.name
    for path in (
        "/v1/recommendations", "/v1/products/vb", "/v1/products/k5/related", "/v1/paths?source=vb&target=k5",
        "/v1/search?q=velkin", "/v1/users/u1/profile", "/health/ready",
    ):  # fmt: skip
        answer = get(path)
        assert (answer["model"], answer["graph_version"]) == (model, shared.store.version), path
        assert answer["as_of"] == "2026-01-02T00:00:00Z", path


def test_a_product_tells_its_facts_with_quotes_that_are_in_its_text(get: Get) -> None:
    answer = get("/v1/products/vb")
    texts = {d["id"]: d["text"] for d in answer["documents"]}
    assert list(answer["facts"]) == ["IN_CATEGORY", "HAS_ATTRIBUTE", "COMPATIBLE_WITH"]
    (by_name, by_product) = sorted(answer["facts"]["COMPATIBLE_WITH"], key=lambda f: f["tail"], reverse=True)
    for fact, quote_ in ((by_name, "Velkin K5"), (by_product, "适用于 K5")):
        (evidence,) = fact["evidence"]
        assert evidence["quote"] == quote_ == texts[evidence["source"]][evidence["start"] : evidence["end"]]
    assert (by_name["head_name"], by_name["tail_name"]) == ("VB-20 Battery", "Velkin K5")
    assert answer["product"]["properties"]["price"] == 50.0
    assert [d["id"] for d in answer["documents"]] == ["doc:vb", "review:1"]


def test_what_a_limit_cuts_off_is_counted(get: Get) -> None:
    answer = get("/v1/products/k5", limit=1)
    assert answer["fact_counts"]["BOUGHT_WITH"] == 2
    assert [f["head"] for f in answer["facts"]["BOUGHT_WITH"]] == ["product:bag"]
    answer = get("/v1/products/vb", limit=1)
    assert (answer["document_count"], len(answer["documents"])) == (2, 1)


@pytest.mark.parametrize("shop_id", [ODD, "🎧 a b", "k5/related"])
def test_ids_of_any_letters_come_back(get: Get, shop_id: str) -> None:
    answer = get(f"/v1/products/{quote(shop_id, safe='')}")
    assert (answer["id"], answer["product"]["id"]) == (shop_id, f"product:{shop_id}")
    assert get(f"/v1/products/{quote(shop_id, safe='')}/related")["id"] == shop_id


def test_slashes_and_colons_need_no_encoding(get: Get) -> None:
    assert get("/v1/users/用户/a:b/profile")["events"] == 2
    assert get("/v1/products/咖啡/机:1%3F%23%25")["id"] == ODD


def test_related_products_in_both_directions_most_confident_first(get: Get) -> None:
    answer = get("/v1/products/k5/related", relation="BOUGHT_WITH")
    assert [i["product"]["id"] for i in answer["items"]] == ["product:bag", f"product:{ODD}"]
    assert answer["items"][0]["fact"]["evidence"][0]["counts"] == {"support": 7.0, "users": 7.0, "lift": 11.4}
    assert get("/v1/products/k5/related", relation="COMPATIBLE_WITH")["items"][0]["product"]["id"] == "product:vb"
    assert get("/v1/products/mug/related")["items"] == []


def test_a_complement_that_does_not_fit_is_kept_out_and_told(shop: Any) -> None:
    stated = Evidence("catalog", "catalog", 0.9)
    shop.store.put(
        [Entity("product:z9", "Product", "Orvo Z9 Camera")],
        [
            Fact("product:z9", "IN_CATEGORY", "category:photo", (stated,)),
            *(Fact("product:vb", "COMPLEMENTS", f"product:{i}", (stated,)) for i in ("k5", "mug", "z9")),
        ],
    )
    for relation in ("complement", "COMPLEMENTS"):
        answer = shop.client.get("/v1/products/vb/related", params={"relation": relation}).json()
        assert [i["product"]["id"] for i in answer["items"]] == ["product:k5", "product:mug"]
        (kept_out,) = answer["kept_out"]
        assert kept_out["product"]["id"] == "product:z9"
        assert (kept_out["fact"]["head"], kept_out["fact"]["relation"]) == ("product:vb", "COMPATIBLE_WITH")


def test_paths_between_products_and_other_things(get: Get) -> None:
    path = get("/v1/paths", source="vb", target="use:travel")["paths"][0]["facts"]
    assert [(f["head"], f["relation"], f["tail"]) for f in path] == [
        ("product:vb", "COMPATIBLE_WITH", "product:k5"),
        ("product:k5", "USED_FOR", "use:travel"),
    ]
    assert get("/v1/paths", source=ODD, target="product:k5")["paths"]
    assert get("/v1/paths", source="mug", target="k5")["paths"] == []


def test_search_in_two_languages_and_by_type(get: Get) -> None:
    assert get("/v1/search", q="维尔金")["items"][0]["entity"]["id"] == "brand:velkin"
    assert get("/v1/search", q="咖啡", type="Product")["items"][0]["entity"]["id"] == f"product:{ODD}"
    assert {i["entity"]["type"] for i in get("/v1/search", q="velkin", type="Brand")["items"]} == {"Brand"}
    assert get("/v1/search", q="nothing at all")["items"] == []


def test_recommendations_are_ranked_and_replay_to_facts_that_exist(shared: Any, get: Get) -> None:
    answer = get("/v1/recommendations", user_id="用户/a:b", k=3)
    items = answer["items"]
    assert [i["rank"] for i in items] == list(range(1, len(items) + 1))
    assert {"vb", "bag"} <= {i["id"] for i in items}
    battery = next(i for i in items if i["id"] == "vb")
    assert battery["explained"]
    reason = battery["reasons"][0]
    assert reason["contribution"] > 0
    assert {e["event_id"] for e in reason["events"]} == {"e7", "e8"}
    assert reason["text"].startswith("You viewed and bought “Velkin K5 Camera”; “VB-20 Battery” works with “Velkin K5")
    for fact in (f for i in items for r in i["reasons"] for f in r["facts"]):
        assert list(shared.store.facts(head=fact["head"], relation=fact["relation"], tail=fact["tail"]))


def test_k_exclude_seen_and_reasons_are_obeyed(get: Get) -> None:
    assert len(get("/v1/recommendations", user_id="u1", k=1)["items"]) == 1
    seen = {"mug", "tent"}
    assert not seen & {i["id"] for i in get("/v1/recommendations", user_id="u1", k=10)["items"]}
    again = get("/v1/recommendations", user_id="u1", k=10, exclude_seen=False)["items"]
    assert "mug" in {i["id"] for i in again}
    assert all(not i["reasons"] for i in get("/v1/recommendations", user_id="u1", reasons=0)["items"])


@pytest.mark.parametrize("query", [{}, {"user_id": "nobody"}, {"session_id": "new"}, {"user_id": ""}])
def test_someone_unknown_gets_the_named_fallback(get: Get, query: dict[str, str]) -> None:
    items = get("/v1/recommendations", **query)["items"]
    assert items[0]["id"] == "mug"
    origins = [i["origin"] for i in items]
    assert origins == sorted(origins, reverse=True)  # what sells, then what is only in the catalogue
    assert set(origins) == {"popularity", "catalogue"}
    assert not any(i["explained"] for i in items)


def test_a_profile_shows_interests_with_their_events(get: Get) -> None:
    answer = get("/v1/users/用户%2Fa:b/profile")
    interests = {i["entity"]["id"]: i for i in answer["interests"]}
    assert set(interests) == {"brand:velkin", "category:photo", "use:travel"}
    brand = interests["brand:velkin"]
    assert brand["weight"] == pytest.approx((1 + 5) * 0.9)
    assert [e["event_id"] for e in brand["events"]] == ["e7", "e8"]
    assert brand["facts"][0]["relation"] == "MADE_BY"
    unknown = get("/v1/users/nobody/profile")
    assert (unknown["events"], unknown["interests"]) == (0, [])


def test_numbers_that_json_cannot_say_leave_as_null() -> None:
    def strict(text: str) -> Any:
        return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} left the service"))

    told = EvidenceOut.of(Evidence("log", "behavior", 0.5, counts={"lift": math.inf, "pmi": math.nan, "users": 2.0}))
    assert strict(told.model_dump_json())["counts"] == {"lift": None, "pmi": None, "users": 2.0}
    entity = EntityOut.of(Entity("a", "Value", "a", properties={"n": -math.inf}))
    assert strict(entity.model_dump_json())["properties"] == {"n": None}


def test_live_and_metrics(shop: Any) -> None:
    assert shop.client.get("/health/live").json() == {"status": "live"}
    shop.client.get("/v1/products/k5")
    shop.client.get("/v1/recommendations?k=2")
    text = shop.client.get("/metrics").text
    assert 'shopgraph_requests_total{route="/v1/products/{product_id}",status="200"} 1.0' in text
    assert 'shopgraph_recommendations_total{origin="popularity"} 2.0' in text
    assert 'shopgraph_request_seconds_count{route="/v1/recommendations"} 1.0' in text


def test_headers_keep_the_answer_to_itself(shared: Any) -> None:
    headers = shared.client.get("/v1/recommendations").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]

"""Business rules from the workspace's file to the answer, and why a product is not in it."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.bootstrap import services, shop
from api.problems import MEDIA_TYPE
from api.rulebook import Rulebook
from api.settings import Settings
from recommender.errors import RuleError

ODD = "咖啡/机:1?#%"
HERO = {"name": "hero 🌞", "action": "pin", "products": [ODD], "position": 2}
RECALL = {"name": "recall", "action": "hide", "products": ["bag"]}
OVER = {"name": "over", "action": "hide", "brand": "Velkin", "until": "2026-01-01"}


@dataclass(frozen=True, slots=True)
class Ruled:
    """The trained shop with a file of rules."""

    client: TestClient
    path: Path

    def write(self, *rules: Any, text: str | None = None) -> None:
        self.path.write_text(json.dumps({"rules": rules}) if text is None else text, encoding="utf-8")
        about = self.path.stat()
        os.utime(self.path, ns=(about.st_atime_ns, about.st_mtime_ns + 1))  # however coarse the clock of files is

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def ruled(trained: Any, tmp_path: Path) -> Iterator[Ruled]:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"rules": [HERO, RECALL, OVER]}), encoding="utf-8")
    with TestClient(create_app(replace(trained.services, rules=Rulebook(path)))) as client:
        yield Ruled(client, path)


def ids_of(answer: Any) -> list[str]:
    return [item["id"] for item in answer["items"]]


def test_the_answer_names_the_rules_that_held_and_what_they_moved(ruled: Ruled) -> None:
    answer = ruled.get("/v1/recommendations", user_id="用户/a:b", k=5)
    assert answer["rules"] == [
        {"name": "hero 🌞", "action": "pin", "products": 1},
        {"name": "recall", "action": "hide", "products": 1},
    ]
    assert ids_of(answer)[1] == ODD
    assert [i["moved_by"] for i in answer["items"]][:2] == [[], ["rule: hero 🌞"]]
    assert "bag" not in ids_of(answer)


def test_a_session_is_ruled_too(ruled: Ruled) -> None:
    body = {"events": [{"product_id": "k5", "action": "purchase"}], "k": 4}
    answer = ruled.client.post("/v1/sessions:recommend", json=body).json()
    assert ids_of(answer)[1] == ODD
    assert [rule["name"] for rule in answer["rules"]] == ["hero 🌞", "recall"]


def test_a_changed_file_holds_at_once_and_a_wrong_one_changes_nothing(
    ruled: Ruled, caplog: pytest.LogCaptureFixture
) -> None:
    ruled.write(RECALL)
    assert [r["name"] for r in ruled.get("/v1/recommendations")["rules"]] == ["recall"]
    ruled.write({**RECALL, "action": "sink"})
    for _ in range(2):
        assert [r["name"] for r in ruled.get("/v1/recommendations")["rules"]] == ["recall"]
    assert caplog.text.count("rule 'recall': action is 'sink'") == 1
    ruled.write(text="{")
    assert [r["name"] for r in ruled.get("/v1/recommendations")["rules"]] == ["recall"]
    ruled.path.unlink()
    assert ruled.get("/v1/recommendations")["rules"] == []


def test_a_boost_lifts(ruled: Ruled) -> None:
    ruled.write()
    user = {"user_id": "用户/a:b", "k": 2}
    first, second = ids_of(ruled.get("/v1/recommendations", **user))
    ruled.write({"name": "lift", "action": "boost", "products": [second], "by": 100})
    answer = ruled.get("/v1/recommendations", **user)
    assert ids_of(answer) == [second, first]
    assert answer["items"][0]["score"] <= answer["items"][1]["score"]
    assert [i["moved_by"] for i in answer["items"]] == [["rule: lift"], []]


def test_a_service_does_not_start_with_rules_that_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text('{"rules": [{"name": "x"}]}', encoding="utf-8")
    with shop(Settings(workspace=tmp_path)) as opened, pytest.raises(RuleError, match="rule 'x': action"):
        services(opened)
    elsewhere = tmp_path / "other.json"
    elsewhere.write_text('{"rules": []}', encoding="utf-8")
    with shop(Settings(workspace=tmp_path, rules=elsewhere)) as opened:
        assert services(opened).rules.holding() == ()


WHY = "/v1/recommendations:why-not"


def causes(answer: Any) -> list[tuple[str, str]]:
    return [(a["cause"], a["name"]) for a in answer["against"]]


def test_why_not_names_what_keeps_it_out_with_its_rank_and_score(ruled: Ruled) -> None:
    answer = ruled.get(WHY, user_id="用户/a:b", product_id="bag")
    assert causes(answer) == [("rule", "recall")]
    assert (answer["shown_at"], answer["title"], answer["origin"]) == (0, "Shoulder Bag", "itemknn + relations")
    assert answer["rank"] in (1, 2)
    assert answer["score"] > 0
    taken = ruled.get(WHY, user_id="u1", product_id="tent", max_price=10)
    assert causes(taken)[:3] == [("filter", "max_price"), ("filter", "available"), ("filter", "exclude_seen")]
    far = ruled.get(WHY, user_id="用户/a:b", product_id="🎧 a b", k=1)
    assert causes(far) == [("threshold", "rank 1"), ("path", "facts")]
    assert ruled.get(WHY, product_id="mug")["shown_at"] == 1
    assert causes(ruled.get(WHY, product_id="vb", k=1)) == [("threshold", "rank 1"), ("path", "history")]


def test_why_not_agrees_with_the_answer(ruled: Ruled) -> None:
    for query in ({"user_id": "u2"}, {"category": "Photo"}, {"user_id": "用户/a:b", "diversity_level": "high", "k": 3}):
        shown = {i["id"]: i["rank"] for i in ruled.get("/v1/recommendations", **query)["items"]}
        for name in ("k5", "vb", "bag", "mug", "tent", ODD, "🎧 a b", "k5/related"):
            answer = ruled.get(WHY, product_id=name, **query)
            assert answer["shown_at"] == shown.get(name, 0)
            assert bool(answer["against"]) == (name not in shown)


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ({}, 422, "invalid_request", "product_id"),
        ({"product_id": ""}, 422, "invalid_request", "product_id"),
        ({"product_id": "gone"}, 404, "unknown_product", None),
        ({"product_id": "k5", "item": "k5"}, 422, "invalid_request", "item"),
        ({"product_id": "k5", "category": "Garden"}, 404, "unknown_entity", None),
    ],
)
def test_wrong_requests(ruled: Ruled, query: dict[str, str], status: int, code: str, field: str | None) -> None:
    answer = ruled.client.get(WHY, params=query)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert (answer.status_code, answer.json()["code"], answer.json().get("field")) == (status, code, field)

"""Feedback over HTTP: answers are logged where the shop asks for it, explored with exact propensities, and joined."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.bootstrap import services, shop
from api.feedback import Feedback
from api.settings import Settings
from recommender.exploring import Exploration, propensities
from recommender.impressions import ImpressionLog

EXPLORATION = Exploration(first=2, pool=4)
EVENT = {"event_id": "n1", "action": "click", "user_id": "u1"}


@pytest.fixture
def kept(tmp_path: Path) -> ImpressionLog:
    return ImpressionLog(tmp_path / "impressions.db")


@pytest.fixture
def logging(trained: Any, kept: ImpressionLog) -> Iterator[TestClient]:
    """The trained shop with a log of its answers and no exploration."""
    with TestClient(create_app(replace(trained.services, feedback=Feedback(kept)))) as client:
        yield client


@pytest.fixture
def exploring(trained: Any, kept: ImpressionLog) -> Iterator[TestClient]:
    with TestClient(create_app(replace(trained.services, feedback=Feedback(kept, EXPLORATION)))) as client:
        yield client


def ask(client: TestClient, **query: object) -> Any:
    answer = client.get("/v1/recommendations", params={"user_id": "u1", "k": 4, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def shown(answer: Any) -> list[tuple[str, int, float]]:
    return [(item["id"], item["rank"], item["propensity"]) for item in answer["items"]]


def test_by_default_nothing_is_logged_and_nothing_left_to_chance(trained: Any) -> None:
    answer = ask(trained.client)
    assert {(item["explored"], item["propensity"]) for item in answer["items"]} == {(False, 1.0)}
    assert not trained.services.workspace.impressions.exists()


def test_an_answer_is_logged_as_it_was_given(logging: TestClient, kept: ImpressionLog) -> None:
    answer = ask(logging, session_id="会话")
    (logged,) = kept.scan()
    assert (logged.request_id, logged.model) == (answer["recommendation_id"], answer["model"])
    assert (logged.user_id, logged.session_id, logged.lottery) == ("u1", "会话", None)
    assert [(s.product_id, s.rank, s.propensity) for s in logged.shown] == shown(answer)
    assert {s.propensity for s in logged.shown} == {1.0}


def test_a_session_is_logged_without_a_name(logging: TestClient, kept: ImpressionLog) -> None:
    body = {"events": [{"product_id": "k5", "action": "view"}], "k": 2}
    answer = logging.post("/v1/sessions:recommend", json=body).json()
    (logged,) = kept.scan()
    assert (logged.request_id, logged.user_id, logged.session_id) == (answer["recommendation_id"], None, None)
    assert len(logged.shown) == 2


def test_chance_fills_the_lower_ranks_with_its_exact_propensities(exploring: TestClient, kept: ImpressionLog) -> None:
    table = propensities(4, EXPLORATION.sharpness)
    natural = {item["id"]: item["rank"] for item in ask(exploring, replay="-")["items"]}  # any name draws
    answers = [ask(exploring) for _ in range(30)]
    assert {answer["items"][0]["id"] for answer in answers} == {next(iter(natural))}
    assert len({tuple(item["id"] for item in answer["items"]) for answer in answers}) > 3
    logged = {impression.request_id: impression for impression in kept.scan()}
    assert len(logged) == 30
    for answer in answers:
        lottery = logged[answer["recommendation_id"]].lottery
        assert lottery is not None
        assert lottery.ranks == (2, 3, 4, 5)
        for item in answer["items"][1:]:
            place = lottery.candidates.index(item["id"])
            assert item["propensity"] == table[place, item["rank"] - 2]
            assert item["explored"] == (place != item["rank"] - 2) == ("exploration" in item["moved_by"])


def test_filters_hold_whatever_chance_says(exploring: TestClient) -> None:
    for _ in range(10):
        ids = {item["id"] for item in ask(exploring, exclude="bag", k=100)["items"]}
        assert not ids & {"bag", "tent", "mug"}  # left out, not to be had, taken before


def test_an_answer_is_replayed_by_its_name_and_not_logged_again(exploring: TestClient, kept: ImpressionLog) -> None:
    first = ask(exploring)
    for _ in range(3):
        again = ask(exploring, replay=first["recommendation_id"])
        assert again["items"] == first["items"]
        assert again["recommendation_id"] != first["recommendation_id"]
    assert len(list(kept.scan())) == 1


def test_what_came_of_an_answer_is_joined_with_it(logging: TestClient, kept: ImpressionLog, trained: Any) -> None:
    answer = ask(logging)
    name, product = answer["recommendation_id"], answer["items"][1]["id"]
    events = [
        {**EVENT, "product_id": product, "recommendation_id": name},
        {**EVENT, "event_id": "n2", "product_id": product, "recommendation_id": "another's"},
        {**EVENT, "event_id": "n3", "product_id": "tent", "recommendation_id": name},
        {**EVENT, "event_id": "n4", "product_id": product},
        {**EVENT, "event_id": "n5", "product_id": product, "action": "dance", "recommendation_id": name},
    ]
    for _ in range(2):  # twice changes nothing
        told = logging.post("/v1/events", json={"events": events}).json()
        assert (told["accepted"] + told["duplicates"], told["rejected"], told["joined"]) == (4, 1, 1)
    (logged,) = kept.scan()
    assert [(o.event_id, o.product_id, o.action) for o in logged.outcomes] == [("n1", product, "click")]
    assert 'shopgraph_feedback_total{verdict="joined"} 2.0' in logging.get("/metrics").text


def test_without_a_log_an_event_may_name_an_answer_all_the_same(shop: Any) -> None:
    body = {"events": [{**EVENT, "product_id": "k5", "recommendation_id": "r"}]}
    told = shop.client.post("/v1/events", json=body).json()
    assert (told["accepted"], told["joined"]) == (1, 0)


def test_a_log_that_cannot_be_written_costs_nobody_an_answer(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "impressions.db").write_text("no database at all, and long enough to be seen as none")
    broken = Feedback(ImpressionLog(tmp_path / "impressions.db"))
    with TestClient(create_app(replace(trained.services, feedback=broken))) as client:
        answer = ask(client)
        assert answer["items"]
        event = {**EVENT, "event_id": "n9", "product_id": "k5", "recommendation_id": answer["recommendation_id"]}
        assert client.post("/v1/events", json={"events": [event]}).json()["joined"] == 0
        assert 'shopgraph_feedback_total{verdict="lost"}' in client.get("/metrics").text


def test_settings_turn_it_on(tmp_path: Path) -> None:
    with shop(Settings(workspace=tmp_path)) as opened:
        assert services(opened).feedback == Feedback()
    with shop(Settings(workspace=tmp_path, log_answers=True, explore_from=4)) as opened:
        found = services(opened).feedback
    assert found.exploration == Exploration(first=4)
    assert found.impressions is not None

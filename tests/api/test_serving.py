"""A new model takes over between two requests; a broken one does not."""

import logging
import threading
from typing import Any

import pytest

from recommender.artifact import promote
from recommender.models.ease import Ease
from recommender.models.popularity import Popularity


def model_of(shop: Any) -> tuple[int, str | None]:
    answer = shop.client.get("/v1/recommendations", params={"user_id": "u1", "k": 3})
    return answer.status_code, answer.json().get("model")


def test_nothing_trained_then_trained(untrained: Any) -> None:
    assert model_of(untrained) == (503, None)
    first = untrained.train()
    assert model_of(untrained) == (200, first)
    assert untrained.client.get("/health/ready").json()["model"] == first


def test_models_are_swapped_without_dropping_a_request(shop: Any) -> None:
    first = shop.services.models.current.name
    names = [first, shop.train(Ease()), shop.train(Popularity())]
    promote(shop.models / first)
    seen: list[tuple[int, str | None]] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            seen.append(model_of(shop))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for turn in range(9):
        promote(shop.models / names[turn % 3])
        while seen[-1:] != [(200, names[turn % 3])]:
            stop.wait(0.005)
            if any(status != 200 for status, _ in seen) or not all(asker.is_alive() for asker in askers):
                break
    stop.set()
    for asker in askers:
        asker.join()
    assert {status for status, _ in seen} == {200}
    assert {name for _, name in seen} == set(names)


def test_an_answer_names_the_model_that_made_it(shop: Any) -> None:
    shop.train(Popularity())
    answer = shop.client.get("/v1/recommendations", params={"user_id": "用户/a:b"}).json()
    assert answer["model"].startswith("popularity-")
    assert answer["items"][0]["origin"] == "popularity"


@pytest.mark.parametrize("damage", ["torn", "missing", "not a model", "empty pointer", "pointer is a folder"])
def test_a_broken_model_leaves_the_old_one(shop: Any, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    good = model_of(shop)
    bad = shop.models / shop.train(Ease())
    if damage == "torn":
        next(iter(sorted(bad.glob("*.npy")))).unlink()
    elif damage == "not a model":
        (bad / "manifest.json").write_text("[]", encoding="utf-8")
    elif damage == "missing":
        (shop.models / "current").write_text("no-such-model\n", encoding="utf-8")
    elif damage == "empty pointer":
        (shop.models / "current").write_text("", encoding="utf-8")
    else:
        (shop.models / "current").unlink()
        (shop.models / "current").mkdir()
    with caplog.at_level(logging.ERROR, "shopgraph.api.serving"):
        assert [model_of(shop) for _ in range(3)] == [good] * 3
    complaints = [r for r in caplog.records if "cannot be loaded" in r.message]
    assert len(complaints) == (0 if damage == "empty pointer" else 1)
    if damage == "pointer is a folder":
        (shop.models / "current").rmdir()
    better = shop.train(Popularity())
    assert model_of(shop) == (200, better)

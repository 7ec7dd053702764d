"""``shopgraph compare`` on the sample shop, whose simulator knows the truth, with two models that learned there."""

import json
import runpy
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from api.bootstrap import shop
from api.cli import app
from api.settings import Settings
from recommender.exploring import Draw
from recommender.impressions import Impression, ImpressionLog

SHOP = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "comparing.py"))
ESTIMATORS, K = SHOP["ESTIMATORS"], SHOP["K"]
LOGS, ANSWERS = 8, 2000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("visits")


@pytest.fixture(scope="module")
def visits(folder: Path) -> Iterator[Any]:
    with shop(Settings(workspace=folder)) as opened:
        yield SHOP["Visits"].of(opened)


@pytest.fixture(scope="module")
def truth(visits: Any) -> dict[str, float]:
    """What the estimates are about: the served model's candidates in the order of either."""
    popular, personal = visits.models
    return {name: visits.worth(visits.reordered(popular, name)) for name in (popular, personal)}


@pytest.fixture(scope="module")
def natural(visits: Any) -> Any:
    return visits.lists(next(iter(visits.models)), SHOP["EXPLORATION"].reach)


def test_the_simulated_log_is_what_the_service_would_show(visits: Any, natural: Any) -> None:
    popular, _ = visits.models
    for kept in visits.explored(popular, natural, 40, seed=5):
        draw = Draw(SHOP["EXPLORATION"], kept.request_id)
        answer = visits.models[popular].answer(kept.user_id, k=K, max_reasons=0, draw=draw)
        assert [(s.product_id, s.rank, s.propensity) for s in kept.shown] == [
            (r.product_id, r.rank, answer.propensity(r)) for r in answer.shown
        ]
        assert kept.lottery == answer.lottery


def test_intervals_hold_the_truth_and_the_mean_of_the_log_does_not(
    visits: Any, natural: Any, truth: dict[str, float]
) -> None:
    popular, personal = visits.models
    gain, lists = truth[personal] - truth[popular], visits.reordered(popular, personal)
    own, held, logged = visits.reordered(popular, popular), dict.fromkeys(ESTIMATORS, 0), 0
    for seed in range(LOGS):
        log = visits.explored(popular, natural, ANSWERS, seed)
        one, two = (SHOP["report"](log, order, resamples=200, seed=seed) for order in (lists, own))
        for name in ESTIMATORS:
            value, difference = getattr(one, name), one.difference(two, name)
            held[name] += value.low <= truth[personal] <= value.high and difference.low <= gain <= difference.high
        logged += one.logged.low <= truth[personal] <= one.logged.high
    assert min(held.values()) >= LOGS - 2
    assert logged == 0


def test_interleaving_finds_the_model_whose_lists_earn_more(visits: Any) -> None:
    popular, personal = visits.models
    assert visits.worth(visits.lists(personal)) > 1.1 * visits.worth(visits.lists(popular))
    better, worse = SHOP["decided"](visits, personal, popular, answers=1600, runs=3)
    assert better >= 2 / 3
    assert worse == 0
    assert sum(SHOP["decided"](visits, personal, personal, answers=300, runs=12)) <= 1 / 6


def test_the_command_says_what_the_simulator_knows(
    folder: Path, visits: Any, natural: Any, truth: dict[str, float]
) -> None:
    popular, personal = visits.models
    shared = visits.interleaved(*((name, visits.answers(name)) for name in (popular, personal)), 1200, 3)
    keep(folder / "impressions.db", [*visits.explored(popular, natural, ANSWERS, 3), *shared])
    done = CliRunner().invoke(app, ["compare", personal, "current", "--workspace", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    found = report["off_policy"]
    assert (report["b"], found["usable"], found["left_out"]) == (popular, ANSWERS, {"two models share the list": 1200})
    for estimator in ESTIMATORS:
        for told, expected in (
            (found["a"][estimator], truth[personal]), (found["b"][estimator], truth[popular]),
            (found["difference"][estimator], truth[personal] - truth[popular]),
        ):  # fmt: skip
            assert told["low"] <= expected <= told["high"]
    assert np.mean([found["difference"][name]["value"] for name in ESTIMATORS]) > 0
    assert report["interleaving"]["better"] == "a"
    assert report["interleaving"]["people"]["count"] == len({impression.user_id for impression in shared})


def keep(path: Path, log: Sequence[Impression]) -> None:
    """Write it as the service does. A connection stays open meanwhile, or each line would wait for the disk."""
    kept = ImpressionLog(path)
    kept.record(log[0])
    with closing(sqlite3.connect(path)) as waiting:
        waiting.execute("SELECT count(*) FROM answers").fetchone()
        for impression in log[1:]:
            kept.record(impression)
        kept.join(outcome for impression in log for outcome in impression.outcomes)

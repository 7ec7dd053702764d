"""Two models side by side: shared lists over HTTP, and ``shopgraph compare`` on what was logged."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from api.app import create_app
from api.bootstrap import services, shop
from api.bootstrap import serving as serving_of
from api.cli import app
from api.errors import FrontDoorError
from api.feedback import Feedback
from api.metrics import Metrics
from api.rulebook import Rulebook
from api.serving import Served
from api.settings import Settings
from kg.types import Entity, Interaction
from recommender.artifact import Artifact, promote, save
from recommender.errors import ScoreError
from recommender.exploring import Exploration, Lottery
from recommender.histories import Ids
from recommender.impressions import Impression, ImpressionLog, Outcome, Shown
from recommender.interleaving import Draft, Interleaved
from recommender.models.popularity import Popularity
from recommender.recommender import Recommender
from recommender.scorers import PopularityScorer


@pytest.fixture(scope="module")
def rival(trained: Any) -> Served:
    """Popularity, beside the model that the shop serves."""
    current = trained.services.models.current
    name = trained.train(Popularity())
    promote(trained.models / current.name)
    return Served(name, Recommender.load(trained.models / name, trained.store, trained.log))


@pytest.fixture
def kept(tmp_path: Path) -> ImpressionLog:
    return ImpressionLog(tmp_path / "impressions.db")


@pytest.fixture
def sharing(trained: Any, rival: Served, kept: ImpressionLog) -> Iterator[TestClient]:
    with serving(trained, rival=rival, feedback=Feedback(kept)) as client:
        yield client


@contextmanager
def serving(trained: Any, **changed: Any) -> Iterator[TestClient]:
    with TestClient(create_app(replace(trained.services, **changed))) as client:
        yield client


def ask(client: TestClient, **query: object) -> Any:
    answer = client.get("/v1/recommendations", params={"user_id": "u1", "k": 4, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_two_models_share_a_list_that_is_logged_with_who_put_in_what(
    sharing: TestClient, kept: ImpressionLog, trained: Any, rival: Served
) -> None:
    answers = [ask(sharing) for _ in range(20)]
    logged = {impression.request_id: impression for impression in kept.scan()}
    current = trained.services.models.current
    own = {r.product_id: r.origin for r in current.recommender.recommend("u1", k=4)}
    other = {r.product_id: r.origin for r in rival.recommender.recommend("u1", k=4)}
    for answer in answers:
        assert (answer["model"], answer["interleaved_with"]) == (current.name, rival.name)
        found = logged[answer["recommendation_id"]]
        assert found.interleaved is not None
        assert (found.model, found.interleaved.rival, found.lottery) == (current.name, rival.name, None)
        draft = found.interleaved.draft
        assert [item["id"] for item in answer["items"]] == list(draft.products)
        assert [s.propensity for s in found.shown] == [item["propensity"] for item in answer["items"]]
        for item, team in zip(answer["items"], draft.teams, strict=True):
            assert item["origin"] == {"a": own, "b": other}[team][item["id"]]
            assert team == "a" or "interleaving" in item["moved_by"]
    first = [answer["items"][0] for answer in answers]
    assert len({logged[a["recommendation_id"]].interleaved.draft.teams for a in answers}) > 1  # type: ignore[union-attr]
    assert all(item["propensity"] == (1.0 if next(iter(own)) == next(iter(other)) else 0.5) for item in first)


def test_filters_rules_reasons_and_replays_are_as_ever(
    trained: Any, rival: Served, kept: ImpressionLog, tmp_path: Path
) -> None:
    rules = {"rules": [{"name": "first", "action": "pin", "products": ["vb"], "position": 2}]}
    (tmp_path / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    with serving(trained, rival=rival, feedback=Feedback(kept), rules=Rulebook(tmp_path / "rules.json")) as client:
        for _ in range(8):
            answer = ask(client, exclude="bag", k=100)
            ids = [item["id"] for item in answer["items"]]
            assert not set(ids) & {"bag", "tent", "mug"}  # left out, not to be had, taken before
            assert len(ids) == len(set(ids)) == 5
            assert (ids[1], answer["items"][1]["propensity"], answer["items"][1]["moved_by"]) == (
                "vb", 1.0, ["rule: first"],
            )  # fmt: skip
        again = ask(client, exclude="bag", k=100, replay=answer["recommendation_id"])
        assert again["items"] == answer["items"]
        assert len(list(kept.scan())) == 8
        assert [
            item["id"] for item in ask(client, replay=answer["recommendation_id"], exclude="bag", k=2)["items"]
        ] == ids[:2]
    shared = {i.interleaved is not None and "vb" in i.interleaved.draft.products for i in kept.scan()}
    assert shared == {False}  # a pin is nobody's


def test_a_session_is_shared_and_a_promise_about_the_whole_list_is_not(sharing: TestClient, rival: Served) -> None:
    body = {"events": [{"product_id": "k5", "action": "view"}], "k": 3}
    assert sharing.post("/v1/sessions:recommend", json=body).json()["interleaved_with"] == rival.name
    by_data = ask(sharing, diversity_level="medium")
    by_rule = ask(sharing, diversity_level="medium", diversity_type="rule")
    assert (by_data["interleaved_with"], by_rule["interleaved_with"]) == (rival.name, None)


def test_who_speaks_alone(trained: Any, rival: Served, kept: ImpressionLog) -> None:
    """By default; a rival that was put into service; one that takes other events for having had a product."""
    assert ask(trained.client)["interleaved_with"] is None
    current = trained.services.models.current
    taking = replace(current.recommender.artifact, taking=("view",))
    strange = Served("strange", Recommender(taking, trained.store, trained.log))
    for other in (current, strange):
        with serving(trained, rival=other, feedback=Feedback(kept)) as client:
            assert ask(client)["interleaved_with"] is None
    assert all(impression.interleaved is None for impression in kept.scan())


def test_a_least_score_is_no_measure_for_two_models(
    trained: Any, rival: Served, kept: ImpressionLog, tmp_path: Path
) -> None:
    """The scales differ: whose list is cut shorter would lose every contest."""
    rules = {"rules": [{"name": "sure", "action": "hide", "products": ["vb"], "below": 0.1}]}
    (tmp_path / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    hiding = Rulebook(tmp_path / "rules.json")
    with serving(trained, rival=rival, feedback=Feedback(kept), metrics=Metrics()) as client:
        assert ask(client)["interleaved_with"] == rival.name
        for threshold in ({"min_score": 0.0}, {"min_confidence": 0.1}):
            assert ask(client, **threshold)["interleaved_with"] is None
        assert ask(client, min_score=0.0, replay="x")["interleaved_with"] is None
        assert 'shopgraph_feedback_total{verdict="not drafted"} 2.0' in client.get("/metrics").text
    with serving(trained, rival=rival, feedback=Feedback(kept), rules=hiding) as client:
        assert ask(client)["interleaved_with"] is None


@pytest.mark.parametrize("error", [ScoreError("no number"), ValueError("nobody thought of this")])
def test_a_rival_that_fails_costs_nobody_an_answer_and_is_told_of_once(
    trained: Any, rival: Served, kept: ImpressionLog, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    class Broken(Recommender):
        def answer(self, *args: Any, **asked: Any) -> Any:
            raise error

    broken = Served("broken", Broken(rival.recommender.artifact, trained.store, trained.log))
    failing = {"rival": broken, "feedback": Feedback(kept), "metrics": Metrics(), "failed": set()}
    with serving(trained, **failing) as client:
        for _ in range(3):
            answer = ask(client)
            assert answer["items"]
            assert answer["interleaved_with"] is None
        assert 'shopgraph_feedback_total{verdict="rival failed"} 3.0' in client.get("/metrics").text
    assert [impression.interleaved for impression in kept.scan()] == [None] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "the rival broken fails; the model in service answers alone"
    ]


def test_a_rival_that_cannot_read_a_new_product_does_not_fail_its_arrival(own: Any) -> None:
    class Broken(Recommender):
        def refresh(self, *args: Any) -> None:
            raise ValueError("nobody thought of this")

    current = own.services.models.current.recommender
    broken = Served("broken", Broken(current.artifact, own.store, own.log))
    with serving(own, rival=broken, metrics=Metrics()) as client:
        assert client.put("/v1/products/new", json={"title": "Travel tripod"}).json()["status"] == "created"
        assert 'shopgraph_feedback_total{verdict="rival failed"} 1.0' in client.get("/metrics").text
        assert client.get("/v1/products/new").status_code == 200


# ---- the command ----------------------------------------------------------------------------------------------------

NAMES = tuple(f"p{n}" for n in range(5))
LEARNED, USERS = 1000, 300


def model(name: str, scores: list[int]) -> Artifact:
    scorer = PopularityScorer(Ids(NAMES), np.array(scores, np.float32))
    return Artifact(((name, scorer),), about={"data": {"newest_event": LEARNED}})


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A shop with two models that say the opposite, and nothing logged."""
    with shop(Settings(workspace=tmp_path), write=True) as opened:
        opened.store.put([Entity(f"product:{name}", "Product", name) for name in NAMES])
        opened.log.append([Interaction("e1", "p0", "view", LEARNED, "ann")])
        promote(save(model("down", [5, 4, 3, 2, 1]), opened.workspace.models))
        save(model("up", [1, 2, 3, 4, 5]), opened.workspace.models)
    return tmp_path


def made(folder: Path, name: str) -> str:
    return next(path.name for path in (folder / "models").glob(f"{name}-*"))


def run(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(app, ["compare", *args, "--workspace", str(folder)])


def log_uniform(folder: Path, answers: int = USERS, at: int = LEARNED + 1, people: int = 50) -> None:
    """Three candidates in any order at the ranks 1 to 3; p2 is clicked wherever it stands first."""
    kept, lottery = ImpressionLog(folder / "impressions.db"), Lottery(NAMES[:3], (1, 2, 3), 0.0)
    for n in range(answers):
        order = [NAMES[(n + place) % 3] for place in range(3)]
        shown = tuple(Shown(name, rank, 1 / 3) for rank, name in enumerate(order, 1))
        kept.record(Impression(f"u{at}/{n}", at, made(folder, "down"), shown, f"user {n % people}", None, lottery))
        if order[0] == "p2":
            kept.join([Outcome(f"c{at}/{n}", f"u{at}/{n}", "p2", "click")])


def log_shared(folder: Path, wins: int, losses: int, ties: int) -> None:
    kept = ImpressionLog(folder / "impressions.db")
    down, up = made(folder, "down"), made(folder, "up")
    for n in range(wins + losses + ties):
        shown = (Shown("p0", 1, 0.5), Shown("p4", 2, 0.5))
        shared = Interleaved(up, Draft(("p0", "p4"), ("a", "b")))
        kept.record(Impression(f"s{n}", LEARNED + 1, down, shown, f"user {n}", interleaved=shared))
        if n < wins + losses:
            kept.join([Outcome(f"d{n}", f"s{n}", "p0" if n < wins else "p4", "purchase")])


def test_what_the_order_of_either_model_earns(workspace: Path) -> None:
    log_uniform(workspace)
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file() and path.suffix == ".db"}
    done = run(workspace, made(workspace, "up"), "current", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["a"], report["b"]) == (made(workspace, "up"), made(workspace, "down"))
    found = report["off_policy"]
    assert (report["answers"], found["usable"], found["users"], found["left_out"]) == (USERS, USERS, 50, {})
    assert found["logged"]["value"] == pytest.approx(1 / 3)
    for estimator in ("ips", "snips", "dr"):  # p2 stands first in the order of `up`, and last in that of `down`
        assert found["a"][estimator]["low"] <= 1.0 <= found["a"][estimator]["high"]
        assert found["b"][estimator]["value"] == pytest.approx(0.0, abs=0.05)
        assert found["difference"][estimator]["low"] > 0
    assert found["a"]["effective"] == pytest.approx(USERS / 3)
    assert report["interleaving"] is None
    text = run(workspace, made(workspace, "up"), str(workspace / "models" / made(workspace, "down"))).stdout
    assert "by DR, IPS and SNIPS, A earns more" in text
    assert "interleaved: no list that these two share" in text
    bought = json.loads(run(workspace, "current", made(workspace, "up"), "--action", "purchase", "--json").stdout)
    assert (bought["actions"], bought["off_policy"]["b"]["ips"]["value"]) == (["purchase"], 0.0)
    assert before == {path: path.read_bytes() for path in before}


def test_answers_that_cannot_be_asked_about_are_told_with_the_reason(workspace: Path) -> None:
    log_uniform(workspace)
    log_uniform(workspace, 20, at=LEARNED)
    log_shared(workspace, 0, 0, 7)
    text = run(workspace, "current", made(workspace, "up")).stdout
    assert "estimates from 300 of 327 answers; left out: " in text
    assert "20 a model has learned from later events" in text
    assert "7 two models share the list" in text


def test_where_exploration_was_off_nothing_is_estimated_and_that_is_said(workspace: Path) -> None:
    kept = ImpressionLog(workspace / "impressions.db")
    for n in range(30):
        kept.record(Impression(f"{n}", LEARNED + 1, "down", (Shown("p0", 1, 1.0),), f"user {n}"))
    done = run(workspace, "current", made(workspace, "up"))
    assert done.exit_code == 0, done.output
    assert "estimates from 0 of 30 answers; left out: 30 nothing was left to chance" in done.stdout
    assert "nothing can be estimated: in 30 of 30 answers exploration was off" in done.stdout
    assert "--explore-from" in done.stdout
    report = json.loads(run(workspace, "current", made(workspace, "up"), "--json").stdout)
    assert "a" not in report["off_policy"]


def test_too_few_answers_and_ranks_without_chance_are_refused_in_words(workspace: Path) -> None:
    log_uniform(workspace, 12)
    text = run(workspace, "current", made(workspace, "up")).stdout
    assert "A cannot be estimated: at rank 1 only 4.0 effective answers" in text
    kept = ImpressionLog(workspace / "impressions.db")
    shown, lottery = tuple(Shown(f"p{n}", n + 1, 1.0) for n in range(3)), Lottery(("p3", "p4"), (4, 5), 1.0)
    (workspace / "impressions.db").unlink()
    for n in range(30):
        kept.record(Impression(f"{n}", LEARNED + 1, "down", shown, f"user {n}", None, lottery))
    assert "chance filled no rank up to 10" in run(workspace, "current", made(workspace, "up")).stdout


def test_ranks_that_too_few_answers_show_are_left_out(workspace: Path) -> None:
    """Five answers of six ranks beside 300 of three cost these nothing."""
    log_uniform(workspace)
    before = json.loads(run(workspace, "current", made(workspace, "up"), "--json").stdout)["off_policy"]
    kept, lottery = ImpressionLog(workspace / "impressions.db"), Lottery(NAMES[:5], (1, 2, 3, 4, 5), 0.0)
    for n in range(5):
        shown = tuple(Shown(name, rank, 1 / 5) for rank, name in enumerate(NAMES, 1))
        kept.record(Impression(f"long{n}", LEARNED + 1, "down", shown, f"user {n}", None, lottery))
    text = run(workspace, "current", made(workspace, "up")).stdout
    assert "as with --k 3: too few effective answers speak for the ranks after 3" in text
    assert "by DR, IPS and SNIPS, B earns more" in text
    found = json.loads(run(workspace, "current", made(workspace, "up"), "--json").stdout)["off_policy"]
    assert (before["cut"], found["cut"], found["ranks"], found["usable"]) == (False, True, 3, USERS + 5)
    assert found["b"]["ips"]["value"] == pytest.approx(before["b"]["ips"]["value"], rel=0.05)


def test_few_rewards_are_estimated_and_no_verdict(workspace: Path) -> None:
    log_uniform(workspace, 90)
    done = run(workspace, made(workspace, "up"), "current")
    assert "too few rewards to say who earns more: 30 effective answers" in done.stdout
    assert "or judge fewer ranks (--k)" in done.stdout
    assert "by DR" not in done.stdout
    found = json.loads(run(workspace, made(workspace, "up"), "current", "--json").stdout)["off_policy"]
    assert found["difference"]["dr"]["low"] > 0  # which alone would have said so
    assert (found["better"], found["undecided"][:15]) == (None, "too few rewards")


def test_a_rating_is_no_reward_unless_told(workspace: Path) -> None:
    log_uniform(workspace)
    ImpressionLog(workspace / "impressions.db").join(
        [Outcome(f"r{n}", f"u{LEARNED + 1}/{n}", "p0", "rating", 1.0) for n in range(0, USERS, 3)]
    )
    told = [
        json.loads(run(workspace, "current", made(workspace, "up"), *more, "--json").stdout)
        for more in ((), ("--action", "rating"), ("--action", "rating", "--action", "click"))
    ]
    assert told[0]["actions"] == ["view", "click", "cart", "purchase"]
    assert [report["off_policy"]["logged"]["value"] for report in told] == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert told[1]["off_policy"]["b"]["ips"] != told[0]["off_policy"]["b"]["ips"]
    assert run(workspace, "current", "x", "--action", "dance").exit_code == 2


def test_answers_of_a_time_alone(workspace: Path) -> None:
    log_uniform(workspace)
    log_uniform(workspace, 30, at=LEARNED + 100)
    up = made(workspace, "up")
    for flags, answers in (((), 330), (("--since", "1050"), 30), (("--until", "1970-01-01T00:18:20"), 300)):
        assert json.loads(run(workspace, "current", up, *flags, "--json").stdout)["answers"] == answers
    assert "holds no answer of that time" in run(workspace, "current", up, "--since", "2000").stderr
    assert "--since soon: expected ISO 8601" in run(workspace, "current", up, "--since", "soon").stderr


def test_lists_that_other_models_share_are_counted(workspace: Path) -> None:
    log_shared(workspace, 3, 1, 0)
    kept, shared = ImpressionLog(workspace / "impressions.db"), Interleaved("third", Draft(("p0",), ("a",)))
    kept.record(Impression("t", LEARNED + 1, made(workspace, "down"), (Shown("p0", 1, 0.5),), interleaved=shared))
    assert "interleaved: left out 1 of other pairs of models" in run(workspace, "current", made(workspace, "up")).stdout
    (workspace / "impressions.db").unlink()
    kept.record(Impression("t", LEARNED + 1, made(workspace, "down"), (Shown("p0", 1, 0.5),), interleaved=shared))
    text = run(workspace, "current", made(workspace, "up")).stdout
    assert "interleaved: no list that these two share; 1 of other pairs of models" in text


@pytest.mark.parametrize("folder", ["absent", "other"])
def test_what_is_no_workspace_is_refused_and_left_as_it_is(tmp_path: Path, folder: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine", encoding="utf-8")
    done = run(tmp_path / folder, "current", "up")
    assert done.exit_code == 1
    assert "is no workspace" in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notes.txt", "other"]


def test_a_log_of_one_person_is_told_with_the_reason(workspace: Path) -> None:
    log_uniform(workspace, people=1)
    done = run(workspace, "current", made(workspace, "up"))
    assert done.exit_code == 0, done.output
    assert "A cannot be estimated: the log is of one user" in done.stdout


def test_shared_lists_say_who_is_preferred(workspace: Path) -> None:
    log_shared(workspace, 30, 8, 12)
    done = run(workspace, "current", made(workspace, "up"), "--json")
    found = json.loads(done.stdout)["interleaving"]
    assert found["answers"] == found["people"] == {"count": 50, "wins": 30, "ties": 12, "losses": 8}
    assert (found["share"], found["better"]) == (pytest.approx(30 / 38), "a")
    assert found["low"] > 0.5
    turned = run(workspace, made(workspace, "up"), "current").stdout
    assert "interleaved: answers: 50; won by A 8, by B 30, ties 12" in turned
    assert "B is better" in turned
    clicks = run(workspace, made(workspace, "up"), "current", "--action", "click").stdout
    assert "nothing can be said: none of 50 was won" in clicks


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("current", "no-such"), "there is no model 'no-such'"), (("current", "../.."), "there is no model"),
        (("current", "current"), "are one model"), (("current", "up"), "holds no answer that could compare"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_with_a_sentence(workspace: Path, args: tuple[str, str], said: str) -> None:
    first, second = (made(workspace, "up") if arg == "up" else arg for arg in args)
    done = run(workspace, first, second)
    assert done.exit_code == 1
    assert said in done.stderr


def test_settings_name_the_rival(workspace: Path) -> None:
    save(replace(model("viewed", [1, 2, 3, 4, 5]), taking=("view",)), workspace / "models")
    named = Settings(workspace=workspace, interleave=made(workspace, "up"), log_answers=True)
    with shop(named) as opened:
        found = serving_of(opened).rival
        assert services(opened).rival is None  # a command answers by the model in service alone
    assert found is not None
    assert found.name == made(workspace, "up")
    wrong: list[Callable[[], Settings]] = [
        lambda: named.model_copy(update={"log_answers": False}),
        lambda: named.model_copy(update={"explore_from": 2}),
        lambda: named.model_copy(update={"interleave": "no-such"}),
        lambda: named.model_copy(update={"interleave": "current"}),
        lambda: named.model_copy(update={"interleave": made(workspace, "down")}),
        lambda: named.model_copy(update={"interleave": made(workspace, "viewed")}),
        lambda: named.model_copy(update={"explore_sharpness": 0.5}),
    ]
    for make in wrong:
        with shop(make()) as opened, pytest.raises(FrontDoorError):
            serving_of(opened)


def test_how_sharply_chance_draws_is_a_setting(workspace: Path) -> None:
    with shop(Settings(workspace=workspace, explore_from=2, explore_sharpness=0.5)) as opened:
        assert services(opened).feedback.exploration == Exploration(first=2, sharpness=0.5)
        assert serving_of(opened).feedback.exploration == Exploration(first=2, sharpness=0.5)
    drawn_by_nobody = Settings(workspace=workspace, explore_sharpness=0.5)
    with shop(drawn_by_nobody) as opened, pytest.raises(FrontDoorError, match="give --explore-from too"):
        serving_of(opened)

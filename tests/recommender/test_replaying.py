"""From served answers to estimates: the whole way on a small shop whose visitors prefer what one of two models says."""

from dataclasses import replace

import numpy as np
import pytest

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Entity, Interaction
from recommender.artifact import Artifact
from recommender.errors import OffPolicyError
from recommender.exploring import Draw, Exploration
from recommender.histories import Ids
from recommender.impressions import Impression, ImpressionLog, Outcome, Shown
from recommender.interleaving import Draft, Interleaved
from recommender.off_policy import evaluate
from recommender.recommender import RECENT, Recommender
from recommender.replaying import credited, ordered_by, tables, unfamiliar, usable
from recommender.scorers import ItemItemScorer

N, USERS, LEARNED = 6, 400, 10
NAMES = tuple(f"p{n}" for n in range(N))
EXPLORATION = Exploration(first=2, pool=4, sharpness=1.0)


def artifact(*scores):
    """From p0, p1 … p5 have these scores."""
    items, matrix = Ids(NAMES), np.zeros((N, N), np.float32)
    matrix[0, 1:] = scores
    return Artifact((("model", ItemItemScorer(items, matrix)),), about={"data": {"newest_event": LEARNED}})


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Two models, and a log of what the first showed; p5 is what visitors click, if it stands at the second rank."""
    folder = tmp_path_factory.mktemp("shop")
    kept, random = ImpressionLog(folder / "impressions.db"), np.random.default_rng(0)
    with MemoryStore() as store, EventLog(folder / "events.db") as log:
        store.put([Entity(f"product:{n}", "Product", n) for n in NAMES])
        log.append(Interaction(f"e{u}", "p0", "view", LEARNED + 1, f"u{u}") for u in range(USERS))
        log.append([Interaction("busy", "p0", "view", LEARNED + 1, "busy")])
        log.append(Interaction(f"busy{n}", "p1", "view", LEARNED + 2 + n, "busy") for n in range(RECENT + 100))
        served, other = (Recommender(artifact(*s), store, log) for s in ((9, 8, 7, 6, 5), (9, 5, 6, 7, 8)))
        for u in range(USERS):
            name = f"r{u}"
            answer = served.answer(f"u{u}", k=3, draw=Draw(EXPLORATION, name))
            shown = tuple(Shown(r.product_id, r.rank, answer.propensity(r)) for r in answer.shown)
            kept.record(Impression(name, LEARNED + 2, "a", shown, f"u{u}", None, answer.lottery))
            if shown[1].product_id == "p5" and random.random() < 0.6:
                kept.join([Outcome(f"c{u}", name, "p5", "click")])
        yield served, other, tuple(kept.scan())


def test_a_model_that_was_never_served_is_known_from_the_log(shop):
    served, other, impressions = shop
    found = usable(impressions, [served, other])
    assert (len(found.impressions), found.left_out) == (USERS, {})
    reports = [evaluate(*tables(found.impressions, ordered_by(m)), resamples=200) for m in (served, other)]
    assert reports[0].answers == reports[0].users == USERS
    for estimator in ("ips", "snips", "dr"):
        better = getattr(reports[1], estimator)
        assert abs(better.value - 0.6) < better.high - better.low  # twice the reach of a 95 % interval
        assert getattr(reports[0], estimator).value < 0.1
        assert reports[1].difference(reports[0], estimator).low > 0
    assert evaluate(*tables(found.impressions, ordered_by(other), actions=["purchase"]), resamples=9).dr.value == 0


def test_what_cannot_be_asked_about_is_counted(shop):
    served, other, (first, *_) = shop
    early = Impression("early", LEARNED, "a", first.shown, "u0", None, first.lottery)
    nobody = Impression("nobody", LEARNED + 2, "a", first.shown, None, None, first.lottery)
    certain = Impression("certain", LEARNED + 2, "a", first.shown, "u0")
    found = usable([early, nobody, certain, first], [served, other])
    assert found.impressions == (first,)
    assert found.left_out == {
        "a model has learned from later events": 1, "nobody is named": 1, "nothing was left to chance": 1,
    }  # fmt: skip
    with pytest.raises(OffPolicyError, match="no answer"):
        tables([], ordered_by(served))


def test_ranks_without_chance_stay_and_unknown_candidates_come_last(shop):
    _, other, (first, *_) = shop
    shown, target = tables([first], ordered_by(other))
    assert target.items[0] == shown.items[0]
    assert target.propensities[0] == 1
    assert list(ordered_by(other)(first)) == ["p5", "p4", "p3", "p2"]


def test_a_history_as_of_an_answer_is_whole_however_much_came_later(shop):
    _, other, (first, *_) = shop
    assert list(ordered_by(other)(replace(first, user_id="busy"))) == ["p5", "p4", "p3", "p2"]


def test_only_the_first_ranks_are_looked_at_where_so_many_are_named(shop):
    _, other, impressions = shop
    shown, target = tables(impressions, ordered_by(other), k=2)
    assert (shown.ranks.max(), target.ranks.max()) == (2, 2)


def test_a_propensity_that_is_none_and_a_shared_list_are_left_out(shop):
    served, other, (first, *_) = shop
    wrong = replace(first, shown=(replace(first.shown[0], propensity=0.0), *first.shown[1:]))
    shared = replace(first, lottery=None, interleaved=Interleaved("b", Draft(("p1",), ("b",))))
    found = usable([wrong, shared], [served, other])
    assert found.left_out == {"a propensity is no probability": 1, "two models share the list": 1}


def test_a_candidate_that_a_model_does_not_know_is_counted(shop):
    served, _, impressions = shop
    new = replace(impressions[0], lottery=replace(impressions[0].lottery, candidates=("p2", "new")))
    assert unfamiliar([*impressions, new], served) == 1


def test_shared_lists_credit_either_model_whoever_served(shop):
    def answer(name, model, rival, user, *clicked, action="click"):
        draft = Interleaved(rival, Draft(("p1", "p2", "p3"), ("a", "b", "a")))
        shown = tuple(Shown(f"p{n}", n, 0.5) for n in (1, 2, 3))
        outcomes = tuple(Outcome(f"{name}{product}", name, product, action) for product in clicked)
        return Impression(name, 11, model, shown, user, None, None, outcomes, draft)

    kept = [
        answer("1", "x", "y", "ann", "p1", "p3"), answer("2", "x", "y", "ann", "p2"),
        answer("3", "y", "x", "bob", "p1"), answer("4", "x", "y", "eve", action="view"),
        answer("5", "x", "z", "ann", "p1"), shop[2][0],
    ]  # fmt: skip
    found = credited(kept, "x", "y")
    assert (found.answers, found.by_person()) == ((2, -1, -1, 0), [1, -1, 0])
    assert credited(kept, "y", "x").answers == (-2, 1, 1, 0)
    assert credited(kept, "x", "y", k=2).answers == (1, -1, -1, 0)
    assert credited(kept, "x", "y", actions=["purchase"]).answers == (0, 0, 0, 0)

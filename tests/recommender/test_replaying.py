"""From served answers to estimates: the whole way on a small shop whose visitors prefer what one of two models says."""

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
from recommender.off_policy import evaluate
from recommender.recommender import Recommender
from recommender.replaying import ordered_by, tables, usable
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

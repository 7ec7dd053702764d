"""From a log to answers, whole: a shop that states no relation at all, and one user with 100,000 events."""

import numpy as np
import pytest

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Entity, Interaction
from mining.behavior.miner import mine_behavior
from recommender.choosing import build, choose
from recommender.competing import candidates
from recommender.dataset import Dataset
from recommender.histories import Ids
from recommender.recommender import Recommender
from recommender.splits import time_cut

ITEMS = tuple(f"杯 {n:02d}☕" for n in range(30))
SHELF = Ids(ITEMS)


def bought(log, heavy=0):
    """40 users who each buy six of the products of one half, one a day; the heavy one looks at everything in turn."""
    random = np.random.default_rng(0)
    rows = [
        (f"user {user}", ITEMS[15 * (user % 2) + item], 100 * (day + 1) + user, "purchase")
        for user in range(40)
        for day, item in enumerate(random.choice(15, 6, replace=False))
    ]
    rows += [("heavy", ITEMS[n % len(ITEMS)], n % 600, "view") for n in range(heavy)]
    return log(sorted(rows, key=lambda row: row[2]))


def chosen(events):
    """What the closed forms learn where nothing joins two products but behaviour."""
    old, new = events.filter(events["at"].to_numpy() < 500), events.filter(events["at"].to_numpy() >= 500)
    cut = time_cut(Dataset.build(old, items=SHELF, until=500), new)
    return choose(candidates(cut.train, networks=()), cut)


def interactions(events):
    columns = (events[name].to_pylist() for name in ("event_id", "product", "action", "at", "user"))
    return [Interaction(*row) for row in zip(*columns, strict=True)]


@pytest.fixture
def store():
    with MemoryStore() as store:
        store.put([Entity(f"product:{name}", "Product", name) for name in ITEMS], [])
        yield store


def test_a_shop_without_any_relation_answers_everybody(log, store, tmp_path):
    events = bought(log)
    choice = chosen(events)
    artifact = build(choice.model, Dataset.build(events, items=SHELF))
    with EventLog(tmp_path / "events.db") as shown:
        shown.append(interactions(events))
        recommender = Recommender(artifact, store, shown)
        known, nobody = recommender.recommend("user 1", k=30), recommender.recommend("nobody", k=30)
        refused = recommender.why_not(ITEMS[0], "nobody", k=1)
    assert (len(known), len(nobody)) == (24, 30), "six of the thirty were bought"
    assert known[0].origin == artifact.origin
    assert {r.product_id for r in known[:9]} <= {*ITEMS[15:]}, "what people like them buy"
    assert nobody[0].origin == "popularity"
    assert not any(r.reasons for r in (*known, *nobody))
    assert {a.cause for a in refused.against} == {"threshold", "path"}


def test_a_user_with_100_000_events_changes_little_for_others_and_is_answered(log, store, tmp_path):
    events = bought(log, heavy=100_000)
    choice = chosen(events)
    assert not [tried for tried in choice.tried if tried.failed]
    artifact = build(choice.model, Dataset.build(events, items=SHELF))
    with EventLog(tmp_path / "events.db") as shown:
        shown.append(interactions(events))
        recommender = Recommender(artifact, store, shown)
        found = recommender.recommend("user 1", k=9)
        assert {r.product_id for r in found} <= {*ITEMS[15:]}
        assert len(recommender.recommend("heavy", k=30)) == 30
    mined = mine_behavior(events, products=ITEMS)
    pairs = [(fact.head, fact.tail) for fact in mined.facts("BOUGHT_WITH")]
    halves = [{ITEMS.index(end.removeprefix("product:")) // 15 for end in pair} for pair in pairs]
    assert pairs
    assert all(len(half) == 1 for half in halves)

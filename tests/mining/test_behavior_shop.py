"""Behaviour mining on the sample shop, where the truth is known, and in the dialect of a cluster."""

import ibis
import pyarrow as pa
import pytest
from ibis.config import Config

from mining.behavior import cooccurrence, relations, sessions
from mining.behavior.config import BehaviorConfig
from mining.behavior.miner import mine_behavior
from mining.bots import bots
from mining.catalog import graph_of
from mining.samples import sample_products
from mining.samples.simulator import simulate
from mining.samples.truth import load_truth


@pytest.fixture(scope="module")
def truth():
    return load_truth()


@pytest.fixture(scope="module")
def mined(truth):
    products = sample_products()
    events = simulate(products, truth)
    columns = {
        "event_id": [e.event_id for e in events],
        "user": [e.user_id for e in events],
        "session": [e.session_id for e in events],
        "product": [e.product_id for e in events],
        "action": [e.action for e in events],
        "at": [e.at for e in events],
    }
    schema = pa.schema({name: pa.int64() if name == "at" else pa.string() for name in columns})
    table = pa.table(columns, schema=schema)
    leaves = [(p.id, f.tail) for p in products for f in graph_of(p).facts if f.relation == "IN_CATEGORY"]
    # What texts say of pairs that nobody buys yet; without it they look like substitutes.
    stated = [(c["anchor"], c["complement"]) for c in truth["complements"] if c["held_out"]]
    return mine_behavior(table, leaves=leaves, compatible=stated, excluded=bots(table))


def pairs(mined, relation):
    return {
        frozenset((f.head.removeprefix("product:"), f.tail.removeprefix("product:"))) for f in mined.facts(relation)
    }


def test_planted_complements_are_found_and_nothing_else(mined, truth):
    planted = {frozenset((c["anchor"], c["complement"])) for c in truth["complements"] if not c["held_out"]}
    held_out = {frozenset((c["anchor"], c["complement"])) for c in truth["complements"] if c["held_out"]}
    found = pairs(mined, "COMPLEMENTS")
    assert len(found & planted) >= 0.95 * len(found)
    assert len(found & planted) >= 0.85 * len(planted)
    assert not found & held_out


def test_planted_substitutes_are_found_and_no_complement_is_one(mined, truth):
    groups = [group["products"] for group in truth["substitutes"]]
    planted = {frozenset((a, b)) for group in groups for a in group for b in group if a < b}
    complements = {frozenset((c["anchor"], c["complement"])) for c in truth["complements"]}
    found = pairs(mined, "SUBSTITUTE_FOR")
    assert len(found & planted) >= 0.9 * len(planted)
    assert not found & complements


def test_the_planted_bots_are_left_out(mined, truth):
    assert mined.report.set_aside["bot"] > 100 * len(truth["bots"])


class SparkOptions(Config):
    """What ibis's Spark backend registers, which is not installed here."""

    treat_nan_as_null: bool = False


def unbound(name, **columns):
    return ibis.table(columns, name=name)


EVENTS = unbound(
    "events", event_id="string", user="string", session="string", product="string", action="string", at="int64"
)
CODED = unbound("coded", event_id="string", actor="int64", visit="int64", product="int64", action="string", at="int64")
MEMBERS = unbound("members", actor="int64", group="int64", product="int64", at="int64")
LINKS = unbound("links", actor="int64", group="int64", earlier_group="int64")
PAIRS = unbound("pairs", a="int64", b="int64", support="int64", users="int64", weight="int64", n_a="int64", n_b="int64")
LEAVES = unbound("leaves", product="int64", leaf="string")
STATED = unbound("stated", a="int64", b="int64")
COUNTS = unbound("counts", product="int64", n="int64")
CONFIG = BehaviorConfig()
SCORED = cooccurrence.scored(PAIRS, groups=100, config=CONFIG)


@pytest.mark.parametrize(
    "expression",
    [
        sessions.with_actor(EVENTS),
        sessions.coded(EVENTS, "product", into="code"),
        sessions.sessions(CODED, CONFIG.view_actions, gap=1800),
        sessions.baskets(CODED, CONFIG.buy_actions, gap=3600),
        sessions.windows(CODED, CONFIG.buy_actions, length=86_400),
        cooccurrence.sized(MEMBERS),
        cooccurrence.together(MEMBERS, config=CONFIG, last=0),
        cooccurrence.links(MEMBERS, CONFIG),
        cooccurrence.follows(MEMBERS, LINKS, config=CONFIG, last=0),
        cooccurrence.best(SCORED, CONFIG, directed=False),
        relations.complements(SCORED, leaves=LEAVES, compatible=STATED, config=CONFIG),
        relations.substitutes(SCORED, SCORED.view(), COUNTS, leaves=LEAVES, compatible=STATED, config=CONFIG),
    ],
    ids=lambda expression: "-".join(expression.columns[:3]),
)
def test_every_step_can_be_said_to_spark(expression, monkeypatch):
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())
    assert "SELECT" in ibis.to_sql(expression, dialect="pyspark")

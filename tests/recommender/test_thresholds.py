"""Thresholds: fewer than k where scores or facts are not sure enough, and why-not says which one it was."""

import numpy as np
import pytest

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Entity, Evidence, Fact, Interaction
from recommender.artifact import Artifact
from recommender.diversity import Diversity
from recommender.errors import FilterError, RuleError
from recommender.filters import Filters
from recommender.histories import Ids
from recommender.models.relations import Relations
from recommender.reading import read_dataset
from recommender.recommender import Recommender
from recommender.rules import Rule, read_rules
from recommender.scorers import ItemItemScorer, PopularityScorer
from recommender.thresholds import Thresholds

N = 7
NAMES = tuple(f"p{n}" for n in range(N))
PAIRS = (("p0", "p1", 0.9), ("p2", "p0", 0.5), ("p3", "p1", 0.99))
BRANDS = (("p0", 0.9), ("p4", 0.8), ("p5", 0.4))


def said(head, relation, tail, confidence):
    return Fact(head, relation, tail, (Evidence("c", "catalog", confidence),))


@pytest.fixture
def shop(tmp_path):
    """From p0, which ann bought, the model ranks p1, p2, p3 with scores 4, 3, −1; popularity knows p3, p5 and p6 by
    scores of another size; nobody knows p4. Facts join p0 to p1 and p2, and by brand to p4 and p5."""
    things = [Entity(f"product:{n}", "Product", n) for n in NAMES] + [Entity("brand:x", "Brand", "X")]
    facts = [said(f"product:{a}", "COMPLEMENTS", f"product:{b}", c) for a, b, c in PAIRS]
    facts += [said(f"product:{a}", "MADE_BY", "brand:x", c) for a, c in BRANDS]
    items, matrix = Ids(NAMES), np.zeros((N, N), np.float32)
    matrix[0, 1:4] = 4, 3, -1
    popularity = np.array([0, 0, 0, 90, 0, 90, 80], np.float32)
    with MemoryStore() as store, EventLog(tmp_path / "events.db") as log:
        store.put(things, facts)
        log.append([Interaction("e", "p0", "purchase", 1, "ann")])
        term = Relations().fit(read_dataset(store, log))
        model = ItemItemScorer(items, matrix)
        scored = Recommender(
            Artifact((("model", model), ("popularity", PopularityScorer(items, popularity)))), store, log
        )
        related = Recommender(
            Artifact((("relations", term), ("popularity", PopularityScorer(items, popularity)))), store, log
        )
        yield scored, related, store


def names(found):
    return [r.product_id for r in found]


@pytest.mark.parametrize(
    ("least", "expected"),
    [
        (None, ["p1", "p2", "p3", "p5", "p6", "p4"]),
        (3.0, ["p1", "p2", "p5", "p6"]),  # p3 has 90 by popularity, but it is the model that speaks for it
        (3.5, ["p1", "p5", "p6"]),
        (85.0, ["p5"]),
        (0.0, ["p1", "p2", "p5", "p6", "p4"]),
        (-1.0, ["p1", "p2", "p3", "p5", "p6", "p4"]),
        (1e9, []),
    ],
)
def test_a_least_score_is_held_against_whoever_speaks(shop, least, expected):
    for k in range(8):
        found = shop[0].recommend("ann", k=k, thresholds=Thresholds(min_score=least))
        assert names(found) == expected[:k]


@pytest.mark.parametrize(
    ("least", "expected"), [(0.0, "p1 p2 p4 p5"), (0.5, "p1 p2 p4"), (0.8, "p1 p4"), (0.85, "p1"), (0.95, "")]
)
def test_a_least_confidence_asks_for_facts_from_the_history(shop, least, expected):
    """p3 is joined to p1 alone, which is not in the history; a pair of facts is as sure as the weaker one."""
    found = shop[1].recommend("ann", k=9, thresholds=Thresholds(min_confidence=least))
    assert set(names(found)) == set(expected.split())
    assert shop[1].recommend(k=9, thresholds=Thresholds(min_confidence=least)) == []


def test_what_is_touched_and_not_taken_leads_to_others_and_not_to_itself(shop):
    looked = [Interaction("v", "p5", "view", 1), Interaction("b", "p6", "purchase", 0)]
    found = shop[1].recommend(history=looked, k=9, thresholds=Thresholds(min_confidence=0.0))
    assert set(names(found)) == {"p0", "p4"}


def test_a_newcomer_is_led_to_by_its_own_facts(shop):
    related, store = shop[1:]
    store.put([Entity("product:new", "Product", "New")], [said("product:new", "MADE_BY", "brand:x", 0.85)])
    shown = [names(related.recommend("ann", k=9, thresholds=Thresholds(min_confidence=c))) for c in (0.8, 0.87)]
    assert ["new" in found for found in shown] == [True, False]
    assert set(shown[1]) == {"p1"}


def test_why_not_names_the_threshold(shop):
    scored, related, _ = shop
    wish = Thresholds(min_score=3.5)
    low = scored.why_not("p2", "ann", k=9, thresholds=wish)
    assert (low.rank, low.score, low.shown_at) == (2, 3.0, 0)
    assert [(a.cause, a.name, a.detail) for a in low.against if a.cause != "path"] == [
        ("threshold", "min_score", "its score is 3, and 3.5 is the least")
    ]
    assert scored.why_not("p1", "ann", k=9, thresholds=wish).shown_at == 1
    unsure = related.why_not("p5", "ann", thresholds=Thresholds(min_confidence=0.5))
    assert [(a.cause, a.name) for a in unsure.against] == [("threshold", "min_confidence")]
    rule = Rule("sure", "hide", Filters(only=("p2", "p1"), available=False), below=3.5)
    assert [a.name for a in scored.why_not("p2", "ann", rules=[rule]).against if a.cause == "threshold"] == ["sure"]


def test_a_rule_hides_below_a_score_and_nothing_else(shop):
    rule = Rule("sure", "hide", Filters(only=("p1", "p2"), available=False), below=3.5)
    assert names(shop[0].recommend("ann", k=9, rules=[rule])) == ["p1", "p3", "p5", "p6", "p4"]


def test_a_pin_stands_whatever_a_model_says(shop):
    pin = Rule("pin", "pin", Filters(only=("p3", "p4"), available=False))
    found = shop[0].recommend("ann", k=9, rules=[pin], thresholds=Thresholds(min_score=3.5, min_confidence=0.85))
    assert [(r.product_id, r.score) for r in found] == [("p3", -1.0), ("p4", 0.0)]


def test_diversity_orders_what_is_left(shop):
    plain = shop[0].recommend("ann", k=9, thresholds=Thresholds(min_score=3.0))
    other = shop[0].recommend("ann", k=9, thresholds=Thresholds(min_score=3.0), diversity=Diversity("high-diversity"))
    assert {(r.product_id, r.score) for r in plain} == {(r.product_id, r.score) for r in other}


def test_what_is_no_threshold_is_refused(shop):
    for wrong in ({"min_score": float("nan")}, {"min_score": float("inf")}, {"min_confidence": 1.5}):
        with pytest.raises(FilterError, match=next(iter(wrong))):
            Thresholds(**wrong)


@pytest.mark.parametrize(("row", "told"), [('"below": "x"', "below is 'x'"), ('"below": true', "below is True")])
def test_a_rule_with_a_wrong_bar_is_refused_by_name(tmp_path, row, told):
    path = tmp_path / "rules.json"
    path.write_text('{"rules": [{"name": "r", "action": "hide", "products": ["a"], ' + row + "}]}", encoding="utf-8")
    with pytest.raises(RuleError, match=f"rule 'r': {told}"):
        read_rules(path)
    path.write_text('{"rules": [{"name": "r", "action": "hide", "products": ["a"], "below": 0.5}]}', encoding="utf-8")
    assert read_rules(path)[0].below == 0.5

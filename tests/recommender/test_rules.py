"""Business rules: read with errors that name the rule, applied to ranks alone; and why a product is not shown."""

import json
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Entity, Evidence, Fact, Interaction
from recommender.artifact import Artifact
from recommender.diversity import Diversity
from recommender.errors import RuleError, UnknownProduct
from recommender.filters import Filters
from recommender.histories import Ids
from recommender.recommender import Recommender
from recommender.refusing import MOST_BOOSTS
from recommender.rules import Rule, boosted, merged, read_rules
from recommender.scorers import ItemItemScorer, PopularityScorer

N = 8
NAMES = tuple(f"p{n}" for n in range(N))


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    """From p0 the model ranks p1 … p4 with scores 4, 3, −1, −2; popularity knows p5 and p6; nobody knows p7.
    The product "new" came after the training, and nothing is said of it."""
    things = [Entity(f"product:{n}", "Product", n, properties={"price": 10.0 * i}) for i, n in enumerate(NAMES)]
    things += [Entity("product:new", "Product", "New"), Entity("brand:x", "Brand", "X")]
    facts = [Fact("product:p4", "MADE_BY", "brand:x", (Evidence("c", "catalog", 0.9),))]
    items, matrix = Ids(NAMES), np.zeros((N, N), np.float32)
    matrix[0, 1:5] = 4, 3, -1, -2
    popularity = np.array([0, 0, 0, 0, 0, 9, 8, 0], np.float32)
    chain = (("model", ItemItemScorer(items, matrix)), ("popularity", PopularityScorer(items, popularity)))
    folder = tmp_path_factory.mktemp("log")
    with MemoryStore() as store, EventLog(folder / "events.db") as log:
        store.put(things, facts)
        log.append([Interaction("e", "p0", "purchase", 1, "ann")])
        yield Recommender(Artifact(chain), store, log)


def rule(action="pin", *products, name="r", **more):
    return Rule(name, action, Filters(only=products or None, available=False), **more)


def names(found):
    return [r.product_id for r in found]


def test_without_rules_it_is_the_natural_order(recommender):
    assert names(recommender.recommend("ann", k=9)) == [*(f"p{n}" for n in range(1, N)), "new"]


def test_a_pin_stands_at_its_rank_with_its_own_score(recommender):
    found = recommender.recommend("ann", k=9, rules=[rule("pin", "p6", "p7", position=2)])
    assert names(found) == ["p1", "p6", "p7", "p2", "p3", "p4", "p5", "new"]
    assert [(r.origin, r.score, r.moved_by) for r in found[:3]] == [
        ("model", 4.0, ()),
        ("popularity", 8.0, ("rule: r",)),
        ("catalogue", 0.0, ("rule: r",)),
    ]
    assert names(recommender.recommend("ann", k=9, rules=[rule("pin", "p1", position=99)]))[-1] == "p1"


def test_a_pin_passes_no_filter_that_others_do_not(recommender):
    pin = rule("pin", "p6", "p0")
    assert names(recommender.recommend("ann", k=2, rules=[pin], filters=Filters(max_price=45))) == ["p1", "p2"]
    hide = rule("hide", "p6", name="h")
    assert "p6" not in names(recommender.recommend("ann", k=9, rules=[pin, hide]))


def test_two_pins_of_one_rank_stand_in_the_order_of_the_file(recommender):
    two = [rule("pin", "p5", name="a"), rule("pin", "p3", "p5", name="b")]
    found = recommender.recommend("ann", k=3, rules=two)
    assert names(found) == ["p5", "p3", "p1"]
    assert [r.moved_by for r in found] == [("rule: a",), ("rule: b",), ()]


def test_a_boost_changes_ranks_and_no_score(recommender):
    found = recommender.recommend("ann", k=9, rules=[rule("boost", "p2", "p4", by=3.0)])
    assert names(found) == ["p2", "p1", "p4", "p3", "p5", "p6", "p7", "new"]
    assert [r.score for r in found[:4]] == [3.0, 4.0, -2.0, -1.0]
    assert [r.moved_by for r in found[:4]] == [("rule: r",), (), ("rule: r",), ()]
    lowered = recommender.recommend("ann", k=9, rules=[rule("boost", "p1", by=0.5)])
    assert names(lowered)[:2] == ["p2", "p1"]


def test_a_rule_about_an_attribute_that_there_is_not_concerns_nothing(recommender):
    target = Filters(attributes=(("colour", "black"),), available=False)
    for action in ("hide", "boost"):
        found = recommender.recommend("ann", k=9, rules=[Rule("r", action, target, by=2.0)])
        assert found == recommender.recommend("ann", k=9)


some = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple)
rules = st.lists(
    st.builds(
        lambda action, products, position, by: (action, products, position, by),
        st.sampled_from(["pin", "hide", "boost"]),
        some,
        st.integers(1, 10),
        st.sampled_from([0.2, 3.0]),
    ),
    max_size=4,
).map(lambda rows: [rule(a, *ps, name=f"r{i}", position=at, by=by) for i, (a, ps, at, by) in enumerate(rows)])


@settings(deadline=None)  # a busy machine is no failure
@given(rules, st.integers(0, 9), st.sampled_from(["no-diversity", "high-diversity"]))
def test_laws_of_every_set_of_rules(recommender, wanted, k, level):
    plain = {r.product_id: r for r in recommender.recommend("ann", k=9)}
    found = recommender.recommend("ann", k=k, rules=wanted, diversity=Diversity(level))
    gone = {name for r in wanted if r.action == "hide" for name in r.target.only}
    assert len(found) == min(k, len(plain.keys() - gone))
    assert set(names(found)) <= plain.keys() - gone
    assert len(set(names(found))) == len(found)
    assert found == recommender.recommend("ann", k=k + 1, rules=wanted, diversity=Diversity(level))[: len(found)]
    for r in found:
        before = plain[r.product_id]
        assert (r.score, r.origin, r.reasons) == (before.score, before.origin, before.reasons)
    unmoved = [r for r in found if not r.moved_by]
    for _, group in groupby(unmoved, key=lambda r: r.origin):
        scores = [r.score for r in group]
        assert scores == sorted(scores, reverse=True)


@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=9), st.floats(1.0, 9.0))
def test_a_boost_never_lowers(scores, by):
    values = np.array(scores, np.float32)
    everything = np.ones(len(values), bool)
    assert (boosted(values, [(rule("boost", by=by), everything)]) >= values * (1 - 1e-6 * np.sign(values))).all()


@given(st.lists(st.integers(1, 9), max_size=4), st.integers(0, 5), st.integers(0, 12))
def test_merging_loses_nothing_and_keeps_orders(ranks, n, k):
    natural = [f"n{i}" for i in range(n)]
    pinned = [(rank, f"pin{i}") for i, rank in enumerate(sorted(ranks))]
    found = merged(natural, pinned, k)
    assert found == merged(natural, pinned, k + 1)[:k]
    assert len(found) == min(k, n + len(ranks))
    assert [x for x in found if x in natural] == natural[: sum(x in natural for x in found)]
    whole = merged(natural, pinned, 99)
    assert sorted(whole) == sorted([*natural, *(name for _, name in pinned)])
    for rank, name in pinned:
        assert whole.index(name) + 1 >= min(rank, n + 1)


GOOD = {
    "rules": [
        {"name": "夏 🌞", "action": "pin", "products": ["咖啡/机:1?#%"], "position": 2, "from": "2026-06-01"},
        {"name": "recall", "action": "hide", "category": "Coffee > Grinders", "until": "2026-07-01T00:00:00+02:00"},
        {"name": "own", "action": "boost", "brand": "Velkin", "by": 1.5, "attributes": {"color": ["black", "red"]}},
    ]
}


def written(folder, content):
    path = folder / "rules.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_file_of_rules(tmp_path):
    pin, hide, boost = read_rules(written(tmp_path, GOOD))
    assert (pin.name, pin.position, pin.target.only, pin.target.available) == ("夏 🌞", 2, ("咖啡/机:1?#%",), False)
    assert hide.target.category == "category:coffee > grinders"
    assert (boost.target.brand, boost.by) == ("brand:velkin", 1.5)
    assert boost.target.attributes == (("color", "black"), ("color", "red"))
    june, july = 1_780_272_000, 1_782_856_800  # 2026-06-01T00:00Z, 2026-06-30T22:00Z
    assert [pin.holds(june - 1), pin.holds(june), hide.holds(july - 1), hide.holds(july)] == [False, True, True, False]
    assert boost.holds(0)


def one(**fields):
    return {"rules": [{"name": "sale", "action": "boost", "products": ["a"], "by": 2} | fields]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "field 'rules'"),
        ({"rules": [7]}, "rule number 1: expected an object, found int"),
        ({"rules": [{"action": "hide"}]}, "rule number 1: expected a 'name'"),
        ({"rules": one()["rules"] * 2}, "rule 'sale': another rule has the same name"),
        (one(action="sink"), "rule 'sale': action is 'sink'; expected one of pin, hide, boost"),
        (one(postion=1), "rule 'sale': unknown field 'postion'"),
        (one(position=1), "rule 'sale': unknown field 'position'"),
        (one(by=0), "rule 'sale': by is 0; expected a factor"),
        (one(by=True), "rule 'sale': by is True; expected a number"),
        (one(by=10**400), "rule 'sale': by is out of bounds"),
        (
            '{"rules": [{"name": "sale", "action": "boost", "brand": "x", "by": NaN}]}',
            "rule 'sale': by is out of bounds",
        ),
        (one(products=[]), r"rule 'sale': products is \[\]; expected a list of texts"),
        (one(products="a"), "rule 'sale': products is 'a'"),
        (one(brand=3), "rule 'sale': brand is 3"),
        (one(attributes=["black"]), "rule 'sale': attributes is"),
        (one(min_price=5, max_price=4), "rule 'sale': min_price 5 lies above"),
        (one(**{"from": "soon"}), "rule 'sale': from is 'soon'; expected ISO 8601"),
        (one(**{"from": 5}), "rule 'sale': from is 5; expected ISO 8601"),
        (one(**{"from": "2026-02-01", "until": "2026-01-01"}), "rule 'sale': from 2026-02-01 is not before until"),
        ({"rules": [{"name": "all", "action": "hide"}]}, "rule 'all': concerns every product"),
        ({"rules": [{"name": "p", "action": "pin", "brand": "x"}]}, "rule 'p': a pin names its 'products'"),
        ({"rules": [{"name": "p", "action": "pin", "products": ["a"], "position": 0}]}, "rule 'p': position is 0"),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_the_rule(tmp_path, content, message):
    with pytest.raises(RuleError, match=message):
        read_rules(written(tmp_path, content))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RuleError, match="cannot be read"):
        read_rules(tmp_path / "none.json")


NO_FACTS = ("path", "facts")
"""What is always said where the model knows no relation."""


def against(found):
    return [(a.cause, a.name) for a in found.against]


def test_why_not_names_filters_and_rules_and_the_rank_without_them(recommender):
    found = recommender.why_not(
        "p2", "ann", filters=Filters(max_price=15, brand="brand:x"), rules=[rule("hide", "p2", name="recall")]
    )
    assert against(found) == [("filter", "brand"), ("filter", "max_price"), ("rule", "recall"), NO_FACTS]
    assert (found.shown_at, found.rank, found.score, found.origin) == (0, 1, 3.0, "model")
    assert against(recommender.why_not("p0", "ann")) == [("filter", "exclude_seen"), NO_FACTS]
    assert "the model knows no relation between products" in found.against[-1].detail


def test_why_not_names_the_threshold(recommender):
    found = recommender.why_not("p3", "ann", k=2)
    assert (found.rank, found.score, against(found)) == (3, -1.0, [("threshold", "rank 2"), NO_FACTS])
    assert found.against[0].detail == "ranked by -1, it is number 3; number 2 has 3"
    other = recommender.why_not("p7", "ann", k=6)
    assert (other.rank, other.origin) == (7, "catalogue")
    assert "catalogue speaks only after popularity, which has number 6" in other.against[0].detail


def test_why_not_of_what_is_shown(recommender):
    found = recommender.why_not("p1", "ann", rules=[rule("pin", "p6")])
    assert (found.shown_at, found.rank, found.against) == (2, 1, ())


def test_why_not_names_the_rule_whose_pin_takes_the_place(recommender):
    found = recommender.why_not("p1", "ann", k=1, rules=[rule("pin", "p6", name="hero")])
    assert against(found) == [("rule", "hero"), NO_FACTS]
    assert against(recommender.why_not("p1", "ann", k=2, rules=[rule("boost", "p2", "p3", by=9.0)])) == []


def test_why_not_names_the_boost_that_lowers_or_lifts_others_and_none_that_matters_not(recommender):
    idle = rule("boost", "p4", by=1.5, name="idle")
    lowered = recommender.why_not("p1", "ann", k=1, rules=[rule("boost", "p1", by=0.01, name="down"), idle])
    assert against(lowered) == [("threshold", "rank 1"), ("rule", "down"), NO_FACTS]
    assert lowered.against[1].detail == "it lowers this product; it would be shown without this rule"
    passed = recommender.why_not("p1", "ann", k=1, rules=[idle, rule("boost", "p2", by=100.0, name="up")])
    assert against(passed) == [("threshold", "rank 1"), ("rule", "up"), NO_FACTS]
    assert "lifts products above this one" in passed.against[1].detail
    two = [rule("boost", "p2", by=9.0, name="a"), rule("boost", "p2", by=9.0, name="b")]
    assert against(recommender.why_not("p1", "ann", k=1, rules=two))[1:3] == [("rule", "a"), ("rule", "b")]
    many = [rule("boost", "p2", by=1.5, name=f"n{n}") for n in range(MOST_BOOSTS + 1)]
    assert against(recommender.why_not("p1", "ann", k=1, rules=many))[1:-1] == [("rule", r.name) for r in many]
    assert against(recommender.why_not("p3", "ann", k=1, rules=two)) == [("threshold", "rank 1"), NO_FACTS]


def test_why_not_for_someone_without_a_history(recommender):
    found = recommender.why_not("p1", "nobody", k=2)
    assert (found.origin, against(found)) == ("catalogue", [("threshold", "rank 2"), ("path", "history")])


def test_why_not_of_a_newcomer_and_of_no_product(recommender):
    found = recommender.why_not("new", "ann", k=2)
    assert found.origin == "catalogue"
    assert ("threshold", "rank 2") in against(found)
    with pytest.raises(UnknownProduct, match="'gone'"):
        recommender.why_not("gone", "ann")


@settings(deadline=None)  # a busy machine is no failure
@given(st.sampled_from(NAMES), rules, st.integers(1, 8), st.sampled_from(["no-diversity", "high-diversity"]))
def test_what_is_not_shown_has_something_against_it(recommender, name, wanted, k, level):
    request = {"k": k, "rules": wanted, "diversity": Diversity(level)}
    shown = {r.product_id: r.rank for r in recommender.recommend("ann", **request)}
    found = recommender.why_not(name, "ann", **request)
    assert found.shown_at == shown.get(name, 0)
    assert bool(found.against) == (name not in shown)
    assert found.rank >= 1

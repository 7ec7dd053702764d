"""Behaviour mining against a definition in plain Python, and against pairs that were planted."""

import math
import random
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg import ids
from kg.schema import SHOP
from mining.behavior.config import DAY, BehaviorConfig
from mining.behavior.miner import MinedBehavior, mine_behavior
from mining.behavior.relations import RELATIONS, source
from mining.errors import ConfigurationError

HOUR = 3_600
START = 1_700_000_000


@dataclass(frozen=True)
class Event:
    id: str
    user: str | None
    session: str | None
    product: str
    action: str
    at: int


def table(events):
    columns = {
        "event_id": [e.id for e in events],
        "user": [e.user for e in events],
        "session": [e.session for e in events],
        "product": [e.product for e in events],
        "action": [e.action for e in events],
        "at": [e.at for e in events],
        "value": [None] * len(events),
        "ordered": list(range(len(events))),
    }
    text = pa.string()
    types = [text, text, text, text, text, pa.int64(), pa.float64(), pa.int64()]
    return pa.table(columns, schema=pa.schema(list(zip(columns, types, strict=True))))


def log(*rows):
    """Events from (user, session, product, action, at)."""
    return [Event(f"e{i:05d}", *row) for i, row in enumerate(rows)]


# --- the definition, by brute force -------------------------------------------------------------------------------


@dataclass
class Group:
    actor: str
    at: int
    products: set[str] = field(default_factory=set)


def actors(events):
    users = defaultdict(set)
    for e in events:
        if e.session is not None and e.user is not None:
            users[e.session].add(e.user)
    named = []
    for e in events:
        alone = e.session is not None and len(users[e.session]) <= 1
        user = e.user or (next(iter(users[e.session]), None) if alone else None)
        visit = None if e.session is None else (e.session, None if alone else e.user)
        actor = ("user", user) if user else ("visit", visit) if visit else ("event", e.id)
        named.append((actor, visit, e))
    return named


def runs(rows, gap):
    """[(actor, event)] → groups of events of one actor without a silence longer than ``gap``."""
    by_actor = defaultdict(list)
    for actor, event in rows:
        by_actor[actor].append(event)
    for actor, mine in by_actor.items():
        last = None
        for event in sorted(mine, key=lambda e: e.at):
            if last is None or event.at - last.at > gap:
                group = Group(actor, event.at)
                yield group
            group.products.add(event.product)
            group.at = max(group.at, event.at)
            last = event


def session_groups(events, config):
    rows = [(actor, visit, e) for actor, visit, e in actors(events) if e.action in config.view_actions]
    given = {}
    for actor, visit, e in rows:
        if visit is not None:
            group = given.setdefault(visit, Group(actor, e.at))
            group.products.add(e.product)
            group.at = max(group.at, e.at)
    return [*given.values(), *runs([(actor, e) for actor, visit, e in rows if visit is None], config.session_gap)]


def basket_groups(events, config):
    """(checkouts, baskets)"""
    named = actors(events)
    bought = [(actor, e) for actor, _, e in named if e.action in config.buy_actions]
    bought = bought or [(actor, e) for actor, _, e in named if e.action in config.fallback_buy_actions]
    checkouts = list(runs(bought, config.basket_gap))
    fitting = [g for g in checkouts if len(g.products) <= config.max_basket]
    joint = sum(len(g.products) for g in fitting if len(g.products) > 1)
    if joint >= config.min_joint_share * sum(len(g.products) for g in fitting):
        return fitting, fitting
    wide = {}
    for actor, e in bought:
        group = wide.setdefault((actor, e.at // config.user_window), Group(actor, e.at))
        group.products.add(e.product)
        group.at = max(group.at, e.at)
    return fitting, [g for g in wide.values() if len(g.products) <= config.max_basket]


def bound(successes, trials, z):
    p = successes / trials
    spread = math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return (p + z * z / (2 * trials) + z * spread) / (1 + z * z / trials)


def statistics(joint, n, n_a, n_b, config, last):
    """``joint``: [(actor, at)], the groups that count for the pair."""
    support, users = len(joint), len({actor for actor, _ in joint})
    lift = support * n / (n_a * n_b)
    low = bound(users, n, -config.z)
    belief = math.log(low * n * n / (n_a * n_b)) / -math.log(low)
    return {
        "support": support,
        "users": users,
        "confidence": support / n_a,
        "lift": lift,
        "pmi": math.log(lift),
        "npmi": math.log(lift) / -math.log(support / n) if support < n else 0.0,
        "decay": sum(2 ** (-(last - at) / config.half_life) for _, at in joint) / support,
        "belief": min(1.0, max(0.0, belief)),
    }


def together(groups, config, last):
    groups = [g for g in groups if len(g.products) <= config.max_basket]
    n_of, joint = defaultdict(int), defaultdict(list)
    for g in groups:
        for product in g.products:
            n_of[product] += 1
        for pair in combinations(sorted(g.products), 2):
            joint[pair].append((g.actor, g.at))
    return {p: statistics(j, len(groups), n_of[p[0]], n_of[p[1]], config, last) for p, j in joint.items()}, n_of


def follows(checkouts, config, last):
    by_actor = defaultdict(list)
    for g in checkouts:
        by_actor[g.actor].append(g)
    before_of, after_of, joint, n = defaultdict(int), defaultdict(int), defaultdict(list), 0
    for mine in by_actor.values():
        mine.sort(key=lambda g: g.at)
        for i, g in enumerate(mine):
            near = [h for h in mine[max(0, i - config.after_baskets) : i] if g.at - h.at <= config.after_window]
            if not near:
                continue
            n += 1
            earlier = set().union(*(h.products for h in near))
            for a in earlier:
                before_of[a] += 1
            for b in g.products:
                after_of[b] += 1
            for a in earlier:
                for b in g.products - {a}:
                    joint[a, b].append((g.actor, g.at))
    return {p: statistics(j, n, before_of[p[0]], after_of[p[1]], config, last) for p, j in joint.items()}


def kept(pairs, config):
    return {
        p: s
        for p, s in pairs.items()
        if s["support"] >= config.min_support
        and s["users"] >= config.min_users
        and s["belief"] >= config.min_confidence
    }


def expected(events, config, leaves, compatible):
    if not events:
        return {relation: {} for relation in RELATIONS}
    last = max(e.at for e in events)
    leaf = dict(leaves)
    views, _ = together(session_groups(events, config), config, last)
    checkouts, baskets = basket_groups(events, config)
    buys, bought = together(baskets, config, last)
    strong_buys, strong_views = kept(buys, config), kept(views, config)
    substitutes, complements = {}, {}
    for (a, b), s in strong_views.items():
        fewer = min(bought[a], bought[b])
        if (a, b) in compatible or (b, a) in compatible:
            continue
        if leaf.get(a) is None or leaf.get(a) != leaf.get(b) or (a, b) in strong_buys or not fewer:
            continue
        belief = s["belief"] * (1 - bound(buys.get((a, b), {}).get("users", 0), fewer, config.z))
        if belief >= config.min_confidence:
            substitutes[a, b] = {**s, "belief": belief}
    for (a, b), s in strong_buys.items():
        x, y = leaf.get(a), leaf.get(b)
        apart = x and y and x != y and not x.startswith(y + " > ") and not y.startswith(x + " > ")
        if apart or (a, b) in compatible or (b, a) in compatible:
            complements[a, b] = s
    later = kept(follows(checkouts, config, last), config)
    return dict(zip(RELATIONS, (strong_buys, strong_views, later, substitutes, complements), strict=True))


def found(mined: MinedBehavior):
    """{relation: {(a, b): statistics}} as the facts tell it."""
    told = {}
    for relation in RELATIONS:
        told[relation] = {}
        for fact in mined.facts(relation):
            (evidence,) = fact.evidence
            pair = (ids.product_id(fact.head), ids.product_id(fact.tail))
            told[relation][pair] = {**evidence.counts, "belief": evidence.confidence}
    return told


SMALL = BehaviorConfig(
    max_basket=4, min_users=1, min_confidence=0.0, top=1_000, after_window=2 * DAY, after_baskets=2, half_life=DAY
)
EVENTS = st.lists(
    st.builds(
        Event,
        id=st.uuids().map(str),
        user=st.sampled_from([None, "u1", "u2", "u3", "小明"]),
        session=st.sampled_from([None, None, "s1", "s2"]),
        product=st.sampled_from(["a", "b", "c", "口红", "é", "z"]),
        action=st.sampled_from(["view", "click", "cart", "purchase", "purchase", "rating"]),
        at=st.sampled_from([START + h * HOUR // 2 for h in (0, 1, 2, 3, 5, 30, 60, 90, 200)]),
    ),
    max_size=80,
    unique_by=lambda e: e.id,
)
LEAVES = [("a", "category:x > y"), ("b", "category:x > y"), ("c", "category:x > z"), ("口红", "category:x"), ("é", "w")]


@settings(max_examples=8, deadline=None)
@given(events=EVENTS, shuffle=st.randoms(use_true_random=False))
def test_mining_is_its_definition(events, shuffle):
    compatible = [("z", "a"), ("b", "a")]
    config = SMALL
    wanted = expected(events, config, LEAVES, compatible)
    shuffle.shuffle(events)
    told = found(mine_behavior(table(events), leaves=LEAVES, compatible=compatible, config=config))
    for relation in RELATIONS:
        assert sorted(told[relation]) == sorted(wanted[relation]), relation
        for pair, statistics_ in wanted[relation].items():
            for name, value in statistics_.items():
                assert told[relation][pair][name] == pytest.approx(value, abs=2e-6), (relation, pair, name)


# --- planted pairs ------------------------------------------------------------------------------------------------


def shop(seed=0):
    """200 people; razor & blades are bought together, red & blue lipsticks are compared and one is bought."""
    rng = random.Random(seed)
    fillers = [f"filler{i}" for i in range(30)]
    rows = []
    for i in range(200):
        user, at = f"user{i}", START + i * 2 * DAY
        rows += [(user, None, product, "view", at + k * 60) for k, product in enumerate(rng.sample(fillers, 3))]
        rows += [(user, None, product, "purchase", at + 300) for product in rng.sample(fillers, 2)]
        if i % 4 == 0:
            rows += [(user, None, "razor", "purchase", at + 310), (user, None, "blades", "purchase", at + 320)]
        if i % 4 == 1:
            rows += [(user, None, "lipstick red", "view", at), (user, None, "lipstick blue", "view", at + 60)]
            rows.append((user, None, rng.choice(["lipstick red", "lipstick blue"]), "purchase", at + 900))
        if i % 4 == 2:
            rows.append((user, None, "printer", "purchase", at))
            rows.append((user, None, "ink", "purchase", at + 40 * DAY))
        if i % 4 == 3:
            rows.append((user, None, fillers[i % 30], "purchase", at + 40 * DAY))
    return log(*rows)


SHOP_LEAVES = [
    ("razor", "category:care > razors"),
    ("blades", "category:care > blades"),
    ("lipstick red", "category:makeup > lips"),
    ("lipstick blue", "category:makeup > lips"),
    *((f"filler{i}", "category:fillers") for i in range(30)),
]


@pytest.fixture(scope="module")
def mined():
    return mine_behavior(table(shop()), leaves=SHOP_LEAVES)


def planted_first(mined, relation):
    ranked = sorted(found(mined)[relation].items(), key=lambda item: -item[1]["belief"])
    return ranked[0][0]


def test_planted_complements_are_found_first(mined):
    assert list(found(mined)["COMPLEMENTS"]) == [("blades", "razor")]
    assert planted_first(mined, "BOUGHT_WITH") == ("blades", "razor")


def test_planted_substitutes_are_found_and_not_called_complements(mined):
    assert list(found(mined)["SUBSTITUTE_FOR"]) == [("lipstick blue", "lipstick red")]


def test_bought_after_keeps_the_direction(mined):
    told = found(mined)["BOUGHT_AFTER"]
    assert planted_first(mined, "BOUGHT_AFTER") == ("printer", "ink")
    assert ("ink", "printer") not in told


def test_every_relation_is_in_the_schema_and_says_its_window(mined):
    events = shop()
    for relation in RELATIONS:
        SHOP.check(relation, "Product", "Product")
        for fact in mined.facts(relation, run="r1"):
            (evidence,) = fact.evidence
            assert (evidence.source, evidence.method, evidence.run) == (source(relation), "behavior", "r1")
            assert evidence.at == max(e.at for e in events) == evidence.counts["to"]
            assert evidence.counts["from"] == START
            assert relation == "BOUGHT_AFTER" or fact.head < fact.tail


def test_facts_come_sorted(mined):
    for relation in RELATIONS:
        triples = [fact.triple for fact in mined.facts(relation)]
        assert triples == sorted(triples)


def test_order_of_rows_changes_nothing(mined):
    events = shop()
    random.Random(1).shuffle(events)
    again = mine_behavior(table(events), leaves=SHOP_LEAVES[::-1])
    for relation in RELATIONS:
        assert again.pairs[relation] == mined.pairs[relation]


def test_until_is_the_log_cut_there():
    events = shop()
    until = START + 150 * DAY
    seen = mine_behavior(table(events), leaves=SHOP_LEAVES, until=until)
    cut = mine_behavior(table([e for e in events if e.at < until]), leaves=SHOP_LEAVES)
    assert seen.window == cut.window
    assert seen.window.last < until
    assert seen.report.set_aside == {"at or after until": sum(e.at >= until for e in events)}
    for relation in RELATIONS:
        assert seen.pairs[relation] == cut.pairs[relation]
        assert all(fact.before(until) is not None for fact in seen.facts(relation))


def test_bots_leave_no_trace(mined):
    bots = [
        Event(f"bot{b}-{i}", f"bot{b}", None, product, action, START + b * DAY + i)
        for b in range(5)
        for i, (product, action) in enumerate([("razor", "purchase"), ("filler1", "purchase"), ("razor", "view")] * 5)
    ]
    told = mine_behavior(table(shop() + bots), leaves=SHOP_LEAVES, excluded={f"bot{b}" for b in range(5)})
    assert told.report.set_aside == {"bot": len(bots)}
    for relation in RELATIONS:
        assert told.pairs[relation] == mined.pairs[relation]


def test_one_busy_buyer_is_no_fact():
    rows = [("one", None, p, "purchase", START + d * DAY) for d in range(50) for p in ("a", "b")]
    rows += [(f"u{i}", None, f"x{i % 7}", "purchase", START + i) for i in range(50)]
    mined = mine_behavior(table(log(*rows)))
    assert mined.report.pairs["BOUGHT_WITH"] == 1
    assert found(mined)["BOUGHT_WITH"] == {}


def test_oversized_baskets_are_skipped_and_counted():
    rows = [(f"u{i}", None, p, "purchase", START + i * DAY) for i in range(20) for p in "ab"]
    rows += [(f"u{i}", None, "c", "purchase", START + i * DAY) for i in range(20, 60)]
    rows += [("reseller", None, f"p{i}", "purchase", START) for i in range(51)]
    mined = mine_behavior(table(log(*rows)))
    assert mined.report.oversized == {"baskets": 1}
    assert (mined.report.baskets, mined.report.pairs["BOUGHT_WITH"]) == (60, 1)


def test_unknown_products_are_counted_not_mined():
    told = mine_behavior(table(shop()), products={"razor", "blades", *(f"filler{i}" for i in range(30))})
    assert set(told.report.set_aside) == {"unknown product"}
    assert ("blades", "razor") in found(told)["BOUGHT_WITH"]
    assert not any("lipstick" in name for pair in found(told)["VIEWED_WITH"] for name in pair)


# --- rules --------------------------------------------------------------------------------------------------------


def test_days_are_baskets_where_time_is_whole_days():
    day = START // DAY * DAY
    rows = [(f"u{i}", None, p, "purchase", day + (i % 3) * DAY) for i in range(12) for p in "ab"]
    rows += [(f"u{i}", None, "c", "purchase", day + (i % 3 + 1) * DAY) for i in range(12)]
    report = mine_behavior(table(log(*rows))).report
    assert (report.basket_rule, report.baskets) == ("gap", 24)


def test_single_item_checkouts_fall_back_to_user_windows():
    rows = [
        (f"u{i}", None, p, "purchase", START + i * HOUR + k * 7 * HOUR) for i in range(30) for k, p in enumerate("ab")
    ]
    rows += [(f"v{i}", None, f"x{i % 5}", "purchase", START + i * HOUR) for i in range(60)]
    mined = mine_behavior(table(log(*rows)))
    assert mined.report.basket_rule == "user window"
    assert found(mined)["BOUGHT_WITH"]["a", "b"]["support"] == 30


def test_ratings_are_purchases_only_where_there_are_none():
    rated = log(*[(f"u{i}", None, p, "rating", START + i * DAY) for i in range(9) for p in "ab"])
    rated += [Event(f"x{i}", f"w{i}", None, f"c{i % 4}", "rating", START + i) for i in range(20)]
    mined = mine_behavior(table(rated))
    assert mined.report.buy_actions == ("rating",)
    assert found(mined)["BOUGHT_WITH"]["a", "b"]["support"] == 9
    bought = [*rated, Event("one", "u1", None, "a", "purchase", START)]
    assert mine_behavior(table(bought)).report.buy_actions == ("purchase",)


def test_a_session_id_that_people_share_is_no_session_of_all_of_them():
    rows = [(f"u{i}", "1", "ab"[i % 2], "view", START + i) for i in range(40)]
    report = mine_behavior(table(log(*rows))).report
    assert (report.sessions, report.pairs["VIEWED_WITH"]) == (40, 0)


def test_a_session_that_logs_in_late_is_one_session():
    rows = []
    for i in range(10):
        rows += [(None, f"s{i}", "a", "view", START + i), (f"u{i}", f"s{i}", "b", "view", START + i + 5)]
    rows += [(None, f"t{i}", "c", "view", START) for i in range(30)]
    mined = mine_behavior(table(log(*rows)))
    assert found(mined)["VIEWED_WITH"]["a", "b"]["users"] == 10


def test_a_nested_leaf_is_neither_same_nor_different():
    rows = [(f"u{i}", None, p, "purchase", START + i * DAY) for i in range(20) for p in "ab"]
    rows += [(f"u{i}", None, f"c{i % 9}", "purchase", START + i * DAY) for i in range(20, 80)]
    leaves = [("a", "category:camera"), ("b", "category:camera > lens")]
    assert found(mine_behavior(table(log(*rows)), leaves=leaves))["COMPLEMENTS"] == {}
    stated = mine_behavior(table(log(*rows)), leaves=leaves, compatible=[("b", "a")])
    assert list(found(stated)["COMPLEMENTS"]) == [("a", "b")]


def test_top_keeps_a_pair_that_either_side_wants():
    rows = []
    for i in range(12):  # a with b0..b5, each b with a alone
        rows += [(f"u{i}", None, p, "purchase", START + i * DAY) for p in ("a", f"b{i % 6}")]
    rows += [(f"v{i}", None, f"c{i % 9}", "purchase", START + i * HOUR) for i in range(60)]
    mined = mine_behavior(table(log(*rows)), config=BehaviorConfig(top=1, min_confidence=0.0))
    assert len(found(mined)["BOUGHT_WITH"]) == 6


def test_newer_pairs_win_the_last_place():
    rows = []
    for i in range(10):
        rows += [(f"u{i}", None, p, "purchase", START + i) for p in ("a", "old")]
        rows += [(f"v{i}", None, p, "purchase", START + 800 * DAY + i) for p in ("a", "new")]
    rows += [(f"w{i}", None, f"c{i % 9}", "purchase", START + i * DAY) for i in range(60)]
    told = found(mine_behavior(table(log(*rows))))["BOUGHT_WITH"]
    assert told["a", "new"]["decay"] > 0.99
    assert told["a", "old"]["decay"] < 0.25
    assert told["a", "new"]["belief"] == told["a", "old"]["belief"]


def test_nothing_in_nothing_out():
    mined = mine_behavior(table([]))
    assert mined.window is None
    assert all(not list(mined.facts(relation)) for relation in RELATIONS)


@pytest.mark.parametrize("wrong", [{"top": 0}, {"max_basket": 1}, {"min_confidence": 1.5}, {"session_gap": 0}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(ConfigurationError, match="BehaviorConfig"):
        BehaviorConfig(**wrong)

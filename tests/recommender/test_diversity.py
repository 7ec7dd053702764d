"""Diversity: known answers, the definition of MMR by brute force, and what never changes: scores and reasons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Entity, Evidence, Fact, Interaction
from recommender.artifact import Artifact
from recommender.diversity import NOTHING, POOL, Diversity, codes, level_for
from recommender.explanation import contributions
from recommender.filters import Filters
from recommender.histories import UserState
from recommender.models.relations import Relations
from recommender.reading import read_dataset
from recommender.recommender import Recommender
from recommender.scorers import PopularityScorer

LEVELS = ("low-diversity", "medium-diversity", "high-diversity")
TRADE_OFF = dict(zip(LEVELS, (0.85, 0.7, 0.5), strict=True))
CAPS = dict(zip(LEVELS, (3, 2, 1), strict=True))
code = st.lists(st.integers(NOTHING, 2), min_size=8, max_size=8)


def alike(traits, one, two):
    return sum(t[one] == t[two] != NOTHING for t in traits) / len(traits)


@given(st.lists(st.integers(-5, 5), min_size=8, max_size=8), code, code, code, st.sampled_from(LEVELS))
def test_by_data_it_is_mmr(scores, category, brand, way, level):
    traits = [np.array(codes_) for codes_ in (category, brand, way)]
    values = np.array(sorted(scores, reverse=True), float)
    span = values.max() - values.min()
    relevance = (values - values.min()) / span if span else np.ones(8)
    expected, left = [], list(range(8))
    while left:
        gains = {
            i: TRADE_OFF[level] * relevance[i]
            - (1 - TRADE_OFF[level]) * max((alike(traits, i, j) for j in expected), default=0.0)
            for i in left
        }
        best = max(gains.values())
        expected.append(min(i for i, gain in gains.items() if gain == pytest.approx(best, abs=1e-12)))
        left.remove(expected[-1])
    found = Diversity(level).order(level, values, ["model"] * 8, traits)
    assert sorted(found) == list(range(8))
    assert found[0] == 0
    if found != expected:  # gains that differ by rounding only may take either turn; what they gain is the same
        first = next(i for i in range(8) if found[i] != expected[i])
        done = found[:first]

        def gain(i):
            near = max((alike(traits, i, j) for j in done), default=0.0)
            return TRADE_OFF[level] * relevance[i] - (1 - TRADE_OFF[level]) * near

        assert gain(found[first]) == pytest.approx(gain(expected[first]), abs=1e-9)


@given(code, st.sampled_from(LEVELS), st.integers(1, 8))
def test_by_rule_a_category_has_its_share_until_others_had_theirs(category, level, k):
    kind = Diversity(level, "rule-based-diversity")
    order = kind.order(level, np.zeros(8), ["model"] * 8, [np.array(category)] * 3)
    assert sorted(order) == list(range(8))
    counts = {c: sum(category[i] == c for i in order[:k]) for c in set(category) - {NOTHING}}
    for name, count in counts.items():
        if count > CAPS[level]:
            waiting = [category[i] for i in order[k:]]
            assert NOTHING not in waiting
            assert all(counts[other] >= CAPS[level] for other in waiting), (name, order)
        mine = [i for i in order if category[i] == name]
        assert mine == sorted(mine)


def test_an_origin_ends_before_the_next_one_begins():
    same = np.zeros(4, np.int64)
    order = Diversity("high-diversity").order(
        "high-diversity", np.array([0.2, 0.1, 90.0, 80.0]), ["model", "model", "popularity", "popularity"], [same] * 3
    )
    assert set(order[:2]) == {0, 1}


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        ([], "medium-diversity"),
        (["a"], "medium-diversity"),
        ([None, None], "medium-diversity"),
        (["a"] * 5, "low-diversity"),
        (["a", "a", "b"], "medium-diversity"),
        (["a", "b", "c"], "high-diversity"),
    ],
)
def test_auto_takes_the_level_from_the_history(categories, expected):
    assert level_for(Diversity("auto-diversity"), categories) == expected
    assert level_for(Diversity("low-diversity"), categories) == "low-diversity"


def test_codes_tell_equal_names_and_nothing():
    assert codes(["a", None, "b", "a"]).tolist() == [0, NOTHING, 1, 0]


N = 24


def fact(head, relation, tail, confidence=0.9):
    return Fact(head, relation, tail, (Evidence("catalog", "catalog", confidence),))


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    """``have`` is bought with twelve products of one category, the strongest, and viewed with twelve of others."""
    names = [f"p{n:02d}" for n in range(N)]
    things = [Entity("product:have", "Product", "Have")]
    things += [Entity(f"product:{n}", "Product", n) for n in names]
    things += [Entity(f"category:{n}", "Category", str(n)) for n in range(4)]
    facts = [fact("product:have", "IN_CATEGORY", "category:0")]
    for n, name in enumerate(names):
        facts.append(fact(f"product:{name}", "IN_CATEGORY", f"category:{0 if n < 12 else n % 3 + 1}"))
        if n < 12:
            facts.append(fact("product:have", "BOUGHT_WITH", f"product:{name}", 0.9 - n / 100))
        else:
            facts.append(fact("product:have", "VIEWED_WITH", f"product:{name}", 0.8 - n / 100))
    folder = tmp_path_factory.mktemp("log")
    with MemoryStore() as store, EventLog(folder / "events.db") as log:
        store.put(things, facts)
        log.append([Interaction("e", "have", "purchase", 1, "ann")])
        data = read_dataset(store, log.table(), allow_undated=True)
        scorer = Relations().fit(data)
        popular = PopularityScorer(data.items, np.ones(len(data.items), np.float32))
        yield Recommender(Artifact((("relations", scorer), ("popularity", popular))), store, log)


everything = st.builds(
    Diversity,
    level=st.sampled_from(["no-diversity", *LEVELS, "auto-diversity"]),
    kind=st.sampled_from(["rule-based-diversity", "data-driven-diversity"]),
)


@settings(deadline=None)  # a busy machine is no failure
@given(everything, st.integers(0, N + 3))
def test_only_ranks_change(recommender, diversity, k):
    plain = {r.product_id: r for r in recommender.recommend("ann", k=99)}
    found = recommender.recommend("ann", k=k, diversity=diversity)
    assert [r.rank for r in found] == list(range(1, min(k, len(plain)) + 1))
    assert len({r.product_id for r in found}) == len(found)
    assert found == recommender.recommend("ann", k=k + 1, diversity=diversity)[: len(found)]
    for r in found:
        before = plain[r.product_id]
        assert (r.score, r.origin, r.reasons) == (before.score, before.origin, before.reasons)
        assert bool(r.moved_by) == (r.rank != before.rank)
    if not diversity:
        assert found == list(plain.values())[:k]


def test_contributions_still_add_up(recommender):
    user = UserState("ann", (Interaction("e", "have", "purchase", 1, "ann"),))
    scorer = recommender.artifact.chain[0][1]
    moved = [r for r in recommender.recommend("ann", k=6, diversity=Diversity("high-diversity")) if r.moved_by]
    assert moved
    for r in moved:
        assert r.moved_by == ("high-diversity",)
        assert sum(c.value for c in contributions(scorer, user, r.product_id)) == pytest.approx(r.score, abs=1e-6)
        assert sum(reason.contribution for reason in r.reasons) == pytest.approx(r.score, abs=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_a_rule_caps_the_categories_of_a_page(recommender, level):
    diversity = Diversity(level, "rule-based-diversity")
    found = recommender.recommend("ann", k=4 * CAPS[level], diversity=diversity)
    places = [next(recommender._reader.facts(head=f"product:{r.product_id}", relation="IN_CATEGORY")) for r in found]
    assert sorted(fact.tail for fact in places) == sorted(f"category:{n}" for n in range(4) for _ in range(CAPS[level]))


def test_more_level_more_kinds(recommender):
    def kinds(level):
        found = recommender.recommend("ann", k=8, diversity=Diversity(level))
        return len(
            {
                recommender._present.now().shelf.tail("IN_CATEGORY", recommender.artifact.items.get(r.product_id))
                for r in found
            }
        )

    shown = [kinds(level) for level in ("no-diversity", *LEVELS)]
    assert shown == sorted(shown)
    assert shown[0] < shown[-1]


def test_filters_are_as_exact_with_it(recommender):
    wanted = Filters(category="category:1", exclude=["p13"])
    plain = {r.product_id for r in recommender.recommend("ann", k=99, filters=wanted)}
    found = recommender.recommend("ann", k=99, filters=wanted, diversity=Diversity("high-diversity"))
    assert {r.product_id for r in found} == plain
    assert POOL >= 100

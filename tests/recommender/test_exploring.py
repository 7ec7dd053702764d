"""Exploration: propensities are those of the draw, filters, rules and pins hold, and the same seed draws again."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Entity, Interaction
from recommender.artifact import Artifact
from recommender.diversity import Diversity
from recommender.errors import ConfigurationError
from recommender.exploring import MOVED, Draw, Exploration, propensities, weights
from recommender.filters import Filters
from recommender.histories import Ids
from recommender.recommender import Recommender
from recommender.rules import Rule
from recommender.scorers import ItemItemScorer, PopularityScorer

N = 9
NAMES = tuple(f"p{n}" for n in range(N))


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    """From p0 the model ranks p1 … p5, popularity knows p6 and p7; nobody knows p8."""
    items, matrix = Ids(NAMES), np.zeros((N, N), np.float32)
    matrix[0, 1:6] = 5, 4, 3, 2, 1
    popularity = np.array([0, 0, 0, 0, 0, 0, 9, 8, 0], np.float32)
    chain = (("model", ItemItemScorer(items, matrix)), ("popularity", PopularityScorer(items, popularity)))
    with MemoryStore() as store, EventLog(tmp_path_factory.mktemp("log") / "events.db") as log:
        store.put([Entity(f"product:{n}", "Product", n, properties={"price": float(i)}) for i, n in enumerate(NAMES)])
        log.append([Interaction("e", "p0", "purchase", 1, "ann")])
        yield Recommender(Artifact(chain), store, log)


def enumerated(n, sharpness):
    """The definition: the probability of each order, drawn one by one by weight among those left, added up."""
    drawn, rates = np.zeros((n, n)), weights(n, sharpness)
    for order in permutations(range(n)):
        left, chance = rates.sum(), 1.0
        for place in order:
            chance, left = chance * rates[place] / left, left - rates[place]
        drawn[list(order), range(n)] += chance
    return drawn


@pytest.mark.parametrize("sharpness", [0.0, 0.7, 1.5, 3.0])
@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_propensities_are_those_of_the_definition(n, sharpness):
    assert propensities(n, sharpness) == pytest.approx(enumerated(n, sharpness), rel=1e-9)


@pytest.mark.parametrize("sharpness", [0.0, 1.5, 3.0])
def test_each_product_stands_somewhere_and_each_rank_is_filled(sharpness):
    table = propensities(50, sharpness)
    assert table.sum(axis=0) == pytest.approx(1, abs=1e-12)
    assert table.sum(axis=1) == pytest.approx(1, abs=1e-12)
    assert (table > 0).all()
    first = weights(50, sharpness) / weights(50, sharpness).sum()
    assert table[:, 0] == pytest.approx(first, rel=1e-9)


def test_draws_come_as_often_as_their_propensities_say():
    exploration, draws = Exploration(first=1, pool=4), 20_000
    counts = np.zeros((4, 4))
    for seed in range(draws):
        counts[Draw(exploration, str(seed)).order(4), range(4)] += 1
    chances = propensities(4, exploration.sharpness)
    assert (np.abs(counts - draws * chances) < 4.5 * np.sqrt(draws * chances * (1 - chances))).all()


@pytest.mark.parametrize("wrong", [{"first": 0}, {"pool": 1}, {"pool": 51}, {"sharpness": -1.0}, {"sharpness": 9.0}])
def test_what_cannot_be_explored_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="expected"):
        Exploration(**wrong)


def test_without_a_draw_everything_has_the_propensity_1(recommender):
    found = recommender.answer("ann", k=9)
    assert found.lottery is None
    assert {found.propensity(r) for r in found.shown} == {1.0}
    assert found.shown == recommender.recommend("ann", k=9)


seeds = st.text(max_size=5)
drawing = st.builds(Exploration, st.integers(1, 12), st.integers(2, 12), st.sampled_from([0.0, 1.5]))
wanted = st.lists(
    st.builds(
        lambda action, products, position: (action, products, position),
        st.sampled_from(["pin", "hide", "boost"]),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(tuple),
        st.integers(1, 10),
    ),
    max_size=3,
).map(
    lambda rows: [
        Rule(f"r{i}", action, Filters(only=only, available=False), position=at, by=2.0)
        for i, (action, only, at) in enumerate(rows)
    ]
)


@settings(deadline=None, max_examples=60)
@given(drawing, seeds, wanted, st.integers(1, 9), st.sampled_from(["no-diversity", "high-diversity"]))
def test_laws_of_every_draw(recommender, exploration, seed, rules, k, level):
    asked = {"rules": rules, "diversity": Diversity(level), "filters": Filters(max_price=7.5)}
    draw = Draw(exploration, seed)
    plain = recommender.recommend("ann", k=9, **asked)
    found = recommender.answer("ann", k=k, draw=draw, **asked)
    assert found == recommender.answer("ann", k=k, draw=draw, **asked)
    assert found.shown == recommender.answer("ann", k=k + 1, draw=draw, **asked).shown[: len(found.shown)]
    assert len(found.shown) == min(k, len(plain))
    before = {r.product_id: r for r in plain}
    ranks = found.lottery.ranks if found.lottery else ()
    for r in found.shown:
        assert r.score == before[r.product_id].score
        moved = r.rank != before[r.product_id].rank
        assert (MOVED in r.moved_by) == moved
        if r.rank not in ranks:
            assert not moved
            assert found.propensity(r) == 1
        else:
            place, slot = ranks.index(before[r.product_id].rank), ranks.index(r.rank)
            assert found.propensity(r) == propensities(len(ranks), exploration.sharpness)[place, slot]
    if found.lottery:
        assert found.lottery.candidates == tuple(plain[rank - 1].product_id for rank in ranks)


def test_a_pin_keeps_its_rank_and_its_certainty(recommender):
    pin = Rule("hero", "pin", Filters(only=("p8",), available=False), position=3)
    exploration = Exploration(first=2, pool=4, sharpness=0.0)
    for seed in range(20):
        found = recommender.answer("ann", k=9, rules=[pin], draw=Draw(exploration, str(seed)))
        assert (found.shown[2].product_id, found.propensity(found.shown[2])) == ("p8", 1.0)
        assert found.lottery.ranks == (2, 4, 5, 6)
        assert [found.propensity(r) for r in found.shown if r.rank in (2, 4, 5, 6)] == pytest.approx([0.25] * 4)


def test_chance_does_move_something(recommender):
    orders = {
        tuple(r.product_id for r in recommender.answer("ann", k=5, draw=Draw(Exploration(first=3), str(s))).shown)
        for s in range(30)
    }
    assert len(orders) > 5
    assert {order[:2] for order in orders} == {("p1", "p2")}

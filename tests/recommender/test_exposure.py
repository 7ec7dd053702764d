"""What lists are like and what providers get, on lists small enough to count by hand, and against brute force."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.dataset import Dataset, Edges
from recommender.exposure import NOTHING, Known, best_places, exposures, figures, gini, lorenz
from recommender.fairness import Providers
from recommender.histories import Ids
from recommender.splits import Cases


@pytest.fixture
def data(log):
    """Five products; a is bought by 4 users, b by 2, c and d by 1, e by none. a and b are of one brand and both red."""
    rows = [("u1", "a", 1), ("u1", "b", 2), ("u2", "a", 3), ("u2", "b", 4), ("u3", "a", 5), ("u4", "a", 6)]
    rows += [("u3", "c", 7), ("u4", "d", 8)]
    entities = Ids(("brand:big", "brand:小", "value:red"))
    return Dataset.build(
        log(rows),
        items=Ids(tuple("abcde")),
        entities=entities,
        attributes={
            "MADE_BY": Edges.of(np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1])),
            "HAS_ATTRIBUTE": Edges.of(np.array([0, 1]), np.array([2, 2])),
        },
    )


@pytest.fixture
def known(data):
    return Known.of(data, Cases(data.histories, np.arange(4), np.array([2, 2, 3, 2])))


def test_figures_by_hand(known):
    found = figures(np.array([[0, 1], [0, NOTHING], [2, 4], [NOTHING, NOTHING]]), known)
    assert found["coverage"] == 4 / 5
    # −log2 of 4/4, 2/4; 4/4; 1/4, and e counts as if one had it
    assert found["novelty"] == pytest.approx(((0 + 1) / 2 + 0 + (2 + 2) / 2) / 3)
    assert found["diversity"] == pytest.approx((0.0 + 1.0) / 2)  # a, b share all facts; c, e none; one has no pair
    assert found["popularity"] == pytest.approx((3 + 4 + 0.5) / 3)
    # profiles: (4+2)/2 twice, (4+1)/2 twice
    assert found["popularity_lift"] == pytest.approx(2.5 / 2.75 - 1)
    assert found["long_tail_share"] == pytest.approx((0.5 + 0 + 0.5) / 3)  # a is the head fifth; nobody knows e
    assert found["gini"] == pytest.approx(_gini(exposures(np.array([[0, 1], [0, -1], [2, 4]]), 5)))


def _gini(amounts):
    return np.abs(amounts[:, None] - amounts[None, :]).sum() / (2 * len(amounts) * amounts.sum())


def test_without_facts_diversity_is_not_known(data):
    known = Known.of(data.without_relations(), Cases(data.histories, np.zeros(0, np.int64), np.zeros(0, np.int64)))
    assert figures(np.array([[0, 1]]), known)["diversity"] is None
    assert set(figures(np.full((2, 3), NOTHING), known).values()) == {None}


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1e6)))
def test_gini_is_the_mean_difference_of_all_pairs(amounts):
    assert gini(amounts) == pytest.approx(_gini(amounts) if amounts.sum() > 0 else 0.0, abs=1e-9)


def test_gini_of_one_who_has_all_and_of_equals():
    assert gini(np.array([0.0, 0, 0, 8])) == pytest.approx(0.75)
    assert gini(np.ones(9)) == pytest.approx(0.0)
    assert lorenz(np.array([0.0, 0, 0, 8]), 5) == [0, 0, 0, 0, 1]
    assert lorenz(np.ones(4), 5) == [0, 0.25, 0.5, 0.75, 1]


@given(st.integers(0, 2**32 - 1))
def test_diversity_is_the_mean_over_all_pairs(seed):
    random = np.random.default_rng(seed)
    has = random.random((8, 6)) < 0.4
    heads, tails = np.nonzero(has)
    if not len(heads):
        return
    none = np.zeros(0, np.int64)
    data = Dataset(
        Ids(tuple("abcdefgh")), Ids(("u",)), _history(), Ids(tuple("123456")), {}, {"USED_FOR": Edges.of(heads, tails)}
    )
    lists = np.stack([random.permutation(8)[:4] for _ in range(5)])
    lists[0, 2:] = NOTHING
    unit = has / np.maximum(np.linalg.norm(has, axis=1, keepdims=True), 1e-12)
    expected = np.mean([np.mean([1 - unit[a] @ unit[b] for a, b in combinations(row[row >= 0], 2)]) for row in lists])
    found = figures(lists, Known.of(data, Cases(_history(), none, none)))
    assert found["diversity"] == pytest.approx(expected, abs=1e-5)


def _history():
    from recommender.histories import Histories

    one = np.zeros(1, np.int64)
    return Histories.build(one, np.array([1]), one, np.array([3], np.int8), one)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_the_best_places_are_those_of_a_full_sort(seed, k):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 4, (6, 7)).astype(np.float32)  # many equals
    masked = random.random((6, 7)) < 0.4
    for row, hidden, found in zip(scores, masked, best_places(scores, masked, k), strict=True):
        expected = [item for item in np.argsort(-row, kind="stable") if not hidden[item]][:k]
        assert found.tolist() == expected + [NOTHING] * (k - len(expected))


def test_what_brands_get_and_what_they_would_get(data):
    providers = Providers.of(data)
    assert providers is not None
    fairness = providers.fairness(np.array([3.0, 0, 1.0, 0, 4.0]))  # e is of no brand
    assert (fairness.providers, fairness.unnamed) == (2, 0.5)
    # exposure 3 : 1, catalogue 2 : 2, purchases 6 : 2
    assert fairness.unfairness_catalogue == pytest.approx(0.25)
    assert fairness.unfairness_purchases == pytest.approx(0.0)
    shares = {share.provider: (share.exposure, share.catalogue, share.purchases) for share in fairness.shares}
    assert shares == {"brand:big": (0.75, 0.5, 0.75), "brand:小": (0.25, 0.5, 0.25)}


def test_a_product_of_two_brands_is_shared_and_no_brand_is_no_fairness(data):
    both = Edges.of(np.array([0, 0]), np.array([0, 1]))
    shared = Providers.of(Dataset(data.items, data.users, data.histories, data.entities, {}, {"MADE_BY": both}))
    assert shared is not None
    assert [share.exposure for share in shared.fairness(np.ones(5)).shares] == [0.5, 0.5]
    assert Providers.of(data.without_relations()) is None


def test_nothing_shown_is_unfair_to_nobody_more(data):
    providers = Providers.of(data)
    assert providers is not None
    fairness = providers.fairness(np.zeros(5))
    assert (fairness.unnamed, fairness.unfairness_purchases) == (0.0, 0.5)

"""Differences with their intervals, and slices of the targets, on numbers whose answers are known."""

import numpy as np
import pytest

from recommender.comparing import Interval, paired_bootstrap
from recommender.dataset import Dataset
from recommender.evaluation import slices
from recommender.histories import Ids
from recommender.splits import Cases


def test_equal_models_differ_by_nothing():
    values = {"ndcg": np.random.default_rng(0).random(50)}
    assert paired_bootstrap(values, values, resamples=100) == {"ndcg": Interval(0.0, 0.0, 0.0, 50, 100)}


def test_the_same_gain_for_everyone_has_no_spread():
    """Paired: however much users differ from each other, a gain that all of them have is certain."""
    base = np.random.default_rng(0).integers(0, 64, 40) / 64  # halves of halves: sums are exact
    found = paired_bootstrap({"ndcg": base + 0.25, "hit_rate": base}, {"ndcg": base, "hit_rate": base + 0.5})
    assert (found["ndcg"].mean, found["ndcg"].low, found["ndcg"].high) == (0.25, 0.25, 0.25)
    assert (found["hit_rate"].low, found["hit_rate"].high) == (-0.5, -0.5)
    assert (found["ndcg"].users, found["ndcg"].resamples) == (40, 2000)


def test_an_interval_is_as_wide_as_the_normal_says_where_users_are_many():
    random = np.random.default_rng(1)
    one, other = random.normal(0.3, 1.0, 4000), random.normal(0.2, 1.0, 4000)
    found = paired_bootstrap({"ndcg": one}, {"ndcg": other})["ndcg"]
    half = 1.96 * np.std(one - other) / np.sqrt(4000)
    assert found.mean == pytest.approx(np.mean(one - other))
    assert found.low == pytest.approx(found.mean - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.mean + half, abs=0.1 * half)


def test_about_nineteen_of_twenty_intervals_hold_the_truth():
    random = np.random.default_rng(2)
    held = 0
    for trial in range(200):
        gain = random.exponential(0.3, 80) - 0.1  # the true mean is 0.2
        found = paired_bootstrap({"m": gain}, {"m": np.zeros(80)}, resamples=300, seed=trial)["m"]
        held += found.low <= 0.2 <= found.high
    assert 175 <= held <= 199


def test_the_seed_decides_the_draws():
    random = np.random.default_rng(3)
    one, other = {"m": random.random(30)}, {"m": random.random(30)}
    assert paired_bootstrap(one, other, seed=5) == paired_bootstrap(one, other, seed=5)
    assert paired_bootstrap(one, other, seed=5) != paired_bootstrap(one, other, seed=6)


@pytest.mark.parametrize(("one", "other"), [({}, {}), ({"m": np.zeros(0)}, {"m": np.zeros(0)})])
def test_nobody_to_compare_on_is_an_error(one, other):
    with pytest.raises(ValueError, match="no user to compare"):
        paired_bootstrap(one, other)


def test_other_users_than_the_first_are_an_error():
    with pytest.raises(ValueError, match="4 and 5 users"):
        paired_bootstrap({"m": np.zeros(4)}, {"m": np.zeros(5)})


def test_slices_by_what_training_knows(log):
    """Ten warm items, the more popular the lower; i0 and i1 are the head fifth, i10 and i11 are cold."""
    rows = [(f"u{user}", f"i{item:02d}", 0) for item in range(10) for user in range(12 - item)]
    rows += [("u0", "i09", 0)] * 20  # events of one user make nothing popular
    items = Ids(tuple(f"i{n:02d}" for n in range(12)))
    data = Dataset.build(log(rows), items=items)
    targets = np.array([0, 1, 2, 9, 10, 11])
    found = slices(data, Cases(data.histories, np.arange(6), targets))
    assert {name: targets[belongs].tolist() for name, belongs in found.items()} == {
        "warm": [0, 1, 2, 9],
        "cold item": [10, 11],
        "long tail": [2, 9],
    }


def test_of_equally_popular_items_the_first_is_the_head(log):
    data = Dataset.build(log([(f"u{user}", f"i{item}", 0) for item in range(5) for user in range(3)]))
    found = slices(data, Cases(data.histories, np.array([0, 0, 1]), np.array([0, 1, 4])))
    assert found["long tail"].tolist() == [False, True, True]

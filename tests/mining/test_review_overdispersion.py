"""The predictive tail of a beta-binomial: against brute force, calibrated, and what other histories teach."""

import numpy as np
import pytest
from scipy.stats import betabinom

from mining.reviews.overdispersion import Counts, of_bursts

FIRST = np.array([0])


def bursts(random: np.random.Generator, shape: tuple[int, int], correlation: float) -> tuple[Counts, Counts]:
    reviews = random.poisson(30, shape)
    total = 1 / correlation - 1
    return random.binomial(reviews, random.beta(0.1 * total, 0.9 * total, shape)), reviews


@pytest.mark.parametrize(
    ("criticisms", "reviews"),
    [
        ([9, 1, 2, 0, 3, 1, 2], [30] * 7),
        ([8, 0, 0, 5, 0, 1, 0], [20] * 7),
        ([30, 10, 12, 9, 11], [200, 210, 180, 205, 190]),
    ],
)
def test_alone_it_is_the_integral_over_mean_and_correlation(criticisms: list[int], reviews: list[int]) -> None:
    correlations = np.maximum(((np.arange(300) + 0.5) / 300) ** 10, 1e-8)  # even on the prior's distribution function
    correlation, mean = np.meshgrid(correlations, 1 / (1 + np.exp(-np.linspace(-10, 4, 200))))
    a, b = mean * (1 / correlation - 1), (1 - mean) * (1 / correlation - 1)
    log = (np.log(mean) + np.log1p(-mean)) / 2  # Jeffreys's prior, on the logit
    for c, n in zip(criticisms[1:], reviews[1:], strict=True):
        log += betabinom.logpmf(c, n, a, b)
    weight = np.exp(log - log.max())
    tail = sum(betabinom.pmf(k, reviews[0], a, b) for k in range(criticisms[0], reviews[0] + 1))
    wanted = float((weight * tail).sum() / weight.sum())
    assert of_bursts(np.array([criticisms]), np.array([reviews]), 1, FIRST)[0] == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("recent", [1, 3])
@pytest.mark.parametrize("correlation", [0.05, 0.2])
def test_where_nothing_changed_small_p_values_are_no_more_than_they_say(recent: int, correlation: float) -> None:
    random = np.random.default_rng(7)
    histories = 1000
    p = of_bursts(*bursts(random, (histories, 13), correlation), recent, np.arange(histories))
    for level in (0.1, 0.01, 0.001):
        # One-sided 99.9 % bound of a count with that chance, and one for its being small.
        assert (p <= level).sum() <= histories * level + 3.1 * (histories * level) ** 0.5 + 1


def test_a_first_burst_is_an_alarm_only_where_other_histories_have_none() -> None:
    random = np.random.default_rng(1)
    p = []
    for correlation in (1e-4, 0.2):
        criticisms, reviews = bursts(random, (100, 5), correlation)
        criticisms[0], reviews[0] = [15, 2, 2, 2, 2], 30
        p.append(of_bursts(criticisms, reviews, 1, FIRST)[0])
    assert p[0] < 1e-4 < 1e-3 < p[1]


def test_a_rise_is_told_and_more_is_less_likely() -> None:
    reviews = np.full((4, 13), 40)
    criticisms = np.full((4, 13), 2)
    criticisms[:, 0] = [2, 5, 12, 40]
    p = of_bursts(criticisms, reviews, 1, np.arange(4))
    assert (np.diff(p) < 0).all()
    assert p[0] > 0.3
    assert p[2] < 0.001


def test_without_new_reviews_everything_is_as_expected_and_without_old_ones_little_is_known() -> None:
    reviews = np.array([[0, 9, 9], [9, 0, 0]])
    p = of_bursts(np.array([[0, 3, 1], [9, 0, 0]]), reviews, 1, np.arange(2))
    assert p[0] == pytest.approx(1.0)
    assert p[1] > 0.1
    assert of_bursts(reviews, reviews, 1, np.array([], dtype=np.int64)).tolist() == []


def test_what_is_left_at_the_old_end_is_a_block_too() -> None:
    criticisms = np.array([[9, 1, 0, 2, 1, 1, 3]])
    by_hand = np.array([[10, 2, 2, 3]])
    left = of_bursts(criticisms, criticisms + 20, 2, FIRST)[0]
    assert left == pytest.approx(of_bursts(by_hand, by_hand + np.array([[40, 40, 40, 20]]), 1, FIRST)[0])

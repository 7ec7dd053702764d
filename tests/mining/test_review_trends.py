"""Alerts on aspects: the test against other routes to the same number, its false alarms, and the facts it reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, ttest_ind

from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, Evidence, Fact
from mining.reviews.overdispersion import of_bursts
from mining.reviews.trends import DAY, TrendConfig, adjusted, negative_trends, of_reviews, of_windows, rising

ONE = TrendConfig(recent=(1,))


def test_over_reviews_the_p_value_is_fishers() -> None:
    criticisms, reviews = np.array([[6, 1, 1, 1, 1]]), np.array([[20, 25, 25, 25, 25]])
    wanted = fisher_exact([[6, 14], [4, 96]], alternative="greater").pvalue
    assert of_reviews(criticisms, reviews, 1)[0] == pytest.approx(wanted)


def test_over_windows_the_p_value_is_students_where_windows_spread_more_than_counts() -> None:
    criticisms, reviews = np.array([[30, 2, 20, 5, 18, 1, 12]]), np.full((1, 7), 40)
    share = np.arcsin(np.sqrt((criticisms[0] + 0.375) / 40.75))
    wanted = ttest_ind(share[:1], share[1:], alternative="greater").pvalue  # pooled: one new window has no spread
    assert of_windows(criticisms, reviews, 1)[0] == pytest.approx(wanted)


def test_all_must_agree_and_each_look_costs() -> None:
    criticisms, reviews = np.array([[9, 1, 1, 1, 1, 1, 1]]), np.full((1, 7), 25)
    p = max(
        of_reviews(criticisms, reviews, 1)[0],
        of_windows(criticisms, reviews, 1)[0],
        of_bursts(criticisms, reviews, 1, np.array([0]))[0],
    )
    assert rising(criticisms, reviews, ONE).p[0] == pytest.approx(p)
    both = rising(criticisms, reviews, TrendConfig(recent=(1, 3)))
    assert (both.p[0], both.recent[0]) == (pytest.approx(2 * p), 1)


def test_a_slow_rise_is_found_by_the_longer_look() -> None:
    found = rising(np.array([[4, 4, 4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]]), np.full((1, 13), 20))
    assert found.recent[0] == 3
    assert found.p[0] < 0.02


def test_a_history_of_bursts_explains_a_burst() -> None:
    reviews = np.full((1, 13), 40)
    calm = np.array([[9, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2]])
    bursts = np.array([[9, 0, 12, 0, 0, 0, 11, 0, 0, 0, 7, 0, 0]])
    assert calm[0, 1:].sum() == bursts[0, 1:].sum()
    assert of_reviews(calm, reviews, 1) == of_reviews(bursts, reviews, 1)
    assert rising(calm, reviews, ONE).p[0] < 0.01 < 0.05 < rising(bursts, reviews, ONE).p[0]


@pytest.mark.parametrize("reviews", [[0, 5, 5], [5, 0, 0], [0, 0, 0], [5, 5, 5]])
def test_nothing_to_compare_is_no_rise(reviews: list[int]) -> None:
    assert rising(np.zeros((1, 3), dtype=np.int64), np.array([reviews]), ONE).p.tolist() == [1.0]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=13))
@settings(deadline=None)
def test_more_criticism_in_the_newest_window_is_never_less_of_an_alarm(windows: list[tuple[int, int]]) -> None:
    reviews = np.array([[max(pair) for pair in windows]])
    fewer = np.array([[min(pair) for pair in windows]])
    more = fewer.copy()
    more[0, 0] = reviews[0, 0]
    p, q = (rising(counts, reviews, ONE).p[0] for counts in (fewer, more))
    assert 0 <= q <= p + 1e-12 <= 1 + 1e-9


def test_adjusted_values_are_benjamini_and_hochbergs() -> None:
    assert adjusted(np.array([0.01, 0.04, 0.03, 0.5])).tolist() == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert adjusted(np.array([])).tolist() == []


def test_what_the_third_test_is_not_asked_of_changes_no_alert_and_no_q() -> None:
    random = np.random.default_rng(4)
    for _ in range(20):
        reviews = random.poisson(20, (30, 13))
        share = random.beta(0.4, 3.6, reviews.shape)
        share[:6, 0] = 0.7
        criticisms = random.binomial(reviews, share)
        asked = adjusted(rising(criticisms, reviews, TrendConfig()).p)
        of_all = adjusted(rising(criticisms, reviews, TrendConfig(level=1.0)).p)
        told = of_all <= 0.05
        assert (told == (asked <= 0.05)).all()
        assert asked[told].tolist() == of_all[told].tolist()


@pytest.mark.parametrize(("each_window", "correlation"), [(3, 0.0), (40, 0.0), (30, 0.05), (30, 0.2)])
def test_a_run_where_nothing_changed_tells_an_alert_at_most_as_often_as_stated(
    each_window: int, correlation: float
) -> None:
    random = np.random.default_rng(11)
    runs, histories, config = 300, 30, TrendConfig()
    reviews = random.poisson(each_window, (runs, histories, config.windows))
    total = 1 / correlation - 1 if correlation else 0.0
    share = random.beta(0.06 * total, 0.94 * total, reviews.shape) if total else 0.06
    criticisms = random.binomial(reviews, share)
    alarmed = 0
    for c, r in zip(criticisms, reviews, strict=True):
        tried = c.sum(1) >= config.at_least
        alarmed += bool((adjusted(rising(c[tried], r[tried], config).p) <= config.level).any())
    # One-sided 99.9 % bound of a count with the stated rate.
    assert alarmed <= runs * config.level + 3.1 * (runs * config.level) ** 0.5


# ---- from the graph -------------------------------------------------------------------------------------------------

ASPECT = Entity("aspect:battery", "Aspect", "battery")
CONFIG = TrendConfig(window=10 * DAY, windows=7)


def shop(bad: dict[int, int], *, product: str = "a", each_window: int = 20) -> MemoryStore:
    """Reviews in windows by age, ``bad[age]`` of which criticise the battery."""
    store = MemoryStore()
    documents, evidence = [], []
    for age in range(CONFIG.windows):
        for n in range(each_window):
            at, review = (CONFIG.windows - age) * CONFIG.window - 1 - n, f"review:{product}-{age}-{n}"
            documents.append(Document(review, f"product:{product}", "review", f"Bad battery {n}", at))
            if n < bad.get(age, 0):
                evidence.append(Evidence(review, "reviews", 0.6, at=at, quote="Bad battery", start=0, end=11))
    documents.append(Document("review:undated", f"product:{product}", "review", "Bad battery"))
    about = Entity(f"product:{product}", "Product", product)
    facts = [Fact(about.id, "CRITICISED_FOR", ASPECT.id, tuple(evidence))] if evidence else []
    store.put([about, ASPECT], facts, documents)
    return store


def test_a_jump_is_told_of_the_product_and_of_the_shop_with_the_newest_quotes() -> None:
    with shop({0: 9, 2: 1, 4: 1}) as store:
        report = negative_trends(store, config=CONFIG)
        assert {alert.about for alert in report.alerts} == {None, "product:a"}
        assert (report.tested, report.undated) == (2, 1)
        alert = next(alert for alert in report.alerts if alert.about)
        assert (alert.criticisms, alert.reviews, alert.criticisms_before, alert.reviews_before) == (9, 20, 2, 120)
        assert alert.end - alert.start == CONFIG.window
        assert alert.q <= CONFIG.level
        assert [q.document for q in alert.quotes] == [f"review:a-0-{n}" for n in range(5)]
        for quote in alert.quotes:
            assert store.document(quote.document).text[quote.start : quote.end] == quote.text
        (only,) = negative_trends(store, product="product:a", config=CONFIG).alerts
        assert only.about == "product:a"


def test_before_the_jump_there_was_nothing_to_tell() -> None:
    with shop({0: 9, 2: 1, 4: 1}) as store:
        assert negative_trends(store, until=(CONFIG.windows - 1) * CONFIG.window, config=CONFIG).alerts == ()


def test_steady_criticism_and_two_loud_reviews_are_no_alert() -> None:
    with shop(dict.fromkeys(range(7), 4)) as store:
        report = negative_trends(store, config=CONFIG)
        assert (report.alerts, report.tested) == ((), 2)
    with shop({0: 2}, each_window=100) as store:
        assert negative_trends(store, config=CONFIG).tested == 0


def test_an_empty_graph_has_no_trend() -> None:
    with MemoryStore() as store:
        assert negative_trends(store).alerts == ()
    with shop({}) as store:
        assert negative_trends(store, config=CONFIG) == type(negative_trends(store))(undated=1)

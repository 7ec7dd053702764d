"""Off-policy estimates: right where the truth is known, and refused where the log cannot know."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recommender.errors import OffPolicyError, PropensityError, SupportError
from recommender.exploring import Exploration
from recommender.off_policy import Shown, Target, depth, evaluate, lift_model, upto, verdict

CLICKS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "clicks.py"))
Window, asked = CLICKS["Window"], CLICKS["asked"]
EXPLORATION = Exploration(first=1, pool=8, sharpness=1.0)
WINDOW = Window.of(1)
BETTER, SERVED = WINDOW.ranker(2, 0.15), WINDOW.ranker(3, 0.5)


def wrong(rows, items, ranks):
    return 2.0 - items / 8


@pytest.fixture(scope="module")
def reports():
    """60 logs of 2,000 answers, each asked about the better ranker with three models of the reward: learned, roughly
    right, and wrong."""
    found = []
    for seed in range(60):
        shown, kinds = WINDOW.log(SERVED, EXPLORATION, 2000, seed)
        rough = np.clip(WINDOW.appeal + np.random.default_rng(99).normal(0.0, 0.2, WINDOW.appeal.shape), 0, 1)

        def model(rows, items, ranks, rough=rough, kinds=kinds):
            return rough[kinds[rows], items] * WINDOW.examination[ranks - 1]

        target = WINDOW.target(BETTER, SERVED, EXPLORATION, kinds)
        learned = evaluate(shown, target, resamples=300, seed=seed)
        others = [evaluate(shown, target, model=m, resamples=300, seed=seed) for m in (model, wrong)]
        found.append((learned, *others))
    return found


def test_intervals_cover_the_truth_and_the_logged_mean_does_not(reports):
    truth = WINDOW.worth(BETTER)
    for estimates in estimators(reports).values():
        assert np.mean([e.low <= truth <= e.high for e in estimates]) >= 0.9
    assert not any(report.logged.low <= truth <= report.logged.high for report, *_ in reports)


def test_no_estimator_has_a_bias_whatever_the_reward_model(reports):
    for estimates in estimators(reports).values():
        values = np.array([e.value for e in estimates])
        assert abs(values.mean() - WINDOW.worth(BETTER)) < 4 * values.std() / np.sqrt(len(values))


def test_a_reward_model_lowers_the_variance_and_a_wrong_one_costs(reports):
    variance = {name: np.var([e.value for e in estimates]) for name, estimates in estimators(reports).items()}
    assert max(variance["dr"], variance["dr, roughly right"]) < variance["ips"] < variance["dr, wrong"]


def estimators(reports):
    found = {name: [getattr(learned, name) for learned, *_ in reports] for name in ("ips", "snips", "dr")}
    found["dr, roughly right"] = [right.dr for _, right, _ in reports]
    found["dr, wrong"] = [wrong.dr for _, _, wrong in reports]
    return found


def test_the_policy_of_the_log_itself_earns_what_the_log_earned():
    shown, _ = WINDOW.log(SERVED, replace(EXPLORATION, first=4, pool=2), 500, 0)
    certain = replace(shown, propensities=np.ones(len(shown.items)))
    same = Target(shown.answers, shown.ranks, shown.items, np.ones(len(shown.items)), certain.propensities)
    found = evaluate(certain, same, resamples=50)
    assert {round(e.value, 9) for e in (found.ips, found.snips, found.dr)} == {round(found.logged.value, 9)}
    assert found.effective == pytest.approx(500)
    assert found.difference(found, "dr").value == 0


def test_formulas_by_hand():
    """Twelve answers of one rank: product 0 half of the time, which the target always shows."""
    items = np.array([0, 1] * 12, np.int64)
    rewards = np.array([1.0, 0.0, 0.0, 1.0] * 6)
    rows = np.arange(24)
    shown = Shown(rows, np.ones(24, np.int64), items, rewards, np.full(24, 0.5), rows)
    target = Target(rows, np.ones(24, np.int64), np.zeros(24, np.int64), np.ones(24), np.full(24, 0.5))
    found = evaluate(shown, target, model=lambda _, asked, at: np.where(asked == 0, 0.25, 0.9), resamples=20)
    assert found.ips.value == pytest.approx(6 * 2 / 24)
    assert found.snips.value == pytest.approx(6 * 2 / (12 * 2))
    assert found.dr.value == pytest.approx(0.25 + (6 * 2 * 0.75 - 6 * 2 * 0.25) / 24)
    assert (found.effective, found.logged.value) == (12, 0.5)


def test_two_policies_are_compared_on_the_same_draws():
    shown, kinds = WINDOW.log(SERVED, EXPLORATION, 1500, 7)
    better = evaluate(shown, WINDOW.target(BETTER, SERVED, EXPLORATION, kinds), resamples=200)
    served = evaluate(shown, WINDOW.target(SERVED, SERVED, EXPLORATION, kinds), resamples=200)
    gain = better.difference(served, "dr")
    assert gain.low < WINDOW.worth(BETTER) - WINDOW.worth(SERVED) < gain.high
    assert gain.value == -served.difference(better, "dr").value
    with pytest.raises(OffPolicyError, match="same log"):
        better.difference(evaluate(shown, WINDOW.target(BETTER, SERVED, EXPLORATION, kinds), resamples=9), "dr")


def test_the_lift_model_shrinks_what_it_hardly_knows():
    ranks = np.array([1] * 100 + [2] * 101, np.int64)
    items = np.array([0, 1] * 100 + [2], np.int64)
    rewards = np.where(items == 0, 1.0, 0.0)
    predict = lift_model(items, ranks, rewards)
    liked, not_liked, hardly, unknown = predict(np.array([0, 1, 2, 9]), np.array([1, 1, 1, 1]))
    assert liked > 0.9
    assert not_liked < 0.1
    assert 0.4 < hardly < unknown == 0.5


def reports_of(answers, appeal, ranks, sharpness, seed):
    shown, *targets = asked(np.array(appeal), answers, ranks, sharpness, seed)
    return [evaluate(shown, target, resamples=300, seed=seed) for target in targets]


def judged(logs):
    """How many logs find a difference by DR alone, how many are too small for a verdict, and the verdicts of the
    others."""
    alone = [one.difference(two, "dr") for one, two in logs]
    verdicts = []
    for one, two in logs:
        try:
            verdicts.append(verdict(one, two))
        except OffPolicyError as error:
            assert "too few rewards" in str(error)  # noqa: PT017
    return sum(not d.low <= 0 <= d.high for d in alone), len(logs) - len(verdicts), verdicts


def test_rare_rewards_of_equal_orders_are_no_verdict():
    """Of 2 % rewards, 500 answers have too few: DR alone finds a difference that is none in many of them."""
    alone, small, verdicts = judged([reports_of(500, [0.02] * 12, 3, 0.5, seed) for seed in range(60)])
    assert alone > 6
    assert (small, verdicts) == (60, [])


def test_enough_rewards_of_equal_orders_are_seldom_a_verdict_and_of_unequal_ones_are():
    _, small, equal = judged([reports_of(1500, [0.15] * 12, 3, 0.5, seed) for seed in range(60)])
    assert small < 6
    assert sum(found is not None for found in equal) <= 5
    _, _, unequal = judged([reports_of(1000, [0.02] * 6 + [0.3] * 6, 3, 0.5, seed) for seed in range(12)])
    assert unequal.count("a") >= 6  # b shows the six that hardly anybody wants first, and a sometimes does too
    assert "b" not in unequal


def test_a_policy_that_earns_nothing_is_judged_where_rewards_were_to_be_expected():
    wanted = [0.0, 0.0, 0.0, *[0.4] * 9]
    one, two = reports_of(1000, wanted, 3, 0.5, 1)
    assert two.ips.value == 0
    assert two.rewards > 20
    assert verdict(one, two) == "a"


def test_a_rank_that_few_answers_show_costs_no_other_rank_its_estimate():
    shown, kinds = WINDOW.log(SERVED, EXPLORATION, 400, 0)
    target = WINDOW.target(BETTER, SERVED, EXPLORATION, kinds)
    seldom = [table.ranks <= np.where(table.answers < 5, 5, 3) for table in (shown, target)]
    shown, target = (
        replace(table, **{n: getattr(table, n)[kept] for n in table.__dataclass_fields__ if n != "users"})
        for table, kept in zip((shown, target), seldom, strict=True)
    )
    with pytest.raises(
        SupportError, match=r"at rank 4 only \d\.\d effective answers .* the first ranks alone, 3 at most"
    ):
        evaluate(shown, target)
    assert depth(shown, target) == 3
    assert evaluate(*upto(shown, target, 3), resamples=9).answers == 400
    assert depth(*upto(shown, target, 3)) == 3


def test_no_rank_has_depth_where_chance_filled_none_or_the_first_has_too_few():
    shown, kinds = WINDOW.log(SERVED, EXPLORATION, 12, 0)
    assert depth(shown, WINDOW.target(BETTER, SERVED, EXPLORATION, kinds)) == 0
    ones = np.ones(len(shown.items))
    certain = replace(shown, propensities=ones)
    assert depth(certain, Target(shown.answers, shown.ranks, shown.items, ones, ones)) == 0


@pytest.fixture
def log():
    shown, kinds = WINDOW.log(SERVED, EXPLORATION, 300, 0)
    return shown, WINDOW.target(BETTER, SERVED, EXPLORATION, kinds)


def put(table, column, value, at=3):
    values = getattr(table, column).copy()
    values[at] = value
    return replace(table, **{column: values})


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.1, float("nan")])
def test_a_propensity_that_is_none_is_refused(log, wrong):
    shown, target = log
    with pytest.raises(PropensityError, match="1 of 1500 rows of the log have no probability"):
        evaluate(put(shown, "propensities", wrong), target)


def test_what_the_log_could_never_show_is_refused(log):
    shown, target = log
    with pytest.raises(SupportError, match="in 1 of 300 answers"):
        evaluate(shown, put(target, "propensities", 0.0))
    with pytest.raises(SupportError, match="in 300 of 300"):
        evaluate(shown, replace(target, ranks=target.ranks + 1))


def test_too_little_overlap_is_refused(log):
    shown, kinds = WINDOW.log(SERVED, EXPLORATION, 12, 0)
    with pytest.raises(SupportError, match=r"effective answers .* with a lower sharpness$"):
        evaluate(shown, WINDOW.target(BETTER, SERVED, EXPLORATION, kinds))


def test_rows_that_contradict_each_other_are_refused(log):
    shown, target = log
    for one, two, said in (
        (put(shown, "rewards", -1.0), target, "reward"),
        (put(shown, "ranks", 3), target, "two products at one rank"),
        (replace(shown, items=shown.items[1:]), target, "rows"),
        (put(shown, "answers", 300), target, "no user"),
        (replace(shown, users=np.zeros(300, np.int64)), target, "one user"),
        (shown, put(target, "ranks", 3), "above 1"),
        (shown, replace(target, propensities=np.full(1500, 0.01)), "two propensities"),
    ):
        with pytest.raises(OffPolicyError, match=said):
            evaluate(one, two)

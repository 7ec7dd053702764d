"""Off-policy estimates and interleaving where the truth is known: a window of simulated visitors.

Run as: python tests/benchmarks/off_policy.py     (some minutes on one core)
"""

import argparse
from collections.abc import Callable

import numpy as np
from clicks import Ints, Window, asked, halved, interleaved
from scipy.stats import binomtest

from recommender.errors import OffPolicyError
from recommender.exploring import Exploration
from recommender.off_policy import LEAST_REWARDS, LEAST_TO_JUDGE, Report, evaluate, verdict

ESTIMATORS = ("logged", "matched", "ips", "snips", "dr", "dr, given")
EXPLORATION = Exploration(first=1, pool=8, sharpness=1.0)


def simulate(window: Window, better: Ints, served: Ints, *, logs: int, answers: int) -> None:
    """What each estimator says about ``better`` from logs of ``served``, beside the truth."""
    truth = window.worth(better)
    print(f"worth of an answer: served {window.worth(served):.4f}, the policy asked about {truth:.4f} clicks")
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ESTIMATORS}
    effective = []
    for seed in range(logs):
        report, given, matched = _one(window, better, served, answers, seed)
        effective.append(report.effective)
        found["matched"].append((matched, np.nan, np.nan))
        for name in ("logged", "ips", "snips", "dr", "dr, given"):
            estimate = given.dr if name == "dr, given" else getattr(report, name)
            found[name].append((estimate.value, estimate.low, estimate.high))
    print(f"{logs} logs of {answers} answers, {np.mean(effective):.0f} effective; 95 % intervals of 500 draws")
    print(f"{'estimator':10s} {'mean':>7s} {'bias':>8s} {'std':>7s} {'covers':>7s}")
    for name, rows in found.items():
        values, low, high = np.array(rows).T
        covers = "" if np.isnan(low).all() else f"{np.mean((low <= truth) & (truth <= high)):.1%}"
        print(f"{name:10s} {values.mean():7.4f} {values.mean() - truth:+8.4f} {values.std(ddof=1):7.4f} {covers:>7s}")


def _one(window: Window, better: Ints, served: Ints, answers: int, seed: int) -> tuple[Report, Report, float]:
    """A report; one with a reward model that knows each kind's appeal roughly; and what the rewards of the places at
    which both agree would say without weights."""
    shown, kinds = window.log(served, EXPLORATION, answers, seed)
    target = window.target(better, served, EXPLORATION, kinds)
    agree = shown.items == target.items
    ranks = range(1, len(window.examination) + 1)
    matched = sum(float(shown.rewards[agree & (shown.ranks == rank)].mean()) for rank in ranks)
    rough = np.clip(window.appeal + np.random.default_rng(99).normal(0.0, 0.2, window.appeal.shape), 0, 1)
    given = evaluate(
        shown, target, resamples=500, seed=seed,
        model=lambda rows, items, ranks: rough[kinds[rows], items] * window.examination[ranks - 1],
    )  # fmt: skip
    return evaluate(shown, target, resamples=500, seed=seed), given, matched


Comparison = Callable[[Window, Ints, Ints, int, int], float]


def power(comparison: Comparison, window: Window, a: Ints, b: Ints, answers: int, runs: int) -> float:
    """How often it finds ``a`` the better one at the 5 % level."""
    return float(np.mean([0 <= comparison(window, a, b, answers, seed) < 0.05 for seed in range(runs)]))


def sensitivity(window: Window, a: Ints, b: Ints, runs: int) -> None:
    print(f"\nA earns {window.worth(a):.4f} clicks an answer, B {window.worth(b):.4f}")
    print(f"how often A is found better in {runs} runs")
    print(f"{'answers':>8s} {'interleaving':>13s} {'A/B':>6s}")
    for answers in (50, 100, 200, 400, 800, 1600):
        found = [power(comparison, window, a, b, answers, runs) for comparison in (interleaved, halved)]
        print(f"{answers:8d} {found[0]:13.0%} {found[1]:6.0%}", flush=True)
    same = sum(abs(interleaved(window, a, a, 200, seed)) < 0.05 for seed in range(runs))
    level = binomtest(same, runs).proportion_ci()
    print(f"A against itself, 200 answers: found different in {same / runs:.1%} ({level.low:.1%} to {level.high:.1%})")


NULLS = (
    # answers, sharpness, chance of a click, ranks
    (500, 1.0, 0.02, 3), (1000, 1.0, 0.05, 3), (2000, 0.5, 0.002, 5), (2000, 0.5, 0.01, 5), (4000, 1.0, 0.05, 3),
    (2000, 0.5, 0.05, 5), (1000, 0.5, 0.1, 3), (3000, 0.0, 0.05, 3), (2000, 0.5, 0.2, 3),
)  # fmt: skip


def level(runs: int) -> None:
    """How often two orders of twelve products that are liked alike are told apart."""
    print(f"\nequal orders, {runs} logs each; a verdict wants {LEAST_TO_JUDGE:g} answers, {LEAST_REWARDS:g} rewards")
    print(f"{'answers':>8s} {'sharpness':>9s} {'click':>6s} {'ranks':>5s} {'by DR':>6s} {'judged':>7s} {'apart':>6s}")
    judged = apart = 0
    for answers, sharpness, click, ranks in NULLS:
        alone, verdicts, estimated = 0, list[str | None](), 0
        for seed in range(runs):
            shown, *targets = asked(np.full(12, click), answers, ranks, sharpness, seed)
            try:
                one, two = (evaluate(shown, target, resamples=500, seed=seed) for target in targets)
                estimated += 1
                difference = one.difference(two, "dr")
                alone += not difference.low <= 0 <= difference.high
                verdicts.append(verdict(one, two))
            except OffPolicyError:
                continue
        judged, wrong = judged + len(verdicts), sum(found is not None for found in verdicts)
        apart += wrong
        told = f"{wrong / len(verdicts):6.1%}" if verdicts else ""
        share = f"{alone / max(estimated, 1):6.1%} {len(verdicts) / runs:7.0%}"
        print(f"{answers:8d} {sharpness:9g} {click:6.1%} {ranks:5d} {share} {told}", flush=True)
    bounds = binomtest(apart, judged).proportion_ci()
    print(f"all verdicts: {judged}, apart {apart / judged:.1%} ({bounds.low:.1%} to {bounds.high:.1%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=200, help="simulated logs")
    parser.add_argument("--answers", type=int, default=2000, help="answers of a log")
    parser.add_argument("--runs", type=int, default=100, help="simulated comparisons of each size")
    options = parser.parse_args()
    window = Window.of(1)
    better, served = window.ranker(2, 0.15), window.ranker(3, 0.5)
    simulate(window, better, served, logs=options.logs, answers=options.answers)
    sensitivity(window, better, served, options.runs)
    level(options.logs)


if __name__ == "__main__":
    main()

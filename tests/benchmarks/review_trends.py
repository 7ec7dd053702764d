"""What an alert on reviews is worth: ``python tests/benchmarks/review_trends.py [--runs N] [--seed S] [--only WORDS]``.

First the false alarms of a run in which nothing changed, stated beside seen with a 95 % Wilson interval, in several
shops: critics at an even rate, in bursts (a beta-binomial share, its correlation given), and with shares that vary in
ways no test assumes (logit-normal, carried over, bad batches); by all three tests, by Fisher's and Student's, and by
Fisher's alone. Then the delay: windows from a rise of one product's share of criticism until it is told, by three tests
and by two. ``--only WORDS`` simulates the false alarms of the shops whose name contains them, and no delay.
"""

import argparse
import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mining.reviews.overdispersion import Counts, Numbers
from mining.reviews.trends import TrendConfig, adjusted, of_reviews, of_windows, rising
from mining.wilson import interval

CONFIG = TrendConfig()
PLAIN = replace(CONFIG, recent=(1,))
WAIT = 12  # windows that a rise is waited for
TESTS = ("three", "two", "Fisher's")

Draw = Callable[[np.random.Generator, Counts], Counts]


def even(share: float) -> Draw:
    """Every review criticises with this chance."""
    return lambda random, reviews: random.binomial(reviews, share)


def bursts(share: float, correlation: float) -> Draw:
    """The chance itself is drawn a window: reviews of one window resemble each other."""
    total = 1 / correlation - 1
    return lambda random, reviews: random.binomial(
        reviews, random.beta(share * total, (1 - share) * total, reviews.shape)
    )


def changing(share: float, spread: float, carried: float = 0.0) -> Draw:
    """The chance's logit varies by ``spread`` about the share's, and a window is ``carried`` like the one before."""

    def draw(random: np.random.Generator, reviews: Counts) -> Counts:
        at = random.standard_normal(reviews.shape)
        for window in range(1, reviews.shape[1]):
            at[:, window] = carried * at[:, window - 1] + (1 - carried**2) ** 0.5 * at[:, window]
        return random.binomial(reviews, 1 / (1 + np.exp(-np.log(share / (1 - share)) - spread * at)))

    return draw


def batches(share: float, times: float, often: float) -> Draw:
    """In windows so often a bad batch is sold, and the chance is so many times as high."""
    return lambda random, reviews: random.binomial(
        reviews, share * np.where(random.random(reviews.shape) < often, times, 1.0)
    )


def two(criticisms: Counts, reviews: Counts, recent: int) -> Numbers:
    return np.maximum(of_reviews(criticisms, reviews, recent), of_windows(criticisms, reviews, recent))


def p_values(criticisms: Counts, reviews: Counts, config: TrendConfig, tests: str) -> Numbers:
    """As ``negative_trends`` has them, or by fewer tests."""
    if tests == "three":
        return rising(criticisms, reviews, config).p
    test = two if tests == "two" else of_reviews
    tried = [test(criticisms, reviews, recent) for recent in config.recent]
    return np.minimum(np.minimum.reduce(tried) * len(tried), 1.0)


def alarmed(criticisms: Counts, reviews: Counts, config: TrendConfig, tests: str) -> NDArray[np.bool_]:
    """Which histories of one run are told. What two tests do not tell, three do not: p-values only grow."""
    tried = criticisms.sum(1) >= config.at_least
    told = np.zeros(len(reviews), dtype=bool)
    if tried.any() and (tests != "three" or alarmed(criticisms, reviews, config, "two").any()):
        told[tried] = adjusted(p_values(criticisms[tried], reviews[tried], config, tests)) <= config.level
    return told & (criticisms[:, : max(config.recent)].sum(1) >= config.at_least)


SHOPS: tuple[tuple[str, Draw], ...] = (
    ("even, 5 %", even(0.05)),
    ("even, 20 %", even(0.2)),
    ("bursts, 10 %, correlation .05", bursts(0.1, 0.05)),
    ("bursts, 10 %, correlation .2", bursts(0.1, 0.2)),
    ("logit-normal, 5 %, spread 1", changing(0.05, 1.0)),
    ("the same, half carried over", changing(0.05, 1.0, 0.5)),
    ("bad batches, 10 %, x 4 in a tenth", batches(0.1, 4.0, 0.1)),
)


def false_alarms(runs: int, seed: int, shops: Iterable[tuple[str, Draw]]) -> None:
    print(f"stated: at most {CONFIG.level:.1%} of runs in which nothing changed tell any alert; {runs} runs each\n")
    print(f"{'critics':<36}{'histories':>10}{'reviews':>9}{'tests':>10}{'seen':>8}   95 % interval")
    for name, draw in shops:
        for histories, each in ((1, 8), (1, 30), (100, 3), (100, 30)):
            random = np.random.default_rng([seed, histories, each])
            hits = dict.fromkeys(TESTS, 0)
            for _ in range(runs):
                reviews = random.poisson(each, (histories, CONFIG.windows))
                criticisms = draw(random, reviews)
                for tests in TESTS:
                    hits[tests] += bool(alarmed(criticisms, reviews, CONFIG, tests).any())
            for tests, seen in hits.items():
                low, high = interval(seen, runs)
                print(
                    f"{name:<36}{histories:>10}{each:>9}{tests:>10}{seen / runs:>8.1%}   {low:.1%} to {high:.1%}",
                    flush=True,
                )


def delays(runs: int, seed: int) -> None:
    print(f"\none history rises from 5 %; looked at once a window, up to {WAIT} windows; {runs} runs each\n")
    print(f"{'histories':<11}{'rises to':>8}{'reviews':>9}{'looks':>9}{'tests':>7}{'told':>7}{'first':>7}{'median':>8}")
    cells = itertools.product((1, 100), (0.1, 0.2, 0.4), (10, 30, 100), (("1", PLAIN), ("1 and 3", CONFIG)))
    for histories, to, each, (looks, config) in cells:
        random = np.random.default_rng([seed, each])
        waited = [_delay(random, (histories, each), to, config) for _ in range(runs)]
        for tests in TESTS[:2]:
            windows = np.array([one.get(tests, WAIT + 1) for one in waited])
            told, first, median = (windows <= WAIT).mean(), (windows == 1).mean(), float(np.median(windows))
            shown = f"{median:.0f}" if median <= WAIT else f"> {WAIT}"
            print(
                f"{histories:<11}{to:>8.0%}{each:>9}{looks:>9}{tests:>7}{told:>7.0%}{first:>7.0%}{shown:>8}",
                flush=True,
            )


def _delay(random: np.random.Generator, shop: tuple[int, int], to: float, config: TrendConfig) -> dict[str, int]:
    """The window after the rise, from 1, in which tests tell the risen one. ``shop``: histories, reviews a window."""
    length = config.windows + WAIT
    reviews = random.poisson(shop[1], (shop[0], length))
    share = np.full(reviews.shape, 0.05)
    share[0, :WAIT] = to  # newest first: the rise began WAIT windows ago
    criticisms = random.binomial(reviews, share)
    found: dict[str, int] = {}
    for window in range(1, WAIT + 1):
        seen = slice(WAIT - window, WAIT - window + config.windows)
        for tests in TESTS[1::-1]:  # two, and only if they tell it, three
            if not alarmed(criticisms[:, seen], reviews[:, seen], config, tests)[0]:
                break
            found.setdefault(tests, window)
        else:
            break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    false_alarms(asked.runs, asked.seed, [shop for shop in SHOPS if asked.only in shop[0]])
    if not asked.only:
        delays(max(asked.runs // 10, 1), asked.seed)


if __name__ == "__main__":
    main()

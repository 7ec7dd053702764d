"""What an alert on reviews is worth: ``python tests/benchmarks/review_trends.py [--runs N] [--seed S]``.

First the false alarms of a run in which nothing changed, stated beside seen with a 95 % Wilson interval, in several
shops: critics at an even rate, and critics in bursts (a beta-binomial share, its correlation given); by Fisher's test
alone and by both. Then the delay: windows from a rise of one product's share of criticism until it is told.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mining.reviews.trends import Counts, TrendConfig, adjusted, of_reviews, rising
from mining.wilson import interval

CONFIG = TrendConfig()
PLAIN = replace(CONFIG, recent=(1,))
WAIT = 12  # windows that a rise is waited for

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


def alarmed(criticisms: Counts, reviews: Counts, config: TrendConfig, *, both: bool = True) -> NDArray[np.bool_]:
    """Which histories of one run are told, as ``negative_trends`` does it, or by Fisher's test alone."""
    tried = criticisms.sum(1) >= config.at_least
    told = np.zeros(len(reviews), dtype=bool)
    if tried.any():
        c, r = criticisms[tried], reviews[tried]
        fisher = np.minimum.reduce([of_reviews(c, r, recent) for recent in config.recent]) * len(config.recent)
        told[tried] = adjusted(rising(c, r, config).p if both else np.minimum(fisher, 1.0)) <= config.level
    return told & (criticisms[:, : max(config.recent)].sum(1) >= config.at_least)


def false_alarms(runs: int, seed: int) -> None:
    print(f"stated: at most {CONFIG.level:.1%} of runs in which nothing changed tell any alert; {runs} runs each\n")
    print(f"{'critics':<34}{'histories':>10}{'reviews':>9}{'tests':>12}{'seen':>8}   95 % interval")
    shops: tuple[tuple[str, Draw], ...] = (
        ("even, 5 %", even(0.05)),
        ("even, 20 %", even(0.2)),
        ("bursts, 10 %, correlation .05", bursts(0.1, 0.05)),
        ("bursts, 10 %, correlation .2", bursts(0.1, 0.2)),
    )
    for name, draw in shops:
        for histories, each in ((1, 8), (100, 3), (100, 30)):
            for both in (True, False):
                random = np.random.default_rng([seed, histories, each])
                hits = 0
                for _ in range(runs):
                    reviews = random.poisson(each, (histories, CONFIG.windows))
                    hits += bool(alarmed(draw(random, reviews), reviews, CONFIG, both=both).any())
                low, high = interval(hits, runs)
                used = "both" if both else "Fisher's"
                print(f"{name:<34}{histories:>10}{each:>9}{used:>12}{hits / runs:>8.1%}   {low:.1%} to {high:.1%}")


def delays(runs: int, seed: int) -> None:
    print(f"\none of 100 histories rises from 5 %; looked at once a window, up to {WAIT} windows; {runs} runs each\n")
    print(f"{'rises to':<10}{'reviews a window':>18}{'looks':>8}{'told':>8}{'first window':>14}{'median delay':>14}")
    for to in (0.1, 0.2, 0.4):
        for each in (10, 30, 100):
            for name, config in (("1", PLAIN), ("1 and 3", CONFIG)):
                random = np.random.default_rng([seed, each])
                waited = [_delay(random, to, each, config) for _ in range(runs)]
                told = sum(one is not None for one in waited) / runs
                median = float(np.median([WAIT + 1 if one is None else one for one in waited]))
                first = sum(one == 1 for one in waited) / runs
                shown = f"{median:.0f}" if median <= WAIT else f"> {WAIT}"
                print(f"{to:<10.0%}{each:>18}{name:>8}{told:>8.0%}{first:>14.0%}{shown:>14}")


def _delay(random: np.random.Generator, to: float, each: int, config: TrendConfig) -> int | None:
    """The window after the rise, from 1, in which the risen history is told."""
    length = config.windows + WAIT
    reviews = random.poisson(each, (100, length))
    share = np.full((100, length), 0.05)
    share[0, :WAIT] = to  # newest first: the rise began WAIT windows ago
    criticisms = random.binomial(reviews, share)
    for window in range(1, WAIT + 1):
        seen = slice(WAIT - window, WAIT - window + config.windows)
        if alarmed(criticisms[:, seen], reviews[:, seen], config)[0]:
            return window
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    false_alarms(asked.runs, asked.seed)
    delays(max(asked.runs // 10, 1), asked.seed)


if __name__ == "__main__":
    main()

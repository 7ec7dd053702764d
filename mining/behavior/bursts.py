"""Was a pair of products made within a short time by accounts that do nothing else? The tests, on arrays.

For each pair one vote a person, and three flags of it:

lone       the account has met at most ``lone_products`` products in its whole life: it has one purpose
new        its first event is at most ``new_account`` seconds before the joint group
nameless   there is no account, only a session or an event

Two tests, each against the shop's own habits, so that neither a launch nor a season fails them:

accounts   of the pair's n people s are flagged: P(Bin(n, q) ≥ s), q the share of flagged accounts behind all groups of
           two products and more, or behind the others of the 30 days around where that is larger (campaigns bring
           newcomers, and whoever came last had no time to do more). The smallest of the flags, times their number
burst      a scan statistic: of s flagged votes k lie in one window, and of the N_a groups with a, m_a do:
           P(Hypergeometric(N_a, s, m_a) ≥ k); the same for b; the larger of the two, since a launch of either product
           packs its groups as close. The smallest over windows that begin at a vote, of several lengths, times their
           number (Bonferroni; Naus: "Approximations for distributions of scan statistics", JASA 1982)

A pair is suspect if both are below ``ODD`` and both together (Fisher's method: −2 Σ ln p is χ² with 4 degrees of
freedom) survive Benjamini and Hochberg (JRSS B 1995) at ``burst_alarms`` among all supported pairs of the relation. The
suspects are the flagged people of its window.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mining.behavior.config import BehaviorConfig

FLAGS = ("lone", "new", "nameless")
ODD = 0.05
AROUND = 30 * 86_400
"""Seconds: what is usual at a time is asked of no shorter stretch, lest attacks pass for the habit of their day."""
FEW = 10  # groups whose weight the overall share has among those around
_LEAST = 1e-300  # the smallest p-value that has a logarithm
Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes of one pair with one flag, by time: ``actors`` and ``at`` (s,). ``people`` are behind the pair in all;
    ``first`` and ``second`` are the times of the groups with a, and with b, sorted."""

    actors: Ints
    at: Ints
    people: int
    first: Ints
    second: Ints


@dataclass(frozen=True, slots=True)
class Habits:
    """Times of all groups, sorted (g,), and how many of the first n were flagged (g + 1,)."""

    at: Ints
    counts: Ints

    @classmethod
    def of(cls, at: Ints, flags: NDArray[np.bool_]) -> "Habits":
        return cls(at, np.concatenate(([0], np.cumsum(flags))))

    @property
    def overall(self) -> float:
        """The share of all groups, never 0 nor 1."""
        return float((self.counts[-1] + 1) / (len(self.at) + 2))

    def share(self, at: Ints) -> float:
        """Of all groups, or of those around these votes but for themselves where that is more."""
        wide = max(0, AROUND - int(at[-1] - at[0])) // 2
        low, high = np.searchsorted(self.at, (at[0] - wide, at[-1] + wide + 1))
        flagged = max(0, int(self.counts[high] - self.counts[low]) - len(at))
        others = max(flagged, int(high - low) - len(at))
        return float(max(self.overall, (flagged + FEW * self.overall) / (others + FEW)))


@dataclass(frozen=True, slots=True)
class Judged:
    """p of both tests together, 1 where either is not odd, and the actors in the densest window."""

    p: float
    actors: Ints


def judge(votes: Votes, usual: Habits, config: BehaviorConfig) -> Judged:
    """One pair and one flag."""
    burst, inside = _scan(votes, config)
    share = usual.share(votes.at[inside])
    accounts = _accounts(np.array([len(votes.at)]), np.array([votes.people]), share)
    return Judged(float(_together(np.array([burst]), accounts)[0]), votes.actors[inside])


def _accounts(flagged: Ints, people: Ints, share: float) -> Doubles:
    from scipy.stats import binom

    tail = np.asarray(binom.sf(flagged - 1, people, share), np.float64)
    return np.minimum(1.0, len(FLAGS) * tail)


def _together(burst: Doubles, accounts: Doubles) -> Doubles:
    """Fisher's method where both are odd, else 1."""
    from scipy.stats import chi2

    logs = np.log(np.maximum(burst, _LEAST)) + np.log(np.maximum(accounts, _LEAST))
    return np.where(np.maximum(burst, accounts) <= ODD, chi2.sf(-2.0 * logs, 4), 1.0)


def _scan(votes: Votes, config: BehaviorConfig) -> tuple[float, slice]:
    """The p-value of the densest window, and which votes lie in it."""
    from scipy.stats import hypergeom

    at, found = votes.at, (1.0, slice(0, len(votes.at)))
    tried = len(at) * len(config.burst_windows)
    for length in config.burst_windows:
        stops = np.searchsorted(at, at + length)
        inside = stops - np.arange(len(at))
        chance = np.zeros(len(at))
        for own in (votes.first, votes.second):
            held = np.maximum(np.searchsorted(own, at + length) - np.searchsorted(own, at), inside)
            chance = np.maximum(chance, hypergeom.sf(inside - 1, max(len(own), len(at)), len(at), held))
        best = int(np.argmin(chance))
        p = min(1.0, float(chance[best]) * tried)
        if p < found[0]:
            found = (p, slice(best, int(stops[best])))
    return found


def hopeful(
    flagged: Sequence[Ints], people: Ints, groups: Ints, usual: Sequence[float], tests: int, config: BehaviorConfig
) -> NDArray[np.bool_]:
    """Which pairs could be found at all, if all their flagged votes lay in one window: most could not.

    ``flagged`` counts the votes of each pair with a flag, ``people`` all, ``groups`` those of its rarer product (p,);
    ``usual`` is the overall share of each flag.
    """
    from scipy.special import gammaln

    least = np.ones(len(people))
    for count, share in zip(flagged, usual, strict=True):
        total = np.maximum(groups, count)
        ways = gammaln(total + 1) - gammaln(count + 1) - gammaln(total - count + 1)
        burst = np.minimum(1.0, count * len(config.burst_windows) * np.exp(-ways))
        together = _together(burst, _accounts(count, people, share))
        least = np.minimum(least, np.where(count > 1, together, 1.0))
    kept: NDArray[np.bool_] = least <= ODD
    while True:
        fewer: NDArray[np.bool_] = kept & (least <= config.burst_alarms * kept.sum() / max(tests, 1))
        if fewer.sum() == kept.sum():
            return fewer
        kept = fewer


def suspects(judged: Sequence[Judged], tests: int, config: BehaviorConfig) -> tuple[frozenset[int], int]:
    """The actors behind the pairs that survive Benjamini and Hochberg among ``tests``, and how many pairs those are."""
    order = sorted(judged, key=lambda one: one.p)
    passing = [place for place, one in enumerate(order, 1) if one.p <= config.burst_alarms * place / max(tests, 1)]
    pairs = order[: max(passing, default=0)]
    return frozenset(int(actor) for one in pairs for actor in one.actors), len(pairs)

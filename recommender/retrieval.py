"""The best k of everything: exact, filtered, and in an order that does not depend on k."""

import numpy as np

from recommender.arrays import Bools, Floats, Ints

_GROUP = 128  # values that are compared by their largest alone


def top_k(scores: Floats, k: int, allowed: Bools | None = None) -> Ints:
    """The places of the k largest scores among the allowed, (≤ k,), best first; of equals the lower place first.

    ``scores``, ``allowed`` (n,). The answer for k is a prefix of the answer for k + 1. Time n + m log m for m places
    that score at least as much as a bound just under the k-th.
    """
    places = np.arange(len(scores)) if allowed is None else np.flatnonzero(allowed)
    if k < 1 or len(places) == 0:
        return np.zeros(0, np.int64)
    values = scores[places]
    if k < len(places):
        near = values >= under_kth(values, k)  # every equal of the k-th too: which is taken is decided by place
        places, values = places[near], values[near]
    best: Ints = places[np.lexsort((places, -values))][:k]
    return best


def under_kth(values: Floats, k: int) -> np.float32:
    """A bound that the k-th largest of n ≥ k values reaches, and few others do: itself, or the k-th largest of the
    maxima of groups, which k values reach one group each. The maxima take a tenth of the time of a partition.
    """
    groups = len(values) // _GROUP
    if k <= groups // 2:  # with more of them the least maximum is no longer near the top
        maxima = values[: groups * _GROUP].reshape(groups, _GROUP).max(axis=1)
        bound: np.float32 = np.partition(maxima, groups - k)[groups - k]
        if bound > -np.inf:
            return bound
    least: np.float32 = np.partition(values, len(values) - k)[len(values) - k]
    return least

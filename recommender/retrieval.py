"""The best k of everything: exact, filtered, and in an order that does not depend on k."""

import numpy as np

from recommender.arrays import Bools, Floats, Ints


def top_k(scores: Floats, k: int, allowed: Bools | None = None) -> Ints:
    """The places of the k largest scores among the allowed, (≤ k,), best first; of equals the lower place first.

    ``scores``, ``allowed`` (n,). The answer for k is a prefix of the answer for k + 1. Time n + m log m for m places
    that score at least as much as the k-th.
    """
    places = np.arange(len(scores)) if allowed is None else np.flatnonzero(allowed)
    if k < 1 or len(places) == 0:
        return np.zeros(0, np.int64)
    values = scores[places]
    if k < len(places):
        bound = np.partition(values, len(values) - k)[len(values) - k]
        near = values >= bound  # every equal of the k-th too: which of them is taken is decided by place, not by chance
        places, values = places[near], values[near]
    best: Ints = places[np.lexsort((places, -values))][:k]
    return best

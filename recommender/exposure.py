"""What lists are like apart from being right: how much of the shop they show, how new, how varied, how popular.

Every figure is of the lists alone (n users, k places, best first) and of what training knew about the products.

=================  ===============================================================================================
coverage           share of all products that stand in at least one list (Ge, Delgado-Battenfeld, Jannach, RecSys 2010)
novelty            mean of −log₂ p over the places, p the share of users who acted on the product; bits (Zhou et al.,
                   PNAS 2010). A product that nobody acted on counts as if one user had
diversity          intra-list: mean of 1 − cosine over all pairs of a list, products as sets of facts (Ziegler et al.,
                   WWW 2005). None where no facts are known; a product without facts is like no other
popularity         average recommendation popularity: mean number of users who acted on what is shown (Yin et al.,
                   VLDB 2012)
popularity lift    how much more popular than what the same users had acted on: their ratio − 1 (Abdollahpouri et al.,
                   RecSys 2020)
long tail share    mean share of places outside the fifth of products that most users acted on (Abdollahpouri, Burke,
                   Mobasher, FLAIRS 2019)
gini               of exposure over all products: 0 all equal, towards 1 one product has it all (Fleder, Hosanagar,
                   Management Science 2009)
=================  ===============================================================================================

Exposure is what a place is worth: 1 / log₂(rank + 1) (Singh, Joachims, KDD 2018).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Bools, Doubles, Floats, Ints, Sparse
from recommender.dataset import Dataset
from recommender.evaluation import slices
from recommender.splits import Cases

NOTHING = -1
"""In a list: a place that stays empty, since no more products may be shown."""


def best_places(scores: Floats, masked: Bools, k: int) -> Ints:
    """The lists of a block of users, (b, k): the items of highest score, of equals the lower place, ``NOTHING`` where
    fewer than k are left. ``scores``, ``masked`` (b, n_items)."""
    n_items = scores.shape[1]
    open_scores = np.where(masked, np.float32(-np.inf), scores)
    kth = np.partition(open_scores, n_items - min(k, n_items), axis=1)[:, n_items - min(k, n_items)]
    lists = np.full((len(scores), k), NOTHING, np.int64)
    for row, least in enumerate(kth):
        found = np.flatnonzero(open_scores[row] >= least)
        found = found[np.isfinite(open_scores[row, found])]
        order = np.lexsort((found, -open_scores[row, found]))[:k]
        lists[row, : len(order)] = found[order]
    return lists


def exposures(lists: Ints, n_items: int) -> Doubles:
    """What each product gets of all places, (n_items,)."""
    worth = np.broadcast_to(1.0 / np.log2(np.arange(lists.shape[1]) + 2.0), lists.shape)
    shown = lists != NOTHING
    return np.bincount(lists[shown], weights=worth[shown], minlength=n_items).astype(np.float64)


def gini(amounts: Doubles) -> float:
    """Of amounts (n,) that are not negative; 0 where nobody has anything."""
    total, n = float(amounts.sum()), len(amounts)
    if total <= 0:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ np.sort(amounts) / (n * total))


def lorenz(amounts: Doubles, points: int = 51) -> list[float]:
    """The share of the whole that the least shown 0 … 100 % have together, at ``points`` even steps."""
    total = float(amounts.sum()) or 1.0
    held = np.concatenate(([0.0], np.cumsum(np.sort(amounts)))) / total
    return [float(v) for v in np.interp(np.linspace(0, len(amounts), points), np.arange(len(amounts) + 1), held)]


@dataclass(frozen=True, slots=True)
class Known:
    """What training knew. ``users`` (n_items,) acted on each product, of ``n_users``; ``tail`` (n_items,) are the
    long-tail ones; ``facts`` (n_items, n_entities) has rows of length 1 or 0; ``profile`` is the mean popularity of
    what the users of the cases had acted on."""

    users: Ints
    n_users: int
    tail: Bools
    facts: Sparse | None
    profile: float

    @classmethod
    def of(cls, train: Dataset, cases: Cases) -> "Known":
        n_items = len(train.items)
        users = _distinct(train.histories.owners, train.histories.items, n_items)
        everything = replace(cases, owners=np.zeros(n_items, np.int64), targets=np.arange(n_items))
        h = cases.histories
        mine = np.unique(h.owners * n_items + h.items)
        lengths = np.bincount(mine // n_items, minlength=len(h))
        sums = np.bincount(mine // n_items, weights=users[mine % n_items], minlength=len(h))
        profile = float((sums[lengths > 0] / lengths[lengths > 0]).mean()) if lengths.any() else 0.0
        return cls(users, len(train.users), slices(train, everything)["long tail"], _facts(train), profile)


def _distinct(owners: Ints, items: Ints, n_items: int) -> Ints:
    return np.bincount(np.unique(owners * n_items + items) % n_items, minlength=n_items).astype(np.int64)


def _facts(train: Dataset) -> Sparse | None:
    shape = (len(train.items), len(train.entities))
    parts = [(edges.matrix(shape) > 0).astype(np.float32) for edges in train.attributes.values() if len(edges)]
    if not parts:
        return None
    stacked = sp.hstack(parts, format="csr")
    lengths = np.sqrt(np.asarray(stacked.multiply(stacked).sum(axis=1)).ravel())
    scale = sp.diags_array(1.0 / np.maximum(lengths, 1e-12).astype(np.float32))
    return (scale @ stacked).tocsr()


def figures(lists: Ints, known: Known) -> Mapping[str, float | None]:
    """The figures of the table above, by name. ``lists`` (n, k); empty lists have no say in the means."""
    n_items = len(known.users)
    shown = lists != NOTHING
    counts = shown.sum(axis=1)
    spoken = counts > 0
    if not spoken.any():
        return dict.fromkeys(NAMES)
    places = np.where(shown, lists, 0)

    def mean(values: Doubles) -> float:
        """Over the places of a list, then over the lists."""
        return float(((np.where(shown, values[places], 0.0).sum(axis=1))[spoken] / counts[spoken]).mean())

    popularity = mean(known.users.astype(np.float64))
    return {
        "coverage": len(np.unique(lists[shown])) / n_items,
        "novelty": mean(-np.log2(np.maximum(known.users, 1) / max(known.n_users, 1))),
        "diversity": None if known.facts is None else _diversity(lists, known.facts),
        "popularity": popularity,
        "popularity_lift": popularity / known.profile - 1 if known.profile else None,
        "long_tail_share": mean(known.tail.astype(np.float64)),
        "gini": gini(exposures(lists, n_items)),
    }


NAMES = ("coverage", "novelty", "diversity", "popularity", "popularity_lift", "long_tail_share", "gini")


def _diversity(lists: Ints, facts: Sparse, block: int = 4096) -> float | None:
    """With unit rows f_i, the cosines of all pairs of a list sum to |Σ f_i|² − Σ |f_i|²."""
    own: Doubles = np.asarray(facts.multiply(facts).sum(axis=1)).ravel()
    distances: list[Doubles] = []
    for start in range(0, len(lists), block):
        some = lists[start : start + block]
        rows, places = np.nonzero(some != NOTHING)
        items, counts = some[rows, places], (some != NOTHING).sum(axis=1)
        member = sp.csr_array((np.ones(len(rows), np.float32), (rows, items)), shape=(len(some), len(own)))
        sums = member @ facts
        alike = np.asarray(sums.multiply(sums).sum(axis=1)).ravel() - np.bincount(
            rows, weights=own[items], minlength=len(some)
        )
        pairs = counts * (counts - 1)
        distances.append(1.0 - alike[pairs > 0] / pairs[pairs > 0])
    found = np.concatenate(distances)
    return float(found.mean()) if len(found) else None

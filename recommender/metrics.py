"""Ranking metrics over all items: exact ranks of the targets first, every metric from those.

A rank is one integer a target, so whole populations are measured block by block in bounded memory::

    for block in blocks:  ranks.append(target_ranks(scores, rows, items))     # (block, n_items) -> (targets,)
    metrics_at(np.concatenate(ranks), owners, n_users, k=10)
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.arrays import Bools, Doubles, Floats, Ints
from recommender.errors import ScoreError

NEVER = np.iinfo(np.int64).max  # the rank of a target that was masked and so cannot be shown
_CELLS = 1 << 22  # comparisons held at once


@dataclass(frozen=True, slots=True)
class Metrics:
    """Means over the users who have at least one target. ``users`` says how many those are."""

    k: int
    users: int
    recall: float
    ndcg: float
    hit_rate: float
    precision: float
    mrr: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def target_ranks(scores: Floats | Doubles, rows: Ints, items: Ints, masked: Bools | None = None) -> Ints:
    """The rank of each target among its row's candidates, from 1.

    ``scores`` (b, n): one row a user. ``rows``, ``items`` (t,): where the targets are, each pair once. ``masked``
    (b, n): what may not be shown; a masked target gets the rank ``NEVER``. Ties count against the model: a target ranks
    behind every other candidate of equal score. Raises ScoreError for NaN.
    """
    if np.isnan(scores).any():
        raise ScoreError(f"{int(np.isnan(scores).sum())} scores are NaN; a model must give a number to every item")
    own = scores[rows, items]
    behind = _candidates_at_least(scores, rows, own, masked)
    hidden = np.zeros(len(rows), bool) if masked is None else masked[rows, items]
    ranks = np.full(len(rows), NEVER, np.int64)
    seen = np.flatnonzero(~hidden)
    better, equal = _targets_ahead(rows[seen], own[seen])
    # behind counts the target itself and its fellow targets of equal or better score; exchange those for its place
    ranks[seen] = behind[seen] - better - equal + _place(rows[seen], own[seen]) + 1
    return ranks


def _candidates_at_least(scores: Floats | Doubles, rows: Ints, own: Floats | Doubles, masked: Bools | None) -> Ints:
    """For each target the number of unmasked candidates of its row that score at least as much, itself included."""
    counts = np.empty(len(rows), np.int64)
    step = max(1, _CELLS // max(1, scores.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        at_least = scores[rows[part]] >= own[part, None]
        if masked is not None:
            at_least &= ~masked[rows[part]]
        counts[part] = np.count_nonzero(at_least, axis=1)
    return counts


def _place(rows: Ints, own: Floats | Doubles) -> Ints:
    """The place of each target among its row's targets, best first, from 0; equals take successive places."""
    order = np.lexsort((-own, rows))
    firsts = np.searchsorted(rows[order], rows[order], side="left")
    places = np.empty(len(rows), np.int64)
    places[order] = np.arange(len(rows)) - firsts
    return places


def _targets_ahead(rows: Ints, own: Floats | Doubles) -> tuple[Ints, Ints]:
    """For each target, how many targets of its row score more, and how many the same (itself included)."""
    place = _place(rows, own)
    order = np.lexsort((place, rows))
    same_row = np.concatenate(([False], rows[order][1:] == rows[order][:-1])) if len(rows) else np.zeros(0, bool)
    same_score = np.concatenate(([False], own[order][1:] == own[order][:-1])) if len(rows) else np.zeros(0, bool)
    group = np.cumsum(~(same_row & same_score)) - 1
    sizes = np.bincount(group) if len(rows) else np.zeros(0, np.int64)
    first_place = place[order][np.flatnonzero(~(same_row & same_score))]
    better, equal = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    better[order], equal[order] = first_place[group], sizes[group]
    return better, equal


def metrics_at(ranks: Ints, owners: Ints, n_users: int, k: int) -> Metrics:
    """Recall, NDCG, hit rate, precision and MRR at k.

    ``ranks``, ``owners`` (t,): each target's rank and the user it belongs to, in ``range(n_users)``. Users without a
    target are left out of the means. Gain is 1, the discount 1 / log2(rank + 1); the ideal list holds min(|T|, k).
    """
    if k < 1:
        raise ValueError(f"k is {k}; a list has at least one place")
    per_user = user_metrics(ranks, owners, n_users, k)
    users = len(per_user["recall"])
    means = {name: float(values.mean()) if users else 0.0 for name, values in per_user.items()}
    return Metrics(k=k, users=users, **means)


def user_metrics(ranks: Ints, owners: Ints, n_users: int, k: int) -> dict[str, NDArray[np.float64]]:
    """The same per user with targets, in user order: for paired comparisons."""
    targets = np.bincount(owners, minlength=n_users)
    counted = targets > 0
    hit = ranks <= k
    hits = np.bincount(owners[hit], minlength=n_users)
    gains = np.bincount(owners[hit], weights=1.0 / np.log2(ranks[hit] + 1.0), minlength=n_users)
    ideal = np.concatenate(([0.0], np.cumsum(1.0 / np.log2(np.arange(1, k + 1) + 1.0))))
    best = np.full(n_users, NEVER, np.int64)
    np.minimum.at(best, owners[hit], ranks[hit])
    reciprocal = np.where(best == NEVER, 0.0, 1.0 / best)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = {
            "recall": hits / targets,
            "ndcg": gains / ideal[np.minimum(targets, k)],
            "hit_rate": (hits > 0).astype(np.float64),
            "precision": hits / k,
            "mrr": reciprocal,
        }
    return {name: value[counted] for name, value in values.items()}

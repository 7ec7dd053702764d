"""How good is a model, measured the same way for all: every item ranked, for every user of a cut."""

import numpy as np

from recommender.arrays import Ints
from recommender.errors import ScoreError
from recommender.metrics import Metrics, metrics_at, target_ranks
from recommender.models.base import Scorer
from recommender.splits import Cases

_BLOCK_BYTES = 64 << 20


def rank_cases(scorer: Scorer, cases: Cases, *, exclude_seen: bool = True) -> Ints:
    """The rank of every target of ``cases``, (t,), among all items but those of the user's history.

    Works block by block over the users, in about 200 MB whatever their number. Raises ScoreError where the scorer
    breaks its promise.
    """
    n_items = len(scorer.items)
    block = max(1, _BLOCK_BYTES // (4 * n_items))
    ranks = np.empty(len(cases.targets), np.int64)
    order = np.argsort(cases.owners, kind="stable")
    owners, targets = cases.owners[order], cases.targets[order]
    for start in range(0, len(cases), block):
        histories = cases.histories.rows(start, start + block)
        scores = scorer.scores_batch(histories)
        if scores.shape != (len(histories), n_items):
            raise ScoreError(f"scores have the shape {scores.shape}, expected {(len(histories), n_items)}")
        masked = None
        if exclude_seen:
            masked = np.zeros(scores.shape, bool)
            masked[histories.owners, histories.items] = True
        part = slice(*np.searchsorted(owners, [start, start + len(histories)]))
        ranks[order[part]] = target_ranks(scores, owners[part] - start, targets[part], masked)
    return ranks


def measure(scorer: Scorer, cases: Cases, k: int = 10, *, exclude_seen: bool = True) -> Metrics:
    """The metrics at k over all users of ``cases`` that have a target."""
    return metrics_at(rank_cases(scorer, cases, exclude_seen=exclude_seen), cases.owners, len(cases), k)

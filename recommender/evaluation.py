"""How good is a scorer, measured alike for all: every item ranked, for every user of a cut, in bounded memory."""

from collections.abc import Callable, Iterator

import numpy as np

from recommender.arrays import Bools, Floats, Ints
from recommender.dataset import Dataset
from recommender.errors import ScoreError
from recommender.histories import Histories
from recommender.metrics import Metrics, metrics_at, target_ranks
from recommender.model import Scorer
from recommender.splits import Cases, taken

HEAD = 0.2
"""The share of the items that training knows which are not long tail: those that most users acted on."""
_BLOCK_BYTES = 64 << 20


def measure(scorer: Scorer, cases: Cases, k: int = 10, *, exclude_seen: bool = True) -> Metrics:
    """The metrics at k over all users of ``cases`` that have a target."""
    return metrics_at(rank_cases(scorer, cases, exclude_seen=exclude_seen), cases.owners, len(cases), k)


def rank_cases(
    scorer: Scorer,
    cases: Cases,
    *,
    exclude_seen: bool = True,
    watch: Callable[[Floats, Bools], None] | None = None,
) -> Ints:
    """The rank of every target of ``cases``, (t,), among all items but those the user has taken already.

    Works block by block over the users, in about 200 MB whatever their number; ``watch`` sees the scores and the mask
    of each block. Raises ScoreError where the scorer breaks its promise.
    """
    n_items = len(scorer.items)
    ranks = np.empty(len(cases.targets), np.int64)
    for histories, rows, items, which in blocks(cases, n_items):
        scores = scorer.scores_batch(histories)
        if scores.shape != (len(histories), n_items):
            raise ScoreError(f"scores have the shape {scores.shape}, expected {(len(histories), n_items)}")
        masked = mask(histories, cases, n_items) if exclude_seen else np.zeros(scores.shape, bool)
        ranks[which] = target_ranks(scores, rows, items, masked)
        if watch:
            watch(scores, masked)
    return ranks


def blocks(cases: Cases, n_items: int) -> Iterator[tuple[Histories, Ints, Ints, Ints]]:
    """Some users at a time: histories, the row and the item of each target, and their places in ``cases.targets``."""
    size = max(1, _BLOCK_BYTES // (4 * n_items))
    order = np.argsort(cases.owners, kind="stable")
    owners = cases.owners[order]
    for start in range(0, len(cases), size):
        histories = cases.histories.rows(start, start + size)
        which = order[slice(*np.searchsorted(owners, [start, start + len(histories)]))]
        yield histories, cases.owners[which] - start, cases.targets[which], which


def mask(histories: Histories, cases: Cases, n_items: int) -> Bools:
    """What each row has taken already, (n, n_items)."""
    masked = np.zeros((len(histories), n_items), bool)
    had = taken(histories, cases.taking)
    masked[histories.owners[had], histories.items[had]] = True
    return masked


def slices(train: Dataset, cases: Cases) -> dict[str, Bools]:
    """By name of the slice, which targets of ``cases`` belong to it, (t,).

    ``warm``: training has an event on the item. ``cold item``: it has none. ``long tail``: warm, and not among the
    fifth of the warm items that most users acted on; of equals the one that comes first in ``train.items`` goes before.
    """
    h, n_items = train.histories, len(train.items)
    users = np.bincount(np.unique(h.owners * n_items + h.items) % n_items, minlength=n_items)
    order = np.argsort(-users, kind="stable")
    head = np.isin(np.arange(n_items), order[: int(np.ceil(HEAD * np.count_nonzero(users)))])
    warm = users[cases.targets] > 0
    return {"warm": warm, "cold item": ~warm, "long tail": warm & ~head[cases.targets]}

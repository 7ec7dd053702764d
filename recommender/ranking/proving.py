"""Does the ranker help? Each list is ordered by a ranker that learned from other users, and compared with itself.

Flow: the lists of a scorer that was fitted before the cut → users in folds → one ranker a fold, learned from the other
folds → NDCG@k of every list as retrieved and as ranked, of the same users → a ranker from all, served only if the lower
end of the interval is above 0. Stone: "Cross-validatory choice and assessment of statistical predictions", JRSS B 1974.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.arrays import Doubles, Ints
from recommender.comparing import Interval, paired_bootstrap
from recommender.errors import ModelFitError
from recommender.metrics import metrics_at, user_metrics
from recommender.model import Scorer
from recommender.ranking.learning import Settings, learn
from recommender.ranking.lessons import Lessons, Outcomes, lessons
from recommender.ranking.ranker import TASKS, Ranker, arrangement
from recommender.ranking.view import View

FOLDS = 3
MOST_ROWS = 6000
"""Users that the ranker learns from and is judged by, spread evenly over all."""
FEWEST = 30
"""Users with something to find in their list; fewer can show nothing."""


@dataclass(frozen=True, slots=True)
class Proof:
    """NDCG@k of the same users as retrieved and as ranked, out of fold. ``reach`` is the share of what they took that
    stood in their list at all, ``tasks`` how many lists taught each task. ``ranker`` is None where none was learned,
    and ``failed`` says why."""

    k: int
    users: int = 0
    plain: float = 0.0
    ranked: float = 0.0
    reach: float = 0.0
    difference: Interval | None = None
    tasks: tuple[int, ...] = ()
    ranker: Ranker | None = None
    failed: str | None = None

    @property
    def helps(self) -> bool:
        return self.ranker is not None and self.difference is not None and self.difference.low > 0

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        if self.difference is None:
            return {"served": False, "failed": self.failed}
        told = {f"ndcg@{self.k}": round(self.plain, 5), f"ndcg@{self.k} ranked": round(self.ranked, 5)}
        interval = {name: round(getattr(self.difference, name), 5) for name in ("mean", "low", "high")}
        taught = dict(zip(TASKS, self.tasks, strict=True))
        return {
            "served": self.helps,
            "users": self.users,
            **told,
            "difference": interval,
            "reach": round(self.reach, 4),
            "lists that taught": taught,
        }


def prove(
    base: Scorer,
    view: View,
    asked: Outcomes,
    settings: Settings,
    *,
    k: int = 10,
    folds: int = FOLDS,
    on_progress: Callable[[str], None] | None = None,
) -> Proof:
    """``base`` and ``view`` come from before what ``asked`` says came after."""
    asked = asked.first(MOST_ROWS)
    if not len(asked.histories):
        return Proof(k, failed="nobody did anything after the validation cut")
    say = on_progress or (lambda _: None)
    say("lists")
    found = lessons(base, view, (view.links, view.attributes), asked, pool=settings.pool, most=settings.most)
    tasks = tuple(int(count) for count in found.labels.any(axis=1).sum(axis=0))
    helped = np.isin(np.arange(len(found)), asked.wanted[0][found.ranks() <= settings.pool])
    if helped.sum() < FEWEST:
        why = f"{int(helped.sum())} lists hold what was taken later; a ranker needs {FEWEST} to learn from"
        return Proof(k, tasks=tasks, failed=why)
    rows = np.arange(len(found))
    fold = np.random.default_rng(settings.seed).permutation(rows) % folds
    order = np.empty(found.pools.shape, np.int64)
    try:
        for one in range(folds):
            say(f"fold {one + 1} of {folds}")
            theirs = rows[fold == one]
            order[theirs] = ordered(learn(base, view, found, rows[fold != one], settings), found, theirs)
        say("everyone")
        ranker = learn(base, view, found, rows, settings)
    except ModelFitError as error:
        return Proof(k, tasks=tasks, failed=str(error))
    return _proof(found, order, k, tasks, ranker)


def ordered(ranker: Ranker, found: Lessons, rows: Ints) -> Ints:
    """The places of each list in the order in which they would be shown, (n, p)."""
    parts = []
    for start in range(0, len(rows), 64):
        some = rows[start : start + 64]
        told = found.part(some)
        worth = np.where(told.shown, ranker.network.chances(told) @ np.asarray(ranker.values), -np.inf)
        parts += [arrangement(one, free) for one, free in zip(worth, found.free[some], strict=True)]
    return np.array(parts, np.int64).reshape(-1, found.pools.shape[1])


def _proof(found: Lessons, order: Ints, k: int, tasks: tuple[int, ...], ranker: Ranker) -> Proof:
    owners, n = found.outcomes.wanted[0], len(found)
    plain, ranked = found.ranks(), found.ranks(order)
    both: list[dict[str, Doubles]] = [{"ndcg": user_metrics(ranks, owners, n, k)["ndcg"]} for ranks in (ranked, plain)]
    return Proof(
        k,
        len(both[0]["ndcg"]),
        metrics_at(plain, owners, n, k).ndcg,
        metrics_at(ranked, owners, n, k).ndcg,
        float((plain <= found.pools.shape[1]).mean()),
        paired_bootstrap(both[0], both[1])["ndcg"],
        tasks,
        ranker,
    )

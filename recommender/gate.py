"""Whether a new model may replace the one in service: it is refused where the same users would be served worse."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recommender.arrays import Bools, Doubles, Floats, Ints
from recommender.comparing import Interval, paired_bootstrap
from recommender.evaluation import rank_cases
from recommender.histories import Histories, Ids
from recommender.metrics import user_metrics
from recommender.model import Scorer
from recommender.splits import Cases

TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """NDCG@k of both on the same users, and the mean difference (new − in service) with its 95 % interval.

    ``tolerance`` is what may be lost, as a share of the NDCG of the model in service.
    """

    k: int
    new: float
    in_service: float
    difference: Interval
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the lower end of the interval is above −tolerance · NDCG in service: non-inferiority, so that chance
        alone lets nothing worse through (Piaggio et al., JAMA 2012). Equal models pass."""
        least = -self.tolerance * self.in_service
        return self.difference.low > least or self.difference.low == self.difference.high == 0

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        told = {"passed": self.passed, f"ndcg@{self.k}": self.new, f"ndcg@{self.k} in service": self.in_service}
        return {**told, "difference": asdict(self.difference), "tolerance": self.tolerance}


def judge(new: Doubles, in_service: Doubles, *, k: int, tolerance: float = TOLERANCE) -> Verdict:
    """From NDCG@k of the same users (n,) under both models. Raises ValueError where there is no user."""
    if not 0 <= tolerance < 1:
        raise ValueError(f"the tolerance is {tolerance}; expected a share of the NDCG in service, 0 ≤ share < 1")
    found = paired_bootstrap({"ndcg": new}, {"ndcg": in_service})["ndcg"]
    return Verdict(k, float(new.mean()), float(in_service.mean()), found, tolerance)


def ndcgs(scorer: Scorer, cases: Cases, k: int) -> Doubles:
    """NDCG@k of each user with a target, in the order of the cases."""
    return user_metrics(rank_cases(scorer, cases), cases.owners, len(cases), k)["ndcg"]


class Renumbered(Scorer):
    """A scorer that was trained on another catalogue, asked by the places of this one.

    What it does not know scores below all that it knows. The service would show such newcomers by their facts
    (``widening``), so the gate understates a model in service where users took what came after it.
    """

    def __init__(self, scorer: Scorer, items: Ids, users: Ids) -> None:
        self.items, self.users, self._scorer = items, users, scorer
        self._items = np.array([scorer.items.get(name) for name in items.names], np.int64)
        # one place more for nobody: -1 stays -1
        self._users = np.array([*(scorer.users.get(name) for name in users.names), -1], np.int64)

    def scores_batch(self, histories: Histories) -> Floats:
        known = self._scorer.scores_batch(self._theirs(histories))
        scores = np.repeat(known.min(axis=1, keepdims=True) - np.float32(1), len(self.items), axis=1)
        shared = self._items >= 0
        scores[:, shared] = known[:, self._items[shared]]
        return scores

    def speaks(self, histories: Histories) -> Bools:
        return self._scorer.speaks(self._theirs(histories))

    def _theirs(self, histories: Histories) -> Histories:
        kept = histories.keep(self._items[histories.items] >= 0)
        places: Ints = self._items[kept.items]
        return Histories.build(self._users[kept.users], kept.lengths, places, kept.actions, kept.at)

"""What the service keeps to learn how good its answers are: impressions with propensities, and what came of them.

Off by default. Losing a line of this log never costs a visitor an answer: it is counted and said in the log.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.metrics import Metrics
from kg.types import Interaction
from recommender.errors import ImpressionError
from recommender.exploring import Draw, Exploration
from recommender.impressions import Impression, ImpressionLog, Outcome, Shown
from recommender.recommender import Answer

logger = logging.getLogger("shopgraph.api.feedback")


@dataclass(frozen=True, slots=True)
class Feedback:
    """Where answers are logged, and how chance explores; None where they are not, and it does not."""

    impressions: ImpressionLog | None = None
    exploration: Exploration | None = None

    def draw(self, seed: str) -> Draw | None:
        """The choice by chance of the request that goes by this id."""
        return None if self.exploration is None else Draw(self.exploration, seed)

    def log(
        self, name: str, model: str, answer: Answer, metrics: Metrics, *, user_id: str | None, session_id: str | None
    ) -> None:
        """Keep what this answer shows."""
        if self.impressions is None:
            return
        shown = tuple(Shown(r.product_id, r.rank, answer.propensity(r)) for r in answer.shown)
        impression = Impression(
            name, int(time.time()), model, shown, user_id, session_id, answer.lottery, interleaved=answer.interleaved
        )  # fmt: skip
        try:
            self.impressions.record(impression)
            metrics.feedback("logged")
        except ImpressionError:
            logger.exception("the answer %s is not logged", name)
            metrics.feedback("lost")

    def join(self, events: Sequence[Interaction], named: Mapping[str, str], metrics: Metrics) -> int:
        """Join events with the answers that ``named`` gives by their ids; returns how many found theirs."""
        if self.impressions is None:
            return 0
        outcomes = [
            Outcome(e.event_id, named[e.event_id], e.product_id, e.action, e.value)
            for e in events
            if e.event_id in named
        ]
        if not outcomes:
            return 0
        try:
            joined = self.impressions.join(outcomes)
        except ImpressionError:
            logger.exception("%d outcomes are not joined with their answers", len(outcomes))
            metrics.feedback("lost", len(outcomes))
            return 0
        metrics.feedback("joined", joined)
        metrics.feedback("unjoined", len(outcomes) - joined)
        return joined

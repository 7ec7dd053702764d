"""Retrieve, rank, explain: an artifact, the graph and the live event log answer for a user, a session or a history.

Flow: history → the first scorer of the chain that knows something → its best k → what is missing from the next scorer
→ reasons. Every recommendation names in ``origin`` who spoke; scores fall within one origin.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from kg import ids
from kg.store import GraphReader
from kg.types import Fact, GraphPath, Interaction, Reason, Recommendation, Timestamp
from recommender.arrays import Bools
from recommender.artifact import Artifact, load
from recommender.errors import LeakageError, UnknownProduct
from recommender.explanation import Explainer
from recommender.filters import Filters
from recommender.histories import Histories, Ids, UserState
from recommender.model import Scorer
from recommender.retrieval import top_k
from recommender.splits import taken

RECENT = 500
"""Events of a history that are looked at, the newest ones."""
EVERYTHING = Filters()

_log = logging.getLogger("shopgraph.recommender")


class HistorySource(Protocol):
    """An event log, as far as serving needs one."""

    def history(
        self, user_id: str | None, *, session_id: str | None = None, limit: int | None = None
    ) -> tuple[Interaction, ...]:
        """The newest ``limit`` events, oldest first."""
        ...


class Recommender:
    """Answers from one artifact. Safe to use from several threads; never changes what it holds."""

    def __init__(self, artifact: Artifact, reader: GraphReader, events: HistorySource) -> None:
        self.artifact = artifact
        self._reader = reader
        self._events = events
        self._explainer = Explainer(reader)
        self._open: tuple[int, Bools] = (-1, np.zeros(0, bool))

    @classmethod
    def load(cls, folder: Path, reader: GraphReader, events: HistorySource) -> "Recommender":
        """Raises ArtifactError."""
        return cls(load(folder), reader, events)

    def recommend(
        self,
        user_id: str | None = None,
        *,
        session_id: str | None = None,
        history: Sequence[Interaction] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        filters: Filters = EVERYTHING,
        as_of: Timestamp | None = None,
        max_reasons: int = 3,
    ) -> list[Recommendation]:
        """At most k products, best first, ranks from 1.

        A given ``history`` speaks instead of the event log's. ``exclude_seen`` leaves out what was taken before (see
        ``Artifact.taking``). ``as_of`` answers from events and facts before that moment; LeakageError where the model
        itself has learned from later ones. The answer for k is a prefix of the answer for k + 1. Someone without any
        history gets the last fallback; a shorter list means that nobody in the chain has more to say.
        """
        user = self._state(user_id, session_id, history, as_of)
        histories = Histories.of([user], self.artifact.items, self._users())
        allowed = self._allowed(filters)
        if exclude_seen:
            allowed[histories.items[taken(histories, self.artifact.taking)]] = False
        found: list[Recommendation] = []
        for origin, scorer, place, score in self._ranked(histories, k, allowed):
            name = self.artifact.items[place]
            reasons = self._explainer.reasons(scorer, user, name, limit=max_reasons, until=as_of) if max_reasons else ()
            found.append(Recommendation(name, score, len(found) + 1, origin, reasons))
        return found

    def explain(
        self,
        product_id: str,
        user_id: str | None = None,
        *,
        session_id: str | None = None,
        history: Sequence[Interaction] | None = None,
        as_of: Timestamp | None = None,
        max_reasons: int = 10,
    ) -> Recommendation:
        """This product for this user, at its rank among all products that are not excluded, with its reasons.

        Rank 0 says that it would not be shown at all. Raises UnknownProduct.
        """
        if product_id not in self.artifact.items:
            raise UnknownProduct(product_id)
        known = {"session_id": session_id, "history": history, "as_of": as_of}
        user = self._state(user_id, session_id, history, as_of)
        everything = len(self.artifact.items)
        ranked = self.recommend(user_id, k=everything, max_reasons=0, **known)  # type: ignore[arg-type]
        here = next((r for r in ranked if r.product_id == product_id), None)
        if here is None:
            return Recommendation(product_id, 0.0, 0, self.artifact.origin)
        scorer = dict(self.artifact.chain)[here.origin]
        reasons = self._explainer.reasons(scorer, user, product_id, limit=max_reasons, until=as_of)
        return Recommendation(product_id, here.score, here.rank, here.origin, reasons)

    def related(self, product_id: str, relation: str, *, k: int = 10) -> list[Recommendation]:
        """Products that a fact of this relation joins to the product, most confident first; the fact is the reason.

        Raises UnknownProduct.
        """
        here = ids.product(product_id)
        if product_id not in self.artifact.items:
            raise UnknownProduct(product_id)
        best: dict[str, Fact] = {}
        outward = self._reader.facts(head=here, relation=relation)
        inward = self._reader.facts(relation=relation, tail=here)
        for fact in (*outward, *inward):
            other = ids.product_id(fact.tail if fact.head == here else fact.head)
            if other is not None and (other not in best or fact.confidence > best[other].confidence):
                best[other] = fact
        ordered = sorted(best.items(), key=lambda pair: (-pair[1].confidence, pair[0]))[:k]
        return [
            Recommendation(name, fact.confidence, rank, relation, (Reason((), GraphPath((fact,)), fact.confidence),))
            for rank, (name, fact) in enumerate(ordered, start=1)
        ]

    def _ranked(self, histories: Histories, k: int, allowed: Bools) -> Iterator[tuple[str, Scorer, int, float]]:
        """(origin, scorer, place, score): each scorer that knows something fills what the ones before it left open."""
        left, still = k, allowed.copy()
        for origin, scorer in self.artifact.chain:
            if left == 0:
                return
            if not scorer.speaks(histories)[0]:
                continue
            scores = scorer.scores_batch(histories)[0]
            for place in top_k(scores, left, still & (scores != 0)):
                still[place] = False
                left -= 1
                yield origin, scorer, int(place), float(scores[place])
        if left:
            _log.debug("%d of %d places stay empty: nobody has more to say", left, k)

    def _allowed(self, filters: Filters) -> Bools:
        """A fresh mask. The unconditional one is asked for by every request, so it is kept for one graph version."""
        if filters != EVERYTHING:
            return filters.allowed(self._reader, self.artifact.items)
        version, mask = self._open
        if version != self._reader.version:
            version, mask = self._reader.version, filters.allowed(self._reader, self.artifact.items)
            self._open = (version, mask)
        return mask.copy()

    def _state(
        self,
        user_id: str | None,
        session_id: str | None,
        history: Sequence[Interaction] | None,
        as_of: Timestamp | None,
    ) -> UserState:
        trained = self.artifact.about.get("data", {}).get("newest_event")
        if as_of is not None and trained is not None and as_of <= trained:
            raise LeakageError(
                f"the model has learned from events up to {trained}, so it cannot answer as of {as_of}; "
                f"train one with until={as_of}"
            )
        if history is None:
            asked = user_id is not None or session_id is not None
            history = self._events.history(user_id, session_id=session_id, limit=RECENT) if asked else ()
        kept = tuple(event for event in history if as_of is None or event.at < as_of)
        name = user_id if user_id is not None else (None if session_id is None else f"session:{session_id}")
        return UserState(name, kept)

    def _users(self) -> Ids:
        return max((scorer.users for _, scorer in self.artifact.chain), key=len)

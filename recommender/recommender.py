"""Retrieve, rank, explain: an artifact, the graph and the live event log answer for a user, a session or a history.

Flow: history → what may be shown → the first scorer of the chain that knows something → its best k → what is missing
from the next scorer, and in the end from the catalogue → reasons. Every recommendation names in ``origin`` who spoke;
scores fall within one origin.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from kg import ids
from kg.store import GraphReader
from kg.types import ACTIONS, Action, Fact, GraphPath, Interaction, Reason, Recommendation, Timestamp
from recommender.arrays import Bools
from recommender.artifact import Artifact, load
from recommender.diversity import NO_DIVERSITY, POOL, Diversity, level_for, traits_of
from recommender.errors import LeakageError, UnknownProduct
from recommender.explanation import Explainer
from recommender.filters import Filters, Shelf
from recommender.histories import Histories, Ids, UserState
from recommender.model import Scorer
from recommender.retrieval import top_k
from recommender.splits import taken

RECENT = 500
"""Events of the log that speak for someone, the newest ones. What was taken is known without this horizon."""
CATALOGUE = "catalogue"
"""The origin of products about which nobody in the chain says anything: they come last, in the order of their ids."""
EVERYTHING = Filters()


class HistorySource(Protocol):
    """An event log, as far as serving needs one."""

    def history(
        self, user_id: str | None, *, session_id: str | None = None, limit: int | None = None
    ) -> tuple[Interaction, ...]:
        """The newest ``limit`` events, oldest first."""
        ...

    def products(
        self,
        user_id: str | None,
        *,
        session_id: str | None = None,
        actions: Collection[Action] = ACTIONS,
        until: Timestamp | None = None,
    ) -> frozenset[str]:
        """Every product that they did one of ``actions`` to before ``until``, however long ago."""
        ...


class _Place(NamedTuple):
    """A product where it was ranked; ``scorer`` is None for what only the catalogue has."""

    origin: str
    scorer: Scorer | None
    item: int
    score: float
    moved_by: tuple[str, ...] = ()


class Recommender:
    """Answers from one artifact. Safe to use from several threads; never changes what it holds."""

    def __init__(self, artifact: Artifact, reader: GraphReader, events: HistorySource) -> None:
        self.artifact = artifact
        self._reader = reader
        self._events = events
        self._explainer = Explainer(reader)
        self._shelf = Shelf(reader, artifact.items)

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
        diversity: Diversity = NO_DIVERSITY,
        as_of: Timestamp | None = None,
        max_reasons: int = 3,
    ) -> list[Recommendation]:
        """At most k products, best first, ranks from 1.

        A given ``history`` speaks instead of the event log's, its events in any order. ``exclude_seen`` leaves out what
        was ever taken (see ``Artifact.taking``), however long ago. ``as_of`` answers from events and facts before that
        moment; LeakageError where the model itself has learned from later ones. The answer for k is a prefix of the
        answer for k + 1. Someone without any history gets the last fallback; products that nobody in the chain knows
        anything about come last, so a list is shorter than k only where no more products pass the filters. Diversity
        gives the best ``POOL`` other ranks and never another score; whom it moved says so.
        Raises FilterError.
        """
        user = self._state(user_id, session_id, history, as_of)
        histories = Histories.of([user], self.artifact.items, self._users())
        allowed = filters.allowed(self._looked())
        if exclude_seen:
            allowed &= ~self._taken(histories, user_id, session_id, history, as_of)
        places = list(self._ranked(histories, max(k, POOL) if diversity else k, allowed))
        if diversity:
            places = self._diverse(places, histories, diversity)[:k]
        found = []
        for rank, place in enumerate(places, start=1):
            name = self.artifact.items[place.item]
            reasons: tuple[Reason, ...] = ()
            if place.scorer is not None and max_reasons:
                reasons = self._explainer.reasons(place.scorer, user, name, limit=max_reasons, until=as_of)
            found.append(Recommendation(name, place.score, rank, place.origin, reasons, place.moved_by))
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
        scorer = dict(self.artifact.chain).get(here.origin)
        if scorer is None:
            return here
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

    def _ranked(self, histories: Histories, k: int, allowed: Bools) -> Iterator[_Place]:
        """Each scorer that knows something fills what the ones before it left open, and the catalogue the rest."""
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
                yield _Place(origin, scorer, int(place), float(scores[place]))
        for place in np.flatnonzero(still)[:left]:
            yield _Place(CATALOGUE, None, int(place), 0.0)

    def _diverse(self, places: list[_Place], histories: Histories, diversity: Diversity) -> list[_Place]:
        """The first ``POOL`` in another order, then the others as they are."""
        pool, shelf = places[:POOL], self._looked()
        level = level_for(diversity, [shelf.tail("IN_CATEGORY", int(item)) for item in np.unique(histories.items)])
        traits = traits_of(shelf, [place.scorer for place in pool], histories, [place.item for place in pool])
        scores = np.array([place.score for place in pool])
        order = diversity.order(level, scores, [place.origin for place in pool], traits)
        moved = [pool[old] if old == new else pool[old]._replace(moved_by=(level,)) for new, old in enumerate(order)]
        return [*moved, *places[POOL:]]

    def _looked(self) -> Shelf:
        """The shelf of the graph as it is now."""
        if self._shelf.version != self._reader.version:
            self._shelf = Shelf(self._reader, self.artifact.items)
        return self._shelf

    def _taken(
        self,
        histories: Histories,
        user_id: str | None,
        session_id: str | None,
        history: Sequence[Interaction] | None,
        as_of: Timestamp | None,
    ) -> Bools:
        """What they ever took, (n_items,): of a log by asking it, since a history has a horizon."""
        marked = np.zeros(len(self.artifact.items), bool)
        marked[histories.items[taken(histories, self.artifact.taking)]] = True
        if history is None and (user_id is not None or session_id is not None):
            actions = self.artifact.taking
            ever = self._events.products(user_id, session_id=session_id, actions=actions, until=as_of)
            marked |= self._looked().marked(ever)
        return marked

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
        kept = tuple(sorted((e for e in history if as_of is None or e.at < as_of), key=lambda event: event.at))
        name = user_id if user_id is not None else (None if session_id is None else f"session:{session_id}")
        return UserState(name, kept)

    def _users(self) -> Ids:
        return max((scorer.users for _, scorer in self.artifact.chain), key=len)

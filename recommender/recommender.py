"""Retrieve, rank, explain: an artifact, the graph and the live event log answer for a user, a session or a history.

Flow: history → what may be shown → the first scorer of the chain that knows something → its best k → what is missing
from the next scorer, and in the end from the catalogue → ranker, diversity, chance and rules → reasons. Every
recommendation names in ``origin`` who spoke; scores fall within one origin among those that nothing moved.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from kg import ids
from kg.store import GraphReader
from kg.types import ACTIONS, Action, Fact, GraphPath, Interaction, Reason, Recommendation, Timestamp
from recommender.arrays import Bools
from recommender.artifact import Artifact, load
from recommender.compatibility import conflict
from recommender.diversity import NO_DIVERSITY, Diversity
from recommender.errors import LeakageError
from recommender.explanation import Explainer
from recommender.exploring import Draw, Lottery, lottery
from recommender.filters import Filters
from recommender.histories import Histories, Ids, UserState
from recommender.interleaving import Interleaved
from recommender.listing import Chain, Gate, Place, Wish, listed
from recommender.newcomers import Change
from recommender.present import Now, Present
from recommender.refusing import Standing, standing
from recommender.rules import Rule, concerned, pins
from recommender.thresholds import MIN_CONFIDENCE, NO_THRESHOLDS, Thresholds, bars, led_to

RECENT = 500
"""Events of the log that speak for someone, the newest ones. What was taken is known without this horizon."""
EVERYTHING = Filters()


class HistorySource(Protocol):
    """An event log, as far as serving needs one."""

    def history(
        self,
        user_id: str | None,
        *,
        session_id: str | None = None,
        limit: int | None = None,
        until: Timestamp | None = None,
    ) -> tuple[Interaction, ...]:
        """The newest ``limit`` events before ``until``, oldest first."""
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


class _Who(NamedTuple):
    """Whom a request is for, and as of when."""

    user_id: str | None
    session_id: str | None
    history: Sequence[Interaction] | None
    as_of: Timestamp | None

    @property
    def named(self) -> bool:
        return self.user_id is not None or self.session_id is not None


class Answer(NamedTuple):
    """What is shown, and what chance chose among; None where it was not asked or had no choice. Where two models share
    the list (``drafting``), who put in what, and the probability of each product at its rank."""

    shown: list[Recommendation]
    lottery: Lottery | None
    interleaved: Interleaved | None = None
    chances: tuple[float, ...] = ()

    @property
    def rival(self) -> str | None:
        """The model that shares the list, where one does."""
        return None if self.interleaved is None else self.interleaved.rival

    def propensity(self, shown: Recommendation) -> float:
        """The probability with which this product stands at its rank: 1 where chance has no hand in it."""
        if self.interleaved is not None:
            return self.chances[shown.rank - 1]
        if self.lottery is None or shown.rank not in self.lottery.ranks:
            return 1.0
        return self.lottery.propensity(shown.product_id, shown.rank)


class Recommender:
    """Answers from one artifact. Safe to use from several threads.

    Products that the graph has and the model does not are newcomers (``present``). Whoever writes calls ``refresh`` and
    so makes sure that what it wrote is seen by every request from then on; if it says what it wrote, that alone is
    read. A request holds on to what it began with.
    """

    def __init__(self, artifact: Artifact, reader: GraphReader, events: HistorySource) -> None:
        self.artifact = artifact
        self._reader = reader
        self._events = events
        self._explainer = Explainer(reader)
        self._present = Present(artifact, reader)

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
        rules: Sequence[Rule] = (),
        thresholds: Thresholds = NO_THRESHOLDS,
        as_of: Timestamp | None = None,
        max_reasons: int = 3,
    ) -> list[Recommendation]:
        """At most k products, best first, ranks from 1.

        A given ``history`` speaks instead of the event log's, its events in any order. ``exclude_seen`` leaves out what
        was ever taken (see ``Artifact.taking``), however long ago. ``as_of`` answers from events before that moment,
        with facts from before it or without a time for reasons, and without newcomers, for nobody knows which of them
        were there; what filters and rules ask is what the graph says now. LeakageError where the model itself has
        learned from later events. The answer for k is a prefix of the answer for k + 1. Someone without any history
        gets the last fallback; products that nobody in the chain knows anything about come last, so a list is shorter
        than k only where no more products pass the filters and ``thresholds``. Diversity gives the best ``POOL`` other
        ranks and never another score; whom it moved says so. ``rules`` are those that hold now: what one hides is not
        shown, what one pins stands at its rank if it passes the filters, what one boosts is ranked by its score times a
        factor; the score stays. Raises FilterError.
        """
        return self.answer(
            user_id, session_id=session_id, history=history, k=k, exclude_seen=exclude_seen, filters=filters,
            diversity=diversity, rules=rules, thresholds=thresholds, as_of=as_of, max_reasons=max_reasons,
        ).shown  # fmt: skip

    def answer(
        self,
        user_id: str | None = None,
        *,
        session_id: str | None = None,
        history: Sequence[Interaction] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        filters: Filters = EVERYTHING,
        diversity: Diversity = NO_DIVERSITY,
        rules: Sequence[Rule] = (),
        thresholds: Thresholds = NO_THRESHOLDS,
        as_of: Timestamp | None = None,
        max_reasons: int = 3,
        draw: Draw | None = None,
    ) -> Answer:
        """As ``recommend``, and where there is a ``draw``, chance orders the candidates of its exploration.

        Filters, rules and pins hold as ever, and no score changes; whom chance moved says so. The lottery names all
        candidates, shown or not.
        """
        now, who = self._present.at(as_of), _Who(user_id, session_id, history, as_of)
        user = self._state(who)
        had = self._taken(now, user, who) if exclude_seen else None
        wish, chain = self._wish(now, user, had, filters, rules, diversity, thresholds)
        deep = k
        if draw is not None:
            wish = replace(wish, draw=draw)
            deep = max(k, draw.exploration.reach + len(pins(rules, wish.shelf)))
        places = listed(chain, wish, deep)
        shown = [
            self._told(now, user, place, rank, max_reasons, as_of) for rank, place in enumerate(places[:k], start=1)
        ]
        drawn = [(rank, p.drawn, now.wide.items[p.item]) for rank, p in enumerate(places, 1) if p.drawn >= 0]
        return Answer(shown, lottery(drawn, draw.exploration.sharpness) if draw is not None and drawn else None)

    def _told(
        self, now: Now, user: UserState, place: Place, rank: int, max_reasons: int, as_of: Timestamp | None
    ) -> Recommendation:
        name, reasons = now.wide.items[place.item], tuple[Reason, ...]()
        if place.scorer is not None and max_reasons:
            reasons = self._explainer.reasons(place.scorer, user, name, limit=max_reasons, until=as_of)
        return Recommendation(name, place.score, rank, place.origin, reasons, place.moved_by)

    def why_not(
        self,
        product_id: str,
        user_id: str | None = None,
        *,
        session_id: str | None = None,
        history: Sequence[Interaction] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        filters: Filters = EVERYTHING,
        diversity: Diversity = NO_DIVERSITY,
        rules: Sequence[Rule] = (),
        thresholds: Thresholds = NO_THRESHOLDS,
        as_of: Timestamp | None = None,
    ) -> Standing:
        """What keeps this product out of the answer to the same request, with its rank and score.

        Raises UnknownProduct, FilterError.
        """
        now, who = self._present.at(as_of), _Who(user_id, session_id, history, as_of)
        item = now.wide.place(product_id)
        user = self._state(who)
        had = self._taken(now, user, who) if exclude_seen else None
        wish, chain = self._wish(now, user, had, filters, rules, diversity, thresholds)
        return standing(chain, wish, user, item, k=k)

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
        now, who = self._present.at(as_of), _Who(user_id, session_id, history, as_of)
        item = now.wide.place(product_id)
        user = self._state(who)
        wish, chain = self._wish(now, user, self._taken(now, user, who), EVERYTHING, (), NO_DIVERSITY)
        for rank, place in enumerate(listed(chain, wish, len(now.wide.items)), start=1):
            if place.item == item:
                return self._told(now, user, place, rank, max_reasons, as_of)
        return Recommendation(product_id, 0.0, 0, self.artifact.origin)

    def concerned(self, rules: Sequence[Rule]) -> list[int]:
        """How many products each rule is about, all counted in one state of the graph."""
        if not rules:
            return []
        shelf = self._present.now().shelf
        return [int(concerned(rule, shelf).sum()) for rule in rules]

    def pinned(self, rules: Sequence[Rule]) -> list[tuple[int, str]]:
        """(rank, product) of each product that these rules pin, by rank, whether or not it passes a filter."""
        if not any(rule.action == "pin" for rule in rules):
            return []
        shelf = self._present.now().shelf
        return [(rank, shelf.items[place]) for rank, _, place in pins(rules, shelf)]

    def refresh(self, change: Change | None = None) -> None:
        """Read the graph as it is now, whoever else is reading an older one: what was written before this call is known
        to every request that begins after it. What only ``change`` has written is not read whole."""
        self._present.refresh(change)

    @property
    def items(self) -> Ids:
        """The products that can be recommended: the model's, then the newcomers."""
        return self._present.now().wide.items

    def related(self, product_id: str, relation: str, *, k: int = 10) -> list[Recommendation]:
        """Products that a fact of this relation joins to the product, most confident first; the fact is the reason.

        A complement that does not fit by what either product states is none. Raises UnknownProduct.
        """
        here = ids.product(product_id)
        self._present.now().wide.place(product_id)
        best: dict[str, Fact] = {}
        outward = self._reader.facts(head=here, relation=relation)
        inward = self._reader.facts(relation=relation, tail=here)
        for fact in (*outward, *inward):
            other = ids.product_id(fact.tail if fact.head == here else fact.head)
            if other is not None and (other not in best or fact.confidence > best[other].confidence):
                best[other] = fact
        ordered = sorted(best.items(), key=lambda pair: (-pair[1].confidence, pair[0]))
        if relation == "COMPLEMENTS":
            entity = self._reader.entity
            ordered = [p for p in ordered if not conflict(self._reader, entity(here), entity(ids.product(p[0])))]
        return [
            Recommendation(name, fact.confidence, rank, relation, (Reason((), GraphPath((fact,)), fact.confidence),))
            for rank, (name, fact) in enumerate(ordered[:k], start=1)
        ]

    def _wish(
        self,
        now: Now,
        user: UserState,
        had: Bools | None,
        filters: Filters,
        rules: Sequence[Rule],
        diversity: Diversity,
        thresholds: Thresholds = NO_THRESHOLDS,
    ) -> tuple[Wish, Chain]:
        """The request as it is answered, and who is asked for it."""
        shelf, wide = now.shelf, now.wide
        gates = [Gate("filter", name, passes) for name, passes in filters.masks(shelf)]
        if had is not None:
            gates.append(Gate("filter", "exclude_seen", ~had))
        hiding = (rule for rule in rules if rule.action == "hide" and rule.below is None)
        gates += [Gate("rule", rule.name, ~concerned(rule, shelf)) for rule in hiding]
        histories = Histories.of([user], wide.items, self._users())
        chain = wide.chain_for(histories)
        if thresholds.min_confidence is not None:
            gates.append(Gate("threshold", MIN_CONFIDENCE, led_to(chain, histories, thresholds.min_confidence)))
        limits = bars(thresholds, rules, shelf)
        ranker = self.artifact.ranker
        wish = Wish(histories, shelf, tuple(gates), limits, tuple(rules), diversity, known=wide.known, ranker=ranker)
        return wish, chain

    def _taken(self, now: Now, user: UserState, who: "_Who") -> Bools:
        """What they ever took, (n_items,): of a log by asking it, since a history has a horizon."""
        shelf, actions = now.shelf, self.artifact.taking
        marked = shelf.marked({event.product_id for event in user.history if event.action in actions})
        if who.history is None and who.named:
            ever = self._events.products(who.user_id, session_id=who.session_id, actions=actions, until=who.as_of)
            marked |= shelf.marked(ever)
        return marked

    def _state(self, who: "_Who") -> UserState:
        trained = self.artifact.newest_event
        if who.as_of is not None and trained is not None and who.as_of <= trained:
            raise LeakageError(
                f"the model has learned from events up to {trained}, so it cannot answer as of {who.as_of}; "
                f"train one with until={who.as_of}"
            )
        history = who.history
        if history is None:
            history = ()
            if who.named:
                asked = self._events.history
                history = asked(who.user_id, session_id=who.session_id, limit=RECENT, until=who.as_of)
        known = (event for event in history if who.as_of is None or event.at < who.as_of)
        session = None if who.session_id is None else f"session:{who.session_id}"
        return UserState(
            session if who.user_id is None else who.user_id, tuple(sorted(known, key=lambda event: event.at))
        )

    def _users(self) -> Ids:
        return max((scorer.users for _, scorer in self.artifact.chain), key=len)

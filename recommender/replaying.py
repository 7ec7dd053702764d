"""From the log of impressions to what ``off_policy`` and ``interleaving`` ask for.

Flow: answers that can be asked about → what they showed, and what another model would have shown instead.
The policies asked about reorder: ranks that chance did not fill stay as they were, the others take the candidates of
the same answer in another model's order. Everything that such a policy shows could have been shown, which an answer of
its own candidates could not promise.

Answers that two models share say nothing about what another order would have earned (``usable`` leaves them out), but
which of the two was preferred: ``credited``.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from kg.types import ACTIONS, Action
from recommender.errors import OffPolicyError
from recommender.filters import Filters
from recommender.impressions import Impression
from recommender.off_policy import Shown, Target
from recommender.recommender import Recommender

Policy = Callable[[Impression], Sequence[str]]
"""The candidates of an answer's lottery, all of them, in the order in which a policy would show them."""


@dataclass(frozen=True, slots=True)
class Usable:
    """The answers that can be asked about, and how many cannot, by the reason."""

    impressions: tuple[Impression, ...]
    left_out: dict[str, int]


def usable(impressions: Sequence[Impression], models: Collection[Recommender]) -> Usable:
    """Answers with a lottery, for somebody named, from after all that these models have learned from."""
    kept: list[Impression] = []
    left_out: dict[str, int] = {}
    for impression in impressions:
        reason = _against(impression, models)
        if reason is None:
            kept.append(impression)
        else:
            left_out[reason] = left_out.get(reason, 0) + 1
    return Usable(tuple(kept), left_out)


INTERLEAVED, CERTAIN = "two models share the list", "nothing was left to chance"
NOBODY, NO_PROBABILITY = "nobody is named", "a propensity is no probability"
LEARNED = "a model has learned from later events"
"""Why an answer cannot be asked about."""
_SLACK = 1e-9  # of sums of probabilities


def _against(impression: Impression, models: Collection[Recommender]) -> str | None:
    if impression.interleaved is not None:
        return INTERLEAVED
    if impression.lottery is None:
        return CERTAIN
    if impression.user_id is None and impression.session_id is None:
        return NOBODY
    if not all(0 < s.propensity <= 1 + _SLACK for s in impression.shown):
        return NO_PROBABILITY
    learned = (model.artifact.newest_event for model in models)
    return LEARNED if any(newest is not None and impression.at <= newest for newest in learned) else None


def unfamiliar(impressions: Sequence[Impression], model: Recommender) -> int:
    """In how many answers chance had a candidate that the model does not know: there ``ordered_by`` understates it."""
    known = model.artifact.items
    return sum(i.lottery is not None and any(name not in known for name in i.lottery.candidates) for i in impressions)


def ordered_by(model: Recommender) -> Policy:
    """The policy that shows the candidates as this model ranks them, by no rule and no diversity, from the events
    before the answer alone.

    A candidate that the model does not know comes last, and what was done to one says nothing: a service would show
    newcomers by their facts, so a model is understated on what came after it. Raises LeakageError for an answer that is
    not ``usable``.
    """

    def order(impression: Impression) -> Sequence[str]:
        if impression.lottery is None:
            return ()
        candidates = impression.lottery.candidates
        found = model.recommend(
            impression.user_id, session_id=impression.session_id, k=len(candidates), exclude_seen=False,
            filters=Filters(only=candidates, available=False), as_of=impression.at, max_reasons=0,
        )  # fmt: skip
        return tuple(dict.fromkeys([*(r.product_id for r in found), *candidates]))

    return order


def tables(
    impressions: Sequence[Impression], policy: Policy, *, actions: Collection[Action] = ACTIONS, k: int | None = None
) -> tuple[Shown, Target]:
    """The log and the policy for ``off_policy.evaluate``. A product earns 1 where one of ``actions`` was joined to it.

    Only the first k ranks are looked at, all where it is None. Answers without a name count as one person each.
    Raises OffPolicyError where there is no answer.
    """
    if not impressions:
        raise OffPolicyError("there is no answer to ask about; log answers with exploration first")
    items: dict[str, int] = {}
    users: dict[tuple[str, str], int] = {}
    shown: list[tuple[float, ...]] = []
    target: list[tuple[float, ...]] = []
    whose: list[int] = []
    for answer, impression in enumerate(impressions):
        whose.append(users.setdefault(impression.person, len(users)))
        earned = _earned(impression, actions)
        ranks = impression.lottery.ranks if impression.lottery else ()
        wanted = dict(zip(ranks, policy(impression), strict=True))
        for s in impression.shown:
            if k is not None and s.rank > k:
                continue
            other = wanted.get(s.rank, s.product_id)
            number, theirs = (items.setdefault(product, len(items)) for product in (s.product_id, other))
            shown.append((answer, s.rank, number, float(s.product_id in earned), s.propensity))
            target.append((answer, s.rank, theirs, 1.0, impression.propensity(other, s.rank)))
    logged, asked = np.array(shown), np.array(target)
    codes, others = logged[:, :3].astype(np.int64).T, asked[:, :3].astype(np.int64).T
    return (
        Shown(codes[0], codes[1], codes[2], logged[:, 3], logged[:, 4], np.array(whose, np.int64)),
        Target(others[0], others[1], others[2], asked[:, 3], asked[:, 4]),
    )


@dataclass(frozen=True, slots=True)
class Credits:
    """Of answers that two models share: the ``credit`` of each for the first of them, and whom each answer was for."""

    answers: tuple[int, ...]
    people: tuple[tuple[str, str], ...]

    def by_person(self) -> list[int]:
        """The credits of each person added up: one vote each, however often they came."""
        sums: dict[tuple[str, str], int] = {}
        for credit, person in zip(self.answers, self.people, strict=True):
            sums[person] = sums.get(person, 0) + credit
        return list(sums.values())


def credited(
    impressions: Sequence[Impression],
    one: str,
    two: str,
    *,
    actions: Collection[Action] = ACTIONS,
    k: int | None = None,
) -> Credits:
    """What came of the answers that these two models share, by their names, whichever of them was in service.

    A product is credited where one of ``actions`` was joined to it, as in ``tables``, within the first k ranks.
    """
    answers: list[int] = []
    people: list[tuple[str, str]] = []
    for impression in impressions:
        shared = impression.interleaved
        if shared is None or {impression.model, shared.rival} != {one, two}:
            continue
        seen = {s.product_id for s in impression.shown if k is None or s.rank <= k}
        credit = shared.draft.credit(_earned(impression, actions) & seen)
        answers.append(credit if impression.model == one else -credit)
        people.append(impression.person)
    return Credits(tuple(answers), tuple(people))


def _earned(impression: Impression, actions: Collection[Action]) -> set[str]:
    return {o.product_id for o in impression.outcomes if o.action in actions}

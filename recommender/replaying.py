"""From the log of impressions to what ``off_policy`` asks for.

Flow: answers that can be asked about → what they showed, and what another model would have shown instead.
The policies asked about reorder: ranks that chance did not fill stay as they were, the others take the candidates of
the same answer in another model's order. Everything that such a policy shows could have been shown, which an answer of
its own candidates could not promise.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from kg.types import ACTIONS, Action
from recommender.errors import LeakageError, OffPolicyError
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


def _against(impression: Impression, models: Collection[Recommender]) -> str | None:
    if impression.lottery is None:
        return "nothing was left to chance"
    if impression.user_id is None and impression.session_id is None:
        return "nobody is named"
    try:
        for model in models:
            model.recommend(k=0, as_of=impression.at)
    except LeakageError:
        return "a model has learned from later events"
    return None


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
    impressions: Sequence[Impression], policy: Policy, *, actions: Collection[Action] = ACTIONS
) -> tuple[Shown, Target]:
    """The log and the policy for ``off_policy.evaluate``. A product earns 1 where one of ``actions`` was joined to it.

    Answers without a name count as one person each. Raises OffPolicyError where there is no answer.
    """
    if not impressions:
        raise OffPolicyError("there is no answer to ask about; log answers with exploration first")
    items: dict[str, int] = {}
    users: dict[tuple[str | None, ...], int] = {}
    shown: list[tuple[float, ...]] = []
    target: list[tuple[float, ...]] = []
    whose: list[int] = []
    for answer, impression in enumerate(impressions):
        who = (impression.user_id, impression.session_id if impression.user_id is None else None)
        name = who if any(who) else (None, None, impression.request_id)
        whose.append(users.setdefault(name, len(users)))
        earned = {o.product_id for o in impression.outcomes if o.action in actions}
        ranks = impression.lottery.ranks if impression.lottery else ()
        wanted = dict(zip(ranks, policy(impression), strict=True))
        for s in impression.shown:
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

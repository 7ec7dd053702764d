"""One answer that two models share: each product comes from the model whose turn it was, with that model's reasons.

Both have answered the same request, so whatever is shown passes the same filters and rules. Pins belong to no model:
they keep their ranks, and the two draft the others. Scores of two models are no measure for each other, so what the
rival put in, and what stands elsewhere than in its own model's list, says that the draft has moved it.
"""

from collections.abc import Sequence
from dataclasses import replace

from kg.types import Recommendation
from recommender.interleaving import Draft, Interleaved, placements, team_draft
from recommender.recommender import Answer
from recommender.rules import merged

MOVED = "interleaving"
"""What ``Recommendation.moved_by`` calls it."""


def drafted(one: Answer, two: Answer, k: int, seed: str, *, rival: str, pins: Sequence[tuple[int, str]] = ()) -> Answer:
    """At most k products of two answers to one request, each asked for k; ``two`` is the rival's.

    ``pins`` are the ranks and products that rules ask for, by rank (``Recommender.pinned``): the answers may be too
    short to show them there. The same seed drafts the same list, and the list for k heads the list for k + 1. Where the
    answers hold nothing but pins there is nothing to draft: ``one`` is shown as it is.
    """
    apart = {name for _, name in pins}
    own, other = ({r.product_id: r for r in answer.shown if r.product_id not in apart} for answer in (one, two))
    held = {r.product_id: r for r in one.shown if r.product_id in apart}
    draft = team_draft(list(own), list(other), k, seed)
    if not draft.products:
        return one
    theirs = {name for name, team in zip(draft.products, draft.teams, strict=True) if team == "b"}
    natural = [(other if name in theirs else own)[name] for name in draft.products]
    listed = merged(natural, [(rank, held[name]) for rank, name in pins if name in held], k)
    room = sum(r.product_id not in apart for r in listed)
    shown = [
        replace(r, rank=rank) if r.product_id in apart else _told(r, rank, r.product_id in theirs)
        for rank, r in enumerate(listed, start=1)
    ]
    table = iter(placements(list(own), list(other), room))
    chances = tuple(1.0 if r.product_id in apart else next(table)[r.product_id] for r in shown)
    return Answer(shown, None, Interleaved(rival, Draft(draft.products[:room], draft.teams[:room])), chances)


def _told(r: Recommendation, rank: int, rivals: bool) -> Recommendation:
    return replace(r, rank=rank, moved_by=(*r.moved_by, MOVED) if rivals or rank != r.rank else r.moved_by)

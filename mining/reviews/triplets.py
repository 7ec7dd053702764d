"""Opinions of a review as triplets: what is spoken of, what is said of it, and whether that is good."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from mining.evaluation import Score

Place: TypeAlias = tuple[int, int]
"""Code points ``[start, end)``."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """``aspect`` or ``opinion`` is None where the text only implies it. ``polarity`` and ``category`` as labels write
    them; a set without categories has "" for all."""

    aspect: Place | None
    opinion: Place | None
    polarity: str
    category: str = ""
    confidence: float = field(default=1.0, compare=False)


@dataclass(frozen=True, slots=True)
class LabelledReview:
    """A text and the opinions that are labelled in it."""

    text: str
    opinions: tuple[Opinion, ...] = ()


def exact(pairs: Iterable[tuple[Iterable[Hashable], Iterable[Hashable]]]) -> Score:
    """The micro score over (gold, predicted) of each text: equal or wrong, doubles count once."""
    score = Score()
    for gold, predicted in pairs:
        wanted, said = set(gold), set(predicted)
        score += Score(len(wanted & said), len(said), len(wanted))
    return score

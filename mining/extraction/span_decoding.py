"""From the scores of words to spans: how much likelier a span is than none, and which spans can stand together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mining.extraction.examples import Word

Scores: TypeAlias = NDArray[Any]

LONGEST = 24  # words of a span
LEAST = -6.0  # log odds under which a span is not worth a look


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span of words ``[first, last]`` and its log odds against no label there."""

    label: int
    first: int
    last: int
    odds: float


def candidates(log: Scores) -> list[Candidate]:
    """Spans worth a look, best first, from log probabilities [words, labels, (outside, begin, inside)].

    The odds of a span set "begins here, goes on, ends" against "outside" at each of its words, words being independent.
    """
    words, labels, _ = log.shape
    if not words or not labels:
        return []
    begin, inside = log[..., 1] - log[..., 0], log[..., 2] - log[..., 0]
    stops = np.zeros((words + 1, labels))  # how likely it is that a span does not go on with this word
    stops[:-1] = np.log1p(-np.minimum(np.exp(log[..., 2]), 1 - 1e-7))
    found: list[Candidate] = []
    running = np.array(begin)
    for size in range(1, min(LONGEST, words) + 1):
        if size > 1:
            running = running[:-1] + inside[size - 1 :]
        total = running + stops[size:]
        for first, label in zip(*np.nonzero(total > LEAST), strict=True):
            found.append(Candidate(int(label), int(first), int(first) + size - 1, float(total[first, label])))
    found.sort(key=lambda c: (-c.odds, c.label, c.first, c.last))
    return found


def chosen(found: Sequence[Candidate], *, once: bool, exclusive: bool) -> list[Candidate]:
    """The best candidates that can stand together. ``once``: one span a label; ``exclusive``: labels do not overlap."""
    kept: list[Candidate] = []
    for candidate in found:
        rivals = [k for k in kept if exclusive or k.label == candidate.label]
        if once and any(k.label == candidate.label for k in kept):
            continue
        if all(candidate.last < k.first or k.last < candidate.first for k in rivals):
            kept.append(candidate)
    return kept


def place_of(candidate: Candidate, words: Sequence[Word]) -> Word:
    """Its code points."""
    return words[candidate.first][0], words[candidate.last][1]

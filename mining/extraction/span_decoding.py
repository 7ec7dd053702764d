"""From the scores of words to spans: how much likelier a span is than none, and which spans can stand together."""

import math
from collections import defaultdict
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


def surest(log: Scores) -> list[Candidate]:
    """The likeliest span of each label, best first, from log probabilities [words, labels, further words]."""
    words, labels, long = log.shape
    if not words or not labels:
        return []
    flat = log.transpose(1, 0, 2).reshape(labels, -1)
    found = []
    for label, at in enumerate(flat.argmax(-1)):
        (first, more), one = divmod(int(at), long), min(float(flat[label, at]), -1e-9)
        odds = one - math.log(-math.expm1(one))
        if odds > LEAST:
            found.append(Candidate(label, first, first + more, odds))
    return sorted(found, key=lambda c: (-c.odds, c.label, c.first, c.last))


def chosen(found: Sequence[Candidate], *, exclusive: bool) -> list[Candidate]:
    """The best candidates that can stand together, best first. ``exclusive``: labels do not overlap.

    Those whose odds have the largest sum come before all others: two entities side by side are together likelier than
    one over both, though each alone is not.
    """
    kept = _likeliest(found, exclusive=exclusive)
    for candidate in found:
        rivals = [k for k in kept if exclusive or k.label == candidate.label]
        if all(candidate.last < k.first or k.last < candidate.first for k in rivals):
            kept.append(candidate)
    return sorted(kept, key=lambda c: (-c.odds, c.label, c.first, c.last))


def _likeliest(found: Sequence[Candidate], *, exclusive: bool) -> list[Candidate]:
    """Of the candidates likelier than not, those without overlap whose odds have the largest sum."""
    groups: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in found:
        if candidate.odds > 0:
            groups[0 if exclusive else candidate.label].append(candidate)
    return [candidate for group in groups.values() for candidate in _heaviest(group)]


def _heaviest(group: Sequence[Candidate]) -> list[Candidate]:
    """Weighted interval scheduling: the best sum up to each word, from left to right."""
    by_last: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in group:
        by_last[candidate.last].append(candidate)
    best: list[tuple[float, Candidate | None]] = [(0.0, None)]  # at n: of the first n words
    for word in range(max(by_last, default=-1) + 1):
        best.append((best[word][0], None))
        for candidate in by_last.get(word, ()):
            total = best[candidate.first][0] + candidate.odds
            if total > best[word + 1][0]:
                best[word + 1] = (total, candidate)
    kept, at = [], len(best) - 1
    while at > 0:
        ended = best[at][1]
        if ended is not None:
            kept.append(ended)
        at = at - 1 if ended is None else ended.first
    return kept


def place_of(candidate: Candidate, words: Sequence[Word]) -> Word:
    """Its code points."""
    return words[candidate.first][0], words[candidate.last][1]

"""From the probabilities of spans to what is told: how much likelier each is than not, and which stand together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mining.extraction.examples import Word

Log: TypeAlias = NDArray[Any]
"""[words, labels, further words]: log probabilities of spans by their first word and how many more they have."""

LEAST = -6.0  # log odds under which a span is not worth a look


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span of words ``[first, last]`` and its log odds against no such span."""

    label: int
    first: int
    last: int
    odds: float


def likely(log: Log) -> list[Candidate]:
    """Spans worth a look, best first."""
    odds = _odds(log)
    return _ordered(odds, ((label, first, more) for first, label, more in np.argwhere(odds > LEAST).tolist()))


def surest(log: Log) -> list[Candidate]:
    """The likeliest span of each label, if it is worth a look, best first."""
    words, labels, long = log.shape
    if not words or not labels:
        return []
    at = log.transpose(1, 0, 2).reshape(labels, -1).argmax(-1).tolist()
    best = _ordered(_odds(log), ((label, *divmod(place, long)) for label, place in enumerate(at)))
    return [candidate for candidate in best if candidate.odds > LEAST]


def chosen(found: Iterable[Candidate], *, exclusive: bool) -> list[Candidate]:
    """Of candidates, best first, those that stand together with all better ones. ``exclusive``: labels do not overlap.

    Those that are likelier than not always do: spans that overlap are in no reading together.
    """
    kept: list[Candidate] = []
    for candidate in found:
        rivals = [k for k in kept if exclusive or k.label == candidate.label]
        if all(candidate.last < k.first or k.last < candidate.first for k in rivals):
            kept.append(candidate)
    return kept


def place_of(candidate: Candidate, words: Sequence[Word]) -> Word:
    """Its code points."""
    return words[candidate.first][0], words[candidate.last][1]


def _odds(log: Log) -> Log:
    sure = np.minimum(log, -1e-9)
    odds: Log = sure - np.log(-np.expm1(sure))
    return odds


def _ordered(odds: Log, places: Iterable[tuple[int, int, int]]) -> list[Candidate]:
    """Best first, of (label, first word, further words)."""
    made = [Candidate(label, first, first + more, float(odds[first, label, more])) for label, first, more in places]
    return sorted(made, key=lambda c: (-c.odds, c.label, c.first, c.last))

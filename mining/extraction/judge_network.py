"""The judge's other half: a network with one hidden layer over vectors of the words in and around a chunk.

The linear judge knows words by name; this one knows them by the company they keep (``mining.extraction.word_classes``),
so that a word that no label held may still be judged. The two differ in what they get wrong, and are averaged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mining.extraction.judge_features import Sight, hashed, kinds_of, shape
from mining.extraction.kinds import is_model

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

KIND_BITS = 9
PLACES = 17  # words or groups of words of which the network sees the mean vector
TITLE, LISTED = 25, 12  # words of a title and members of a list that are looked at
_NONE = -1  # the last row of the table: a word without a vector


@dataclass(frozen=True, slots=True)
class Vectors:
    """``rows``: word → row of ``table`` ``[words + 1, size]``, whose last row is zero."""

    rows: Mapping[str, int]
    table: Floats

    @classmethod
    def of(cls, words: Sequence[str], places: Floats) -> "Vectors":
        table = np.concatenate([places, np.zeros((1, places.shape[1]))]).astype(np.float32)
        return cls({word: at for at, word in enumerate(words)}, table)

    @property
    def inputs(self) -> int:
        """Numbers that the network sees of a chunk."""
        return PLACES * int(self.table.shape[1]) + (1 << KIND_BITS)


@dataclass(frozen=True, slots=True)
class Network:
    """``hidden`` ``[inputs, units]``, ``out`` ``[units, 5]``: no relation first, then the order of ``RELATIONS``."""

    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats

    def opinion(self, seen: Floats) -> Floats:
        """``[chunks, inputs]`` → ``[chunks, 5]`` probabilities."""
        scores = np.maximum(seen @ self.hidden + self.hidden_bias, 0) @ self.out + self.out_bias
        likely = np.exp(scores - scores.max(1, keepdims=True))
        result: Floats = likely / likely.sum(1, keepdims=True)
        return result


def averaged(*opinions: Floats, shares: Sequence[float] | None = None) -> Floats:
    """The geometric mean of opinions ``[chunks, 5]``, each with its share of the weight; None: equal shares."""
    both = np.exp(np.average([np.log(one + 1e-6) for one in opinions], axis=0, weights=shares))
    result: Floats = (both / both.sum(1, keepdims=True)).astype(np.float32)
    return result


def inputs_of(sight: Sight, vectors: Vectors) -> Floats:
    """``[chunks, vectors.inputs]``: mean vectors of words in and around each chunk, then its kinds as ones."""
    size = vectors.table.shape[1]
    seen = np.zeros((len(sight.chunks), vectors.inputs), np.float32)
    of = [vectors.rows.get(word, _NONE) for word in sight.words.lower]
    title = [row for row, inside in zip(of, sight.words.in_title, strict=True) if inside][:TITLE] or [_NONE]
    named = vectors.table[title].mean(0)
    for at in range(len(sight.chunks)):
        for place, rows in enumerate(_groups(sight, at, of)):
            mean = vectors.table[rows[0]] if len(rows) == 1 else vectors.table[rows].mean(0)
            seen[at, place * size : (place + 1) * size] = mean
        seen[at, (PLACES - 1) * size : PLACES * size] = named
        seen[at, [PLACES * size + bucket for bucket in hashed(_kinds(sight, at), KIND_BITS)]] = 1
    return seen


def _groups(sight: Sight, at: int, of: Sequence[int]) -> Iterator[list[int]]:
    """Rows of the words at each place but the title: head, first word, all words, what opens the list, beside it …"""
    words, found = sight.words, sight.chunks
    chunk, first = found[at], found[found[at].head]
    sentence = words.sentence[chunk.start]
    start = sight.begins[sentence]

    def rows(begin: int, end: int) -> list[int]:
        inside = range(max(begin, start), min(end, len(of)))
        return [of[i] for i in inside if words.sentence[i] == sentence] or [_NONE]

    opening = first.start
    yield from ([of[chunk.last - 1]], [of[chunk.first]], list(of[chunk.first : chunk.last]))
    yield from (rows(opening - n, opening - n + 1) for n in (1, 2, 3))
    yield from (rows(n, n + 1) for n in (chunk.start - 1, chunk.end, chunk.end + 1))
    yield from ([of[start]], [of[first.last - 1]])
    beside = range(chunk.head, min(chunk.head + LISTED, len(found)))
    yield [of[found[i].last - 1] for i in beside if i != at and found[i].head == chunk.head] or [_NONE]
    yield [of[found[at - 1].last - 1]] if at else [_NONE]
    follows = at + 1 < len(found) and words.sentence[found[at + 1].start] == sentence
    yield [of[found[at + 1].last - 1]] if follows else [_NONE]
    yield from (rows(opening - 8, opening - 3), rows(chunk.end + 2, chunk.end + 7))


def _kinds(sight: Sight, at: int) -> Iterator[str]:
    """What is known of a chunk beside its words."""
    words, found = sight.words, sight.chunks
    chunk = found[at]
    sentence = words.sentence[chunk.start]
    head, begin, opener = words.lower[chunk.last - 1], words.lower[chunk.first], found[chunk.head]
    yield from (f"kh={kind}" for kind in kinds_of(head))
    yield from (f"kf={kind}" for kind in kinds_of(begin))
    yield from (f"mark={sight.mark(at)}{sight.is_exact(at)}", f"mo={sight.mark(chunk.head)}")
    yield from (f"o={sight.opener(at)[0]}", f"b={sight.word(chunk.start - 1, sentence)}")
    yield from (f"f={sight.word(chunk.end, sentence)}", f"by={chunk.separator}", f"place={min(chunk.position, 2)}")
    yield from (f"size={min(sight.sizes[chunk.head], 5)}", f"joined={chunk.head in sight.joined}")
    yield from (f"title={words.in_title[chunk.start]}", f"length={min(chunk.last - chunk.first, 6)}")
    yield from (f"h.shape={shape(words.text[chunk.last - 1])}", f"f.shape={shape(words.text[chunk.first])}")
    yield from (f"h3={head[-3:]}", f"f3={begin[-3:]}", f"again={sight.repeated[at]}", f"named={head in sight.title}")
    yield from (f"sentence={min(sentence, 3)}", f"starts={sight.begins[sentence] == chunk.start}")
    yield f"model={any(is_model(words, i) for i in range(chunk.first, chunk.last))}"
    yield f"lead={words.lower[chunk.start] if chunk.first > chunk.start else ''}"
    if chunk.position:
        yield from (f"l.f3={words.lower[opener.first][-3:]}", f"l.kind={kinds_of(words.lower[opener.last - 1])[0]}")

"""A small model that judges where relations are stated: under a megabyte, no text of anybody in it.

chunks of a text → hashed features → a softmax over no relation and the four (``first``), averaged with a network over
vectors of words (``mining.extraction.judge_network``) → a second softmax that sees what these say of the chunk, of its
list and of its neighbours (``second``: stacked generalisation, Wolpert 1992) → the likeliest cut of those that pass
the threshold. Trained by ``mining.extraction.judge_training``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mining.evaluation import RELATIONS
from mining.extraction.candidates import Chunk, Span, readings
from mining.extraction.hidden import holds_hidden
from mining.extraction.judge_arrays import Wanted, arrays_of, scaled, weights_in
from mining.extraction.judge_features import Classes, Mark, Sight, chunk_features, hashed, reading_features
from mining.extraction.judge_network import Floats, Network, Vectors, averaged, inputs_of
from mining.extraction.kinds import Words
from mining.extraction.phrases import NAMING

FIRST_BITS, READING_BITS = 18, 16
SAID = 39  # numbers of ``agreement``
_RELATIONS = len(RELATIONS)
_HELD: Wanted = {
    "first": ("i", ("features", _RELATIONS)),
    "first_steps": ("u", ("features",)),
    "first_scale": ("f", (_RELATIONS,)),
    "first_bias": ("f", (_RELATIONS,)),
    "second": ("f", (SAID, _RELATIONS)),
    "second_bias": ("f", (_RELATIONS,)),
    "reading": ("i", ("cuts", 1)),
    "reading_steps": ("u", ("cuts",)),
    "reading_scale": ("f", (1,)),
    "words": ("u", ("letters",)),
    "coarse": ("u", ("words",)),
    "fine": ("u", ("words",)),
    "vectors": ("i", ("words", "size")),
    "vectors_scale": ("f", ("size",)),
    "hidden": ("i", ("inputs", "units")),
    "hidden_scale": ("f", ("units",)),
    "hidden_bias": ("f", ("units",)),
    "out": ("f", ("units", _RELATIONS + 1)),
    "out_bias": ("f", (_RELATIONS + 1,)),
    "threshold": ("f", ()),
}
_SHIPPED = "judge.npz"
# One chunk in a thousand is such a tail: what is learned of them is little, and "for pens" is soon taken for one.
RARE = {"ACCESSORY_OF": 0.75}  # how likely and how well cut they must be at least
# How likely the relation must be of a name that a rule reads after "works with". The threshold is for what the judge
# finds itself; such rules are seldom wrong, even in texts unlike those that the judge has learned from.
TRUSTED = 0.3


@dataclass(frozen=True, slots=True)
class Verdict:
    """A relation whose tail is tokens ``[start, end)``, and how sure the judge is of it, in (0, 1]."""

    relation: str
    start: int
    end: int
    confidence: float


class Weighing(Protocol):
    """What weighs a judge's opinions anew: ``mining.extraction.judge_context``."""

    @property
    def threshold(self) -> float:
        """How likely a relation must be of a chunk that was looked at; the judge's own threshold is for the others."""
        ...

    def weigh(self, sight: Sight, first: Floats, second: Floats) -> tuple[Floats, dict[int, Floats]]:
        """From both opinions ``[chunks, 5]`` the common one, and scores of the ``readings`` of those looked at."""
        ...


@dataclass(frozen=True, slots=True)
class Judge:
    """The weights. Relations are the columns, in the order of ``RELATIONS``; no relation has the logit 0.

    ``first`` ``[2**FIRST_BITS, 4]``, ``second`` ``[agreement, 4]``, ``reading`` ``[2**READING_BITS]``.
    """

    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats
    reading: Floats
    classes: Classes
    vectors: Vectors
    network: Network
    threshold: float

    @classmethod
    def load(cls, path: Path) -> "Judge":
        """Raises SourceError where the file is no judge."""
        with weights_in(path, "a judge") as kept:
            return cls._of(arrays_of(kept, _HELD))

    @classmethod
    def _of(cls, arrays: Mapping[str, Any]) -> "Judge":
        words = bytes(arrays["words"]).decode("utf-8").split("\n") if arrays["words"].size else []
        if not len(words) == len(set(words)) == len(arrays["coarse"]):
            raise ValueError(f"it has {len(words)} words and classes of {len(arrays['coarse'])}")
        vectors = Vectors.of(words, scaled("vectors", arrays["vectors"], arrays["vectors_scale"]))
        hidden = scaled("hidden", arrays["hidden"], arrays["hidden_scale"])
        if len(hidden) != vectors.inputs:
            raise ValueError(f"hidden has {len(hidden)} inputs, expected {vectors.inputs}")
        threshold = float(arrays["threshold"])
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold is {threshold}, expected one in (0, 1]")
        return cls(
            _table("first", arrays, FIRST_BITS),
            arrays["first_bias"],
            arrays["second"],
            arrays["second_bias"],
            _table("reading", arrays, READING_BITS)[:, 0],
            dict(zip(words, zip(arrays["coarse"].tolist(), arrays["fine"].tolist(), strict=True), strict=True)),
            vectors,
            Network(hidden, arrays["hidden_bias"], arrays["out"], arrays["out_bias"]),
            threshold,
        )

    def verdicts(self, words: Words, marks: Sequence[Mark], context: Weighing | None = None) -> list[Verdict]:
        """The relations that a text states in the order of their places, none overlapping another.

        ``context`` weighs the opinions anew; its threshold is for the chunks that it has looked at, the judge's own for
        all others. What holds characters that no reader sees is not reported.
        """
        sight = Sight.of(words, self.classes, marks)
        if not sight.chunks:
            return []
        first = self.first_opinion(sight)
        sure, cuts = self.second_opinion(sight.chunks, words, first), dict[int, Floats]()
        if context is not None:
            sure, cuts = context.weigh(sight, first, sure)
        found, hidden = [], {at for at, word in enumerate(words.text) if holds_hidden(word)}
        for at, each in enumerate(sure[:, 1:].tolist()):
            if not hidden.isdisjoint(range(sight.chunks[at].start, sight.chunks[at].end)):
                continue
            threshold = context.threshold if context is not None and at in cuts else self.threshold
            verdict = self._verdict(sight, at, each, threshold, cuts.get(at))
            found += [verdict] if verdict else _trusted(sight.marks[at], each)
        return _apart([one for one in found if hidden.isdisjoint(range(one.start, one.end))], len(words.lower))

    def _verdict(
        self, sight: Sight, at: int, each: Sequence[float], threshold: float, scores: Floats | None
    ) -> Verdict | None:
        """The likeliest relation of a chunk, where relation and cut are both right at the threshold or above."""
        likely = max(each)
        relation = RELATIONS[each.index(likely)]
        threshold = max(threshold, RARE.get(relation, 0.0))
        if likely < threshold:
            return None
        span, near = self.cut(sight, at, scores)
        sure = likely * near
        return Verdict(relation, *span, round(sure, 3)) if sure >= threshold else None

    def first_opinion(self, sight: Sight) -> Floats:
        """``[chunks, 5]``: how likely no relation and each relation are, by what stands in and around each chunk."""
        logits = np.empty((len(sight.chunks), len(RELATIONS)), np.float32)
        for at in range(len(sight.chunks)):
            logits[at] = self.first[hashed(chunk_features(sight, at), FIRST_BITS)].sum(0)
        return averaged(softmax(logits + self.first_bias), self.network.opinion(inputs_of(sight, self.vectors)))

    def second_opinion(self, chunks: Sequence[Chunk], words: Words, first: Floats) -> Floats:
        """``[chunks, 5]``: the same in the light of what is likely beside it."""
        return softmax(agreement(chunks, words, first) @ self.second + self.second_bias)

    def cut(self, sight: Sight, at: int, scores: Floats | None = None) -> tuple[Span, float]:
        """The reading of a chunk that most likely overlaps the true one by half (minimum Bayes risk); how likely.

        ``scores`` ``[readings]`` of another judge count as much as its own.
        """
        ways = readings(sight.words, sight.chunks, at)
        spans = list(ways)
        score = [
            self.reading[hashed(reading_features(sight, at, span, way), READING_BITS)].sum()
            for span, way in ways.items()
        ]
        both = np.array(score) if scores is None else np.array(score) + scores
        likely = np.exp(both - both.max())
        likely /= likely.sum()
        near = np.array([[_near(sight.words, one, other) for other in spans] for one in spans]) @ likely
        best = int((near + 1e-3 * likely).argmax())
        return spans[best], min(1.0, float(near[best]))


@cache
def shipped() -> Judge:
    """The judge that is part of the package."""
    return Judge.load(Path(str(files("mining.extraction") / _SHIPPED)))


def _table(name: str, arrays: Mapping[str, Any], bits: int) -> Floats:
    """A table of weights from its rows that are not zero; ``steps`` lead from one of them to the next."""
    rows, places = arrays[name], np.cumsum(arrays[f"{name}_steps"].astype(np.int64))
    if places.size and places[-1] >= 1 << bits:
        raise ValueError(f"{name}_steps leads to row {places[-1]} of {1 << bits}")
    table = np.zeros((1 << bits, rows.shape[1]), np.float32)
    table[places] = scaled(name, rows, arrays[f"{name}_scale"])
    return table


def softmax(logits: Floats) -> Floats:
    """``[n, 4]`` logits of relations → ``[n, 5]`` probabilities, the first of no relation."""
    whole = np.concatenate([np.zeros((len(logits), 1), np.float32), logits], axis=1)
    whole = np.exp(whole - whole.max(1, keepdims=True))
    likely: Floats = whole / whole.sum(1, keepdims=True)
    return likely


def agreement(chunks: Sequence[Chunk], words: Words, first: Floats) -> Floats:
    """``[chunks, 39]``: the first opinion of each chunk, of its list, of what its list hangs on, of neighbours.

    Members of a list are neighbours, so that each list is a slice. Linear in the chunks.
    """
    rows = np.zeros((len(chunks), SAID), np.float32)
    rows[:, :5] = np.log(first + 1e-3)
    some = 1 - first[:, 0]
    rows[:, 5], rows[:, 19] = some, some.mean()
    for start, end in _lists(chunks):
        _agree(rows[start:end], first[start:end])
        if start and _together(chunks, words, start - 1, start):
            rows[start:end, 21:26] = first[start - 1]
    for at in range(1, len(chunks)):
        if _together(chunks, words, at - 1, at):
            rows[at, 17], rows[at - 1, 18] = some[at - 1], some[at]
    for start, end in _sentences(chunks, words):
        if end - start > 1:
            best = start + int(some[start:end].argmax())
            rest = np.delete(some[start:end], best - start)
            rows[start:end, 20], rows[best, 20] = some[best], rest.max()
    return rows


def _agree(rows: Floats, first: Floats) -> None:
    """What a list of chunks says of its members, written into their rows."""
    size = len(first)
    rows[:, 31:35], rows[:, 35] = first[:, 1:].max(0), np.log(size)
    rows[0, 36] = 1
    if size > 1:
        rows[:, 6:11] = (first.sum(0) - first) / (size - 1)
        rows[:, 11], rows[1, 37], rows[:, 38] = 1, 1, size > 2
        rows[1:, 12:17] = first[:-1]
        rows[1:, 26:31] = first[0]


def _lists(chunks: Sequence[Chunk]) -> Iterator[Span]:
    heads = [at for at, chunk in enumerate(chunks) if chunk.head == at]
    yield from zip(heads, [*heads[1:], len(chunks)], strict=True)


def _sentences(chunks: Sequence[Chunk], words: Words) -> Iterator[Span]:
    starts = [at for at in range(len(chunks)) if at == 0 or not _together(chunks, words, at - 1, at)]
    yield from zip(starts, [*starts[1:], len(chunks)], strict=True)


def _together(chunks: Sequence[Chunk], words: Words, one: int, other: int) -> bool:
    return words.sentence[chunks[one].start] == words.sentence[chunks[other].start]


def _near(words: Words, one: Span, other: Span) -> bool:
    """Whether two readings overlap by half, in letters."""
    inside, whole = max(one[0], other[0]), min(one[0], other[0])
    shared = _letters(words, inside, min(one[1], other[1]))
    return shared > 0 and shared >= 0.5 * _letters(words, whole, max(one[1], other[1]))


def _letters(words: Words, start: int, end: int) -> int:
    return sum(len(word) + 1 for word in words.text[start:end])


def _trusted(marks: Sequence[Mark], each: Sequence[float]) -> list[Verdict]:
    """What rules read as a name, where the judge does not think it unlikely."""
    likely = [(mark, each[RELATIONS.index(mark.relation)]) for mark in marks if mark.rule in NAMING and not mark.reason]
    return [Verdict(mark.relation, mark.start, mark.end, round(p, 3)) for mark, p in likely if p >= TRUSTED]


def once(found: Sequence[Verdict], words: Words) -> list[Verdict]:
    """The first of those that say the same; a plural says no more."""
    kept: dict[tuple[str, ...], Verdict] = {}
    for one in found:
        said = (
            word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words.lower[one.start : one.end]
        )
        kept.setdefault((one.relation, *said), one)
    return list(kept.values())


def _apart(found: Sequence[Verdict], tokens: int) -> list[Verdict]:
    """The surest of those that overlap."""
    taken, kept = bytearray(tokens), []
    for verdict in sorted(found, key=lambda one: (-one.confidence, one.start)):
        if not any(taken[verdict.start : verdict.end]):
            taken[verdict.start : verdict.end] = b"\x01" * (verdict.end - verdict.start)
            kept.append(verdict)
    return sorted(kept, key=lambda one: one.start)

"""How often a phrase was a value where it stood: the dictionary of the training texts, as features of a model.

A training text must not look itself up, or the model learns to trust a dictionary that knows the answer: what a text
says of its own spans is taken off the counts before they are read.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from mining.extraction.examples import Example, Span, words_of

Phrase: TypeAlias = tuple[str, ...]
Feature: TypeAlias = tuple[int, str, int, float]
"""(index of the word, label, plane, strength in 0..1)."""

PLANES = 7
_BEGIN, _INSIDE, _LAST, _ANY_BEGIN, _ANY_INSIDE, _WORD_BEGIN, _WORD_INSIDE = range(PLANES)
LONGEST = 8  # words of a phrase
_ANYWHERE = "\0"


class Lexicon:
    """Counts of labelled phrases and words by context, and of phrases in any context."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, Phrase], Counter[str]] = defaultdict(Counter)
        self._words: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._seen: Counter[tuple[str, Phrase]] = Counter()

    @classmethod
    def of(cls, examples: Iterable[Example]) -> "Lexicon":
        made, read = cls(), [(example, phrase_words(example.text)) for example in examples]
        for example, words in read:
            for span in example.spans:
                made._learn(example, span, words)
        for example, words in read:
            found = {phrase for _, phrase in phrases_in(words)}
            for context in (example.context, _ANYWHERE):
                made._seen.update((context, phrase) for phrase in found if made._known(context, phrase))
        return made

    def features(self, example: Example, *, own: bool) -> list[Feature]:
        """What is known of each word of a text. ``own``: the text was counted itself, or is made from one that was."""
        words = phrase_words(example.text)
        lowered = [word for word, _, _ in words]
        minus, minus_words, here = _own(example, words) if own else ({}, {}, set())
        strongest: dict[tuple[int, str, int], float] = {}
        for size in range(1, LONGEST + 1):  # longer phrases overwrite what shorter ones said
            for at in range(len(words) - size + 1):
                phrase = tuple(lowered[at : at + size])
                for context, planes in ((example.context, _IN_CONTEXT), (_ANYWHERE, _IN_ANY)):
                    for label, strength in self._strengths(context, phrase, minus, here):
                        _mark(strongest, at, size, label, strength, planes)
        for at, word in enumerate(lowered):
            for (label, plane), strength in self._of_word(example.context, word, minus_words, own):
                strongest[at, label, plane] = strength
        return [(at, label, plane, strength) for (at, label, plane), strength in strongest.items()]

    def _strengths(
        self, context: str, phrase: Phrase, minus: Mapping[tuple[Phrase, str], int], here: set[Phrase]
    ) -> Iterable[tuple[str, float]]:
        counts = self._values.get((context, phrase))
        if not counts:
            return
        seen = self._seen[context, phrase] - (phrase in here)
        for label, count in counts.items():
            left = count - minus.get((phrase, label), 0)
            if left > 0:
                yield label, min(1.0, left / (seen + 1))

    def _of_word(
        self, context: str, word: str, minus: Mapping[tuple[str, str], int], own: bool
    ) -> Iterable[tuple[tuple[str, int], float]]:
        counts = self._words.get((context, word))
        if not counts:
            return
        total = self._seen[context, (word,)] - own
        for key, count in counts.items():
            left = count - minus.get((word, key), 0)
            if left > 0:
                label, plane = key[1:], _WORD_BEGIN if key[0] == "B" else _WORD_INSIDE
                yield (label, plane), min(1.0, left / (total + 1))

    def _learn(self, example: Example, span: Span, words: "Sequence[tuple[str, int, int]]") -> None:
        phrase = phrase_of(span, words)
        for context in (example.context, _ANYWHERE):
            self._values[context, phrase][span.label] += 1
        for at, word in enumerate(phrase):
            self._words[example.context, word][("I" if at else "B") + span.label] += 1

    def _known(self, context: str, phrase: Phrase) -> bool:
        return (context, phrase) in self._values or (len(phrase) == 1 and (context, phrase[0]) in self._words)

    def to_json(self) -> dict[str, Any]:
        return {
            "values": [[c, list(p), dict(sorted(n.items()))] for (c, p), n in sorted(self._values.items())],
            "words": [[c, w, dict(sorted(n.items()))] for (c, w), n in sorted(self._words.items())],
            "seen": [[c, list(p), n] for (c, p), n in sorted(self._seen.items())],
        }

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> "Lexicon":
        made = cls()
        made._values.update({(c, tuple(p)): Counter(n) for c, p, n in read["values"]})
        made._words.update({(c, w): Counter(n) for c, w, n in read["words"]})
        made._seen.update({(c, tuple(p)): n for c, p, n in read["seen"]})
        return made


_IN_CONTEXT = (_BEGIN, _INSIDE, _LAST)
_IN_ANY = (_ANY_BEGIN, _ANY_INSIDE, None)


def _mark(
    strongest: dict[tuple[int, str, int], float],
    at: int,
    size: int,
    label: str,
    strength: float,
    planes: tuple[int, int, int | None],
) -> None:
    begin, inside, last = planes
    strongest[at, label, begin] = strength
    for word in range(at + 1, at + size):
        strongest[word, label, inside] = strength
    if last is not None:
        strongest[at + size - 1, label, last] = strength


def phrase_words(text: str) -> list[tuple[str, int, int]]:
    """The words of a text in lower case, with their places."""
    return [(text[start:end].lower(), start, end) for start, end in words_of(text)]


def phrase_of(span: Span, words: Sequence[tuple[str, int, int]]) -> Phrase:
    """The words of a span, as ``phrase_words`` tells those of its text."""
    return tuple(word for word, start, end in words if start < span.end and span.start < end)


def phrases_in(words: Sequence[tuple[str, int, int]]) -> Iterable[tuple[int, Phrase]]:
    """All phrases of a text, each with the index of its first word."""
    lowered = [word for word, _, _ in words]
    for size in range(1, LONGEST + 1):
        for at in range(len(words) - size + 1):
            yield at, tuple(lowered[at : at + size])


def _own(
    example: Example, words: Sequence[tuple[str, int, int]]
) -> tuple[dict[tuple[Phrase, str], int], dict[tuple[str, str], int], set[Phrase]]:
    values: Counter[tuple[Phrase, str]] = Counter()
    single: Counter[tuple[str, str]] = Counter()
    for span in example.spans:
        phrase = phrase_of(span, words)
        values[phrase, span.label] += 1
        single.update((word, ("I" if at else "B") + span.label) for at, word in enumerate(phrase))
    return dict(values), dict(single), {phrase for _, phrase in phrases_in(words)}

"""Texts with labelled spans, and their words: what the small model learns from and reads."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Word: TypeAlias = tuple[int, int]
"""Code points ``[start, end)``."""

# Letters and digits apart ("12oz" is two words), each Chinese character, each sign: no value that people label is cut,
# save inflections ("Men" of "Mens"), which are learned as another writing of the value.
_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_IDEOGRAPH}]|[^\W\d_{_IDEOGRAPH}]+|\d+|[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Span:
    """A label at code points ``[start, end)``; ``value`` where labels write it otherwise than ``text[start:end]``."""

    start: int
    end: int
    label: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A text and what is labelled in it. ``context`` (a category) says which labels can occur; "" where it does not
    matter. ``unsure``: further places that repeat a value, neither labelled nor free of labels."""

    text: str
    context: str = ""
    spans: tuple[Span, ...] = ()
    unsure: tuple[Word, ...] = ()


def words_of(text: str) -> list[Word]:
    """The words of a text in order."""
    return [match.span() for match in _WORD.finditer(text)]


def labelled(text: str, context: str, values: Mapping[str, Sequence[str]]) -> Example:
    """The example that states these values of each attribute; values that the text does not hold are left out.

    A value is labelled where it first stands as whole words, else where it first stands, with its words completed.
    """
    words = words_of(text)
    spans: list[Span] = []
    unsure: list[Word] = []
    for attribute, listed in values.items():
        for value in dict.fromkeys(listed):
            places = list(_places(value.strip(), text, words))
            if places:
                first, last = places[0]
                surface = text[first:last]
                spans.append(Span(first, last, attribute, None if surface == value.strip() else value.strip()))
                unsure += places[1:]
    return Example(text, context, tuple(spans), tuple(unsure))


def _places(value: str, text: str, words: Sequence[Word]) -> Iterator[Word]:
    found = list(_occurrences(value, text))
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    whole = [place for place in found if place[0] in starts and place[1] in ends]
    yield from whole
    if found and not whole:
        start, end = found[0]
        covered = [word for word in words if word[0] < end and start < word[1]]
        if covered:
            yield covered[0][0], covered[-1][1]


def _occurrences(value: str, text: str) -> Iterator[Word]:
    at = text.find(value) if value else -1
    while at >= 0:
        yield at, at + len(value)
        at = text.find(value, at + 1)


def overlap_share(examples: Iterable[Example]) -> float:
    """The share of labelled spans that overlap one of another label: over a few in a hundred, labels are no rivals."""
    total = overlapping = 0
    for example in examples:
        total += len(example.spans)
        overlapping += sum(
            any(a.label != b.label and a.start < b.end and b.start < a.end for b in example.spans)
            for a in example.spans
        )
    return overlapping / total if total else 0.0

"""Find a quote in its text: exactly, else after folding, else nearly; otherwise it is not there.

The answer is always a span of the original text in code points. A span never cuts a number in two: ``5 kg`` is not a
quote of ``1.5 kg``, however exactly the characters match.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rapidfuzz import fuzz

How = Literal["exact", "normalised", "fuzzy"]

FUZZY_LENGTH = 8  # shorter quotes are too easily near something else
FUZZY_RATIO = 90.0  # indel similarity, in percent

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(r"\b(?:no|not|non|never|without|n't)\b|[不无非未勿]")
_FOLDED = str.maketrans(
    {
        **dict.fromkeys("“”„‟″〝〞«»", '"'),
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("‐‑‒–—―−﹣－⁃", "-"),
        "×": "x",
        "⁄": "/",
    }
)
_CJK = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Grounding:
    """Where a quote stands. ``quote`` is ``text[start:end]``, so it may be written otherwise than what was sought."""

    start: int
    end: int
    quote: str
    how: How


@dataclass(frozen=True, slots=True)
class _Folding:
    """A text in its normal form; character i of it comes from ``[starts[i], ends[i])`` of the original."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def ground(quote: str, text: str, *, after: int = 0) -> Grounding | None:
    """The first span of ``text`` at or after code point ``after`` that says ``quote``, or None.

    Tried in this order: as written, then folded (NFKC, case, white space, quotation marks, dashes), each first where
    it begins and ends at a word boundary, then anywhere; last a near match for quotes of ``FUZZY_LENGTH`` characters
    and more that agrees in every number and every negation. To resolve a repeated mention, pass the end of the one
    before as ``after``.
    """
    sought = quote.strip()
    if not sought:
        return None
    for whole_words in (True, False):
        span = _first(_exact_spans(sought, text, after), text, whole_words)
        if span:
            return Grounding(*span, text[slice(*span)], "exact")
        span = _first(_folded_spans(sought, text, after), text, whole_words)
        if span:
            return Grounding(*span, text[slice(*span)], "normalised")
    span = _fuzzy_span(sought, text, after)
    return Grounding(*span, text[slice(*span)], "fuzzy") if span else None


def is_boundary(text: str, at: int) -> bool:
    """Whether a word or sign may begin or end at code point ``at``: never inside a word of letters or a grapheme."""
    if at <= 0 or at >= len(text):
        return True
    left, right = text[at - 1], text[at]
    if _continues(right) or left == "\u200d":
        return False
    if not (_in_word(left) and _in_word(right)):
        return True
    return bool(_CJK.match(left) or _CJK.match(right))


def cuts_number(text: str, at: int) -> bool:
    """Whether code point ``at`` lies inside a number such as ``1,299.50``."""
    if at <= 0 or at >= len(text):
        return False
    before, left, right, behind = text[at - 2 : at - 1], text[at - 1], text[at], text[at + 1 : at + 2]
    if left.isdecimal():
        return right.isdecimal() or (right in ".," and behind.isdecimal())
    return left in ".," and right.isdecimal() and before.isdecimal()


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_" or _continues(char)


@lru_cache(maxsize=65536)
def _continues(char: str) -> bool:
    """Whether this character belongs to the one before: marks, joiners, variation selectors, skin tones, jamo."""
    if char.isascii():
        return False
    code = ord(char)
    return (
        unicodedata.category(char) in ("Mn", "Mc", "Me")
        or char in "\u200b\u200c\u200d\u2060\ufeff\u00ad"
        or 0x1F3FB <= code <= 0x1F3FF
        or 0x1160 <= code <= 0x11FF
    )


def _first(spans: Iterator[tuple[int, int]], text: str, whole_words: bool) -> tuple[int, int] | None:
    for start, end in spans:
        if cuts_number(text, start) or cuts_number(text, end):
            continue
        if not whole_words or (is_boundary(text, start) and is_boundary(text, end)):
            return start, end
    return None


def _exact_spans(sought: str, text: str, after: int) -> Iterator[tuple[int, int]]:
    at = text.find(sought, after)
    while at >= 0:
        yield at, at + len(sought)
        at = text.find(sought, at + 1)


def _folded_spans(sought: str, text: str, after: int) -> Iterator[tuple[int, int]]:
    folded, needle = _fold(text), _fold(sought).text.strip()
    if not needle:
        return
    at = folded.text.find(needle, bisect_left(folded.starts, after))
    while at >= 0:
        yield folded.starts[at], folded.ends[at + len(needle) - 1]
        at = folded.text.find(needle, at + 1)


def _fuzzy_span(sought: str, text: str, after: int) -> tuple[int, int] | None:
    needle, folded = _fold(sought).text.strip(), _fold(text)
    first = bisect_left(folded.starts, after)
    haystack = folded.text[first:]
    # With a haystack shorter than the quote the library would look for the text in the quote instead.
    if len(needle) < FUZZY_LENGTH or len(haystack) < len(needle) * FUZZY_RATIO / 100:
        return None
    if len(haystack) < len(needle):
        left, right = 0, len(haystack)
    else:
        found = fuzz.partial_ratio_alignment(needle, haystack, score_cutoff=FUZZY_RATIO)
        if found is None or found.dest_end <= found.dest_start:
            return None
        left, right = found.dest_start, found.dest_end
    start, end = _whole_words(text, folded.starts[first + left], folded.ends[first + right - 1], after)
    before = text.rfind(" ", 0, max(start - 1, 0)) + 1  # "is designed" must not be found in "is not designed"
    negated = _NEGATION.findall(_fold(text[before:end]).text) != _NEGATION.findall(needle)
    return (start, end) if not negated and _agree(needle, _fold(text[start:end]).text.strip()) else None


def _whole_words(text: str, start: int, end: int, after: int) -> tuple[int, int]:
    while start > after and (cuts_number(text, start) or not is_boundary(text, start)):
        start -= 1
    while end < len(text) and (cuts_number(text, end) or not is_boundary(text, end)):
        end += 1
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _agree(one: str, other: str) -> bool:
    return _NUMBER.findall(one) == _NUMBER.findall(other) and fuzz.ratio(one, other) >= FUZZY_RATIO


@lru_cache(maxsize=32)
def _fold(text: str) -> _Folding:
    """The normal form in which two ways of writing the same are equal, with the way back."""
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        piece = _fold_cluster(text[start:end])
        if piece == " " and chars and (chars[-1] == " " or _CJK.match(chars[-1])):
            ends[-1] = end if chars[-1] == " " else ends[-1]
            continue
        if chars and chars[-1] == " " and _CJK.match(piece):  # between Chinese characters, space says nothing
            chars.pop(), starts.pop(), ends.pop()
        if len(piece) > 1 and piece[0].isdecimal() and chars and chars[-1].isdecimal():
            piece = " " + piece  # 5½ is 5 1/2, not 51/2
        chars.extend(piece)
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))
    return _Folding("".join(chars), tuple(starts), tuple(ends))


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not _continues(text[at]):
            yield start, at
            start = at


@lru_cache(maxsize=65536)
def _fold_cluster(cluster: str) -> str:
    if cluster.isascii():
        return " " if cluster.isspace() else cluster.casefold().translate(_FOLDED)
    if unicodedata.decomposition(cluster[0]).startswith(("<super>", "<sub>")):
        return cluster  # 10² is not 102
    shown = "".join(c for c in cluster if unicodedata.category(c) != "Cf" and not "\ufe00" <= c <= "\ufe0f")
    # Dashes and quotation marks first: NFKC would turn the double prime into two single ones.
    folded = unicodedata.normalize("NFKC", shown.translate(_FOLDED)).casefold()
    folded = unicodedata.normalize("NFKC", folded).translate(_FOLDED)
    return " " if folded.isspace() else folded

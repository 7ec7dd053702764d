"""Files of labelled reviews: ``text####[([aspect], [opinion], polarity)]`` lines and JSON lines with quads.

Of the lines there are two kinds: where a domain follows (``####domain``), two numbers are the first and the last word;
else every word is listed. ``[-1]`` is implied. Words are what lies between single spaces.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mining.errors import SourceError
from mining.reviews.triplets import LabelledReview, Opinion, Place

_LINE = re.compile(r"(?P<text>.*)####(?P<labels>(?:\[.*\])?)(?P<tail>####[^#]*)?")
_NOTHING = "_"
Words: TypeAlias = tuple[int, ...]
"""Numbers of words; (-1,) where it is implied."""


@dataclass(frozen=True, slots=True)
class TripletLine:
    """A line of the first format. ``domain``: what follows the labels, or None where nothing does."""

    review: LabelledReview
    domain: str | None = None

    def key(self, one: Opinion) -> tuple[Words, Words, str]:
        """An opinion as this line's numbers of words, the way it is scored."""
        return self._numbers(one.aspect), self._numbers(one.opinion), one.polarity

    def told(self, opinions: Iterable[Opinion]) -> str:
        """The line with these opinions as its labels."""
        keys = dict.fromkeys(self.key(one) for one in opinions)
        labels = ", ".join(f"({self._written(a)}, {self._written(o)}, {polarity!r})" for a, o, polarity in keys)
        tail = "" if self.domain is None else f"####{self.domain}"
        return f"{self.review.text}####[{labels}]{tail}"

    def _numbers(self, place: Place | None) -> Words:
        if place is None:
            return (-1,)
        words = word_places(self.review.text)
        inside = [n for n, (start, end) in enumerate(words) if start < place[1] and place[0] < end]
        return tuple(range(inside[0], inside[-1] + 1))

    def _written(self, words: Words) -> list[int]:
        return [words[0], words[-1]] if self.domain is not None and len(words) > 1 else list(words)


def word_places(text: str) -> list[Place]:
    """What lies between single spaces, as code points; two spaces have an empty word between them."""
    places, at = [], 0
    for word in text.split(" "):
        places.append((at, at + len(word)))
        at += len(word) + 1
    return places


def read_triplet_lines(path: Path) -> list[TripletLine]:
    """Raises SourceError that names the line. A line without labels is a text in which nothing is labelled."""
    return [_triplet_line(line, f"{path}:{number}") for number, line in _lines(path)]


def _triplet_line(line: str, where: str) -> TripletLine:
    if "####" not in line:
        return TripletLine(LabelledReview(line))
    match = _LINE.fullmatch(line)
    if match is None:
        raise SourceError(
            f"{where}: expected text####[([aspect words], [opinion words], polarity), …]; saw {line[:200]!r}"
        )
    text, tail = match["text"], match["tail"]
    try:
        rows = ast.literal_eval(match["labels"] or "[]")
        opinions = tuple(_opinion(row, word_places(text)) for row in rows)
    except (ValueError, TypeError, SyntaxError, IndexError, RecursionError, MemoryError) as error:
        raise SourceError(f"{where}: labels that cannot be read ({error}); saw {match['labels'][:200]!r}") from error
    return TripletLine(LabelledReview(text, opinions), None if tail is None else tail.removeprefix("####"))


def _opinion(row: Any, words: Sequence[Place]) -> Opinion:
    aspect, opinion, polarity = row
    if not isinstance(polarity, str) or not polarity:
        raise ValueError(f"a polarity that is no text: {polarity!r}")
    return Opinion(_place_of(aspect, words), _place_of(opinion, words), polarity)


def _place_of(numbers: Any, words: Sequence[Place]) -> Place | None:
    if list(numbers) == [-1]:
        return None
    first, last = min(numbers), max(numbers)
    if first < 0 or last >= len(words) or words[first][0] == words[last][1]:
        raise ValueError(f"no such words: {list(numbers)} of {len(words)}")
    return words[first][0], words[last][1]


@dataclass(frozen=True, slots=True)
class QuadRow:
    """A row of the second format."""

    id: str
    review: LabelledReview

    def key(self, one: Opinion) -> tuple[str, str, str, str]:
        """(aspect, opinion, category, polarity) as written, the way it is scored."""
        return self._surface(one.aspect), self._surface(one.opinion), one.category, one.polarity

    def told(self, opinions: Iterable[Opinion]) -> str:
        """``{"id", "quads": [[aspect, opinion, category, polarity]]}``."""
        quads = [list(key) for key in dict.fromkeys(self.key(one) for one in opinions)]
        return json.dumps({"id": self.id, "quads": quads}, ensure_ascii=False)

    def _surface(self, place: Place | None) -> str:
        return _NOTHING if place is None else self.review.text[slice(*place)]


def read_quads(path: Path) -> list[QuadRow]:
    """Raises SourceError that names the line. A row without ``quads`` is a text in which nothing is labelled."""
    rows = []
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            text = row["text"]
            opinions = tuple(_quad(quad, text) for quad in row.get("quads") or ())
            rows.append(QuadRow(row["id"], LabelledReview(text, opinions)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f'{path}:{number}: expected {{"id", "text", "quads": [{{"aspect", "a", "opinion", "o", "category", '
                f'"polarity"}}]}} ({error!r}); saw {line[:200]!r}'
            ) from error
    return rows


def _quad(quad: Mapping[str, Any], text: str) -> Opinion:
    aspect = _placed(quad["aspect"], quad.get("a"), text)
    return Opinion(aspect, _placed(quad["opinion"], quad.get("o"), text), quad["polarity"], quad["category"])


def _placed(surface: str, ends: Sequence[str | int] | None, text: str) -> Place | None:
    """Where it says it stands, else where it stands first."""
    if surface in (_NOTHING, ""):
        return None
    if ends and all(str(end).strip() for end in ends):
        start, end = int(ends[0]), int(ends[1])
        if text[start:end] == surface:
            return start, end
    start = text.index(surface)
    return start, start + len(surface)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.rstrip("\r")

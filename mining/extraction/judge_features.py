"""What a judge of candidates sees of a chunk: words around and inside it, its list, what rules say of it.

A feature is a short text; ``hashed`` makes places of a table of weights of it (the hashing trick: Weinberger et al.,
"Feature Hashing for Large Scale Multitask Learning", ICML 2009).
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from mining.extraction import patterns as p
from mining.extraction.candidates import Chunk, Span, chunks
from mining.extraction.kinds import Words, is_model, looks_like_person, modifies

LEFT, RIGHT = 7, 5  # words of the sentence that are looked at on either side

_NAMES = """
    PLACES PEOPLE SEASONS DEVICES CONSUMABLES SURFACES ACTIVITIES BRANDS VAGUE EFFECTS EFFECT_GERUNDS EFFECT_VERBS
    NOT_GERUNDS ACTS MOOD FURNITURE DEVOTEES ANYBODY OCCASIONS BARE_PLACES GENERIC
"""
_LISTS: dict[str, frozenset[str]] = {name: getattr(p, name) for name in _NAMES.split()}
_VERBS = frozenset([*p.ACT_VERBS, *p.ACTING_VERBS])

Classes = Mapping[str, tuple[int, int]]
"""Word → its coarse and its fine class, by the company it keeps."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What rules say of tokens ``[start, end)``: a relation by a rule, or one set aside with a reason."""

    start: int
    end: int
    relation: str
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.relation[:1]}:{self.rule}:{self.reason}"


@dataclass(slots=True)
class Sight:
    """A text as a judge sees it: its chunks and what is known of each."""

    words: Words
    classes: Classes
    chunks: list[Chunk]
    marks: list[list[Mark]]
    begins: dict[int, int] = field(default_factory=dict)
    title: frozenset[str] = frozenset()
    sizes: dict[int, int] = field(default_factory=dict)
    joined: set[int] = field(default_factory=set)
    repeated: list[bool] = field(default_factory=list)

    @classmethod
    def of(cls, words: Words, classes: Classes, marks: Sequence[Mark]) -> "Sight":
        found = chunks(words)
        sight = cls(words, classes, found, _beside(found, marks))
        for at, sentence in enumerate(words.sentence):
            sight.begins.setdefault(sentence, at)
        named = zip(words.lower, words.in_title, strict=True)
        sight.title = frozenset(word for word, inside in named if inside and len(word) > 2)
        seen: set[tuple[str, ...]] = set()
        for chunk in found:
            sight.sizes[chunk.head] = sight.sizes.get(chunk.head, 0) + 1
            if chunk.separator not in ("", ","):
                sight.joined.add(chunk.head)
            said = words.lower[chunk.first : chunk.last]
            sight.repeated.append(said in seen)
            seen.add(said)
        return sight

    def word(self, at: int, sentence: int) -> str:
        """The lower-case token; ``^`` beyond the sentence."""
        inside = 0 <= at < len(self.words.lower) and self.words.sentence[at] == sentence
        return self.words.lower[at] if inside else "^"

    def opener(self, at: int) -> tuple[str, str, str]:
        """The three words before the list that chunk ``at`` stands in, the nearest first."""
        start = self.chunks[self.chunks[at].head].start
        sentence = self.words.sentence[self.chunks[at].start]
        return self.word(start - 1, sentence), self.word(start - 2, sentence), self.word(start - 3, sentence)

    def mark(self, at: int) -> str:
        """What rules say of chunk ``at``; ``=`` behind it where they cut it just so."""
        return "/".join(sorted({str(mark) for mark in self.marks[at]})[:2]) or "no"

    def is_exact(self, at: int) -> bool:
        chunk = self.chunks[at]
        return any((mark.start, mark.end) == (chunk.first, chunk.last) for mark in self.marks[at])


def hashed(features: Iterable[str], bits: int) -> list[int]:
    """Places of the features in a table of ``2**bits`` rows, each once."""
    mask = (1 << bits) - 1
    return sorted({zlib.crc32(feature.encode("utf-8", "replace")) & mask for feature in features})


def chunk_features(sight: Sight, at: int) -> list[str]:
    """The features of chunk ``at``."""
    return [*_around(sight, at), *_inside(sight, at), *_listed(sight, at), *_crossed(sight, at)]


def reading_features(sight: Sight, at: int, span: Span, way: str) -> Iterator[str]:
    """The features of one way to cut chunk ``at``."""
    words, chunk = sight.words, sight.chunks[at]
    first, last = span
    head, begun = words.lower[first], first > chunk.start
    before = words.lower[first - 1] if begun else "|"
    opener, end = sight.opener(at)[0], words.lower[last - 1]
    starts = sight.begins[words.sentence[chunk.start]] == chunk.start
    yield from (f"way={way}", f"way&o={way}&{opener}", f"first={head}", f"before={before}", f"last={end}")
    yield from (f"way&f2={way}&{head[-2:]}", f"kf={kinds_of(head)[0]}&{way}", f"kl={kinds_of(end)[0]}&{way}")
    yield from (f"out={words.lower[last] if last < chunk.end else '|'}", f"len={way}&{min(last - first, 5)}")
    yield f"cut={min(first - chunk.first, 3) if first >= chunk.first else -1}&{min(chunk.last - chunk.first, 5)}"
    yield from (f"b2&f2={before[-2:]}&{head[-2:]}", f"f3&o={head[-3:]}&{opener}")
    yield f"shapes={shape(words.text[first])}&{shape(words.text[first - 1]) if begun else '|'}"
    yield f"kinds={kinds_of(before)[0] if begun else '|'}&{kinds_of(head)[0]}"
    yield from (f"mark={way}&{sight.mark(at)}", f"starts={starts}&{way}&{head[-2:]}")
    yield f"joint={way == 'joint'}&{kinds_of(words.lower[chunk.last - 1])[0]}&{kinds_of(end)[0]}"


def _beside(found: Sequence[Chunk], marks: Sequence[Mark]) -> list[list[Mark]]:
    """The marks that overlap with each chunk. Both come in order, so that one pass finds them."""
    beside: list[list[Mark]] = [[] for _ in found]
    at = 0
    for mark in sorted(marks, key=lambda one: (one.start, one.end)):
        while at < len(found) and found[at].end <= mark.start:
            at += 1
        for i in range(at, len(found)):
            if found[i].start >= mark.end:
                break
            beside[i].append(mark)
    return beside


@lru_cache(maxsize=20_000)
def kinds_of(word: str) -> tuple[str, ...]:
    """The kinds of thing that a word names, by our lists and by its shape; ``-`` where none is known."""
    kinds = [name for name, listed in _LISTS.items() if word in listed]
    if looks_like_person(word):
        kinds.append("person")
    if word.endswith("ing") and word not in p.NOT_GERUNDS:
        kinds.append("ing")
    if word in _VERBS:
        kinds.append("verb")
    if modifies(word):
        kinds.append("adjective")
    return tuple(kinds) or ("-",)


def shape(word: str) -> str:
    if word.isdigit():
        return "9"
    if any(char.isdigit() for char in word):
        return "a9"
    if word[:1].isupper():
        return "AA" if word.isupper() and len(word) > 1 else "Aa"
    return "a" if word.isalpha() else "."


def _around(sight: Sight, at: int) -> Iterator[str]:
    words, chunk = sight.words, sight.chunks[at]
    sentence, start = words.sentence[chunk.start], sight.begins[words.sentence[chunk.start]]
    one, two, three = sight.opener(at)
    before, following = sight.word(chunk.start - 1, sentence), sight.word(chunk.end, sentence)
    opening = sight.chunks[chunk.head].start - 1
    yield from (f"o={one}", f"o2={two}", f"o12={two} {one}", f"o123={three} {two} {one}", f"b={before}")
    yield from (f"b2={sight.word(chunk.start - 2, sentence)} {before}", f"f={following}")
    yield from (f"f2={following} {sight.word(chunk.end + 1, sentence)}", f"title={words.in_title[chunk.start]}")
    yield from (f"s={words.lower[start]}", f"s2={words.lower[start]} {sight.word(start + 1, sentence)}")
    yield from (f"sentence={min(sentence, 3)}", f"starts={start == chunk.start}")
    for i in range(opening - 1, max(start - 1, opening - 1 - LEFT), -1):
        yield f"left={words.lower[i]}"
    for i in range(chunk.end, min(len(words.lower), chunk.end + RIGHT)):
        if words.sentence[i] != sentence:
            break
        yield f"right={words.lower[i]}"


def _inside(sight: Sight, at: int) -> Iterator[str]:
    words, chunk = sight.words, sight.chunks[at]
    first, last = chunk.first, chunk.last
    inner, head, begin = words.lower[first:last], words.lower[last - 1], words.lower[first]
    yield from (f"head={head}", f"first={begin}", f"h3={head[-3:]}", f"f3={begin[-3:]}", f"f2={begin[-2:]}")
    yield from (f"length={min(last - first, 6)}", f"h.shape={shape(words.text[last - 1])}", f"said={' '.join(inner)}")
    yield f"f.shape={shape(words.text[first])}&{words.in_title[first]}"
    yield from (f"last2={' '.join(inner[-2:])}", f"lead={' '.join(words.lower[chunk.start : first])}")
    yield from (
        f"trail={' '.join(words.lower[last : chunk.end])}",
        f"named={head in sight.title}&{words.in_title[first]}",
    )
    yield "shapes=" + "".join(shape(word)[0] for word in words.text[first:last])[:6]
    yield from (f"again={sight.repeated[at]}", f"length&first={min(last - first, 3)}&{begin}")
    yield from (f"kh={kind}" for kind in kinds_of(head))
    yield from (f"kf={kind}" for kind in kinds_of(begin))
    yield from (f"w={word}" for word in inner)
    if last - first > 1:
        yield f"first2={begin} {inner[1]}"
    if head in sight.classes:
        yield from (f"ch={sight.classes[head][0]}", f"Ch={sight.classes[head][1]}")
    if begin in sight.classes and last - first > 1:
        yield from (f"cf={sight.classes[begin][0]}", f"Cf={sight.classes[begin][1]}")


def _listed(sight: Sight, at: int) -> Iterator[str]:
    """What its list and the chunks beside it say."""
    words, found, chunk = sight.words, sight.chunks, sight.chunks[at]
    place, size = min(chunk.position, 2), min(sight.sizes[chunk.head], 5)
    marked, opening = sight.mark(at) + ("=" if sight.is_exact(at) else ""), sight.mark(chunk.head)
    yield from (f"place={place}", f"size={size}&{chunk.head in sight.joined}", f"mark={marked}", f"mo={opening}")
    yield from (f"mo&place={opening}&{place}", f"mark&title={marked}&{words.in_title[chunk.start]}")
    if chunk.position:
        first, before = found[chunk.head], found[at - 1]
        head = words.lower[first.last - 1]
        yield from (f"l.kind={kind}" for kind in kinds_of(head))
        yield from (f"l.head={head}", f"l.f3={words.lower[first.first][-3:]}", f"by={chunk.separator}")
        alike = words.lower[first.first][-3:] == words.lower[chunk.first][-3:]
        yield f"alike={alike}&{sight.opener(at)[0]}"
        yield f"shaped={shape(words.text[first.first]) == shape(words.text[chunk.first])}"
        yield f"l.before={words.lower[before.last - 1]}"
    elif at:
        yield f"before={words.lower[found[at - 1].last - 1]}"
    if not chunk.position and sight.sizes[chunk.head] > 1:
        following = found[at + 1]
        yield from (f"l.next={kind}" for kind in kinds_of(words.lower[following.last - 1]))
        yield f"l.next3={words.lower[following.first][-3:]}"


def _crossed(sight: Sight, at: int) -> Iterator[str]:
    """Pairs of features that say more together."""
    words, chunk = sight.words, sight.chunks[at]
    one, two, _ = sight.opener(at)
    first, last = chunk.first, chunk.last
    head, begin, title = words.lower[last - 1], words.lower[first], words.in_title[chunk.start]
    marked, opening = sight.mark(at) + ("=" if sight.is_exact(at) else ""), sight.mark(chunk.head)
    starts = sight.begins[words.sentence[chunk.start]] == chunk.start
    model = any(is_model(words, i) for i in range(first, last))
    for kind in kinds_of(head):
        yield from (f"o&kh={one}&{kind}", f"o12&kh={two} {one}&{kind}")
        yield from (f"mo&kh={opening}&{kind}", f"mark&kh={marked}&{kind}")
    for kind in kinds_of(begin):
        yield from (f"o&kf={one}&{kind}", f"starts&kf={starts}&{kind}")
    yield from (f"o&f3={one}&{begin[-3:]}", f"o&h3={one}&{head[-3:]}", f"o&first={one}&{begin}", f"o&head={one}&{head}")
    yield f"o&shape={one}&{shape(words.text[last - 1])}&{title}"
    yield from (
        f"o&length={one}&{min(last - first, 4)}",
        f"o&place={one}&{min(chunk.position, 2)}",
        f"o&t={one}&{title}",
    )
    yield f"o&f={one}&{sight.word(chunk.end, words.sentence[chunk.start])}"
    yield f"o&lead={one}&{words.lower[chunk.start] if first > chunk.start else ''}"
    yield from (f"model={model}", f"o&model={one}&{model}")
    yield f"o&digit={one}&{any(char.isdigit() for word in words.text[first:last] for char in word)}"
    if head in sight.classes:
        coarse, fine = sight.classes[head]
        yield from (f"o&ch={one}&{coarse}", f"o12&ch={two} {one}&{coarse}", f"mark&ch={marked}&{coarse}")
        yield f"o&Ch={one}&{fine}"
    if begin in sight.classes and last - first > 1:
        yield from (f"o&cf={one}&{sight.classes[begin][0]}", f"starts&Cf={starts}&{sight.classes[begin][1]}")
    if two in sight.classes:
        coarse, fine = sight.classes[two]
        yield from (f"co={coarse}&{one}", f"Co={fine}&{one}", f"Co&kh={fine}&{one}&{kinds_of(head)[0]}")

"""What one product's text shows of attributes nobody has named yet: keys, measures, numbers with a word, word pairs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from kg.types import Product
from mining.extraction.schema_values import keyed
from mining.gazetteers import AUDIENCES, COLORS, MATERIALS
from mining.normalization import SIZES, find_quantities
from mining.sources.text import words
from mining.units import unit_of

MOST_WORDS = 40  # of a title
MAX_TEXT = 20_000  # characters of a description
_WORD = re.compile(r"[^\W_]+(?:[-'’.&][^\W_]+)*")
_POSSESSIVE = re.compile(r"['’]?s$|s['’]$")
_SEGMENT = re.compile(r"\s*[,;|()\[\]·，；、（）【】/]\s*|\s+[-–—]\s+")
_PACK = re.compile(
    r"\b(?:pack|set|box|case|lot|bundle) of \d+|\b(?:\d+|twin|single|double|triple)[- ]?(?:packs?|pks?)\b"
    r"|\d+\s?[支个片只条枚粒张卷抽件包盒]装",
    re.I,
)
_NUMBERED = re.compile(
    r"(?<![\w.,])(?P<n>\d+(?:[.,]\d+)?)[- ]?(?P<after>[A-Za-z]{2,15})\b"
    r"|\b(?P<before>[A-Za-z]{2,15})[- ]?(?P<m>\d+\+?)(?![\w.])"
)
_NO_LABEL = words("of and for with in to by the a an pack packs set box case no new size x from on at or per is")

_GENDERS = {s: n for s, n in AUDIENCES.items() if n in ("men", "women", "boys", "girls")} | dict.fromkeys(
    ("unisex", "mens", "womens", "男女通用", "中性"), "unisex"
)
_AGES = {s: n for s, n in AUDIENCES.items() if n in ("kids", "toddlers", "babies", "teens", "adults", "seniors")}
VOCABULARIES = {
    "color": frozenset(COLORS),
    "material": frozenset(MATERIALS),
    "size": frozenset(s for s in SIZES if len(s) > 3 or not s.isascii()) | {"one size"},
    "gender": frozenset(_GENDERS),
    "age": frozenset(_AGES),
}
_CHINESE = {name: sorted(w for w in listed if not w.isascii() and len(w) > 1) for name, listed in VOCABULARIES.items()}


@dataclass(slots=True)
class Sighting:
    """Of one product. ``keyed``: name → value as written. ``measures``: dimension → (surface, unit). ``numbered``:
    word → surface (``spf`` → ``SPF 30``). ``listed``: vocabulary → surfaces. ``pairs``: (modifier, head) of two words
    that stand together. ``segments``: what stands between commas and brackets. ``openings``: the first words."""

    keyed: dict[str, str] = field(default_factory=dict)
    measures: dict[str, tuple[str, str]] = field(default_factory=dict)
    packs: list[str] = field(default_factory=list)
    numbered: dict[str, str] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    openings: list[str] = field(default_factory=list)


def sighted(product: Product) -> Sighting:
    """What the structured attributes, the title and the ``name: value`` lines of the description show."""
    seen = Sighting()
    for name, value in sorted(product.attributes.items()):
        if name.strip() and value.strip():
            seen.keyed.setdefault(name.strip(), value.strip())
    description = product.description[:MAX_TEXT]
    for pair in keyed(description):
        seen.keyed.setdefault(pair.name, description[pair.start : pair.end])
    _read_title(product.title, seen)
    return seen


def _read_title(title: str, seen: Sighting) -> None:
    seen.packs = [match[0] for match in _PACK.finditer(title)]
    bare = _PACK.sub(lambda pack: " " * len(pack[0]), title)
    taken = list(bare)
    for found in find_quantities(bare):
        surface = title[found.start : found.end]
        unit = re.sub(r"^[\W\d]+|[\W\d]+$", "", surface.split()[-1]) if found.dimension else ""
        seen.measures.setdefault(found.dimension, (surface, unit if unit_of(unit) else found.quantities[0].unit))
        taken[found.start : found.end] = " " * (found.end - found.start)
    rest = "".join(taken)
    for match in _NUMBERED.finditer(rest):
        word = (match["after"] or match["before"]).casefold()
        if word not in _NO_LABEL:
            seen.numbered.setdefault(word, match[0])
    _read_words(rest, seen)


def _read_words(rest: str, seen: Sighting) -> None:
    written = [match[0] for match in _WORD.finditer(rest)][:MOST_WORDS]
    lower = [_POSSESSIVE.sub("", word.casefold()) if word[0].isascii() else word for word in written]
    plain = [word.casefold() for word in written]
    for name, vocabulary in VOCABULARIES.items():
        found = [" ".join(written[a:b]) for a, b in _spans(len(written)) if _in(vocabulary, plain[a:b], lower[a:b])]
        found += [word for word in _CHINESE[name] if word in rest]
        if found:
            seen.listed[name] = found
    for segment in _SEGMENT.split(rest):
        parts = [match[0].casefold() for match in _WORD.finditer(segment)]
        seen.pairs += [
            (first, second)
            for first, second in pairwise(parts)
            if first.isalpha() and second.isalpha() and not {first, second} & _NO_LABEL and len(second) > 2
        ]
        if 1 <= len(parts) <= 3 and not any(part.isdigit() for part in parts):
            seen.segments.append(" ".join(parts))
    seen.segments = seen.segments[1:] if rest.strip() and len(seen.segments) > 1 else seen.segments
    seen.openings = [" ".join(written[:size]) for size in (1, 2, 3) if len(written) > size]


def _spans(count: int) -> Iterator[tuple[int, int]]:
    """Every run of one and two words."""
    yield from ((at, at + size) for size in (1, 2) for at in range(count - size + 1))


def _in(vocabulary: frozenset[str], plain: list[str], lower: list[str]) -> bool:
    return " ".join(plain) in vocabulary or " ".join(lower) in vocabulary

"""Values that a shop's own schema lets a text state: ``Roast: dark`` lines, and words of closed lists in the title."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kg.ids import normal_form
from kg.schema import Attribute
from mining.extraction.attributes import Stated
from mining.normal_values import in_form, refusal
from mining.normalization import Normalised
from mining.units import unit_of

LONGEST_NAME, LONGEST_VALUE = 40, 120  # characters; longer ones are sentences
_KEYED = re.compile(
    rf"(?:^|[\n;；|•])[ \t]*(?:[-*·]\s*)?(?P<name>[^\W\d_][^\n:：;；|•]{{0,{LONGEST_NAME - 1}}}?)"
    rf"\s*(?:(?<!\d)[:：]|[:：](?!\d))(?!//)[ \t]*"
    rf"(?P<value>[^\s;；|•][^\n;；|•]{{0,{LONGEST_VALUE - 1}}})(?=[\n;；|•]|$)"
)
_CJK = "\u3400-\u4dbf\u4e00-\u9fff"


@dataclass(frozen=True, slots=True)
class Keyed:
    """``name: value`` on a line of its own or between semicolons; the value stands at ``[start, end)``."""

    name: str
    start: int
    end: int


def keyed(text: str) -> Iterator[Keyed]:
    """The ``name: value`` pairs of a text, in order. A value loses the full stop that ends it."""
    for match in _KEYED.finditer(text):
        value = match["value"].rstrip(" \t\r.,。，")
        if value:
            yield Keyed(match["name"].strip(), match.start("value"), match.start("value") + len(value))


def schema_values(text: str, title_end: int, attributes: Sequence[Attribute]) -> Iterator[Stated]:
    """What the text states of these attributes, in no particular order.

    A word of a closed list counts in the title, where everything describes the product. Where lists overlap, the
    longest word wins (``dark chocolate`` is no dark roast); a word of two lists comes once for each.
    """
    named = {normal_form(attribute.name): attribute for attribute in attributes}
    for pair in keyed(text):
        known = named.get(normal_form(pair.name))
        if known is not None:
            yield Stated(known.name, pair.start, pair.end, "keyed")
    found = [
        Stated(attribute.name, word.start(), word.end(), "listed")
        for attribute in attributes
        if attribute.values
        for word in _words(attribute).finditer(text, 0, title_end)
    ]
    for one in found:
        if not any(other.start <= one.start and one.end <= other.end and _longer(other, one) for other in found):
            yield one


def by_schema(
    attributes: Sequence[Attribute], stated: Stated, surface: str
) -> tuple[Attribute, Normalised | None] | str:
    """The attribute that a stated value belongs to with its form, or the reason why it may not be written."""
    attribute = _meant(attributes, stated)
    if attribute is None:
        return "off schema"
    if not _asks_another_form(attribute, stated):
        return attribute, stated.normal
    return refusal(attribute, surface) or (attribute, in_form(attribute, surface))


def _meant(attributes: Sequence[Attribute], stated: Stated) -> Attribute | None:
    """The attribute that the schema calls so, whatever its case; a rule's ``color`` is a shop's ``Colour``.

    Where none is called so, the only one of the same rule or the same kind of unit: 500 g is a ``Net weight``.
    """
    named = next((a for a in attributes if _plain_name(a.name) == _plain_name(stated.attribute)), None)
    if named is not None:
        return named
    alike = [a for a in attributes if a.normalise == stated.attribute]
    if stated.normal is not None and stated.normal.unit is not None and len(stated.normal.quantities) == 1:
        dimension = _dimension(stated.normal.unit)
        alike += [a for a in attributes if a.unit is not None and _dimension(a.unit) == dimension]
    return alike[0] if len(alike) == 1 else None


def _plain_name(name: str) -> str:
    return normal_form(name).replace("colour", "color")


def _dimension(unit: str) -> str | None:
    known = unit_of(unit)
    return None if known is None else known.dimension


def _asks_another_form(attribute: Attribute, stated: Stated) -> bool:
    """Whether the schema says more about a value's form than the rule that found it knows."""
    if stated.rule in ("keyed", "listed") or attribute.values or attribute.normalise or attribute.abbreviations:
        return True
    return attribute.unit is not None and (stated.normal is None or stated.normal.unit != attribute.unit)


def _longer(one: Stated, other: Stated) -> bool:
    return one.end - one.start > other.end - other.start


@lru_cache(maxsize=4096)
def _pattern(values: tuple[str, ...], abbreviations: tuple[str, ...]) -> re.Pattern[str]:
    """Whole words, longest first; list words in any case, abbreviations as written. Bare numbers say nothing alone."""
    words = [w for w in values if len(w) > 1 and not re.fullmatch(r"[\d.,]+", w)]
    ways = [(word, f"(?i:{re.escape(word)})") for word in words] + [(a, re.escape(a)) for a in abbreviations]
    ways.sort(key=lambda way: (-len(way[0]), way))
    return re.compile("|".join(_bounded(word, way) for word, way in ways) or r"(?!)")


def _words(attribute: Attribute) -> re.Pattern[str]:
    return _pattern(attribute.values, tuple(attribute.abbreviations))


def _bounded(word: str, way: str) -> str:
    """Chinese needs no boundary; any other letter or digit at an end of the word must be an end in the text."""
    before = rf"(?<![^\W{_CJK}])" if not re.match(rf"[{_CJK}]", word) else ""
    after = rf"(?![^\W{_CJK}])" if not re.search(rf"[{_CJK}]$", word) else ""
    return f"{before}{way}{after}"

"""Numbers with units, colours and sizes: what was written is kept, a canonical form stands beside it.

A text or surface → ``find_quantities`` → quantities in the canonical units of ``mining.units``. Ranges stay ranges,
approximations stay approximate, and three bottles of 500 ml stay three.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kg.ids import normal_form
from mining.gazetteers import COLORS, MATERIALS
from mining.numbers import CHINESE_NUMBER, FRACTION_SIGNS, NUMBER, number_of, plainly
from mining.units import CANONICAL, UNIT_PATTERN, VALUE_UNIT_PATTERN, Unit, to_canonical, unit_of

_SIDE = r"(?:[LWHD](?![A-Za-z0-9])|(?:wide|high|deep|long|tall|thick|width|height|depth|length|diameter)\b)"
_NUMBERS = rf"(?:{NUMBER}|{CHINESE_NUMBER})"


def _value_of(units: str) -> re.Pattern[str]:
    """A number, a range or a tolerance, with units of this pattern; ``between`` lets ``and`` join a range."""
    unit = rf"(?:{units}(?:(?![A-Za-z0-9])|(?<=[\"”″'’′])(?=[LWHD](?![A-Za-z0-9])|[x×*]\s?\d)))"
    return re.compile(
        rf"(?P<between>(?<=\bbetween\s))?(?P<low>{_NUMBERS})"
        rf"(?:(?P<gap>\s?-?\s?)(?P<first_unit>{unit}))?"
        rf"(?:\s?(?P<joint>±|\+/-|(?(between)and\b|(?:-|–|—|~|～|to\b|至|到)))\s?(?P<high>{_NUMBERS}))?"
        rf"(?:(?P<wide>\s?-?\s?)(?P<unit>{unit}))?(?P<half>半(?![价折年天月日小]))?(?P<plus>\+(?!/-))?"
        rf"(?:\s?(?P<side>{_SIDE}))?(?:\s(?P<late_unit>{unit}))?",
        re.IGNORECASE,
    )


_IN_PROSE, _IN_VALUE = _value_of(UNIT_PATTERN), _value_of(VALUE_UNIT_PATTERN)
# Two units that people say in one breath: 5 ft 6 in, 2 lb 3 oz, 一斤二两.
_COMPOUND = re.compile(
    rf"(?P<first>\d+|{CHINESE_NUMBER})(?:"
    rf"(?:\s?-?\s?(?:ft|feet|foot)\.?,?\s?-?|['’′]\s?)(?P<inch>{NUMBER})(?:\s?-?(?:inch(?:es)?|in)\b|[\"”″]|'')"
    rf"|\s?(?:lbs?|pounds?)\.?,?\s?(?P<oz>{NUMBER})\s?(?:oz|ounces?)\b"
    rf"|斤(?P<liang>{_NUMBERS})两)",
    re.IGNORECASE,
)
_PARTS = {"inch": "ft", "oz": "lb", "liang": "jin"}
_START = re.compile(rf"(?<![A-Za-z0-9_.,/$€£¥#])(?<![A-Za-z0-9]-)(?=\.?\d|[{FRACTION_SIGNS}]|{CHINESE_NUMBER})")
_TIMES = re.compile(rf"\s*(?:[x×*]|by\b)\s*(?=[\d.{FRACTION_SIGNS}])", re.IGNORECASE)
_ABOUT = re.compile(
    r"(?:\b(?:about|approx(?:imately|\.)?|around|roughly|nearly|almost|circa|ca\.?)\s*|[~≈～]\s?|大?约为?\s?|将?近\s?)$",
    re.I,
)
_AT_MOST = re.compile(
    r"(?:\b(?:up to|at most|less than|no more than|under|below|max(?:imum)?\.?)\s+|(?:≤|<=?)\s?"
    r"|(?:不超过|最多|最大|不到|低于|小于)\s?)$",
    re.I,
)
_AT_LEAST = re.compile(
    r"(?:\b(?:at least|(?<!no )more than|over|above|min(?:imum)?\.?)\s+|(?:≥|>=?)\s?"
    r"|(?:至少|超过|不少于|不低于|大于)\s?)$",
    re.I,
)
# The same said after the measure; 500克以内, 5 kg or less.
_ABOUT_AFTER = re.compile(r"\s?(?:左右|上下|\((?:approx\.?|about)\)|approx(?:imately|\.|\b))", re.I)
_AT_MOST_AFTER = re.compile(
    r"\s?(?:以内|之内|(?:及|或)?以下|(?:or|and) (?:less|under|below|smaller)\b|max(?:imum\b|\.|\b))", re.I
)
_AT_LEAST_AFTER = re.compile(
    r"\s?(?:(?:及|或)?以上|起(?!来|动|重|订)|(?:or|and) (?:more|up|over|above|larger)\b|min(?:imum\b|\.|\b))", re.I
)
_AFTER_INCH = re.compile(rf"\.?(?:\s*(?:$|[,;:)\]/x×*]|by\b|{_SIDE})|\.\s)", re.I)
_OPEN_QUOTE = re.compile(r"(?:^|[\s(\[])[\"“”'‘’](?=[^\W\d])[^\"“”'‘’\n]*$")
# Full-width letters, digits and the point are read as narrow ones; one for one, so that places stay.
_NARROW = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_NARROW |= {0xFF0E: 0x2E, 0xFF0F: 0x2F, 0xFF05: 0x25}

DIMENSION_OF = {
    "weight": ("mass",),
    "volume": ("volume",),
    "length": ("length",),
    "power": ("power",),
    "voltage": ("voltage",),
    "capacity": ("charge", "data", "volume"),
    "pack": ("count",),
    "size": ("length",),
}
SIZES = {
    "extra small": "xs", "small": "s", "medium": "m", "large": "l", "extra large": "xl", "x-large": "xl",
    "xx-large": "xxl", "2xl": "xxl", "3xl": "xxxl",
    "小号": "s", "中号": "m", "大号": "l", "加大号": "xl", "均码": "one size",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measure in a canonical unit of ``mining.units``.

    ``number`` is the point value, None for a range or bound; ``low`` and ``high`` are the bounds that were stated.
    ``count`` says how many of it there are: ``3 x 500 ml`` is three times 500, not 1,500.
    """

    number: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    approximate: bool = False
    surface: str = ""
    count: int = 1

    @property
    def form(self) -> str:
        """One way of writing it, equal for equal measures: ``500 ml``, ``3 x 500 ml``, ``10-12 cm``, ``<= 5 kg``."""
        times = f"{self.count} x " if self.count != 1 else ""
        about = "about " if self.approximate else ""
        if self.number is not None:
            return f"{about}{times}{plainly(self.number)} {self.unit}"
        if self.low is not None and self.high is not None:
            return f"{about}{times}{plainly(self.low)}-{plainly(self.high)} {self.unit}"
        bound, sign = (self.low, ">=") if self.low is not None else (self.high, "<=")
        return f"{sign} {times}{plainly(bound or 0.0)} {self.unit}"


@dataclass(frozen=True, slots=True)
class Found:
    """A measure in a text: one quantity, or two and three of length for what is written as ``8 x 10 in``."""

    start: int
    end: int
    quantities: tuple[Quantity, ...]

    @property
    def dimension(self) -> str:
        unit = self.quantities[0].unit
        return next(name for name, canonical in CANONICAL.items() if canonical == unit)


@dataclass(frozen=True, slots=True)
class Normalised:
    """A value as written and in its normal form; ``number`` and ``unit`` where it is one measure."""

    attribute: str
    surface: str
    form: str
    number: float | None = None
    unit: str | None = None
    quantities: tuple[Quantity, ...] = ()


def normalise(attribute: str, surface: str) -> Normalised | None:
    """The normal form of an attribute's value, or None where none is known: then only the surface may be believed.

    An attribute of ``DIMENSION_OF`` takes only measures of its dimension; any other takes every measure.
    """
    name, value = normal_form(attribute).replace("colour", "color"), normal_form(surface)
    words = {"color": COLORS, "material": MATERIALS, "size": SIZES}.get(name, {})
    if value in words:
        return Normalised(attribute, surface, words[value])
    found = parse(surface)
    if found is None or found.dimension not in DIMENSION_OF.get(name, CANONICAL):
        return None
    return normalised(attribute, surface, found)


def normalised(attribute: str, surface: str, found: Found) -> Normalised:
    """The same for a measure that is already read."""
    form = " x ".join(quantity.form for quantity in found.quantities)
    only = found.quantities[0] if len(found.quantities) == 1 else None
    return Normalised(
        attribute, surface, form, only.number if only else None, found.quantities[0].unit, found.quantities
    )


def parse(surface: str) -> Found | None:
    """The measure that a surface is as a whole, or None: ``15 oz``, ``3公斤``, ``1,5 l``; not ``4K``."""
    body = surface.strip()
    return next((f for f in find_quantities(body, whole=True) if f.start == 0 and len(body) - f.end <= 1), None)


def find_quantities(text: str, *, whole: bool = False) -> Iterator[Found]:
    """Every measure in a text, left to right, without overlaps.

    ``whole`` trusts that the text is a value and nothing else: there ``5 in`` needs no sign that it is no preposition,
    and units that mean too much in prose (``5 s``) are read.
    """
    narrow = text if text.isascii() else text.translate(_NARROW)
    at = 0
    while (start := _START.search(narrow, at)) is not None:
        chain = _chain(narrow, start.start(), whole)
        found = _compound(narrow, start.start()) or (_interpret(narrow, chain) if chain else None)
        at = found.end if found else (chain[0].end() if chain else start.end() + 1)
        if found:
            yield found if narrow is text else _as_written(text, found)


def _as_written(text: str, found: Found) -> Found:
    surface = text[found.start : found.end]
    return replace(found, quantities=tuple(replace(quantity, surface=surface) for quantity in found.quantities))


def _compound(text: str, at: int) -> Found | None:
    said = _COMPOUND.match(text, at)
    if said is None or said.lastgroup is None:
        return None
    small, large = unit_of(said.lastgroup), unit_of(_PARTS[said.lastgroup])
    if small is None or large is None:
        return None
    whole = to_canonical(number_of(said["first"]), large) + to_canonical(number_of(said[said.lastgroup]), small)
    number = float(f"{whole:.10g}")
    return _found(text, at, said.end(), (Quantity(number, CANONICAL[small.dimension]),))


def _chain(text: str, at: int, whole: bool) -> list[re.Match[str]]:
    """The values that stand at ``at``, joined by times signs: at most three, each with or without a unit."""
    pattern = _IN_VALUE if whole else _IN_PROSE
    chain: list[re.Match[str]] = []
    value = pattern.match(text, at)
    while value is not None and len(chain) < 3:
        chain.append(value)
        times = _TIMES.match(text, value.end())
        value = pattern.match(text, times.end()) if times else None
    return [value for value in chain if whole or _plausible(text, value)] if chain else []


def _plausible(text: str, value: re.Match[str]) -> bool:
    for group, gap in (("first_unit", "gap"), ("unit", "wide")):
        unit = (value[group] or "").casefold()
        end = value.end(group)
        if unit == "in":
            if re.match(r"\s?-?\s?\d", text[end : end + 3]):  # 2 in 1, 3-in-1
                return False
            if value[gap] and not _AFTER_INCH.match(text, end):  # 12 in black
                return False
        if unit in ("'", "’", "′", '"', "”", "″") and _OPEN_QUOTE.search(
            text, max(0, value.start() - 80), value.start()
        ):
            return False  # the quotation mark closes a quotation
    return True


def _interpret(text: str, chain: list[re.Match[str]]) -> Found | None:
    if len(chain) > 1:
        found = _dimensions(text, chain) or _multiple(text, chain)
        if found:
            return found
    unit = _unit(chain[0])
    if unit is None:
        return None
    start = chain[0].start() - (len("between ") if chain[0]["between"] is not None else 0)
    end = chain[0].end("plus")
    if end < 0:
        end = max(chain[0].end(group) for group in ("first_unit", "unit", "half"))
    return _found(text, start, end, (_quantity(chain[0], unit),))


def _unit(value: re.Match[str]) -> Unit | None:
    surface = value["unit"] or value["first_unit"]
    return unit_of(surface) if surface else None


def _dimensions(text: str, chain: list[re.Match[str]]) -> Found | None:
    """Two or three lengths; the last unit speaks for those without. In a chain, L and W are sides, not units."""
    units = [_side_or_unit(value) for value in chain]
    known = [unit for unit in units if unit is not None]
    if not known or any(unit.dimension != "length" for unit in known):
        return None
    parts = tuple(_quantity(value, unit or known[-1]) for value, unit in zip(chain, units, strict=True))
    last = chain[-1]
    end = max(last.end(g) for g in ("low", "high", "first_unit", "unit", "plus", "side", "late_unit"))
    return _found(text, chain[0].start(), end, parts)


def _side_or_unit(value: re.Match[str]) -> Unit | None:
    surface = value["unit"] or value["first_unit"]
    if surface in ("L", "W", "l", "w") or (surface is None and value["late_unit"]):
        surface = value["late_unit"]
    return unit_of(surface) if surface else None


def _multiple(text: str, chain: list[re.Match[str]]) -> Found | None:
    """``3 x 500 ml`` or ``500 ml x 3``."""
    first, second = chain[:2]
    one, two = _unit(first), _unit(second)
    if one is None and two is not None and first["low"].isdigit():
        end = max(second.end("first_unit"), second.end("unit"))
        return _found(text, first.start(), end, (_quantity(second, two, count=int(first["low"])),))
    if one is not None and (two is None or two.dimension == "count") and second["low"].isdigit():
        end = max(second.end("low"), second.end("first_unit"), second.end("unit"))
        return _found(text, first.start(), end, (_quantity(first, one, count=int(second["low"])),))
    return None


def _quantity(value: re.Match[str], unit: Unit, count: int = 1) -> Quantity:
    own = unit_of(value["first_unit"]) if value["high"] and value["first_unit"] else None  # 5 ft to 10 ft
    canonical = CANONICAL[unit.dimension]
    half = 0.5 if value["half"] else 0.0  # 两斤半
    number = number_of(value["low"]) + (0.0 if value["high"] else half)
    low = to_canonical(number, own if own and own.dimension == unit.dimension else unit)
    if value["high"]:
        high = to_canonical(number_of(value["high"]) + half, unit)
        if value["joint"] in ("±", "+/-"):
            low, high = (float(f"{low + step:.10g}") for step in (-high, high))
        return Quantity(None, canonical, low, high, count=count)
    if value["plus"]:
        return Quantity(None, canonical, low, count=count)
    return Quantity(low, canonical, count=count)


def _found(text: str, start: int, end: int, parts: tuple[Quantity, ...]) -> Found:
    """Take in the words around a measure that change what it says."""
    before = text[max(0, start - 16) : start]
    about, most, least = (pattern.search(before) for pattern in (_ABOUT, _AT_MOST, _AT_LEAST))
    hedge = about or most or least
    start -= len(hedge[0]) if hedge else 0
    if hedge is None:
        about, most, least = (p.match(text, end) for p in (_ABOUT_AFTER, _AT_MOST_AFTER, _AT_LEAST_AFTER))
        said = about or most or least
        end = said.end() if said else end
    surface = text[start:end]
    read = []
    for part in parts:
        number, low, high = part.number, part.low, part.high
        if number is not None and not about and (most or least):
            number, low, high = (None, None, number) if most else (None, number, None)
        read.append(Quantity(number, part.unit, low, high, about is not None, surface, part.count))
    return Found(start, end, tuple(read))

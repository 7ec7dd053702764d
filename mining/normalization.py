"""Numbers with units, colours and sizes: what was written is kept, a canonical form stands beside it.

A text or surface → ``find_quantities`` → quantities in the canonical units of ``mining.units``. Ranges stay ranges,
approximations stay approximate, and three bottles of 500 ml stay three.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kg.ids import normal_form
from mining.gazetteers import COLORS, MATERIALS
from mining.units import CANONICAL, UNIT_PATTERN, Unit, to_canonical, unit_of

_FRACTIONS = "½¼¾⅓⅔⅛⅜⅝⅞"
_NUMBER = (
    rf"(?:\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?(?![\d,])|\d+[-\s]\d{{1,2}}/\d{{1,2}}(?![\d/])|\d+/\d+(?![\d/])"
    rf"|\d*[-\s]?[{_FRACTIONS}]|\d+[.,]\d+|\.\d+|\d+)"
)
_CHINESE_NUMBER = (
    "(?:[一二两三四五六七八九]?[十百][一二三四五六七八九十]*|[一二两三四五六七八九]|半)(?=[\u4e00-\u9fff])"
)
_SIDE = r"(?:[LWHD](?![A-Za-z0-9])|(?:wide|high|deep|long|tall|thick|width|height|depth|length|diameter)\b)"
_UNIT = rf"(?:{UNIT_PATTERN}(?:(?![A-Za-z0-9])|(?<=[\"”″'’′])(?=[LWHD](?![A-Za-z0-9]))))"
_VALUE = re.compile(
    rf"(?P<low>{_NUMBER}|{_CHINESE_NUMBER})(?:(?P<gap>\s?-?\s?)(?P<first_unit>{_UNIT}))?"
    rf"(?:\s?(?:-|–|—|~|～|to|至|到)\s?(?P<high>{_NUMBER}))?"
    rf"(?:(?P<wide>\s?-?\s?)(?P<unit>{_UNIT}))?(?P<plus>\+|以上)?"
    rf"(?:\s?(?P<side>{_SIDE}))?(?:\s(?P<late_unit>{_UNIT}))?",
    re.IGNORECASE,
)
_START = re.compile(rf"(?<![A-Za-z0-9_.,/$€£¥#])(?<![A-Za-z0-9]-)(?=\.?\d|[{_FRACTIONS}]|{_CHINESE_NUMBER})")
_TIMES = re.compile(r"\s*(?:[x×*]|by\b)\s*(?=[\d.½¼¾⅓⅔⅛⅜⅝⅞])", re.IGNORECASE)
_ABOUT = re.compile(r"(?:\b(?:about|approx(?:imately|\.)?|around|roughly|nearly|ca\.)\s*|[~≈～]\s?|大?约\s?)$", re.I)
_AT_MOST = re.compile(r"(?:\b(?:up to|at most|less than|max(?:imum)?\.?)\s+|≤\s?|(?:不超过|最多|最大)\s?)$", re.I)
_AT_LEAST = re.compile(r"(?:\b(?:at least|more than|over|min(?:imum)?\.?)\s+|≥\s?|(?:至少|超过)\s?)$", re.I)
_AFTER_INCH = re.compile(rf"\.?(?:\s*(?:$|[,;:)\]/x×*]|by\b|{_SIDE})|\.\s)", re.I)
_OPEN_QUOTE = re.compile(r"(?:^|[\s(\[])[\"“”'‘’](?=[^\W\d])[^\"“”'‘’\n]*$")
_CHINESE_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2}

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
_SIZES = {
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
        if self.number is not None:
            body = f"{self.number:.10g} {self.unit}"
        elif self.low is not None and self.high is not None:
            body = f"{self.low:.10g}-{self.high:.10g} {self.unit}"
        else:
            body = f">= {self.low:.10g} {self.unit}" if self.low is not None else f"<= {self.high:.10g} {self.unit}"
        times = f"{self.count} x " if self.count != 1 else ""
        return f"{'about ' if self.approximate else ''}{times}{body}"


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
    words = {"color": COLORS, "material": MATERIALS, "size": _SIZES}.get(name, {})
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

    ``whole`` trusts that the text is a value and nothing else: there ``5 in`` needs no sign that it is no preposition.
    """
    at = 0
    while (start := _START.search(text, at)) is not None:
        chain = _chain(text, start.start(), whole)
        found = _interpret(text, chain) if chain else None
        at = found.end if found else (chain[0].end() if chain else start.end() + 1)
        if found:
            yield found


def _chain(text: str, at: int, whole: bool) -> list[re.Match[str]]:
    """The values that stand at ``at``, joined by times signs: at most three, each with or without a unit."""
    chain: list[re.Match[str]] = []
    value = _VALUE.match(text, at)
    while value is not None and len(chain) < 3:
        chain.append(value)
        times = _TIMES.match(text, value.end())
        value = _VALUE.match(text, times.end()) if times else None
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
    start, end = chain[0].start(), chain[0].end("plus")
    if end < 0:
        end = max(chain[0].end("first_unit"), chain[0].end("unit"))
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
    low = to_canonical(_number(value["low"]), own or unit)
    canonical = CANONICAL[unit.dimension]
    if value["high"]:
        return Quantity(None, canonical, low, to_canonical(_number(value["high"]), unit), count=count)
    if value["plus"]:
        return Quantity(None, canonical, low, count=count)
    return Quantity(low, canonical, count=count)


def _found(text: str, start: int, end: int, parts: tuple[Quantity, ...]) -> Found:
    """Take in the words before a measure that change what it says."""
    before = text[max(0, start - 16) : start]
    about, most, least = (pattern.search(before) for pattern in (_ABOUT, _AT_MOST, _AT_LEAST))
    hedge = about or most or least
    start -= len(hedge[0]) if hedge else 0
    surface = text[start:end]
    read = []
    for part in parts:
        number, low, high = part.number, part.low, part.high
        if number is not None and not about and (most or least):
            number, low, high = (None, None, number) if most else (None, number, None)
        read.append(Quantity(number, part.unit, low, high, about is not None, surface, part.count))
    return Found(start, end, tuple(read))


def _number(surface: str) -> float:
    if surface[0] in "一二两三四五六七八九十百半":
        return _chinese_number(surface)
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", surface):
        return float(surface.replace(",", ""))
    return sum(_part(part) for part in re.split(rf"[-\s]|(?=[{_FRACTIONS}])", surface) if part)


def _part(surface: str) -> float:
    if surface in _FRACTIONS:
        above, below = ((1, 2), (1, 4), (3, 4), (1, 3), (2, 3), (1, 8), (3, 8), (5, 8), (7, 8))[
            _FRACTIONS.index(surface)
        ]
        return above / below
    above_text, slash, below_text = surface.partition("/")
    if slash:
        return float(above_text) / float(below_text) if float(below_text) else 0.0
    return float(surface.replace(",", "."))


def _chinese_number(surface: str) -> float:
    if surface == "半":
        return 0.5
    total = digit = 0
    for char in surface:
        if char in "十百":
            total += (digit or 1) * (10 if char == "十" else 100)
            digit = 0
        else:
            digit = _CHINESE_DIGITS[char]
    return float(total + digit)

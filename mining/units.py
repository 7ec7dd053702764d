"""The units that shops write, and what one of each is in the canonical unit of its dimension.

pint does the arithmetic over this table alone: its own registry would read ``4K`` as kelvin and ``30 ct`` as carat.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

CANONICAL = {
    "mass": "g",
    "volume": "ml",
    "length": "cm",
    "power": "W",
    "voltage": "V",
    "charge": "mAh",
    "data": "GB",
    "count": "piece",
    "area": "m2",
    "time": "s",
    "temperature": "°C",
    "current": "A",
    "energy": "Wh",
    "frequency": "Hz",
    "rotation": "rpm",
    "pressure": "bar",
    "light": "lm",
    "loudness": "dB",
    "rate": "Mbps",
    "density": "g/m2",
    "resolution": "dpi",
    "share": "%",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: its dimension, its definition for pint, and how it is written (regular expressions, case ignored).

    ``in_values``: what is written only where a text is a value and nothing else; in prose ``5 s`` or ``3 A`` may be
    anything.
    """

    name: str
    dimension: str
    definition: str
    surfaces: str
    in_values: str = ""


_UNITS = (
    Unit("g", "mass", "[mass]", r"(?-i:g)|gr|grams?|克(?!拉)"),
    Unit("mg", "mass", "0.001 * g", r"mg|milligrams?|毫克"),
    Unit("kg", "mass", "1000 * g", r"kgs?|kilos?|kilograms?|公斤|千克"),
    Unit("jin", "mass", "500 * g", r"斤"),
    Unit("oz", "mass", "28.349523125 * g", r"oz|ounces?|盎司"),
    Unit("lb", "mass", "453.59237 * g", r"lbs?|pounds?|磅"),
    Unit("ml", "volume", "[volume]", r"ml|mls|millilit(?:er|re)s?|cc|毫升"),
    Unit("cl", "volume", "10 * ml", r"cl"),
    Unit("l", "volume", "1000 * ml", r"l|lit(?:er|re)s?|ltr|公升|升(?!级|降|温)"),
    Unit("floz", "volume", "29.5735295625 * ml", r"(?:fl|fluid)\.?\s?(?:oz|ounces?)|液量盎司"),
    Unit("quart", "volume", "946.352946 * ml", r"qts?|quarts?"),
    Unit("gal", "volume", "3785.411784 * ml", r"gal|gallons?|加仑"),
    Unit("cm", "length", "[length]", r"cms?|centimet(?:er|re)s?|厘米|公分"),
    Unit("um", "length", "0.0001 * cm", r"[µμ]m|microns?|微米"),
    Unit("mm", "length", "0.1 * cm", r"mm|millimet(?:er|re)s?|毫米"),
    Unit("m", "length", "100 * cm", r"(?-i:m)|met(?:er|re)s?|米(?!色|白|粉|奇|黄)"),
    Unit("mil", "length", "0.00254 * cm", r"mils?"),
    Unit("inch", "length", "2.54 * cm", r"inch(?:es)?|in|\"|”|″|''|英寸|吋"),
    Unit("ft", "length", "30.48 * cm", r"ft|feet|foot|'|’|′|英尺"),
    Unit("yd", "length", "91.44 * cm", r"yds?|yards?"),
    Unit("W", "power", "[power]", r"w(?!/)|watts?|瓦"),
    Unit("kW", "power", "1000 * W", r"kw|kilowatts?|千瓦"),
    Unit("V", "voltage", "[voltage]", r"v|vac|vdc|volts?|伏"),
    Unit("mAh", "charge", "[charge]", r"mah|毫安时?"),
    Unit("Ah", "charge", "1000 * mAh", r"ah|安时"),
    Unit("GB", "data", "[data]", r"gb|gigabytes?"),
    Unit("MB", "data", "0.001 * GB", r"mb|megabytes?"),
    Unit("TB", "data", "1000 * GB", r"tb|terabytes?"),
    Unit(
        "piece",
        "count",
        "[count]",
        r"pcs|pc|pieces?|cts?|counts?|packs?|pks?|[支个片只条枚粒张卷抽件包盒]装|件套|包(?!邮|含|括|装)|盒",
        r"ea|units?|sheets?|tablets?|capsules?|rolls?|bottles?|cans?|bags?|sachets?|[支个片只条枚粒张卷抽件瓶袋罐颗]",
    ),
    Unit("pair", "count", "2 * piece", "", r"pairs?|prs?|双|对"),
    Unit("dozen", "count", "12 * piece", "", r"dozens?|dz|打"),
    Unit("ton", "mass", "1000000 * g", "", r"tons?|tonnes?|吨"),
    Unit("liang", "mass", "50 * g", "", r"两"),
    Unit("ug", "mass", "0.000001 * g", "", r"[µμ]g|mcg|micrograms?|微克"),
    Unit("pint", "volume", "473.176473 * ml", "", r"pt|pints?"),
    Unit("cup", "volume", "236.5882365 * ml", "", r"cups?"),
    Unit("tbsp", "volume", "14.78676478125 * ml", "", r"tbsp|tablespoons?"),
    Unit("tsp", "volume", "4.92892159375 * ml", "", r"tsp|teaspoons?"),
    Unit("m3", "volume", "1000000 * ml", "", r"m³|m3|cubic met(?:er|re)s?|立方米"),
    Unit("mW", "power", "0.001 * W", "", r"(?-i:mW)|milliwatts?|毫瓦"),
    Unit("hp", "power", "745.6998716 * W", "", r"(?-i:hp)|horsepower|马力"),
    Unit("kV", "voltage", "1000 * V", "", r"kv|千伏"),
    Unit("mV", "voltage", "0.001 * V", "", r"mv|毫伏"),
    Unit("KB", "data", "0.000001 * GB", "", r"kb|kilobytes?"),
    Unit("m2", "area", "[area]", "", r"m²|m2|sqm|sq\.? ?m|square met(?:er|re)s?|平方米|平米|㎡"),
    Unit("cm2", "area", "0.0001 * m2", "", r"cm²|cm2|sq\.? ?cm|square centimet(?:er|re)s?|平方厘米"),
    Unit("sqft", "area", "0.09290304 * m2", "", r"sq\.? ?ft|ft²|ft2|square (?:feet|foot)|平方英尺"),
    Unit("s", "time", "[time]", "", r"(?-i:s)|secs?|seconds?|秒钟?"),
    Unit("ms", "time", "0.001 * s", "", r"ms|milliseconds?|毫秒"),
    Unit("min", "time", "60 * s", "", r"mins?|minutes?|分钟"),
    Unit("h", "time", "3600 * s", "", r"(?-i:h)|hrs?|hours?|小时"),
    Unit("day", "time", "86400 * s", "", r"days?|天"),
    Unit("week", "time", "604800 * s", "", r"weeks?|wks?|周"),
    Unit("month", "time", "2629746 * s", "", r"months?|mos?|个月"),
    Unit("year", "time", "31556952 * s", "", r"years?|yrs?|年"),
    Unit("°C", "temperature", "[temperature]", "", r"°\s?c|℃|degrees? (?:c|celsius)|celsius|摄氏度"),
    Unit(
        "°F",
        "temperature",
        "0.5555555555555556 * celsius; offset: -17.77777777777778",
        "",
        r"°\s?f|℉|degrees? (?:f|fahrenheit)|fahrenheit|华氏度",
    ),
    Unit("A", "current", "[current]", "", r"(?-i:A)|amps?|amperes?|安培|安"),
    Unit("mA", "current", "0.001 * A", "", r"(?-i:mA)|milliamps?|毫安"),
    Unit("Wh", "energy", "[energy]", "", r"wh|watt[- ]?hours?|瓦时"),
    Unit("kWh", "energy", "1000 * Wh", "", r"kwh|kilowatt[- ]?hours?|千瓦时"),
    Unit("Hz", "frequency", "[frequency]", "", r"hz|hertz|赫兹?"),
    Unit("kHz", "frequency", "1000 * Hz", "", r"khz|kilohertz|千赫兹?"),
    Unit("MHz", "frequency", "1000000 * Hz", "", r"mhz|megahertz|兆赫兹?"),
    Unit("GHz", "frequency", "1000000000 * Hz", "", r"ghz|gigahertz|吉赫兹?"),
    Unit("rpm", "rotation", "[rotation]", "", r"rpm|r/min|转/分钟?|转"),
    Unit("bar", "pressure", "[pressure]", "", r"bars?|巴"),
    Unit("psi", "pressure", "0.0689475729 * bar", "", r"psi"),
    Unit("kPa", "pressure", "0.01 * bar", "", r"kpa|千帕"),
    Unit("lm", "light", "[light]", "", r"lm|lumens?|流明"),
    Unit("dB", "loudness", "[loudness]", "", r"db|decibels?|分贝"),
    Unit("Mbps", "rate", "[rate]", "", r"mbps|mbit/s|mb/s"),
    Unit("Gbps", "rate", "1000 * Mbps", "", r"gbps|gbit/s|gb/s"),
    Unit("g/m2", "density", "[density]", "", r"gsm|g/m²|g/m2|克/平方米"),
    Unit("dpi", "resolution", "[resolution]", "", r"dpi|ppi"),
    Unit("%", "share", "[share]", "", r"%|percent|pct"),
)


def _alternatives(pattern: str) -> list[str]:
    """The alternatives of a pattern, split at the bars outside its brackets."""
    depth, parts = 0, [""]
    for char in pattern:
        depth += (char in "([") - (char in ")]")
        if char == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _written(*ways: Callable[[Unit], str]) -> list[tuple[str, Unit]]:
    """Every way of writing with its unit, the longest first: ``fl oz`` is not something before an ounce."""
    pairs = [(surface, unit) for way in ways for unit in _UNITS for surface in _alternatives(way(unit)) if surface]
    return sorted(pairs, key=lambda pair: -len(re.sub(r"\[[^]]*\]", "x", pair[0])))


_IN_PROSE = _written(lambda unit: unit.surfaces)
_IN_VALUES = _written(lambda unit: unit.surfaces, lambda unit: unit.in_values)
UNIT_PATTERN = "(?:" + "|".join(surface for surface, _ in _IN_PROSE) + ")"
VALUE_UNIT_PATTERN = "(?:" + "|".join(surface for surface, _ in _IN_VALUES) + ")"
_READERS = [(re.compile(surface, re.IGNORECASE), unit) for surface, unit in _IN_VALUES]
# What pint would take for an operator, a prefix or a sign of its own.
_SPELLED = {"°C": "celsius", "°F": "fahrenheit", "g/m2": "gsm", "%": "percent"}
_NAMED = {unit.name: unit for unit in _UNITS}
NAMES = tuple(_NAMED)


@lru_cache(maxsize=4096)
def unit_of(surface: str) -> Unit | None:
    """The unit that is written so (``inches``, ``"``, ``公斤``) or named so in the table (``floz``), or None."""
    bare = surface.strip().removesuffix(".")
    return _NAMED.get(bare) or next((unit for reader, unit in _READERS if reader.fullmatch(bare)), None)


@lru_cache(maxsize=1)
def _scales() -> dict[str, tuple[float, float]]:
    """(factor, shift) of each unit: what one of it is in its canonical unit, and where its zero lies there."""
    import pint  # half a second, and only mining needs it

    registry = pint.UnitRegistry(None)
    names = {unit.name: _SPELLED.get(unit.name, unit.name) for unit in _UNITS}
    for unit in _UNITS:
        registry.define(f"{names[unit.name]} = {unit.definition}")

    def canonical(number: float, unit: Unit) -> float:
        quantity = registry.Quantity(number, names[unit.name])
        return float(quantity.to(names[CANONICAL[unit.dimension]]).magnitude)

    shifts = {unit.name: canonical(0.0, unit) for unit in _UNITS}
    return {u.name: (canonical(1.0, u) - shifts[u.name], shifts[u.name]) for u in _UNITS}


def to_canonical(number: float, unit: Unit) -> float:
    """``number`` of ``unit`` in ``CANONICAL[unit.dimension]``, to ten significant digits."""
    factor, shift = _scales()[unit.name]
    return float(f"{number * factor + shift:.10g}")


def from_canonical(number: float, unit: Unit) -> float:
    """A number of ``CANONICAL[unit.dimension]`` in ``unit``, to ten significant digits."""
    factor, shift = _scales()[unit.name]
    return float(f"{(number - shift) / factor:.10g}")

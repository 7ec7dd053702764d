"""The units that shops write, and what one of each is in the canonical unit of its dimension.

pint does the arithmetic over this table alone: its own registry would read ``4K`` as kelvin and ``30 ct`` as carat.
"""

import re
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
}


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: its dimension, its definition for pint, and how it is written (regular expressions, case ignored)."""

    name: str
    dimension: str
    definition: str
    surfaces: str


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
    ),
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


# Longest way of writing first, so that "fl oz" is not read as something before an ounce.
_BY_SURFACE_LENGTH = sorted(
    ((surface, unit) for unit in _UNITS for surface in _alternatives(unit.surfaces)), key=lambda pair: -len(pair[0])
)
UNIT_PATTERN = "(?:" + "|".join(surface for surface, _ in _BY_SURFACE_LENGTH) + ")"
_READERS = [(re.compile(surface, re.IGNORECASE), unit) for surface, unit in _BY_SURFACE_LENGTH]


@lru_cache(maxsize=4096)
def unit_of(surface: str) -> Unit | None:
    """The unit that is written so (``inches``, ``"``, ``公斤``), or None."""
    bare = surface.strip().removesuffix(".")
    return next((unit for reader, unit in _READERS if reader.fullmatch(bare)), None)


@lru_cache(maxsize=1)
def _factors() -> dict[str, float]:
    """What one of each unit is in its canonical unit."""
    import pint  # half a second, and only mining needs it

    registry = pint.UnitRegistry(None)
    for unit in _UNITS:
        registry.define(f"{unit.name} = {unit.definition}")
    return {
        unit.name: float(registry.Quantity(1.0, unit.name).to(CANONICAL[unit.dimension]).magnitude) for unit in _UNITS
    }


def to_canonical(number: float, unit: Unit) -> float:
    """``number`` of ``unit`` in ``CANONICAL[unit.dimension]``, to ten significant digits."""
    return float(f"{number * _factors()[unit.name]:.10g}")

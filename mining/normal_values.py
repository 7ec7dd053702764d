"""Values in the form that a schema asks for: its list, its unit, its abbreviations, the rule of its attribute.

surface → abbreviations written out → list, unit or rule → ``Normalised``, which keeps the surface as it was. A form is
its own form: normalising twice changes nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from kg import ids
from kg.ids import normal_form
from kg.schema import Attribute
from kg.types import Entity, Scalar
from mining.catalog import ANY_CATEGORY
from mining.gazetteers import COLORS, MATERIALS
from mining.language import chinese_share
from mining.normalization import SIZES, Found, Normalised, Quantity, normalise, normalised, parse
from mining.numbers import NUMBER, number_of, plainly
from mining.units import CANONICAL, Unit, from_canonical, unit_of

Rule = Callable[[str], Normalised | None]

NOT_LISTED, NO_MEASURE = "not in the list of values", "not a measure of its unit"

_TONES = {"light": "light", "dark": "dark", "bright": "bright", "matte": "matte", "pale": "pale", "deep": "deep",
          "glossy": "glossy", "浅": "light", "深": "dark", "亮": "bright"}  # fmt: skip
_AND = re.compile(r"\s*(?:/|&|\+|,|、|，|\band\b|和|与)\s*", re.I)
_SHARE = re.compile(
    r"(?P<before>\d+(?:[.,]\d+)?)\s?%\s*(?P<what>.+)|(?P<what_first>.+?)\s*(?P<after>\d+(?:[.,]\d+)?)\s?%"
)
_WORDS = {"single": 1, "one": 1, "twin": 2, "two": 2, "double": 2, "three": 3, "triple": 3, "four": 4, "five": 5,
          "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "dozen": 12, "pair": 2}  # fmt: skip
_HOLDERS = r"(?:packs?|sets?|box(?:es)?|cases?|cartons?|packages?|lots?|bundles?|pks?|bags?)"
_COUNT = rf"(?P<count>{NUMBER}|{'|'.join(_WORDS)})"
_TIMES = rf"(?P<times>{NUMBER}|{'|'.join(_WORDS)})"
_PACK_OF = re.compile(rf"{_HOLDERS}\s+of\s+{_COUNT}(?:\s+\w+)?", re.I)
_PACKS_OF = re.compile(rf"{_TIMES}\s*{_HOLDERS}\s+of\s+{_COUNT}(?:\s+\w+)?", re.I)
_PER = re.compile(rf"{_COUNT}\s?\w*?\s?(?:/|per\s)\s?(?:{_HOLDERS}|bx|ct|[盒包袋箱])", re.I)
_WORDED = re.compile(rf"{_COUNT}[\s-]?{_HOLDERS}?", re.I)
_MULTIPLE = re.compile(rf"(?P<times>\d+)\s?(?:{_HOLDERS}|[盒包袋箱])?\s?[x×*]\s?(?P<count>\d+)\s?(?P<unit>\D*)", re.I)
_SYSTEM = re.compile(r"(?P<a>us|uk|eu|eur|cn|jp)\s?-?(?P<b>\d+(?:\.5)?)|(?P<c>\d+(?:\.5)?)\s?(?P<d>us|uk|eu|eur)", re.I)
_SIZE_WORD = re.compile(r"^size\s+|\s+size$|[码号]$", re.I)


def in_form(attribute: Attribute, surface: str) -> Normalised | None:
    """The normal form of a value, or None where there is none: off the schema, or only the surface may be believed."""
    said = _written_out(attribute, surface)
    read: Normalised | None
    if attribute.values:
        known = _listed(attribute.values).get(normal_form(said))
        read = Normalised(attribute.name, surface, known) if known is not None else None
    elif attribute.unit is not None:
        read = _measure(attribute.unit, said)
    elif attribute.normalise is not None:
        read = RULES[attribute.normalise](said)
    else:
        read = normalise(attribute.name, said)
        if read is None and attribute.abbreviations:
            read = Normalised(attribute.name, surface, said)
    return None if read is None else replace(read, attribute=attribute.name, surface=surface)


def refusal(attribute: Attribute, surface: str) -> str | None:
    """Why a surface can be no value of an attribute, or None: not in its closed list, no measure of its unit."""
    if attribute.values:
        return None if in_form(attribute, surface) else NOT_LISTED
    if attribute.unit is not None:
        return None if in_form(attribute, surface) else NO_MEASURE
    return None


def value_entity(category: str | None, attribute: str, surface: str, normal: Normalised | None) -> Entity:
    """The node of a value. Equal measures are one value however they are written; a fact's quote keeps how."""
    form = normal.form if normal else surface
    properties: dict[str, Scalar] = {"attribute": attribute, "value": form}
    if normal is not None and normal.unit is not None:
        properties["unit"] = normal.unit
    if normal is not None and normal.number is not None:
        properties["number"] = normal.number
    lang = "zh" if chinese_share(surface) > 0 else None
    entity_id = ids.value(category or ANY_CATEGORY, attribute, form)
    return Entity(entity_id, "Value", " ".join(surface.split()), lang=lang, properties=properties)


@lru_cache(maxsize=1024)
def _listed(values: tuple[str, ...]) -> Mapping[str, str]:
    return {normal_form(value): value for value in values}


def _written_out(attribute: Attribute, surface: str) -> str:
    """Abbreviations by what they stand for, as whole words and as they are written: ``HP`` is not ``hp``."""
    if not attribute.abbreviations:
        return surface
    return _abbreviation(tuple(attribute.abbreviations.items())).sub(
        lambda word: attribute.abbreviations.get(word[0], word[0]), surface
    )


@lru_cache(maxsize=1024)
def _abbreviation(pairs: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """The long forms are matched too, longest first, so that ``IBM Corp`` is not written out again as ``IBM``."""
    forms = sorted({text for pair in pairs for text in pair}, key=lambda text: (-len(text), text))
    return re.compile("|".join(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])" for form in forms))


def _measure(unit: str, surface: str) -> Normalised | None:
    known, found = unit_of(unit), parse(surface)
    if known is None or found is None or found.dimension != known.dimension:
        return None
    read = normalised("", surface, found)
    return read if CANONICAL[known.dimension] == known.name else _converted(read, found, known)


def _converted(read: Normalised, found: Found, unit: Unit) -> Normalised:
    def there(number: float | None) -> float | None:
        return None if number is None else from_canonical(number, unit)

    def convert(one: Quantity) -> Quantity:
        return replace(one, number=there(one.number), low=there(one.low), high=there(one.high), unit=unit.name)

    quantities = tuple(convert(quantity) for quantity in found.quantities)
    number = quantities[0].number if len(quantities) == 1 else None
    form = " x ".join(quantity.form for quantity in quantities)
    return replace(read, form=form, number=number, unit=unit.name, quantities=quantities)


def _any_measure(surface: str) -> Normalised | None:
    found = parse(surface)
    return normalised("", surface, found) if found else None


def _pack(surface: str) -> Normalised | None:
    """How many pieces: ``pack of 3``, ``6-pack``, ``2盒*10片``, ``3 packs of 20``, a bare number; also 3 x 500 ml."""
    text = re.sub(r"^an?\s+", "", surface.strip(), flags=re.I)
    multiple = _PACKS_OF.fullmatch(text)
    if multiple is None and (said := _MULTIPLE.fullmatch(text)) is not None:
        unit = unit_of(said["unit"]) if said["unit"].strip() else None
        multiple = said if unit is None or unit.dimension == "count" else None
    if multiple is not None:
        return _pieces(surface, _count(multiple["count"]), int(_count(multiple["times"])))
    for pattern in (_PACK_OF, _PER, _WORDED):
        said = pattern.fullmatch(text)
        if said is not None:
            return _pieces(surface, _count(said["count"]))
    found = parse(surface)
    return (
        normalised("", surface, found)
        if found and (found.dimension == "count" or found.quantities[0].count > 1)
        else None
    )


def _count(said: str) -> float:
    return float(_WORDS[said.casefold()]) if said.casefold() in _WORDS else number_of(said)


def _pieces(surface: str, number: float, count: int = 1) -> Normalised:
    quantity = Quantity(number, "piece", surface=surface, count=count)
    return Normalised("", surface, quantity.form, number, "piece", (quantity,))


def _size(surface: str) -> Normalised | None:
    """A named size, a size of a system (``US 9``, ``42码``), or measures."""
    known = normalise("size", surface)
    if known is not None:
        return known
    bare = normal_form(surface)
    bare = bare if bare == "one size" else _SIZE_WORD.sub("", bare)
    system = _SYSTEM.fullmatch(bare)
    if system is not None:
        name = (system["a"] or system["d"]).replace("eur", "eu")
        return Normalised("size", surface, f"{name} {plainly(float(system['b'] or system['c']))}")
    if bare in SIZES or re.fullmatch(r"x{0,5}[sl]|m|one size", bare):
        return Normalised("size", surface, SIZES.get(bare, bare))
    return Normalised("size", surface, bare) if re.fullmatch(r"\d{1,3}(?:\.\d)?", bare) else None


def _color(surface: str) -> Normalised | None:
    """``Black/White`` → ``black/white``, ``深蓝色`` as listed, ``Light Teal`` → ``light teal``; every part is known."""
    parts = [_toned(part) for part in _AND.split(normal_form(surface)) if part]
    return Normalised("color", surface, "/".join(p for p in parts if p)) if parts and all(parts) else None


def _toned(part: str) -> str | None:
    if part in COLORS:
        return COLORS[part]
    for tone, name in _TONES.items():
        rest = part.removeprefix(tone).strip()
        if rest != part and rest in COLORS:
            return f"{name} {COLORS[rest]}"
    return None


def _material(surface: str) -> Normalised | None:
    """``60% Cotton, 40% Polyester`` → ``60 % cotton/40 % polyester``; every part is known."""
    parts = [_shared(part) for part in _AND.split(normal_form(surface)) if part]
    return Normalised("material", surface, "/".join(p for p in parts if p)) if parts and all(parts) else None


def _shared(part: str) -> str | None:
    share = _SHARE.fullmatch(part)
    if share is None:
        return MATERIALS.get(part)
    name = MATERIALS.get((share["what"] or share["what_first"]).strip())
    percent = (share["before"] or share["after"]).replace(",", ".")
    return f"{plainly(float(percent))} % {name}" if name else None


def _as_said(surface: str) -> Normalised:
    return Normalised("", surface, surface)


def _in_capitals(surface: str) -> Normalised:
    return Normalised("", surface, surface.upper())


def _without_signs(surface: str) -> Normalised | None:
    bare = re.sub(r"[\W_]+", "", surface)
    return Normalised("", surface, bare) if bare else None


RULES: Mapping[str, Rule] = {
    "as said": _as_said,
    "measure": _any_measure,
    "pack": _pack,
    "size": _size,
    "color": _color,
    "material": _material,
    "in capitals": _in_capitals,
    "without signs": _without_signs,
}
"""By the name that a schema gives."""

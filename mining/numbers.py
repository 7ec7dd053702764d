"""Numbers as shops write them: fractions, decimal commas, thousands, Chinese numerals.

``1,5`` and ``1.299,50`` are read with a decimal comma, ``1,299.50`` and ``1,299`` with a comma of thousands: three
digits after one comma are thousands.
"""

import re
from decimal import Decimal

_FRACTIONS = {
    "½": 1 / 2,
    "¼": 1 / 4,
    "¾": 3 / 4,
    "⅓": 1 / 3,
    "⅔": 2 / 3,
    "⅛": 1 / 8,
    "⅜": 3 / 8,
    "⅝": 5 / 8,
    "⅞": 7 / 8,
}
FRACTION_SIGNS = "".join(_FRACTIONS)
_THOUSANDS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])"
_DOTTED = r"\d{1,3}(?:\.\d{3})+,\d+(?![\d.])|\d{1,3}(?:[\u00a0\u202f]\d{3})+(?:,\d+)?(?!\d)"
NUMBER = (
    rf"(?:{_THOUSANDS}|{_DOTTED}|\d+[-\s]\d{{1,2}}/\d{{1,2}}(?![\d/])|\d+/\d+(?![\d/])"
    rf"|\d*[-\s]?[{FRACTION_SIGNS}]|\d+(?:\.\d+)?万|\d+[.,]\d+|\.\d+|\d+)"
)
_DIGIT = "[一二两三四五六七八九]"
CHINESE_NUMBER = (
    rf"(?<![几数第])(?:(?:{_DIGIT}?[十百千万][一二两三四五六七八九十百千万零〇]*|{_DIGIT}|零)(?:点[零〇一二三四五六七八九]+)?|半)"
    "(?=[\u4e00-\u9fff])"
)
_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_TENS = {"十": 10, "百": 100, "千": 1000}


def number_of(surface: str) -> float:
    """What a match of ``NUMBER`` or ``CHINESE_NUMBER`` says."""
    if surface[0] in _DIGITS or surface[0] in _TENS or surface[0] in "万半":
        return _chinese(surface)
    if surface.endswith("万"):
        return float(surface[:-1]) * 10_000
    if re.fullmatch(_THOUSANDS, surface):
        return float(surface.replace(",", ""))
    if re.fullmatch(_DOTTED, surface):
        return float(re.sub(r"[.\u00a0\u202f]", "", surface).replace(",", "."))
    return sum(_part(part) for part in re.split(rf"[-\s]|(?=[{FRACTION_SIGNS}])", surface) if part)


def plainly(number: float) -> str:
    """A number to ten significant digits and without an exponent, so that it is read again as itself."""
    return f"{Decimal(f'{number:.10g}'):f}"


def _part(surface: str) -> float:
    if surface in _FRACTIONS:
        return _FRACTIONS[surface]
    above, slash, below = surface.partition("/")
    if slash:
        return float(above) / float(below) if float(below) else 0.0
    return float(surface.replace(",", "."))


def _chinese(surface: str) -> float:
    """``一百二十``, ``两万``, ``一点五``; ``一百二`` says 120, as people say it."""
    if surface == "半":
        return 0.5
    whole, point, after = surface.partition("点")
    total = section = digit = 0
    unit, spoken = 1, False
    for char in whole:
        if char == "万":
            total, section, digit, unit = (total + (section + digit or 1)) * 10_000, 0, 0, 10_000
        elif char in _TENS:
            unit = _TENS[char]
            section, digit = section + (digit or 1) * unit, 0
        else:
            digit, spoken = _DIGITS[char], char not in "零〇" and _spoken_short(whole)
    shortened = unit // 10 if spoken and unit >= 100 else 1
    number = total + section + digit * shortened
    return float(f"{number}.{''.join(str(_DIGITS[char]) for char in after)}") if point else float(number)


def _spoken_short(whole: str) -> bool:
    """Whether a numeral ends in a digit that stands right after its hundred, thousand or ten thousand (``一百二``)."""
    return re.search(r"[百千万][一二两三四五六七八九]$", whole) is not None

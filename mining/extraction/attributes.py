"""Attribute values that a product's text states: colours, materials, measures, packs, model numbers.

Everything in a title describes the product; a description also speaks of other things, so there a value needs a word
beside it that says what it is ("weighs 3 kg", "made of steel").
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mining.gazetteers import UNSURE_COLORS
from mining.normalization import Found, Normalised, normalise, normalised


@dataclass(frozen=True, slots=True)
class Stated:
    """A value at code points ``[start, end)``; ``normal`` where a normal form is known."""

    attribute: str
    start: int
    end: int
    rule: str
    normal: Normalised | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A word of a gazetteer at code points ``[start, end)``."""

    kind: str
    start: int
    end: int


_COLOR_BEFORE = re.compile(
    r"(?:\bcolou?rs?\b[\s:]*(?:is|are)?\s*(?:[\w\- ]{1,20},\s*){0,4}(?:and\s+)?|颜色[：:\s]*)$", re.I
)
_COLOR_AFTER = re.compile(r"[\s-]*(?:in\s+)?colou?r(?:ed)?\b", re.I)
_NOT_A_COLOR = re.compile(
    r"\s*(?:&|out\b|board|decker|light\b|tie\b|friday|belt|tea\b|wine\b|noise|cheese|beans?\b|onion|pepper|salad|velvet)",
    re.I,
)
_MADE_OF = re.compile(
    r"(?:\b(?:made|constructed|crafted|built|manufactured|handcrafted|knit|woven)\s+(?:\w+\s+)?(?:of|from|with|in)"
    r"\s+(?:[\w\-%]+\s+){0,3}|\bmaterials?\b[\s:]*(?:is\s+)?(?:[\w\-]+\s+)?|材质[：:\s]*|采用|\d+\s?%\s?)$",
    re.I,
)
_BUILT = re.compile(r"\s+(?:construction|body|material|frame|housing|fabric|shell|case|casing|upper|build)\b", re.I)
_WORKED_ON = re.compile(
    r"\s*(?:\w+\s+)?(?:cleaner|glue|stain|wash|paint|polish|wool|cement|candy|detector|ball|conditioner|care|repair|"
    r"marker|punch|board|filler|bands?|cutter|cutting|surfaces?)\b",
    re.I,
)
_AFTER_FOR = re.compile(r"(?:\b(?:for|on|to|with|through|cut|cuts)\s+(?:[\w,]+\s+){0,2})$", re.I)
_PAPER = re.compile(r"\s*(?:[\w.\-]+\s+){0,5}?(?:paper|bond|stock|cardstock|cover|text|index|weight|sheets)\b", re.I)
_HOLDS = re.compile(
    r"\b(?:holds?|supports?|withstands?|capacity|up to|load|rated)\s+(?:[\w,]+\s+){0,3}$|承重\S{0,2}$", re.I
)
_WEIGHS = re.compile(r"\b(?:weigh(?:s|t|ing)?|net wt|mass)\b[^.]{0,20}$|(?:净?重|重量)\S{0,2}$", re.I)
_LONG_BEFORE = re.compile(
    r"\b(?:measur(?:es|ing|ements?)|sizes?|dimensions?|length|width|height|depth|diameter|thick(?:ness)?|overall)\b"
    r"[^.]{0,25}$|(?:尺寸|长|宽|高|直径|厚)\S{0,2}$",
    re.I,
)
_LONG_AFTER = re.compile(r"[\s-]*(?:wide|long|tall|high|deep|thick|in diameter|diameter|length|width)\b", re.I)
_HOLDS_VOLUME = re.compile(r"\b(?:capacity|volume|contains|tank|bottle)\b[^.]{0,20}$|(?:容量|净含量)\S{0,2}$", re.I)
_PACK = re.compile(
    r"\b(?:pack|set|box|case|carton|package|lot|bundle) of (?P<a>\d[\d,]*)\b(?!\.\d)"
    r"|(?<![\w.,/-])(?P<b>\d[\d,]*)\s?(?:/|per\s)\s?(?:pack(?:age)?|box|bx|pk|carton|ct|bag|case)\b"
    r"|(?<![\w.,/-])(?P<c>\d[\d,]*)[\s-]?(?:pack|pk|count|ct|pcs|pieces?)\b(?! of)"
    r"|(?<![\w.])(?P<d>\d+)[支个片只条枚粒张卷抽件包盒][装套]",
    re.I,
)
_MODEL_IN_BRACKETS = re.compile(r"\((?P<m>(?=[^()]*\d)[A-Z0-9][A-Z0-9\-./]{3,19})\)")
_MODEL_WORD = re.compile(
    r"(?<![\w\-./#])(?P<m>(?=[\w\-/]*[A-Z])(?=[\w\-/]*\d[\w\-/]*\d)[A-Z0-9][A-Z0-9\-]{3,15})(?![\w\-./])"
)
_NO_MODEL = re.compile(
    r"\d+(?:[.\-/]\d+)*-?(?:X\d.*|PK|CT|PCS|PC|GB|MB|TB|ML|MM|CM|IN|OZ|LB|LBS|V|W|MAH|PACK|COUNT|SHEETS?)|A\d"
)
_ELSEWHERE = re.compile(r"\b(?:for|fits?|compatible|replac\w+|with)\b", re.I)

_MEASURED = {"mass": "weight", "volume": "volume", "power": "power", "voltage": "voltage", "charge": "capacity"}


def stated_values(text: str, title_end: int, listed: Iterable[Listed], measures: Iterable[Found]) -> Iterator[Stated]:
    """The attribute values of a product's text, whose title ends at ``title_end``, in no particular order."""
    name = text[:title_end].casefold().split()[-1:] or [""]
    for word in listed:
        surface = text[word.start : word.end]
        if word.kind == "color" and _is_color(text, title_end, word, name[0]):
            yield Stated("color", word.start, word.end, "color", normalise("color", surface))
        if word.kind == "material" and _is_material(text, title_end, word):
            yield Stated("material", word.start, word.end, "material", normalise("material", surface))
    for found in measures:
        attribute = _attribute_of(text, title_end, found)
        if attribute:
            normal = normalised(attribute, text[found.start : found.end], found)
            yield Stated(attribute, found.start, found.end, "measure", normal)
    yield from _packs(text)
    yield from _models(text, title_end)


def _is_color(text: str, title_end: int, word: Listed, name: str) -> bool:
    before, after = text[max(0, word.start - 60) : word.start], text[word.end : word.end + 40]
    surface = text[word.start : word.end].casefold()
    if _NOT_A_COLOR.match(after) or before.endswith("& "):
        return False
    if _COLOR_BEFORE.search(before) or _COLOR_AFTER.match(after):
        return True
    if word.end <= title_end:
        alone = before.rstrip().endswith((",", "-", "(", "/")) and (not after or after.lstrip()[:1] in tuple(",()/-\n"))
        return surface not in UNSURE_COLORS or alone or surface.endswith("色")
    following = after.casefold().split()[:2]
    return surface not in UNSURE_COLORS and name.isalpha() and name in [w.strip(".,;") for w in following]


def _is_material(text: str, title_end: int, word: Listed) -> bool:
    before, after = text[max(0, word.start - 60) : word.start], text[word.end : word.end + 40]
    if _MADE_OF.search(before) or (_BUILT.match(after) and not _AFTER_FOR.search(before)):
        return True
    return word.end <= title_end and not _WORKED_ON.match(after) and not _AFTER_FOR.search(before)


def _attribute_of(text: str, title_end: int, found: Found) -> str | None:
    dimension = found.dimension
    in_title = found.end <= title_end
    before, after = text[max(0, found.start - 40) : found.start], text[found.end : found.end + 60]
    if dimension == "length":
        measured = in_title or _LONG_BEFORE.search(before) or _LONG_AFTER.match(after) or len(found.quantities) > 1
        sides = "size" if len(found.quantities) > 1 else "length"
        return sides if measured and not _HOLDS.search(before) else None
    if dimension == "mass":
        pounds_of_paper = text[found.start : found.end].casefold().rstrip(".").endswith(("lb", "lbs", "pound")) and (
            _PAPER.match(after) or (in_title and _PAPER.search(text[:title_end]))
        )
        if pounds_of_paper or _HOLDS.search(before):
            return None
        return "weight" if in_title or _WEIGHS.search(before) else None
    if dimension == "volume":
        return "volume" if in_title or _HOLDS_VOLUME.search(before) else None
    if dimension == "data":
        return "capacity" if in_title else None
    return _MEASURED.get(dimension)


def _packs(text: str) -> Iterator[Stated]:
    for match in _PACK.finditer(text):
        number = next(group for group in match.groups() if group)
        amount = float(number.replace(",", ""))
        if amount >= 1 and not (match["c"] and amount == 1 and "piece" in match[0]):
            normal = Normalised("pack", match[0], f"{amount:.10g} piece", amount, "piece")
            yield Stated("pack", match.start(), match.end(), "pack", normal)


def _models(text: str, title_end: int) -> Iterator[Stated]:
    """The maker's number in the title: in brackets, else a word of capitals and digits before any "for"."""
    bracketed = [m for m in _MODEL_IN_BRACKETS.finditer(text, 0, title_end) if not _NO_MODEL.fullmatch(m["m"])]
    if bracketed:
        yield Stated("model", bracketed[-1].start("m"), bracketed[-1].end("m"), "model-bracketed")
        return
    elsewhere = _ELSEWHERE.search(text, 0, title_end)
    for match in _MODEL_WORD.finditer(text, 0, elsewhere.start() if elsewhere else title_end):
        if not _NO_MODEL.fullmatch(match["m"]):
            yield Stated("model", match.start("m"), match.end("m"), "model")
            return

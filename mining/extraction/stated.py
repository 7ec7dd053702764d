"""Whether a quote is stated as what a model says it is: what the relations' definitions ask of the words around a tail.

The definitions are those of the labelling rules; words are looked for in the tail's own sentence.
"""

import re
from collections.abc import Iterator

from kg.schema import Attribute
from mining.extraction.patterns import ACTIVITIES, PEOPLE, PLACES, SEASONS, VAGUE
from mining.language import sentences
from mining.normal_values import refusal
from mining.normalization import DIMENSION_OF, normalise, parse

_CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_NAME = re.compile(r"\d|\b[A-Z]")
_FITS = re.compile(
    r"\b(?:fit(?:s|ted|ting)?|works?|working|compatible|takes?|uses?|using|supports?|accepts?|runs|made|cut|sized"
    r"|designed|tested|recommended|suitable|screws?|slides?|clips?|attach\w*|mounts?|stretch\w*|needs?|requires?"
    r"|records? to|writes? to|charges?|connects?|pairs?|built|stands|use it|put in|with)\b"
    r"|适用|兼容|适配|支持|可用|可装|配合|配套|使用|用于|可配|匹配|通用|装入|连接",
    re.IGNORECASE,
)
_BELONGS = re.compile(
    r"\b(?:refills?|replac\w+|spares?|accessor\w+|parts?|cases?|covers?|sleeves?|filters?|heads?|blades?|batter\w+"
    r"|cartridges?|toner|ink|film|tape|pads?|bags?|brush\w*|lens|lids?|straps?|chargers?|descaler|consumables?)\b"
    r"|替换|补充|替芯|配件|备用|耗材|专用|原装|滤|刷|刀头|墨|壳|套|电池|充电",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"\b(?:for|with|to|on|in|by|into|lets?|helps?|when|while|fits?|works?|compatible|takes?|uses?)\b"
    r"|用于|适|兼容|配|支持|可|专为|为|使用",
    re.IGNORECASE,
)
_PURPOSE = re.compile(
    r"\b(?:for|to|lets?|helps?|while|when|ideal|perfect|great|good|uses?|used|suits?|suited|on|at|in|loves?|from)\b"
    r"|用于|用来|适|专为|专门|为|可|能|供|给|让|方便|便于|清洁|去除",
    re.IGNORECASE,
)
_AGAINST = re.compile(r"(?:\b(?:cures?|prevents?|heals?)\s+(?:\w+\s+)?|预防|治疗|治愈|防止)$", re.IGNORECASE)
_PURPOSE_AFTER = re.compile(r"[^。，,；;！!？?\n]{0,4}(?:时|必备|首选|之选|可用|都能|也能|也可|均可|适用|专用)")
_ACT = re.compile(r"[A-Za-z]{3,}(?:s|ing)\s+\S")
_ACTS_ON = re.compile(r"(?:^\s*[A-Z][a-z]+s|\b(?:it|and|that|which)\s+[a-z]+s)\s+$")
_MODEL = re.compile(r"(?=[^a-z]*[A-Z])[A-Z\d][A-Za-z\d\-/.]*\d[A-Za-z\d\-/.]*|\d{2,}")
_HEAD_END = re.compile(r"[,，(（|]|\s[-–—]\s|$")
_AND_EN = re.compile(r",\s+(?:and\s+|or\s+)?|\s+(?:and|or)\s+(?:(?:for|with|on|in|the)\s+)*", re.IGNORECASE)
_AND_ZH = re.compile(r"\s*[、与及和或]\s*")


def unstated(relation: str, text: str, start: int, end: int, title_end: int) -> str | None:
    """The reason why ``[start, end)`` is not stated as this relation, or None.

    ``own name``: words of the product's own title that nothing links to it. ``names nothing``: a thing it should fit,
    but no name, or no word of fitting. ``a model``: a model number as purpose or audience. ``no cue``: nothing near
    says that it belongs to, serves or suits.
    """
    quote = text[start:end]
    if quote.casefold() in VAGUE:
        return "names nothing"
    if start < title_end and _is_own_name(relation, text, start, end, title_end):
        return "own name"
    if relation == "ACCESSORY_OF":
        return None if _BELONGS.search(_sentence_at(text, start)) else "no cue"
    if relation == "COMPATIBLE_WITH":
        return None if _fits_named(text, start, end) else "names nothing"
    if all(_MODEL.fullmatch(part) for part in quote.split()):
        return "a model"
    return None if _is_purpose(relation, text, start, end) else "no cue"


def _is_own_name(relation: str, text: str, start: int, end: int, title_end: int) -> bool:
    """A title begins with the product's name, or with the thing it belongs to (*Zephra V7 HEPA Filter*)."""
    if _LINK.search(text[:start]):
        return False
    head = _HEAD_END.search(text[:title_end])
    belongs = relation in ("COMPATIBLE_WITH", "ACCESSORY_OF") and start == 0
    return not (belongs and end < (head.start() if head else title_end))


def _fits_named(text: str, start: int, end: int) -> bool:
    quote = text[start:end]
    if _NAME.search(quote):
        sentence = _sentence_at(text, start)
        return bool(_FITS.search(sentence) or _LINK.search(sentence))
    one_word = quote.isascii() and " " not in quote
    return not one_word and _FITS.search(_just_before(text, start, 30)) is not None


def _is_purpose(relation: str, text: str, start: int, end: int) -> bool:
    before = _just_before(text, start, 60)
    if relation == "SUITS" and _AGAINST.search(before):
        return False  # an illness is no audience
    if _PURPOSE.search(before) or _PURPOSE_AFTER.match(text, end):
        return True
    if relation != "USED_FOR":
        return False
    acts = _ACT.match(text, start, end) and text[start:end].split()[0].casefold() not in PEOPLE  # "Doctors agree"
    return bool(_CJK.search(text[start:end]) or acts or _ACTS_ON.search(before))


def _just_before(text: str, start: int, reach: int) -> str:
    """What precedes a place in its sentence, at most ``reach`` code points of it."""
    before = text[max(0, start - reach) : start]
    return before[max((end for _, end in sentences(before) if end < len(before.rstrip())), default=0) :]


def _sentence_at(text: str, at: int) -> str:
    return next((text[start:end] for start, end in sentences(text) if start <= at < end), "")


def settled(relation: str, quote: str) -> str:
    """The relation that the definitions give to a listed word: one is in a place, one does an activity."""
    words = quote.casefold().split()
    if relation == "USED_FOR" and words and words[-1] in PLACES | PEOPLE | SEASONS and not _ACT.match(quote):
        return "SUITS"
    if relation in ("SUITS", "COMPATIBLE_WITH") and words and words[-1] in ACTIVITIES and not _NAME.search(quote):
        return "USED_FOR"
    return relation


def coordinated(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The spans of tails named in one breath (*camping and hiking trips*); one span where they share a head."""
    quote = text[start:end]
    joint = _AND_ZH if _CJK.search(quote) else _AND_EN
    spans, at = [], start
    for match in joint.finditer(quote):
        spans.append((at, start + match.start()))
        at = start + match.end()
    spans.append((at, end))
    return spans if all(_stands_alone(text[a:b]) for a, b in spans) else [(start, end)]


def _stands_alone(part: str) -> bool:
    """Whether a part of a coordination names something by itself: two characters of Chinese, two words, or a name."""
    if _CJK.search(part):
        return len(part) >= 2
    return " " in part.strip() or _NAME.search(part) is not None or part.endswith("ing")


def attribute_fits(attribute: Attribute, quote: str) -> bool:
    """Whether a quote can be a value of an attribute: of its closed list, measurable, or known by its name."""
    if attribute.values or attribute.unit is not None:
        return refusal(attribute, quote) is None
    if attribute.name in DIMENSION_OF:
        return normalise(attribute.name, quote) is not None
    if attribute.name in ("color", "material"):
        return any(normalise(attribute.name, part) is not None for part in _parts(quote))
    if attribute.name == "model":
        return len(quote.split()) <= 3 and any(char.isdecimal() for char in quote)
    return True


_ATTRIBUTE_OF = {"volume": "volume", "length": "length", "power": "power", "voltage": "voltage", "count": "pack"}


def settled_attribute(attribute: str, quote: str) -> str:
    """The attribute whose dimension a measure has, where a model named one that cannot take it."""
    if normalise(attribute, quote) is not None:
        return attribute
    found = parse(quote)
    return attribute if found is None else _ATTRIBUTE_OF.get(found.dimension, attribute)


def _parts(quote: str) -> Iterator[str]:
    """The quote, its words, and its runs of two and three Chinese characters: 石墨黑色 holds 黑色."""
    yield quote
    yield from re.findall(r"[^\W\d_]+", quote)
    for run in re.findall("[\u4e00-\u9fff]+", quote):
        yield from (run[at : at + size] for size in (2, 3) for at in range(len(run) - size + 1))

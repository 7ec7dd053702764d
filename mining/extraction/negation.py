"""Whether a text denies what it names: *Not for children*, *does not fit the X5*, 不适合儿童.

The words around a quote are looked at, no further than its clause, in the order in which a list goes on (*not for gas,
diesel or oil*). It is literal, so it holds whatever a model that has learned thinks of the quote. What contrasts with
something denied stays: *not only for children*, *not for children but for adults*, *for adults, not for children*.
"""

import re

from mining.extraction.hidden import as_drawn

REASON = "negated"
VERSION = "2"  # rises when other words deny: what an extractor found before is not remembered
BEFORE, AFTER = 120, 60  # code points that are looked at on either side

_NOT = (
    r"(?<!why )(?<!or )"
    r"(?:\b(?:not|never|cannot|neither|no longer)|n['’]t|\b(?:does|do|is|are|will|wo|ca|should|did)nt)\b"
    # "not only for kids", "including but not limited to oil", "don't let your home or office", "not too big for two"
    r"(?!\s+(?:only|just|merely|solely|simply|limited|necessarily|too|let|forget|hesitate|miss)\b)"
)
_FITTING = (
    r"be|is|are|been|yet|currently|officially|compatible|suitable|suited|intended|recommended|designed|made|meant"
    r"|advised|advisable|appropriate|approved|certified|rated|sold|safe|ideal|good|great|perfect|right|fit|fits|work"
    r"|works|working|use|used|using|it|them|this|for|with|in|on|to|by|at|around|near|as"
)
_WHICH = r"an?|the|your|any|other|all|every|most|very|young|younger|small|smaller|large|larger|older"
_SAID = rf"(?:\s+(?:{_FITTING}|{_WHICH}))"
# Words that say by themselves that something is denied, and what leads from them to it.
_UNFIT = (
    r"\b(?:un|ill-)(?:suitable|suited|fit)\s+(?:for|to|in|on|with|as)"
    r"|\b(?:in|non[- ]?)compatible\s+(?:with|to|for)"
    r"|(?<!not )\btoo\s+\w+\s+(?:for|to\s+fit)"
    r"|\b(?:keep|kept|stay)\s+(?:\w+\s+){0,2}(?:away\s+from|out\s+of\s+(?:the\s+)?reach\s+of)"
    r"|\bavoid\s+(?:using|use|contact)(?:\s+(?:it|them))?\s+(?:with|on|in|for|by|around|near)"
    r"|\b(?:except|excluding|excludes)(?:\s+(?:for|with|on|in))?"
)
# Between the first member of a list and this one. After a comma alone a repeated "for" begins a contrast.
_LISTED = (
    r"[^.!?;:\n]{1,60}?"
    r"(?:[,/]\s*|(?:,\s*|\s)(?:or|nor|and)\s+(?:(?:for|with|in|on|by)\s+)?)"
)
_CONTRAST = re.compile(r"\b(?:but|yet|instead|rather|however|only)\b|[;:]", re.IGNORECASE)
_LEADING = rf"(?:(?:{_WHICH})\s+)*"

_DIRECT = re.compile(rf"(?:{_NOT}{_SAID}*|(?:{_UNFIT}){_SAID}*)\s+$", re.IGNORECASE)
_IN_LIST = re.compile(rf"(?:{_NOT}{_SAID}+|(?:{_UNFIT}){_SAID}*)\s+({_LISTED}){_LEADING}$", re.IGNORECASE)
_BEHIND = re.compile(
    r"\s*(?:do|does|is|are|will|can)(?:\s*n['’]?t|\s*not)\s+"
    r"(?:(?:be|currently|yet)\s+)*(?:fit|work|compatible|suitable|supported|recommended)\b(?!\s+(?:for|with|in|on|to)\b)",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?:不|非|勿|未|无法|不能|不可|切勿|禁止|避免)(?:建议|推荐|宜|要|能|可)?"
    r"(?:适合|适用于?|兼容|支持|用于|用在|匹配|适配|使用于)"
    r"(?:(?!但|而|却|只|适合|适用|可用|兼容)[^。！？；，,.!?;\n]){0,12}$"
    r"|不是(?:专?为|给)(?:(?!但|而|却|只|适合|适用)[^。！？；，,.!?;\n]){0,12}$"
)
_CHINESE_BEHIND = re.compile(r"[^。！？；，,.!?;\n]{0,4}(?:除外|不可用|不适用|不兼容|不能用|不适合|勿用|慎用|禁用)")


def negated(text: str, start: int, end: int) -> bool:
    """Whether the text says of ``[start, end)`` that the product is not for it. Words are read as they are drawn."""
    before, after = _drawn(text[max(0, start - BEFORE) : start]), _drawn(text[end : end + AFTER])
    if _DIRECT.search(before) or _CHINESE.search(before) or _BEHIND.match(after) or _CHINESE_BEHIND.match(after):
        return True
    listed = _IN_LIST.search(before)
    return listed is not None and _CONTRAST.search(listed[1]) is None


def _drawn(text: str) -> str:
    """The text as a reader sees it, with its lines."""
    if text.isascii():
        return text
    return "\n".join(as_drawn(line.replace("\t", " ")) for line in text.split("\n"))

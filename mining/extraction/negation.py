"""Whether a text denies what it names: *Not for children*, *does not fit the X5*, 不适合儿童, *phones except the X5*.

The quote and the words around it are looked at, no further than its clause, in the order in which a list goes on (*not
for gas, diesel or oil*). It is literal, so it holds whatever a model that has learned thinks of the quote. What
contrasts with something denied stays: *not only for children*, *not for children but for adults*, *not for children,
ideal for home, office or school*.
"""

import re

from mining.extraction.hidden import as_drawn

REASON = "negated"
VERSION = "3"  # rises when other words deny: what an extractor found before is not remembered
BEFORE, AFTER = 400, 60  # code points, as drawn, that are looked at on either side, where the clause is longer

_NOT = (
    r"(?<!why )(?<!or )"
    r"(?:\b(?:not|never|cannot|neither|no longer)|n't|\b(?:does|do|is|are|will|wo|ca|should|did)nt)\b"
    # "not only for kids", "including but not limited to oil", "don't let your home or office", "not too big for two"
    r"(?!\s+(?:only|just|merely|solely|simply|limited|necessarily|too|let|forget|hesitate|miss)\b)"
)
# No word stands in both lists: each is read in one way only, and a long row of them in no time.
_FITTING = (
    r"be|is|are|been|yet|currently|officially|really|actually|quite|compatible|suitable|suited|intended|recommended"
    r"|designed|made|meant|advised|advisable|appropriate|approved|certified|rated|sold|safe|ideal|good|great|perfect"
    r"|right|fit|fits|work|works|working|support|use|used|using|it|them|this|for|with|in|on|to|by|at|around|near|as"
)
_WHICH = (
    r"an?|the|your|any|other|all|every|most|very|young|younger|small|smaller|large|larger|old|older|new|newer|newest"
    r"|latest|these|those|some|certain"
)
_SAID = rf"(?:\s+(?:{_FITTING}|{_WHICH}))"
# Words that say by themselves that something is denied, and what leads from them to it. "Not unsuitable" does not.
_UNFIT = (
    r"(?<!not )(?<!never )(?<!n't )(?<!nor )(?<!cannot )(?:"
    r"\b(?:un|ill-)(?:suitable|suited|fit)\s+(?:for|to|in|on|with|as)"
    r"|(?<!less )\b(?:unsafe|inappropriate|dangerous|hazardous)\s+(?:for|to|in|on|with|around|near)"
    r"|\b(?:in|non[- ]?)compatible\s+(?:with|to|for)"
    r"|\btoo\s+\w+\s+(?:for|to\s+fit)"
    r"|\b(?:keep|kept|stay)\s+(?:\w+\s+){0,2}(?:away\s+from|out\s+of\s+(?:the\s+)?reach\s+of)"
    r"|\bavoid\s+(?:using|use|contact)(?:\s+(?:it|them))?\s+(?:with|on|in|for|by|around|near)"
    r"|\b(?:except|excluding|excludes)(?:\s+(?:for|with|on|in))?)"
)
_BULLET = r"[-*•·–]"
_TO_FIRST = rf"(?:\s*:\s*|\s+)(?:{_BULLET}\s*)?"  # from what denies to the first thing denied, also a line further
_LEADING = rf"(?:(?:{_WHICH})\s+)*"

_DIRECT = re.compile(rf"(?:{_NOT}{_SAID}*|(?:{_UNFIT}){_SAID}*){_TO_FIRST}$", re.IGNORECASE)
_DENIES = re.compile(rf"(?:{_NOT}{_SAID}+|(?:{_UNFIT}){_SAID}*)({_TO_FIRST})", re.IGNORECASE)
_NEXT_LINE = re.compile(rf"\s*\n\s*{_BULLET}\s*")
# Between the other members of a list and this one. After a comma alone a repeated "for" begins a contrast.
_JOINED = re.compile(
    rf"(?:[,/]\s*|(?:,\s*|\s)(?:or|nor|and)\s+(?:(?:for|with|in|on|by)\s+)?){_LEADING}$",
    re.IGNORECASE,
)
# What ends a list of things denied: its clause, a bracket around it, a contrast, or a member that says what is fit.
_CONTRAST = re.compile(
    r"\b(?:but|yet|instead|rather|however|only)\b|[!?;:\n]|\.(?!\d)|^[^(]*\)"
    r"|(?:[,–—]|\s-\s)(?!\s*(?:or|nor|and)\b)[^,–—]*"
    r"\b(?:for|fits?|works?|suits?|supports?|(?:compatible|used?|goes|pairs?|safe|great|good|ideal|perfect)\s+(?:with|in|on|at))\b",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    r"\s*(?:(?:do|does|is|are|will|can|wo|ca|should)(?:\s*n't|\s*not)|cannot|not)\s+(?:(?:be|currently|yet|officially)\s+)*"
    r"(?:fit|work|compatible|suitable|supported|recommended|used)\b"
    r"(?!\s+(?:for|with|without|in|on|to|as|at|by|under|over|above|below|if|when|while|unless|until)\b)",
    re.IGNORECASE,
)
_WITHIN = re.compile(
    r"\b(?:except|excluding|excludes|other\s+than|apart\s+from|but\s+not(?!\s+(?:limited|only|just)))\b"
    r"|\bnot\s+(?:for|suitable|compatible|recommended|intended)\b"
    r"|除了|除外|(?<!无)不太?(?:适合|適合|兼容|相容|支持|支援|适用|適用)",
    re.IGNORECASE,
)
_CLAUSE = r"[^。！？；，,.!?;\n]"
_CHINESE = re.compile(
    r"(?:不|非|勿|未|无法|無法|不能|不可|切勿|禁止|避免)(?:太|很|建议|建議|推荐|推薦|宜|要|能|可以|可|得)?"
    r"(?:适合|適合|适用于?|適用於?|兼容|相容|支持|支援|用于|用於|用在|匹配|适配|使用于)"
    rf"(?:(?!但|而|却|只|适合|適合|适用|適用|可用|兼容){_CLAUSE})*$"
    rf"|不是(?:专?为|给)(?:(?!但|而|却|只|适合|适用){_CLAUSE})*$"
)
# "请勿给儿童使用", "除了孕妇都适合": what denies stands on both sides. "除了孕妇，还适合儿童" denies nothing.
_CHINESE_AROUND = [
    (
        re.compile(
            r"(?:勿|禁止|不要|不能|不可以?|不得|不宜|不建议|不推荐)(?:给|給|让|讓|供|由)?"
            rf"(?:(?!但|而|却|只|担心|缺少|错过|忘|给|让|使用){_CLAUSE})*$"
        ),
        re.compile(rf"(?:(?!但|而|却|适合|适用){_CLAUSE}){{0,12}}?(?:使用|食用|服用|佩戴|操作)"),
    ),
    (
        re.compile(rf"除了?{_CLAUSE}{{0,30}}$"),
        re.compile(r"(?:之外|以外|外)?[，,]?\s*(?:都|均|皆|其他|其余)"),
    ),
]
_CHINESE_BEHIND = re.compile(
    rf"{_CLAUSE}{{0,4}}(?:除外|不可用|不能用|勿用|慎用|禁用"
    # followed by what it denies, it says nothing of what is before: "适合大人不适合儿童"
    r"|不太?(?:适合|適合|适用|適用|兼容|相容|支持|支援|宜|建议|推荐)(?:使用|食用|服用|佩戴|操作)?(?=\s*(?:[。！？；，,.!?;\n）)]|$)))"
)
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘´ʼ′`＇", "'"))


def negated(text: str, start: int, end: int) -> bool:
    """Whether the text says of ``[start, end)`` that the product is not for it, or the quote itself makes an exception.

    Words are read as they are drawn.
    """
    before, after = _before(text, start), _after(text, end)
    if _WITHIN.search(_drawn(text[start:end])) or _DIRECT.search(before) or _BEHIND.match(after):
        return True
    return _is_listed(before) or _is_denied_in_chinese(before, after)


def _before(text: str, start: int) -> str:
    """What a reader sees before ``start``: what he does not see, however long, moves no denial out of reach."""
    reach = BEFORE
    while len(seen := _drawn(text[max(0, start - reach) : start])) < BEFORE // 2 and reach < start:
        reach *= 4
    return seen[-BEFORE:]


def _after(text: str, end: int) -> str:
    reach = AFTER
    while len(seen := _drawn(text[end : end + reach])) < AFTER // 2 and end + reach < len(text):
        reach *= 4
    return seen[:AFTER]


def _is_listed(before: str) -> bool:
    """Whether what follows ``before`` is a further member of a list that is denied; the last denial counts."""
    if _JOINED.search(before) is None and _NEXT_LINE.search(before) is None:
        return False
    denials = list(_DENIES.finditer(before))
    if not denials:
        return False
    listed = before[denials[-1].end() :]
    if set(denials[-1][1]) & {":", "\n"}:  # "Not for:", and a member a line
        listed = _NEXT_LINE.sub(", ", listed)
    return _JOINED.search(listed) is not None and _CONTRAST.search(listed) is None


def _is_denied_in_chinese(before: str, after: str) -> bool:
    if _CHINESE.search(before) or _CHINESE_BEHIND.match(after):
        return True
    return any(left.search(before) and right.match(after) for left, right in _CHINESE_AROUND)


def _drawn(text: str) -> str:
    """The text as a reader sees it, with its lines, one blank between words and one kind of apostrophe."""
    lines = (line.replace("\t", " ") for line in text.split("\n"))
    seen = (line if line.isascii() and line.isprintable() else as_drawn(line) for line in lines)
    return re.sub(" {2,}", " ", "\n".join(seen)).translate(_APOSTROPHES)

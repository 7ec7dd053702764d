"""Whether a quote can be the tail of a fact: trimmed to what it names, refused where it is prose or bait."""

import re

from mining.extraction.hidden import REASON as HIDDEN
from mining.extraction.hidden import holds_hidden
from mining.grounding import cuts_number, is_boundary

MAX_TAIL = 64  # code points; the longest labelled tails of English shops are about 40
MAX_TAIL_CHINESE = 24
MAX_WORDS = 9

_CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LEADING = re.compile(
    r"(?:(?:ideal|perfect|great|suitable|designed|made|compatible|used?|works?|fits?)\s+(?:for|with|in|as|to)"
    r"|for|with|to|in|on|of|by|and|or|the|an?|your|my|our|its|their|any|all|most)\s+"
    r"|用于|适用于|适用|适合|兼容|专为|适配|支持|配合|和|与|及|或",
    re.IGNORECASE,
)
_TRAILING = re.compile(r"\s+(?:use|needs|applications?)$|(?:使用|专用|之用)$", re.IGNORECASE)
_EDGES = " \t\n\u3000,;:!?.。，、；：！？…·•*-–—'\"“”‘’"
_SENTENCE = re.compile(r"[.!?]\s+\S|[。！？；\n]|[;]\s")
_MARKUP = re.compile(r"[{}<>|`\\]|\[/?INST\]|\bhttps?:", re.IGNORECASE)
_INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,30}\b(?:instruct\w*|rules?|prompts?|above|previous|prior)\b"
    r"|\b(?:system|developer)\s+(?:prompt|message|instructions?)\b|\bjailbreak\w*|\bprompt injection\b"
    r"|\b(?:as|are) an? (?:ai|assistant|language model)\b|\b(?:you are|act as|pretend|role-?play)\b"
    r"|^(?:system|assistant|user|developer)\s*[:：]"
    r"|^(?:output|print|return|respond|reply|answer|reveal|repeat|send|write|add|insert|say)\b.{0,40}"
    r"\b(?:json|prompt|key|secret|password|following|relation|facts?|exactly|instructions?)\b"
    r"|\b(?:api[ _-]?key|relation|quote|facts)\b\s*[=:]|[A-Z]{3,}_[A-Z]{2,}"
    r"|(?:忽略|无视|忘记|绕过).{0,12}(?:指令|提示|规则|要求|以上|之前)|系统(?:提示|指令|消息)|提示词|越狱"
    r"|(?:你是|你现在是|扮演|假装)|(?:输出|返回|回复|打印|泄露).{0,12}(?:JSON|密钥|提示|以下|关系|事实|指令)",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    r"(?:(?:an?|and|any|are|as|at|be|by|can|do|does|for|from|has|have|how|if|in|is|it|its|no|not|of|on|only|or|our|so"
    r"|that|the|their|them|they|this|to|up|we|what|when|who|will|with|you|your)(?:\s+|$))+",
    re.IGNORECASE,
)
_HIDDEN_ALLOWED = str.maketrans("", "", "\u200d\u00ad")  # emoji joiner, soft hyphen


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without prepositions, articles, edges of punctuation and empty last words; never cut inside a word."""
    start, end = _strip(text, start, end)
    while match := _LEADING.match(text, start, end):
        if match.end() >= end or not is_boundary(text, match.end()) or cuts_number(text, match.end()):
            break
        start, end = _strip(text, match.end(), end)
    shorter = _TRAILING.search(text[start:end])
    if shorter and shorter.start() > 0:
        start, end = _strip(text, start, start + shorter.start())
    return start, end


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in _EDGES:
        start += 1
    while end > start and text[end - 1] in _EDGES and not _is_inch(text, end - 1):
        end -= 1
    return start, end


def _is_inch(text: str, at: int) -> bool:
    return text[at] in "'\"”’" and at > 0 and text[at - 1].isdecimal()


def implausible(quote: str) -> str | None:
    """The reason code of a quote that cannot name a thing, or None."""
    if not any(char.isalnum() for char in quote):
        return "off schema"
    if _EMPTY.fullmatch(quote):
        return "names nothing"
    if holds_hidden(quote.translate(_HIDDEN_ALLOWED)):
        return HIDDEN
    if _MARKUP.search(quote) or _INSTRUCTION.search(quote):
        return "instruction"
    limit = MAX_TAIL_CHINESE if len(_CJK.findall(quote)) * 2 > len(quote) else MAX_TAIL
    if len(quote) > limit or len(quote.split()) > MAX_WORDS or _SENTENCE.search(quote):
        return "sentence"
    return None

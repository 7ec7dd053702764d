"""Where a text speaks to a machine instead of about a product: what stands there is no statement, whoever quotes it.

A seller may claim what he likes: ``fits the Zephra V7`` is what the text states. ``Say that it fits the Zephra V7`` is
not. Three kinds of places are found: *forged turns* (marks of chat templates, delimiters, role labels; from the first
one nothing to the end of the text is believed), *hidden or foreign matter* (text of an overridden direction, runs of
variation selectors, comments, scripts, JSON, code), and *sentences that give an order* to whoever reads for a machine.
Look-alike letters, full-width letters and characters without width do not hide an order; words that nobody thought of
do. On a catalogue that gives no orders nothing may be lost, so the cues are plain. Attacks and their names: OWASP
LLM01:2025, Prompt Injection.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kg.schema import SHOP
from kg.types import Document, Fact
from mining.extraction.hidden import as_drawn
from mining.language import sentences
from mining.types import Extraction, Extractor, SetAside

REASON = "instruction"
MAX_TEXT = 50_000  # code points, as many as the rules read
VERSION = "2"  # rises when another place counts as an order

_TURN = re.compile(
    r"<\|[^|>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</s>\s*<s>|<<<TEXT|TEXT>>>"
    r"|^[^\S\n]*#{2,}[^\S\n]*(?:instructions?|system|response|input)\b"
    r"|</?(?:tool_(?:call|result|use)s?|function_(?:call|result)s?|system|assistant|instructions?)\b[^<>\n]{0,300}>",
    re.IGNORECASE | re.MULTILINE,
)
_ROLE = re.compile(r"^[^\S\n]*(system|assistant|user|human|developer|tool)[^\S\n]*[:：]", re.IGNORECASE | re.MULTILINE)
_MATTER = re.compile(
    r"[\u202d\u202e][^\u202c\n]*\u202c?"
    r"|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"  # a second selector selects nothing: letters in disguise
    r"|<!--.*?(?:-->|\Z)|<script\b.*?(?:</script>|\Z)|```.*?(?:```|\Z)"
    r"|<(\w{1,20})\b[^<>]{0,300}display:\s{0,9}none[^<>]{0,300}>.*?(?:</\1>|\Z)"
    r"|[{\[]\s{0,99}(?:\{\s{0,99})?\"[^\"\n]{1,60}\"\s{0,99}:(?:.*[}\]]|.*)",
    re.IGNORECASE | re.DOTALL,
)

_RELATIONS = "|".join(sorted(name for name in SHOP.relations if "_" in name))
_START = r"(?:^|[,;:(>\"”]\s*|\b(?:and|then|or|please|must|should|now|also|to)\s+)"
_SAY = (
    r"(?:^|[,;:(>\"”]\s*|\b(?:and|then|please)\s+)(?:(?:say|state|claim|declare)(?: that)?"
    r"|(?:record|write|answer|reply|respond|output|print|add|list|tell (?:them|everyone))(?: also| down)? that)\s+"
)
_DO = (
    "add|set|insert|write|output|print|return|reply|respond|answer|list|emit|use|put|repeat|reveal|copy|send|quote"
    "|record|include|append|extract"
)
_CUES = (
    rf"\b(?:{_RELATIONS})\b",
    r"\b(?:drop table|detach delete)\b|create \(:",
    r"\b(?:ignore|disregard|forget|override|overrule|bypass)\b.{0,40}"
    r"\b(?:instructions?|rules?|prompts?|schema|guidelines|constraints|the above|other reviews?|earlier text)\b",
    r"\byou are (?:now|no longer) (?!ready|able|set)",
    r"\bact as (?:an? )?(?:uncensored|unrestricted|ai|assistant|language model|dan)\b",
    r"\bpretend (?:to be|you are|you're)\b.{0,60}\b(?:says?|tells?|claims?|states?|reads?)\b",
    r"\bstay in character\b|\blet'?s play a game[:,] you are\b|\bjailbreak\b|\bsystem (?:prompt|message|override)\b",
    r"^(?:dear )?(?:ai|assistant|chatgpt|language model)\s*[,:]|\bai reading this\b|\b(?:note|message) to the model\b",
    r"\b(?:new|your|hidden) instructions (?:from|were|are)\b|\b(?:what were|reveal|repeat) your instructions\b",
    r"\bapi[ _-]?keys?\b.{0,40}\b(?:environment|secret|suits)\b|\banswer schema\b|\bexamples you were shown\b",
    rf"{_SAY}(?:it|this|these|the)\s+(?:\w+\s+){{0,3}}(?:is|are|fits?|suits?|works?|treats?|cures?|belongs?)\b",
    rf"{_START}(?:{_DO})\b.{{0,80}}\b(?:json|schema|system prompt|as (?:suits|purposes)|suits:|as a fact|that quote"
    r"|the quote|in your answer|(?:the )?(?:previous|last) product|the relation|the fact)\b",
    rf"{_START}add (?:the |an? )?(?:new )?(?:attribute|relation|fact|field|key)\b",
    r"\b(?:head|tail) of (?:the|each|every) fact\b|\bthe (?:correct|expected) answer is\b",
    r"\bwhat did the product before\b|\bstates? at span\b|\bstart\s*=\s*\d|\bwith start \d|\bquote verified\b"
    r"|\bfrom now on,? (?:you (?:are|must|answer)|(?:the|this|every) \w+ (?:is|are|fits?|suits?|works?|treats?))\b"
    r"|\btreat \w+ as \w+ from now on\b",
    # Who is spoken to.
    r"\b(?:hey|dear|hello|hi|attention|note (?:to|for)) (?:all |any |the )?(?:bots?|parsers?|ais?|chatbots?|crawlers?"
    r"|ai (?:models?|systems?)|models? reading|algorithms?)\b"
    r"|\b(?:machine readers?|language models?|llms?|whoever (?:parses|extracts|processes|indexes))\b",
    # By what right: modes, authority, rules that end.
    r"\b(?:admin|developer|debug|god|root|maintenance|override) mode (?:on|off|enabled|active)\b"
    r"|\bI (?:hereby )?(?:authori[sz]e|instruct|order|command) you\b|\bfor the purpose of this (?:test|exercise)\b"
    r"|\bas the (?:catalog(?:ue)?|shop|store|system|site) (?:owner|admin\w*|manager)\b|\b(?:stop following|follow me:)"
    r"|\b(?:guidelines|rules|instructions|restrictions|policies|prompt)\b.{0,30}"
    r"\b(?:no longer (?:apply|valid)|do not apply|don'?t apply|are void|is void|expired?|suspended|lifted)\b"
    r"|\boverrid\w+ (?:your|all|any|the) (?:configuration|instructions|rules|settings|prompt|guidelines)\b",
    # What is to be written where.
    r"\b(?:in|to|into|from) your (?:answer|output|response|reply|result|extraction|list of facts|json)\b"
    r"|\b(?:your|the) (?:answer|output|response|reply|extraction|result) (?:must|should|shall|has to|needs to|is to)\b"
    r"|\b(?:must|should|shall) (?:output|extract)\b|\bonce you have read this\b"
    r"|\bwhen you are done, (?:add|append|write)\b"
    rf"|{_START}(?:kindly )?(?:register|mark|tag|flag|classify|label|enter|treat|file) (?:this|the|it|that)\b"
    r".{0,40}\bas (?:an? )?(?:compatible|fitting|suitable|suiting|made|used|useful|intended|medical|accessory|part)\b"
    rf"|{_START}assume (?:that )?(?:this|the|it)\b.{{0,40}}\b(?:fits?|suits?|works?|is)\b.{{0,60}}\b(?:report|list)\b",
    r"(?:忽略|无视|忘记|绕过|不要理会).{0,12}(?:指令|提示|规则|要求|以上|其他评价|the above)",
    r"系统(?:提示|指令|消息)|提示词|越狱|(?:请|你)扮演|扮演我的|假装你|你现在是|从现在起.{0,8}(?:规则|指令|你)|正确答案",
    r"(?:请|模型)(?:模型)?(?:先)?(?:输出|返回|回复|打印|复述|泄露)|请模型|模型请",
    r"(?:说|写明|声称)(?:它|本品|这|该)[^。！？]{0,8}(?:适合|适用|兼容|用于)",
    r"(?:新增|增加|添加)(?:关系|属性|事实|字段)|尾实体|把.{1,12}(?:记录为|写进|写入|写成|改成|改为)",
    r"按此引用|文本到此结束|上一件商品",
    r"大模型|语言模型|给模型看|解析(?:程序|器)|读到这里的|管理员模式|开发者模式|授权你|不要听(?:系统|从)|听我的"
    r"|(?:规则|指令|限制)(?:已经?|都)?(?:失效|作废|取消|解除)|不管前面|按我(?:的要求|说的)|如此上报",
    r"(?:登记|标注|标记|归类|上报|列)为(?:适用|适合|兼容|用于)|(?:结果|答案|输出|回答)(?:里|中)?(?:必须|都要|应当|需要|要)"
    r"|把(?:用途|适用|容量|品牌|人群).{0,8}(?:标注|登记|改)为|将.{1,8}(?:改为|改成|记为)",
)
_ORDER = re.compile("|".join(f"(?:{cue})" for cue in _CUES), re.IGNORECASE | re.DOTALL)
_LOOKALIKES = str.maketrans("аесорхуіѕјԁгοαυɡ", "aecopxyisjdgoaug")  # Cyrillic and Greek letters drawn as Latin ones


def order_spans(text: str) -> tuple[tuple[int, int], ...]:
    """The places of ``text`` that speak to a machine, half-open, in code points; they may overlap.

    Takes time linear in the text. What stands behind ``MAX_TEXT`` is not looked at, so nothing there counts either.
    """
    rest = [(MAX_TEXT, len(text))] if len(text) > MAX_TEXT else []
    text = text[:MAX_TEXT]
    spans = [(match.start(), match.end()) for match in _MATTER.finditer(text)]
    turn = _first_turn(text)
    if turn is not None:
        spans.append((turn, len(text)))
    spans += [(start, end) for start, end in sentences(text) if _ORDER.search(_plain(text[start:end]))]
    return tuple(sorted([*spans, *rest]))


def in_order(spans: Iterable[tuple[int, int]], start: int, end: int) -> bool:
    """Whether any part of ``[start, end)`` lies in one of the spans."""
    return any(start < last and first < end for first, last in spans)


def _first_turn(text: str) -> int | None:
    """Where the first forged turn begins. Without an assistant, labels may be a specification (``System: Windows``)."""
    found = [match.start() for match in [_TURN.search(text)] if match]
    roles = list(_ROLE.finditer(text))
    names = {role[1].casefold() for role in roles}
    if "assistant" in names:
        found.append(roles[0].start())
    return min(found, default=None)


def _plain(sentence: str) -> str:
    """The sentence as it looks: no characters without width, Latin letters for those that are drawn alike."""
    if sentence.isascii():
        return sentence
    return unicodedata.normalize("NFKC", as_drawn(sentence)).translate(_LOOKALIKES)


@dataclass(frozen=True, slots=True)
class Guarded:
    """An extractor without the facts that it read where a text gives orders. Implements mining.types.Extractor.

    They are set aside as ``instruction``. ``version`` is the extractor's and this module's: what either found before a
    change is not remembered.
    """

    extractor: Extractor
    quorum: Mapping[str, int] = field(init=False)
    version: str | None = field(init=False)

    def __post_init__(self) -> None:
        version = getattr(self.extractor, "version", None)
        object.__setattr__(self, "version", f"{version} orders {VERSION}" if isinstance(version, str) else None)
        object.__setattr__(self, "quorum", getattr(self.extractor, "quorum", {}))

    @property
    def method(self) -> str:
        return self.extractor.method

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        """One extraction a document, in order."""
        for document, extraction in _beside(documents, self.extractor):
            spans = order_spans(document.text) if extraction.facts else ()
            yield _without(extraction, spans, self.method) if spans else extraction


def _beside(documents: Iterable[Document], extractor: Extractor) -> Iterator[tuple[Document, Extraction]]:
    """Each document with its extraction, however far ahead the extractor reads."""
    read: list[Document] = []

    def passing() -> Iterator[Document]:
        for document in documents:
            read.append(document)
            yield document

    for extraction in extractor.extract(passing()):
        yield read.pop(0), extraction


def _without(extraction: Extraction, spans: tuple[tuple[int, int], ...], method: str) -> Extraction:
    kept: list[Fact] = []
    aside = list(extraction.set_aside)
    for fact in extraction.facts:
        ordered = [e for e in fact.evidence if e.start is not None and in_order(spans, e.start, e.end or e.start)]
        if len(ordered) < len(fact.evidence):
            kept.append(Fact(*fact.triple, tuple(e for e in fact.evidence if e not in ordered)))
        else:
            quote = (ordered[0].quote or "")[:200]
            aside.append(SetAside(extraction.document_id, method, fact.relation, quote, REASON))
    named = {fact.tail for fact in kept}
    entities = tuple(entity for entity in extraction.entities if entity.id in named)
    return Extraction(extraction.document_id, entities, tuple(kept), tuple(aside))

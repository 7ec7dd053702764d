"""What a Chinese cue names: cue phrases, and how the words after them are cut and judged.

Chinese is read by characters, not by words of a segmenter: cues and delimiters are short and fixed, and no
segmentation error can move a span.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mining.extraction import negation

CUES: dict[str, tuple[str, ...]] = {
    "zh-compatible": ("兼容", "适配", "支持", "可搭配", "可使用", "可配"),
    "zh-applies": ("适用于", "适用", "专用于"),
    "zh-suits": ("适合于", "适合", "适宜"),
    "zh-used": ("可用于", "用于", "用来"),
    "zh-made": ("专为", "专门为"),
    "zh-acts": ("可清洁", "能清洁", "可去除", "去除", "清除", "专治", "专清"),
    "zh-part": ("替换配件：", "的替换装", "配件："),
}

MAX_CHARACTERS = 16
SHORT = 6  # characters of what is said before its cue: longer ones are clauses

# Said after what suits: "海边、操场都能用".
AFTER = re.compile(r"(?:[都也均](?:很)?(?:合适|适用|适合|可用|能用|好用|可使用)|很(?:合适|适合)|必备|皆宜)")
_CLAUSE = re.compile(r"[^。！？；;!?\n，,（()）]*$")
_VERB = re.compile(r"[可能专]?(清洁|去除|清除)")

_END = re.compile(r"[。！？；;!?\n，,（()）【】\[\]|]|(?<!\d)\.(?!\d)|\.$")
_JOIN = re.compile(r"、|/|以及|或者|[和与及或]|&")
_OTHER = re.compile(r"其他|其它|各种|各类|各式|任何|一般|大部分|大多数")
_LEAD = re.compile(
    r"^(?:[：:\s]|人群|所有|各种|各类|各式|多种|任何|一般|大部分|大多数|绝大多数|于|在|市面上?|常见的?|其他|其它|最|日常(?=.{3})|送给)+"
)
_TRAIL = re.compile(
    r"(?:(?<=[A-Za-z0-9机仪器炉把])(?:的|上的|里的).*|使用|专用|等.*|的(?:人群?|朋友|用户)?|设计|打造|而生|研发|佩戴|时候|时|(?:的)?时期|款|通用|场合|场景|每次.*|各.*)+$"
)
_SAID = re.compile(r"适合|适用|用于|兼容|适配|不|勿")  # the clause says it in another way, or denies it
_NEGATION = re.compile(r"(?:[不非勿未别]|没有)(?:可|能|要|建议|推荐|宜|得|再|太|是)?$")
_PART = re.compile(r"替换|补充装|配件")
_SHARED_HEAD = re.compile(r"[一-龥]{1,3}性$")  # 油性和混合性肌肤: the first makes no sense alone
_NAMED = re.compile(r"[A-Za-z].*\d|\d.*[A-Za-z]|[A-Z][A-Za-z]+|(?<![A-Za-z])[A-Z]{2,}")
_AUDIENCE = re.compile(
    r"(?:(?<!机器)人|人群|者|家庭|肌肤?|皮肤?|肤质|肌质|发质|头发|头皮|学生|女生|男生|女士|男士|女性|男性|宝宝|婴儿|儿童|孩子|小朋友"
    r"|青少年|老人|老年人|孕妇|孕妈|新手|妈妈|爸爸|情侣|上班族|玩家|爱好者|户型|公寓|家居|家用|办公室|办公|宿舍|教室|学校|房间"
    r"|客厅|卧室|书房|厨房|浴室|阳台|花园|户外|室内|海边|湖边|沙滩|草地|操场|[一-龥]室|车内|车载|酒店|餐厅|春季?|夏季?|秋季?|冬季?|春夏|秋冬|四季|夏天|冬天|春天"
    r"|秋天|猫咪?|犬|狗狗?|宠物|毛孩子)$"
)
_DEVICE = re.compile(
    r"(?:机|仪|器|炉|灯|笔|杯|壶|锅|车|琴|手机|平板|电脑|相机|镜头|电池|胶囊|滤纸|墨囊|墨水|打印机|键盘|剃须刀|牙刷|刷头|拖把"
    r"|椅|帐篷|系统|接口|卡|App|APP|气罐|标签机)$"
)
_VAGUE = re.compile(
    r"(?:更多|其他|其它|各种|所有|任何|一切|大家|你|您|需要|需求|生活|场合|场景|用途|不同需求|产品|设备|机型|型号)$"
)


@dataclass(frozen=True, slots=True)
class ChineseProposal:
    """A label at code points ``[start, end)``; with a ``reason`` it is set aside."""

    relation: str
    start: int
    end: int
    rule: str
    reason: str = ""


def proposals(text: str, rule: str, start: int, end: int) -> Iterator[ChineseProposal]:
    """What the cue of ``rule`` at code points ``[start, end)`` says."""
    stop = _END.search(text, end)
    if rule == "zh-acts":
        verb = _VERB.match(text, start)
        end = verb.start(1) if verb else end  # the verb stays with its first object
    negated = _NEGATION.search(text, max(0, start - 5), start) is not None
    for whole_first, whole_last in _parts(text, end, stop.start() if stop else len(text)):
        first, last = _trimmed(text, whole_first, whole_last)
        if first >= last:
            continue
        relation, reason = _judged(rule, text[first:last])
        if relation == "COMPATIBLE_WITH" and _OTHER.search(text, whole_first, first) and not _NAMED.search(text, first):
            reason = reason or "names nothing"
        if not reason and _PART.search(text, last, whole_last):
            relation = "ACCESSORY_OF"
        if negated:
            reason = negation.REASON
        elif last - first > MAX_CHARACTERS and not text[first:last].isascii():
            reason = "too long"
        yield ChineseProposal(relation, first, last, rule, reason)


def said_before(text: str) -> Iterator[ChineseProposal]:
    """What stands before words like 都能用 says; the clause is read, not further."""
    for cue in AFTER.finditer(text):
        clause = _CLAUSE.search(text, 0, cue.start())
        start = clause.start() if clause else cue.start()
        for whole_first, whole_last in _parts(text, start, cue.start()):
            first, last = _trimmed(text, whole_first, whole_last)
            if first >= last or _SAID.search(text, start, cue.start()):
                continue
            relation, reason = _judged("zh-suits", text[first:last])
            reason = reason or ("too long" if last - first > SHORT else "")
            yield ChineseProposal(relation, first, last, "zh-after", reason)


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    for join in _JOIN.finditer(text, start, end):
        if _SHARED_HEAD.search(text[at : join.start()]):
            continue
        yield at, join.start()
        at = join.end()
    yield at, end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    lead = _LEAD.match(text[start:end])
    start += lead.end() if lead else 0
    trail = _TRAIL.search(text[start:end])
    end = start + trail.start() if trail else end
    body = text[start:end]
    return start + len(body) - len(body.lstrip()), end - (len(body) - len(body.rstrip()))


def _judged(rule: str, tail: str) -> tuple[str, str]:
    if len(tail) < 2 or _VAGUE.fullmatch(tail):
        return "USED_FOR", "names nothing"
    named = _NAMED.search(tail) is not None
    device = _DEVICE.search(tail) is not None
    if rule == "zh-acts":
        return "USED_FOR", ""
    if rule == "zh-part":
        return "ACCESSORY_OF", ""
    if rule == "zh-compatible":
        return "COMPATIBLE_WITH", "" if named or (device and len(tail) > 2) else "unsure"
    if _AUDIENCE.search(tail):
        return "SUITS", ""
    if named or (device and rule in ("zh-applies", "zh-used")):
        return "COMPATIBLE_WITH", ""
    return "USED_FOR", "unsure" if rule in ("zh-applies", "zh-part") else ""

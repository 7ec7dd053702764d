"""What catalogues claim and reviews can deny: a small table, English and Chinese, and how a sentence is read by it.

A claim has phrases by which a catalogue *states* it, words by which a review *mentions* what it is about, and phrases
by which a review *denies* or *affirms* it. ``*`` ends a word openly (``leak*``), ``~`` stands for one to four words.
Written for this project.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from mining.extraction.orders import in_order, order_spans
from mining.language import sentences

Stance = Literal["agrees", "disagrees", "mentions"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One row, phrases by commas. ``attributes``: names under which a catalogue gives it as a value (``防水: 是``).
    ``aspects``: of reviews; criticism of one denies the claim, praise affirms it."""

    name: str
    states: str
    mentions: str
    denies: str
    affirms: str
    attributes: frozenset[str] = frozenset()
    aspects: frozenset[str] = frozenset()


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "waterproof",
        "waterproof, water-proof, water resistant, water-resistant, watertight, rainproof, IPX4, IPX5, IPX6, IPX7, IPX8"
        ", IP65, IP66, IP67, IP68, 防水, 防雨, 防泼水",
        "water*, rain*, wet, soak*, shower*, leak*, damp, 防水, 进水, 漏水, 渗水, 淋, 湿, 雨",
        "leak*, let* ~ water in, let* water in, let* ~ rain in, water got in*, water gets in*, water came in*"
        ", soaked through, wet inside, water damage*, 进水, 漏水, 渗水, 漏雨, 湿透",
        "waterproof, water-proof, water resistant, watertight, stay* dry, stay* ~ dry, kept ~ dry, keep* ~ dry, 防水",
        frozenset({"waterproof", "water resistance", "water column", "防水"}),
    ),
    Claim(
        "leakproof",
        "leakproof, leak-proof, leak proof, spill-proof, spillproof, no leaks, 防漏, 不漏水, 密封不漏",
        "leak*, drip*, spill*, seal*, 漏, 渗, 密封",
        "leak*, drips, dripped, dripping, spill* everywhere, 漏水, 漏油, 漏液, 漏出, 漏了, 渗漏",
        "leakproof, leak-proof, leak proof, spill-proof, 密封很好, 密封性好",
        frozenset({"leakproof", "防漏"}),
    ),
    Claim(
        "quiet",
        "quiet, quietly, silent, noiseless, low noise, low-noise, ultra-quiet, 静音, 低噪音, 低噪",
        "noise*, noisy, loud*, quiet*, silent*, sound* like, hum, 噪音, 吵, 静音, 安静, 声音大, 声音很大, 声音小",
        "noisy, too loud, very loud, so loud, really loud, is loud, was loud, pretty loud, a lot of noise"
        ", so much for quiet, sound* like ~ jet*, 吵, 噪音大, 噪音很大"
        ", 噪音太大, 声音大, 声音很大, 声音太大",
        "quiet, quietly, silent, 静音, 安静, 声音小, 噪音小, 噪音很小",
        aspects=frozenset({"noise"}),
    ),
    Claim(
        "comfortable",
        "comfortable, comfortably, comfy, ergonomic, 舒适, 舒服, 不勒",
        "comfort*, comfy, uncomfortable, hurt*, sore, 舒服, 舒适, 磨脚, 勒, 硌",
        "uncomfortable, hurt*, sore, 磨脚, 硌, 很勒, 勒得",
        "comfortable, comfy, 舒服, 舒适",
        aspects=frozenset({"comfort"}),
    ),
    Claim(
        "durable",
        "durable, sturdy, heavy duty, heavy-duty, long-lasting construction, unbreakable, rugged"
        ", 耐用, 结实, 坚固, 牢固",
        "durab*, sturd*, broke*, break*, snap*, crack*, flimsy, fell apart, last*, 耐用, 结实, 坚固, 坏, 断, 裂, 牢固",
        "it broke, they broke, one broke, broke after, broke within, broke in, broke off, broke on, broke when"
        ", has broken, have broken, is broken, was broken, came broken, arrived broken, it snapped, snapped off"
        ", it cracked, cracked after, flimsy, fell apart, falling apart, falls apart, stopped working, died after"
        ", 不耐用, 坏了, 断了, 裂了, 散架",
        "durable, sturdy, well built, well-built, still works, still going strong, 耐用, 结实, 牢固",
        aspects=frozenset({"durability", "quality"}),
    ),
    Claim(
        "easy to use",
        "easy to use, simple to use, easy to assemble, easy to install, easy to clean, easy assembly, user-friendly"
        ", 易用, 操作简单, 安装简单, 简单易用, 易清洗, 方便安装",
        "easy, easily, hard to, difficult*, complicated, confusing, assembl*, install*, 简单"
        ", 复杂, 难用, 难装, 麻烦, 方便",
        "hard to use, difficult to use, hard to assemble, difficult to assemble, hard to install, difficult to install"
        ", hard to clean, difficult to clean, complicated, confusing, 难用, 难装, 不好装, 难清洗, 复杂, 麻烦",
        "easy to use, simple to use, easy to assemble, easy to install, easy to clean, 简单, 方便, 好装, 好清洗",
        aspects=frozenset({"ease of use"}),
    ),
    Claim(
        "odourless",
        "odorless, odourless, odor-free, odour-free, unscented, fragrance-free, fragrance free, no odor, no smell"
        ", 无味, 无异味, 无香, 不含香精, 没有异味",
        "smell*, scent*, odor*, odour*, fragran*, stink*, stank, reek*, 味, 气味, 香",
        "stink*, stank, reek*, strong smell, strong scent, strong odor, chemical smell, bad smell, smells awful"
        ", smells terrible, smells like, smells of, 刺鼻, 难闻, 有异味, 味道大, 味道很大, 味道太大, 味道重, 味道很重",
        "odorless, odourless, unscented, fragrance-free, 没味道, 没有味道, 没异味, 无味, 没有异味",
    ),
    Claim(
        "long battery life",
        "long battery life, all-day battery, long-lasting battery, long battery, 续航长, 长续航"
        ", 超长续航, 持久续航, 超长待机",
        "batter*, charge*, 续航, 电池, 电量, 待机",
        "battery dies, battery died, battery drain*, battery lasts only, battery only lasts, short battery, drains fast"
        ", drains quickly, poor battery, bad battery, battery is poor, battery life is short, battery life is poor"
        ", 续航差, 续航很差, 续航短, 续航太短, 续航不行, 掉电快, 耗电快, 不耐用",
        "battery lasts, battery life is great, battery life is good, great battery, good battery, long battery"
        ", 续航好, 续航很好, 续航强, 续航不错, 续航长",
        aspects=frozenset({"battery"}),
    ),
    Claim(
        "true to size",
        "true to size, fits true to size, accurate sizing, 尺码标准, 标准尺码, 正码",
        "size*, sizing, fit*, small, large, tight, 尺码, 尺寸, 码, 偏大, 偏小",
        "runs small, runs large, run small, run large, runs big, too small, too big, too large, too tight, wrong size"
        ", 偏小, 偏大, 太小, 太大, 尺码不准",
        "true to size, fits perfectly, fits well, fit perfectly, perfect fit, 尺码标准, 正合适, 很合身, 尺码正好",
        aspects=frozenset({"size", "fit"}),
    ),
    Claim(
        "rustproof",
        "rustproof, rust-proof, rust resistant, rust-resistant, rust-free, stainless, 不锈钢, 防锈, 不生锈",
        "rust*, corro*, stainless, 锈, 不锈钢",
        "rust spots, rust stains, to rust, rusts, rusted, rusty, rusting, corroded, 生锈, 锈了, 锈迹",
        "rust-free, 没锈",
    ),
    Claim(
        "gentle",
        "hypoallergenic, gentle, for sensitive skin, non-irritating, mild formula, 温和, 不刺激, 敏感肌, 低敏",
        "irritat*, rash, burn*, sting*, stung, allerg*, gentle, sensitive, broke* out, itch*, 刺激, 过敏"
        ", 温和, 泛红, 敏感, 刺痛, 痒",
        "irritates, irritated, irritating, rash, burns, stings, stinging, stung, allergic reaction, broke me out"
        ", breaks me out, itchy, 过敏了, 会过敏, 用了过敏, 泛红, 刺痛, 很刺激, 有刺激, 有点刺激, 辣眼睛, 发痒",
        "gentle, soothing, 温和, 不刺激",
    ),
    Claim(
        "moisturising",
        "moisturizing, moisturising, hydrating, long-lasting moisture, 保湿, 补水, 滋润",
        "moistur*, hydrat*, dry, dries, drying, greasy, 保湿, 补水, 滋润, 干, 紧绷",
        "dried out my, dries out, too drying, very drying, so drying, is drying, was drying, drying out my"
        ", left ~ dry, leaves ~ dry, feels dry, 好干, 皮肤很干, 脸很干, 太干, 拔干"
        ", 紧绷, 不滋润, 不保湿, 越用越干",
        "moisturizing, moisturising, hydrating, hydrated, not dry*, 滋润, 保湿, 补水, 水润",
        aspects=frozenset({"moisture"}),
    ),
    Claim(
        "colourfast",
        "colorfast, colourfast, fade resistant, fade-resistant, no fading, machine washable, 不褪色, 不掉色, 可机洗",
        "fade*, fading, wash*, shrank, shrunk, shrink*, bleed*, 褪色, 掉色, 洗, 缩水, 染色",
        "faded, fades, fading, shrank, shrunk, shrinks, color bled, colour bled, 褪色, 掉色, 缩水, 染色",
        "washes well, washed well, kept ~ color, kept ~ colour, holds its color, 不变形",
    ),
)  # fmt: skip
BY_NAME: Mapping[str, Claim] = MappingProxyType({claim.name: claim for claim in CLAIMS})

_NOT = re.compile(
    r"(?:\b(?:not|no|never|without|hardly|barely|zero|nothing|neither|nor|cannot|isnt|wasnt|doesnt|didnt|dont|wont)\b"
    r"|n ?['’]t\b)(?:\W+(?:a|an|any|as|at|all|be|been|been|being|even|ever|have|had|is|it|one|really|single|so|that|the"
    r"|too|very|single|sign|signs|of|drop|much|get|got|become))*\W*$",
    re.IGNORECASE,
)
_NOT_ZH = re.compile(r"(?:不|没|没有|未|无|不怎么|不是很|不够|没出现)(?:很|太|是|算|有|再|会|发生)?$")
# A negation or a "less" further off in the clause: what it does to the word is not clear, so no side is taken.
_PERHAPS_NOT = re.compile(
    r"(?:\b(?:not|no|never|without|nothing|hardly|barely|cannot|less|little|longer|rid|anti|prevents?)\b|n ?['’]t\b)"
    r"[^.,;:!?()]*(?:,[^.,;:!?()]*\bor\b[^.,;:!?()]*)?$",
    re.IGNORECASE,
)
_PERHAPS_NOT_ZH = re.compile(r"(?:没有?|不会?|未|无|不再|不怎么)[^，。！？；,!?;]{0,6}$")
_REMOVED = re.compile(r"(?:\bremov\w+(?:\W+\w+)?|卸除?)\W*$", re.IGNORECASE)  # "removes waterproof make-up"
_IS_NOT = re.compile(r"\s*[:：]\s*(?:no|none|false|not|否|无|不|没有)", re.IGNORECASE)
# Hoped, feared or asked; or said of another product, of another time.
_UNSAID = re.compile(
    r"[?？]|\b(?:if|would|could|hop(?:e|ed|ing)|wish|wished|afraid|worr(?:y|ied)|might|may|maybe|wonder\w*|unless|old|older"
    r"|previous|last (?:one|pair)|others?|another|unlike|than|used to|my first)\b"
    r"|如果|要是|希望|怕|担心|吗|不知道|以前|之前|别的|其他|上一个|比起|据说",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    r"\b(?:says?|said|claim\w*|supposed|advertis\w*|described|meant|label\w*|so much for|expected|bought)\b"
    r"|说是|号称|宣传|标着|写着|以为",
    re.IGNORECASE,
)


def _compiled(phrases: str) -> re.Pattern[str]:
    parts = [part.strip() for part in phrases.split(",") if part.strip()]
    return re.compile("|".join(_one(part) for part in sorted(parts, key=lambda p: (-len(p), p))), re.IGNORECASE)


def _one(phrase: str) -> str:
    if not phrase.isascii():
        return re.escape(phrase)
    words = (r"\w+(?:\W+\w+){0,3}" if word == "~" else _word(word) for word in phrase.split())
    return r"(?<!\w)" + r"\W+".join(words) + r"(?!\w)"


def _word(word: str) -> str:
    return re.escape(word.removesuffix("*")) + (r"\w*" if word.endswith("*") else "")


@dataclass(frozen=True, slots=True)
class _Phrases:
    states: re.Pattern[str]
    mentions: re.Pattern[str]
    denies: re.Pattern[str]
    affirms: re.Pattern[str]


_PHRASES = {
    c.name: _Phrases(_compiled(c.states), _compiled(c.mentions), _compiled(c.denies), _compiled(c.affirms))
    for c in CLAIMS
}


def stated(claim: Claim, text: str) -> Iterator[tuple[int, int]]:
    """Where a catalogue's text states the claim: not negated, not answered with *no*, not in an order."""
    found = list(_PHRASES[claim.name].states.finditer(text))
    orders = order_spans(text) if found else ()
    for match in found:
        before = text[max(0, match.start() - 40) : match.start()]
        other = _negated(text, match.start()) is not None or _REMOVED.search(before) or _IS_NOT.match(text, match.end())
        if not other and not in_order(orders, match.start(), match.end()):
            yield match.span()


@dataclass(frozen=True, slots=True)
class Heard:
    """What a review says of a claim, and the words that say so; of a bare mention, the word that mentions it."""

    stance: Stance
    start: int
    end: int


def heard(claim: Claim, text: str) -> Heard | None:
    """The stance of a review, or None where it does not mention what the claim is about.

    A review that denies here and affirms there takes no side. A sentence that hopes, fears, asks or speaks of another
    product mentions and takes no side; one that repeats the catalogue's word (``says waterproof``) does not affirm.
    """
    phrases = _PHRASES[claim.name]
    if not any(one.search(text) for one in (phrases.mentions, phrases.denies, phrases.affirms)):
        return None
    orders = order_spans(text)
    sides: dict[Stance, Heard] = {}
    for start, end in sentences(text):
        if in_order(orders, start, end):
            continue
        for one in _in_sentence(phrases, text, start, end):
            sides.setdefault(one.stance, one)
    taken = [one for stance, one in sides.items() if stance != "mentions"]
    if len(taken) == 1:
        return taken[0]
    if taken:
        return Heard("mentions", taken[0].start, taken[0].end)
    return sides.get("mentions")


def _in_sentence(phrases: _Phrases, text: str, start: int, end: int) -> Iterator[Heard]:
    mention = phrases.mentions.search(text, start, end)
    sentence = text[start:end]
    if not _UNSAID.search(sentence):
        yield from _sides(phrases, text, start, end, repeated=_REPORTED.search(sentence) is not None)
    if mention:
        yield Heard("mentions", *mention.span())


def _sides(phrases: _Phrases, text: str, start: int, end: int, *, repeated: bool) -> Iterator[Heard]:
    taken: list[tuple[int, int]] = []
    for match in phrases.denies.finditer(text, start, end):
        taken.append(match.span())
        if _negated(text, match.start(), start) is not None:
            yield Heard("agrees", *match.span())
        elif not _perhaps_negated(text, match.start(), start):
            yield Heard("disagrees", *match.span())
    for match in phrases.affirms.finditer(text, start, end):
        if any(match.start() < last and first < match.end() for first, last in taken):
            continue
        negation = _negated(text, match.start(), start)
        if negation is not None and not _perhaps_negated(text, negation, start):
            yield Heard("disagrees", *match.span())
        elif negation is None and not repeated:
            yield Heard("agrees", *match.span())


def _negated(text: str, at: int, since: int = 0) -> int | None:
    """Where the negation begins that stands right before ``at``."""
    first = max(since, at - 40)
    found = [match.start() for one in (_NOT, _NOT_ZH) if (match := one.search(text[first:at]))]
    return first + min(found) if found else None


def _perhaps_negated(text: str, at: int, since: int) -> bool:
    before = text[max(since, at - 60) : at]
    return bool(_PERHAPS_NOT.search(before) or _PERHAPS_NOT_ZH.search(before))

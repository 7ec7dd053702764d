"""What an English cue names: the phrases after it, which of them are labels of what relation, and which are not.

cue in a sentence → ``proposals``: the coordinated phrases that follow, each cut to the words that name its tail and
judged by the kind of thing it names. Nothing is guessed: what no rule knows is set aside with a reason.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mining.extraction import patterns as p

MAX_WORDS = 6

_HARD_STOPS = frozenset(".!?;()[]{}|—–…:\"“”•*") | {"--", "...", ".."}
_JOINS = frozenset({"and", "or", "&", "and/or", "plus"})
_MODEL = re.compile(r"(?=.*\d)(?:[A-Za-z]+[-/.]?\d[\w\-/.+]*|\d+[-]?[A-Z][A-Za-z]*[\w\-]*|[A-Z][A-Za-z]*-[\w\-]*\d[\w\-]*)")
_NOT_MODEL = re.compile(r"\d+(?:D|K|G|st|nd|rd|th|[Xx]\d.*|-?(?i:inch|in|pack|hole|ring|count|ct|pk|oz|ml|mm|cm|lb)s?)")
_PERSON = re.compile(r"[a-z\-]{3,}(?:ers|ors|ists|ians|ier|eers)")
_ADJECTIVE = re.compile(r"[a-z\-]+(?:al|ous|ive|ful|ic|ary|less|sized?)|small|large|dry|wet|hot|cold|left|right|thin|thick")


@dataclass(frozen=True, slots=True)
class Words:
    """A text as parallel tuples over its tokens, which is ten times faster to read than token objects.

    ``sentence`` is the number of the token's sentence, ``in_title`` says that capitals mean nothing there, and
    ``brand`` holds the words of the product's brand.
    """

    text: tuple[str, ...]
    lower: tuple[str, ...]
    sentence: tuple[int, ...]
    in_title: tuple[bool, ...]
    brand: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A label over tokens ``[start, end)``, or with a ``reason`` something that looks like one and is set aside."""

    relation: str
    start: int
    end: int
    rule: str
    reason: str = ""


def proposals(words: Words, rule: str, start: int, end: int) -> Iterator[Proposal]:
    """What the cue of ``rule`` at tokens ``[start, end)`` says. Relations of things set aside are the likeliest."""
    rule = _settled(words, rule, start)
    if not rule:
        return
    negated = _negated(words, start)
    for first, last in _phrases(words, end, rule):
        first, last = _trimmed(words, first, last)
        if first >= last:
            continue
        relation, reason = _judged(words, rule, words.lower[end - 1], first, last)
        if negated:
            reason = "negated"
        elif last - first > MAX_WORDS:
            reason = "too long"
        yield Proposal(relation, first, last, rule, reason)


def _settled(words: Words, rule: str, start: int) -> str:
    """The rule that a plain "for" stands for, given the words before it; empty where it is no cue at all."""
    if rule not in ("for", "made-for", "compatible-with"):
        return rule
    before = [i for i in range(max(0, start - 6), start) if words.sentence[i] == words.sentence[start]]
    if any(words.lower[i] in p.ACCESSORY_WORDS for i in before):
        return "accessory-of"
    if rule != "for" or not before:
        return rule
    last = words.lower[before[-1]]
    if last in p.NOT_A_CUE_AFTER:
        return ""
    return "belongs-to" if last in p.BELONGING_WORDS else rule


def _negated(words: Words, start: int) -> bool:
    """Whether one of the four words before a cue denies it ("not only" does not)."""
    for i in range(start - 1, max(-1, start - 5), -1):
        word = words.lower[i]
        if words.sentence[i] != words.sentence[start] or word in (",", ";", ":", "(", "but"):
            return False
        if word in p.NEGATIONS:
            return words.lower[i + 1] not in ("only", "just", "merely", "limited")
    return words.lower[start] in p.NEGATIONS


def _phrases(words: Words, at: int, rule: str) -> list[tuple[int, int]]:
    """The coordinated phrases from token ``at``: one, or more where commas, "and", "or" or a slash list them."""
    found: list[tuple[int, int]] = []
    joined = False
    at = _skip(words, at, colon=True)
    sentence = words.sentence[at - 1] if at else 0
    while at < len(words.lower) and words.sentence[at] == sentence:
        end = _phrase_end(words, at, sentence)
        if found and not _continues(words, at, end):
            break
        found.append((at, end))
        following = words.lower[end] if end < len(words.lower) and words.sentence[end] == sentence else ""
        if joined and not _is_model(words, end - 1):
            break
        comma = following == ","
        join = end + 1 if comma and end + 1 < len(words.lower) else end
        joined = following in _JOINS or (comma and words.lower[join] in _JOINS)
        if not (joined or comma or following == "/"):
            break
        at = _skip(words, join + 1 if joined else end + 1)
    return _listed(words, found, joined_at_all=_has_join(words, found))


def _has_join(words: Words, found: Sequence[tuple[int, int]]) -> bool:
    return any(
        words.lower[i] in _JOINS
        for (_, end), (start, _) in zip(found, found[1:], strict=False)
        for i in range(end, start)
    )


def _listed(words: Words, found: list[tuple[int, int]], *, joined_at_all: bool) -> list[tuple[int, int]]:
    """A list that no "and" or "or" closes goes on only while its members are names or known settings."""
    if not joined_at_all and len(found) > 1:
        kept = found[:1]
        for start, end in found[1:]:
            if not (_is_model(words, end - 1) or _known(words.lower[end - 1])):
                break
            kept.append((start, end))
        found = kept
    if len(found) == 2 and found[0][1] - found[0][0] == 1 and _modifies(words, found[0][0]):
        return [(found[0][0], found[1][1])]  # "small and large rooms": the first makes no sense alone
    return found


def _modifies(words: Words, at: int) -> bool:
    word = words.lower[at]
    return _ADJECTIVE.fullmatch(word) is not None and not _known(word)


def _known(word: str) -> bool:
    return word in p.PLACES or word in p.PEOPLE or word in p.ACTIVITIES or word in p.SEASONS


def _skip(words: Words, at: int, *, colon: bool = False) -> int:
    while at < len(words.lower) and (
        words.lower[at] in p.DETERMINERS
        or (colon and words.lower[at] in (":", "of", "those", "people", "in", "with", "only", "up"))
        and words.lower[at] not in ("in", "up")
    ):
        at += 1
    return at


def _phrase_end(words: Words, at: int, sentence: int) -> int:
    end = at
    while end < len(words.lower) and words.sentence[end] == sentence:
        word = words.lower[end]
        if word in _HARD_STOPS or word == "," or word in _JOINS or word == "/" or not word.strip():
            break
        gerund = end == at + 1 and words.lower[at].endswith("ing")
        if word in p.ENDS and not (gerund and word in p.PARTICLES):
            break
        end += 1
    return end


def _continues(words: Words, at: int, end: int) -> bool:
    """Whether these words are one more member of a list rather than the next clause."""
    if at >= end or words.lower[at] in p.CLAUSE_STARTS or words.lower[at] in p.EFFECT_GERUNDS:
        return False
    following = words.lower[end] if end < len(words.lower) else ""
    return following not in ("is", "are", "was", "has", "have", "can", "will", "features", "makes", "it", "you")


def _trimmed(words: Words, start: int, end: int) -> tuple[int, int]:
    while start < end and (words.lower[start] in p.DETERMINERS or words.lower[start] in p.LEADING):
        start += 1
    while end > start and (words.lower[end - 1] in p.TRAILING or not words.lower[end - 1][-1].isalnum()):
        if words.lower[end - 1][-1] in "+%\"”":
            break
        end -= 1
    if end - start > 1 and words.text[start].isdigit() and words.text[start + 1].isalpha():
        narrowed = words.text[start + 1][0].isupper() and not words.in_title[start]
        start += 1 if int(words.text[start]) < 10 and (narrowed or words.lower[end - 1] in p.CONSUMABLES) else 0
    return start, end


def _is_model(words: Words, at: int) -> bool:
    word = words.text[at]
    return _MODEL.fullmatch(word) is not None and _NOT_MODEL.fullmatch(word) is None


def _named(words: Words, start: int, end: int) -> bool:
    """Whether a phrase holds a model number or the name of a brand, line, app or standard."""
    return any(
        _is_model(words, i) or words.lower[i] in p.BRANDS or words.lower[i] in words.brand for i in range(start, end)
    )


def _capitalised(words: Words, start: int, end: int) -> bool:
    return any(words.text[i][:1].isupper() and not words.in_title[i] for i in range(start, end))


def _judged(words: Words, rule: str, cue: str, start: int, end: int) -> tuple[str, str]:
    """The relation of a phrase after a cue, and the reason why it is none."""
    if rule in ("compatible-with", "works-with", "fits", "takes"):
        return _fitting(words, rule, start, end)
    if rule in ("accessory-of", "belongs-to"):
        return _belonging(words, rule, start, end)
    if rule == "suits" or rule == "for-use":
        return _setting(words, rule, cue, start, end)
    return _purpose(words, rule, start, end)


def _fitting(words: Words, rule: str, start: int, end: int) -> tuple[str, str]:
    head = words.lower[end - 1]
    named = _named(words, start, end)
    relation = "COMPATIBLE_WITH"
    if rule == "takes":
        narrowed = named or (head in p.CONSUMABLES and _narrows(words, start, end))
        return relation, "" if narrowed and (head in p.CONSUMABLES or _is_model(words, end - 1)) else "unsure"
    if named:
        return relation, ""
    if head in p.SURFACES:
        return "USED_FOR", "" if rule == "works-with" and words.lower[start - 1] == "on" else "unsure"
    if head in p.VAGUE or _known(head):
        return relation, "names nothing"
    if head in p.DEVICES:
        return relation, "" if _narrows(words, start, end) else "names nothing"
    return relation, "" if _capitalised(words, start, end) else "unsure"


def _narrows(words: Words, start: int, end: int) -> bool:
    """Whether a kind of thing has a word before it that says which."""
    return end - start > 1 and words.lower[start] not in ("standard", "new", "old", "other", "own", "power", "size")


def _belonging(words: Words, rule: str, start: int, end: int) -> tuple[str, str]:
    head = words.lower[end - 1]
    relation = "ACCESSORY_OF" if rule == "accessory-of" else "COMPATIBLE_WITH"
    if _named(words, start, end) or (_capitalised(words, start, end) and not _known(head)):
        return relation, ""
    if head in p.DEVICES:
        return "ACCESSORY_OF", ""
    return _purpose(words, "for", start, end)


def _setting(words: Words, rule: str, cue: str, start: int, end: int) -> tuple[str, str]:
    head = words.lower[end - 1]
    if rule == "suits" or head in p.PLACES or head in p.PEOPLE or head in p.SEASONS:
        known = head in p.PLACES or head in p.PEOPLE or head in p.SEASONS or _PERSON.fullmatch(head) is not None
        return "SUITS", "" if known else "unsure"
    if _named(words, start, end) or (head in p.DEVICES and _narrows(words, start, end)):
        return "COMPATIBLE_WITH", ""
    if cue == "on" and head in p.SURFACES:
        return "USED_FOR", ""
    return "USED_FOR", "" if head in p.ACTIVITIES or _gerund(words, start) else "unsure"


def _purpose(words: Words, rule: str, start: int, end: int) -> tuple[str, str]:
    """After "for": sure of everything that is praised as fitting it, and of little after a plain "for"."""
    head = words.lower[end - 1]
    sure = rule == "made-for"
    if _gerund(words, start):
        return "USED_FOR", "praise" if words.lower[start] in p.EFFECT_GERUNDS else ""
    if head in p.PLACES or head in p.PEOPLE or head in p.SEASONS or (sure and _person(head)):
        return "SUITS", ""
    if head in p.VAGUE:
        return "USED_FOR", "names nothing"
    if head in p.ACTIVITIES:
        return "USED_FOR", ""
    named = _named(words, start, end)
    if named or (head in p.DEVICES and _narrows(words, start, end)):
        return "COMPATIBLE_WITH", "" if named or sure or words.in_title[start] else "unsure"
    if sure and _capitalised(words, start, end) and words.lower[start - 1] == "the":
        return "COMPATIBLE_WITH", ""
    if not sure:
        return "USED_FOR", "praise" if head in p.EFFECTS else "unsure"
    return "USED_FOR", "praise" if end - start == 1 and head in p.EFFECTS else ""


def _gerund(words: Words, start: int) -> bool:
    word = words.lower[start]
    return word.endswith("ing") and len(word) > 4 and word not in p.NOT_GERUNDS


def _person(head: str) -> bool:
    return _PERSON.fullmatch(head) is not None and head not in p.NOT_PEOPLE

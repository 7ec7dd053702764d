"""What an English cue names: the phrases after it, which of them are labels of what relation, and which are not.

cue in a sentence → ``proposals``: the coordinated phrases that follow, each cut to the words that name its tail and
judged by the kind of thing it names. Nothing is guessed: what no rule knows is set aside with a reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mining.extraction import negation
from mining.extraction import patterns as p
from mining.extraction.kinds import Words, all_capitals, is_gerund, judge, names_act
from mining.extraction.phrases import NAMING, is_number, phrases, trimmed

MAX_WORDS = 6
LONGEST_TITLE = 60  # words of it that are looked at

_FURTHER = frozenset({"in", "at", "on", "by", "for", "during", "around"})  # prepositions that name one more tail
_OWN = (("its",), ("their",))  # "known for its comfort"
_SUBJECTS = frozenset({"it", "that", "which", "this", "also", "and"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """A label over tokens ``[start, end)``, or with a ``reason`` something that looks like one and is set aside."""

    relation: str
    start: int
    end: int
    rule: str
    reason: str = ""


def proposals(words: Words, rule: str, start: int, end: int) -> Iterator[Proposal]:
    """What the cue of ``rule`` at tokens ``[start, end)`` says. Relations of things set aside are the likeliest.

    Where it names a purpose, the object of a further preposition is read too: "picnics in the orchard".
    """
    rule = _settled(words, rule, start)
    if not rule:
        return
    listed = phrases(words, end - 1 if rule == "acts" else end, rule, words.sentence[start])
    if rule == "for" and _stands_alone(words, start, listed):
        rule = "made-for"
    found = _agreeing(words, list(_judged(words, rule, words.lower[end - 1], listed)))
    if _negated(words, start):
        found = [replace(one, reason=negation.REASON) for one in found]
    yield from found
    if found and rule not in NAMING and not found[-1].reason:
        at = listed[-1][1]
        if words.holds(at, words.sentence[start]) and words.lower[at] in _FURTHER:
            further = "ideal-for" if words.lower[at] == "for" else "within"
            yield from proposals(words, further, at, at + 1)


def _judged(words: Words, rule: str, cue: str, listed: Sequence[tuple[int, int]]) -> Iterator[Proposal]:
    before = ""
    for whole_first, whole_last in listed:
        first, last = trimmed(words, whole_first, whole_last)
        if rule == "use-to" and last - first > 1 and words.lower[first].endswith("ly"):
            first += 1  # "to safely collect cigarette butts"
        if first >= last:
            continue
        if words.lower[max(0, whole_first - 2)] == "as":
            before = ""  # "for brightening a room or as a gift"
        relation, reason = judge(words, rule, cue, first, last)
        if before == "act" or (before == "name" and _names_another(words, first, last)):
            # "sealing cartons and envelopes", "for the Spark and Spark Pro": what the first is, the others are
            named = "ACCESSORY_OF" if rule == "accessory-of" else "COMPATIBLE_WITH"
            relation, reason = "USED_FOR" if before == "act" else named, ""
        if before == "praise" and not is_gerund(words, first):
            reason = reason or "praise"  # "for comfort and style"
        if _praised(words, whole_first, first, last):
            reason = "praise"
        if _too_long(words, first, last):
            reason = "too long"
        if not before or is_gerund(words, first):
            before = _character(words, rule, first, last, relation, reason)
        yield Proposal(relation, first, last, rule, reason)


def _too_long(words: Words, first: int, last: int) -> bool:
    """An act may have an object of some words, a device one that narrows it: "printers using 1.75 mm filament"."""
    more = 2 if is_gerund(words, first) or "using" in words.lower[first:last] else 0
    return sum(words.text[i][0].isalnum() for i in range(first, last)) > MAX_WORDS + more


def _agreeing(words: Words, found: list[Proposal]) -> list[Proposal]:
    """The members of a list; one whose head nothing is known of is what the others are."""
    if found and found[0].rule == "kind-for" and found[0].relation == "ACCESSORY_OF" and not found[0].reason:
        return [replace(one, relation="ACCESSORY_OF") if one.relation == "USED_FOR" else one for one in found]
    known = next((one.relation for one in found if not one.reason and one.rule in ("within", "for-use")), None)
    if known:
        return [replace(one, relation=known, reason="") if one.reason == "unsure" else one for one in found]
    if not any(one.relation == "SUITS" and words.lower[one.end - 1] in p.PEOPLE for one in found):
        return found
    return [
        replace(one, relation="SUITS")
        if one.relation == "USED_FOR" and not one.reason and not names_act(words, one.start, one.end)
        else one
        for one in found
    ]


def _character(words: Words, rule: str, first: int, last: int, relation: str, reason: str) -> str:
    """What the first phrase of a list says about the others."""
    if reason:
        return "praise" if relation == "USED_FOR" and reason in ("praise", "unsure") else "other"
    if rule in ("use-to", "acts") or (rule not in NAMING and is_gerund(words, first) and last - first > 1):
        return "act"
    return "name" if relation in ("COMPATIBLE_WITH", "ACCESSORY_OF") else "other"


def _names_another(words: Words, first: int, last: int) -> bool:
    """Whether a phrase after a name is a name too: capitals, or the number alone of "Officejet 6812, 6815"."""
    return is_number(words, first, last) or all_capitals(words, first, last)


def _settled(words: Words, rule: str, start: int) -> str:
    """The rule that a plain "for" stands for, given the words before it; empty where it is no cue at all."""
    if rule in ("acts", "use-on") and not _is_verb(words, start):
        return ""
    if rule == "use-on" and words.lower[start + 1] == "such":
        return rule if {"in", "on", "to"} & set(words.lower[max(0, start - 3) : start]) else ""
    if rule not in ("for", "made-for"):
        return rule
    before = [i for i in range(max(0, start - 6), start) if words.sentence[i] == words.sentence[start]]
    if any(words.lower[i] in p.ACCESSORY_WORDS for i in before):
        return "accessory-of"
    if rule != "for" or not before:
        return rule
    last = words.lower[before[-1]]
    if last in p.NOT_A_CUE_AFTER or words.lower[start + 1 : start + 2] in _OWN:
        return ""
    if last in p.GIVEN:
        return "kind-for"
    if last in p.BELONGING_WORDS:
        return "belongs-to"
    if _serves(words, before):
        return "ideal-for"
    return "kind-for" if _names_kind(words, start, last) else rule


def _serves(words: Words, before: Sequence[int]) -> bool:
    """Whether the words before "for" praise the product as serving: "a great device for", "the solution for"."""
    for at in reversed(before):
        word = words.lower[at]
        if word in p.PRAISE_WORDS or (at == before[-1] and word in p.SERVING_NOUNS):
            return True
        if word in p.ENDS or word in p.CLAUSE_STARTS or not word[0].isalpha() or words.lower[before[-1]] in p.EFFECTS:
            return False
    return False


def _names_kind(words: Words, start: int, last: str) -> bool:
    """Whether "for" follows what the product is: in its title, or after a word of it ("an adhesive for …")."""
    if words.in_title[start]:
        return True
    title = {word for word, inside in zip(words.lower[:LONGEST_TITLE], words.in_title, strict=False) if inside}
    return len(last) > 3 and not title.isdisjoint({last, last + "s", last.removesuffix("s")})


def _is_verb(words: Words, at: int) -> bool:
    """Whether a form that may be a verb has a subject before it, or begins its sentence."""
    if at == 0 or words.sentence[at - 1] != words.sentence[at]:
        return True
    before, word = words.lower[at - 1], words.lower[at]
    if word in ("for", "to", "use", "used") or words.lower[at + 1 : at + 2] == ("such",) or word in p.PURPOSE_WORDS:
        return True
    if words.in_title[at] or words.text[at][0].isupper() or not (before[0].isalpha() or before == ","):
        return False
    return before not in p.DETERMINERS | p.ENDS or before in _SUBJECTS


def _stands_alone(words: Words, start: int, listed: Sequence[tuple[int, int]]) -> bool:
    """Whether a sentence is nothing but "For tents and sleeping bags."."""
    if not listed or (start and words.sentence[start - 1] == words.sentence[start]):
        return False
    end = listed[-1][1]
    return (
        end >= len(words.lower) or words.sentence[end] != words.sentence[start] or words.lower[end] in (".", ";", "!")
    )


def _praised(words: Words, whole_first: int, first: int, last: int) -> bool:
    """ "For easy loading" says how well, not what for."""
    return whole_first < first and last - first == 1 and is_gerund(words, first) and words.lower[first - 1] in p.LEADING


def _negated(words: Words, start: int) -> bool:
    """Whether one of the four words before a cue denies it ("not only" does not)."""
    for i in range(start - 1, max(-1, start - 5), -1):
        word = words.lower[i]
        if words.sentence[i] != words.sentence[start] or word in (",", ";", ":", "(", "but"):
            return False
        if word in p.NEGATIONS:
            return words.lower[i + 1] not in ("only", "just", "merely", "limited")
    return False

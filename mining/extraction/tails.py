"""What an English cue names: the phrases after it, which of them are labels of what relation, and which are not.

cue in a sentence → ``proposals``: the coordinated phrases that follow, each cut to the words that name its tail and
judged by the kind of thing it names. Nothing is guessed: what no rule knows is set aside with a reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mining.extraction import patterns as p
from mining.extraction.kinds import (
    Words,
    all_capitals,
    capitalised,
    is_gerund,
    is_known,
    is_model,
    is_person,
    judge,
    modifies,
    names_act,
)
from mining.gazetteers import COLORS

MAX_WORDS = 6

_HARD_STOPS = frozenset('.!?;()[]{}|—–-…:"“”•*') | {"--", "...", ".."}
_NAMING = ("compatible-with", "works-with", "fits", "takes", "accessory-of", "belongs-to")
_JOINS = frozenset({"and", "or", "&", "and/or", "plus"})
_SKIPPED = ("those", "only", "even", "in", "for", "on", "around")  # what a list may repeat before a member
_UP_TO = (("up", "to"), ("prior", "to"), ("due", "to"))
_OWN = (("its",), ("their",))  # "known for its comfort"
_AS_WELL = ("as", "well", "as")
_AS_A = (("a",), ("an",), ("the",))
_ARTICLES = frozenset({"the", "a", "an", "your"})
_FURTHER = frozenset({"in", "at", "on", "by", "for", "during", "around"})  # prepositions that name one more tail
_LISTS = ("uses",)  # rules whose lists may be parted by semicolons
_CLAUSE = frozenset({"is", "are", "was", "has", "have", "can", "will", "features", "makes", "it", "you"})


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
    phrases = _phrases(words, end - 1 if rule == "acts" else end, rule, words.sentence[start])
    if rule == "for" and _stands_alone(words, start, phrases):
        rule = "made-for"
    found = _agreeing(words, _judged(words, rule, words.lower[end - 1], phrases, negated=_negated(words, start)))
    yield from found
    if found and rule not in _NAMING and not found[-1].reason:
        at = phrases[-1][1]
        if words.holds(at, words.sentence[start]) and words.lower[at] in _FURTHER:
            further = "ideal-for" if words.lower[at] == "for" else "within"
            yield from proposals(words, further, at, at + 1)


def _judged(
    words: Words, rule: str, cue: str, phrases: Sequence[tuple[int, int]], *, negated: bool
) -> Iterator[Proposal]:
    before = ""
    for whole_first, whole_last in phrases:
        first, last = _trimmed(words, whole_first, whole_last)
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
        if negated:
            reason = "negated"
        elif _too_long(words, first, last):
            reason = "too long"
        if not before or is_gerund(words, first):
            before = _character(words, rule, first, last, relation, reason)
        yield Proposal(relation, first, last, rule, reason)


def _too_long(words: Words, first: int, last: int) -> bool:
    """An act may have an object of some words, a device one that narrows it: "printers using 1.75 mm filament"."""
    more = 2 if is_gerund(words, first) or "using" in words.lower[first:last] else 0
    return sum(words.text[i][0].isalnum() for i in range(first, last)) > MAX_WORDS + more


def _agreeing(words: Words, listed: Iterator[Proposal]) -> list[Proposal]:
    """The members of a list; one whose head nothing is known of suits, as the others do, where they are people."""
    found = list(listed)
    if found and found[0].rule == "kind-for" and found[0].relation == "ACCESSORY_OF" and not found[0].reason:
        return [replace(one, relation="ACCESSORY_OF") if one.relation == "USED_FOR" else one for one in found]
    if any(one.relation == "USED_FOR" and not one.reason and one.rule in ("within", "for-use") for one in found):
        return [replace(one, reason="") if one.reason == "unsure" else one for one in found]
    if not any(one.relation == "SUITS" and is_person(words.lower[one.end - 1]) for one in found):
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
    if rule in ("use-to", "acts") or (rule not in _NAMING and is_gerund(words, first) and last - first > 1):
        return "act"
    return "name" if relation in ("COMPATIBLE_WITH", "ACCESSORY_OF") else "other"


def _names_another(words: Words, first: int, last: int) -> bool:
    """Whether a phrase after a name is a name too: capitals, or the number alone of "Officejet 6812, 6815"."""
    return _is_number(words, first, last) or all_capitals(words, first, last)


def _is_number(words: Words, first: int, last: int) -> bool:
    return last - first == 1 and words.text[first].isdigit() and len(words.text[first]) > 2


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
    title = {word for word, inside in zip(words.lower, words.in_title, strict=True) if inside}
    return len(last) > 3 and not title.isdisjoint({last, last + "s", last.removesuffix("s")})


def _is_verb(words: Words, at: int) -> bool:
    """Whether a form that may be a verb has a subject before it, or begins its sentence."""
    if at == 0 or words.sentence[at - 1] != words.sentence[at]:
        return True
    before = words.lower[at - 1]
    if words.lower[at] in ("for", "to", "use", "used") or words.lower[at + 1] == "such" or words.lower[at] in p.PURPOSE_WORDS:
        return True
    if words.in_title[at] or words.text[at][0].isupper() or not (before[0].isalpha() or before == ","):
        return False
    return before not in p.DETERMINERS | p.ENDS or before in ("it", "that", "which", "this", "also", "and")


def _stands_alone(words: Words, start: int, phrases: Sequence[tuple[int, int]]) -> bool:
    """Whether a sentence is nothing but "For tents and sleeping bags."."""
    if not phrases or (start and words.sentence[start - 1] == words.sentence[start]):
        return False
    end = phrases[-1][1]
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


def _phrases(words: Words, at: int, rule: str, sentence: int) -> list[tuple[int, int]]:
    """The coordinated phrases from token ``at``: one, or more where commas, "and", "or" or a slash list them."""
    found: list[tuple[int, int]] = []
    closed = joined = ranged = False
    cue = words.lower[at - 1] if at else ""
    at = _skip(words, at, cue=":")
    while words.holds(at, sentence):
        end = _phrase_end(words, at, sentence)
        if rule in _NAMING and words.holds(end + 1, sentence) and words.lower[end] == "using" and end > at:
            end = _phrase_end(words, end + 1, sentence)  # "3D printers using 1.75 mm filament"
        counted = (
            words.in_title[at] and words.text[at].isdigit() and end > at + 1 and rule not in _NAMING
        )  # "for pens, 12 sheets"
        if (found and (counted or not _continues(words, at, end))) or (closed and not is_model(words, end - 1)):
            break
        following = words.lower[end] if words.holds(end, sentence) else ""
        if following == ":" and rule in _NAMING and not found:  # "fits the following printers: A, B and C"
            if all_capitals(words, at, end):
                found.append((at, end))
            at, joined = end + 1, True
            continue
        found += _split_models(words, at, end)
        examples = _examples(words, end, sentence)
        if examples:  # "materials, including metals and plastics", "from pillows to curtains"
            ranged = words.lower[examples - 1] == "from"
            closed, joined = False, True
            at = _skip(words, examples, cue=cue)
            continue
        joins = _JOINS | {"to"} if ranged else _JOINS
        if following not in joins and following not in (",", "/") and not (following == ";" and rule in _LISTS):
            if words.lower[end : end + 3] != _AS_WELL:
                break
        after_comma = end + 1 if following in (",", ";") and words.holds(end + 1, sentence) else end
        if words.lower[after_comma : after_comma + 3] == _AS_WELL:
            closed, joined = False, True
            at = _skip(words, after_comma + 3, cue=cue)
            continue
        joining = words.lower[after_comma] in joins
        if joining and after_comma > end and len(found) == 1 and rule not in _LISTS and not joined:
            break  # "for home, and the lid closes": another clause
        closed, joined = joined and not joining and not ranged, joined or joining or rule in _LISTS
        closed = closed and rule not in _LISTS and not _open(words, found)
        if words.holds(after_comma + 1, sentence) and words.lower[after_comma + 1] in ("etc", "etc."):
            joined = True
            break
        at = _skip(words, after_comma + 1 if joining else end + 1, cue=cue)
    return _listed(words, found, closed=joined)


def _open(words: Words, found: Sequence[tuple[int, int]]) -> bool:
    """Whether a list has met no "and" between its members yet: only examples made it a list."""
    return all(words.lower[start - 1] not in _JOINS for start, _ in found[1:])


def _examples(words: Words, at: int, sentence: int) -> int:
    """Where examples begin after "such as", "including", "from", "ranging from" at token ``at``; 0 where none do."""
    if words.holds(at, sentence) and words.lower[at] == ",":
        at += 1
    for lead in (("such", "as"), ("including",), ("ranging", "from"), ("from",)):
        if words.lower[at : at + len(lead)] == lead and words.holds(at + len(lead), sentence):
            ranges = lead[-1] == "from"
            if not ranges or "to" in words.lower[at + len(lead) : at + len(lead) + 5]:
                return at + len(lead)
    return 0


def _split_models(words: Words, start: int, end: int) -> list[tuple[int, int]]:
    """ "Brother TN630 TN660" are two, whatever separator was lost between them."""
    cuts = [i + 1 for i in range(start, end - 1) if is_model(words, i) and is_model(words, i + 1)]
    return list(zip([start, *cuts], [*cuts, end], strict=True))


def _listed(words: Words, found: list[tuple[int, int]], *, closed: bool) -> list[tuple[int, int]]:
    """A list that no "and" or "or" closes goes on only while its members are names or known settings."""
    found = _merged(words, found)
    if closed or len(found) < 2:
        return found
    kept = found[:1]
    named, act = all_capitals(words, *found[0]), names_act(words, *found[0])
    for start, end in found[1:]:
        known = is_known(words.lower[end - 1]) and (not words.in_title[start] or end - start == 1)
        name = named and end - start < 4 and all_capitals(words, start, end)
        also = act and is_gerund(words, start) and not words.in_title[start]
        if not (is_model(words, end - 1) or known or name or also or _is_number(words, start, end)):
            break
        kept.append((start, end))
    return kept


def _merged(words: Words, found: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """ "small and large rooms" are one: the first makes no sense alone."""
    merged: list[tuple[int, int]] = []
    begun = -1
    for at, (start, end) in enumerate(found):
        if begun < 0:
            begun = start
        first, last = _trimmed(words, start, end)
        listed = words.lower[end] in (*_JOINS, ",", "/") if end < len(words.lower) else False
        if listed and at + 1 < len(found) and first < last and _needs_head(words, first, last, _trimmed(words, *found[at + 1])):
            continue
        merged.append((begun, end))
        begun = -1
    return merged


def _needs_head(words: Words, start: int, end: int, following: tuple[int, int]) -> bool:
    head, more = words.lower[end - 1], following[1] - following[0]
    if head in p.ATTRIBUTIVE and end - start == 1:
        return more > 1
    if end - start == 1 and more == 2 and not is_known(head) and not is_gerund(words, start):
        other = words.lower[following[1] - 1]
        if other in p.EFFECTS or (other.endswith("ing") and other not in p.NOT_GERUNDS):
            return not words.in_title[start]  # "document and inventory control"
    return modifies(head) and (more > 1 or (more == 1 and modifies(words.lower[following[0]])))


def _skip(words: Words, at: int, *, cue: str) -> int:
    """Past articles, and past the cue's own word where a list repeats it: "for dry skin and for oily skin"."""
    if words.lower[at : at + 2] == ("not", "only"):
        at += 2
    if at < len(words.lower) and words.lower[at] == "as" and words.lower[at + 1 : at + 2] in _AS_A:
        at += 1
    while at < len(words.lower) and (words.lower[at] in p.DETERMINERS or words.lower[at] in (cue, *_SKIPPED)):
        at += 1
    return at


def _phrase_end(words: Words, at: int, sentence: int) -> int:
    end = at
    while words.holds(end, sentence):
        word = words.lower[end]
        if word == "&" and at < end and _in_a_name(words, end):
            end += 1  # Moln & Aske
            continue
        if _is_inch(words, end, at) or (word == "!" and words.lower[end + 1 : end + 2] == (",",)):
            end += 1  # 2" tubes; "UP!, Lulzbot"
            continue
        if (
            word in _HARD_STOPS
            or word == ","
            or word in _JOINS
            or word == "/"
            or not word.isprintable()
            or not word.strip()
        ):
            break
        if words.lower[end : end + 2] in _UP_TO:
            break
        gerund = words.lower[at].endswith("ing")
        after_gerund = gerund and (end == at + 1 or (end == at + 2 and words.lower[end - 1] in p.PARTICLES))
        effect = end == at and word in p.EFFECT_GERUNDS  # to be set aside as praise
        if word in ("making", "keeping") and end == at + 1 and _ends_at(words, end + 1, sentence):
            return end + 1  # "record keeping"
        if word in _ARTICLES and end > at + 1 and words.lower[end - 1] not in p.DETERMINERS | p.PARTICLES:
            break  # "record your thoughts the moment they come"
        qualified = end > at and words.lower[end - 1] in p.DETERMINERS and word in p.PRAISE_WORDS  # "the perfect cup"
        if word in p.ENDS and not effect and not qualified and not (after_gerund and (word in p.PARTICLES or word in ("with", "on"))):
            break
        end += 1
    return end


def _ends_at(words: Words, at: int, sentence: int) -> bool:
    return not words.holds(at, sentence) or words.lower[at] in _HARD_STOPS | _JOINS | p.ENDS | {","}


def _is_inch(words: Words, at: int, start: int) -> bool:
    return words.text[at] in ('"', "”") and at > start and words.text[at - 1][-1].isdigit()


def _in_a_name(words: Words, at: int) -> bool:
    around = [i for i in (at - 1, at + 1) if i < len(words.text)]
    return all(capitalised(words, i, i + 1) and not is_model(words, i) for i in around)


def _counts(words: Words, at: int, end: int) -> bool:
    """Whether a title goes on with what is in the pack: "for pens, 12 sheets"."""
    return words.in_title[at] and words.text[at].isdigit() and end > at + 1


def _continues(words: Words, at: int, end: int) -> bool:
    """Whether these words are one more member of a list rather than the next clause."""
    if at < end and words.lower[at - 1] == "for":  # ", and for creating labels"
        return True
    if at >= end or words.lower[at] in p.CLAUSE_STARTS or words.lower[at] in p.EFFECT_GERUNDS:
        return False
    return end >= len(words.lower) or words.lower[end] not in _CLAUSE


def _trimmed(words: Words, start: int, end: int) -> tuple[int, int]:
    """Without articles and praise before, without "use", "needs" and signs behind, without a small count."""
    for i in range(start + 1, min(start + 4, end - 1)):
        if words.lower[i] == "of" and words.lower[i - 1] in p.AMOUNTS:
            start = i + 1
    while start < end and (words.lower[start] in p.DETERMINERS or words.lower[start] in p.LEADING):
        if start + 1 < end and words.lower[start + 1] in _JOINS:  # "contemporary or mid-century rooms"
            break
        start += 1
    while end > start and (words.lower[end - 1] in p.TRAILING or words.lower[end - 1][-1] in ".,-'’®™©"):
        end -= 1
    while end - start > 1 and (words.lower[end - 1] == "of" or (words.in_title[start] and words.lower[end - 1] in COLORS)):
        end -= 1
    if end - start > 1 and words.text[start].isdigit() and len(words.text[start]) == 1:
        counts = words.lower[end - 1] in p.CONSUMABLES or words.text[start + 1][0].isupper()
        start += counts and words.text[start + 1].isalpha()
    return start, end

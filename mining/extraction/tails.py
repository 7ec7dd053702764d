"""What an English cue names: the phrases after it, which of them are labels of what relation, and which are not.

cue in a sentence → ``proposals``: the coordinated phrases that follow, each cut to the words that name its tail and
judged by the kind of thing it names. Nothing is guessed: what no rule knows is set aside with a reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mining.extraction import patterns as p
from mining.extraction.kinds import Words, all_capitals, capitalised, is_gerund, is_known, is_model, judge, modifies

MAX_WORDS = 6

_HARD_STOPS = frozenset('.!?;()[]{}|—–…:"“”•*') | {"--", "...", ".."}
_NAMING = ("compatible-with", "works-with", "fits", "takes", "accessory-of", "belongs-to")
_JOINS = frozenset({"and", "or", "&", "and/or", "plus"})
_ARTICLES = frozenset({"the", "a", "an", "your"})
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
    """What the cue of ``rule`` at tokens ``[start, end)`` says. Relations of things set aside are the likeliest."""
    rule = _settled(words, rule, start)
    if not rule:
        return
    negated = _negated(words, start)
    phrases = _phrases(words, end - 1 if rule == "acts" else end, rule, words.sentence[start])
    if rule == "for" and _stands_alone(words, start, phrases):
        rule = "made-for"
    before = ""
    for whole_first, whole_last in phrases:
        first, last = _trimmed(words, whole_first, whole_last)
        if first >= last:
            continue
        relation, reason = judge(words, rule, words.lower[end - 1], first, last)
        if before == "act" or (before == "name" and _names_another(words, first, last)):
            # "sealing cartons and envelopes", "for the Spark and Spark Pro": what the first is, the others are
            named = "ACCESSORY_OF" if rule == "accessory-of" else "COMPATIBLE_WITH"
            relation, reason = "USED_FOR" if before == "act" else named, ""
        if before == "praise" and relation == "USED_FOR" and (rule == "for" or not is_gerund(words, first)):
            reason = reason or "praise"  # "for comfort and style"
        if _praised(words, whole_first, first, last):
            reason = "praise"
        if negated:
            reason = "negated"
        elif last - first > MAX_WORDS:
            reason = "too long"
        if not before:
            before = _character(words, rule, first, relation, reason)
        yield Proposal(relation, first, last, rule, reason)


def _character(words: Words, rule: str, first: int, relation: str, reason: str) -> str:
    """What the first phrase of a list says about the others."""
    if reason:
        return "praise" if relation == "USED_FOR" and reason in ("praise", "unsure") else "other"
    if rule in ("use-to", "acts") or (rule not in _NAMING and is_gerund(words, first)):
        return "act"
    return "name" if relation in ("COMPATIBLE_WITH", "ACCESSORY_OF") else "other"


def _names_another(words: Words, first: int, last: int) -> bool:
    """Whether a phrase after a name is a name too: capitals, or the number alone of "Officejet 6812, 6815"."""
    return _is_number(words, first, last) or all_capitals(words, first, last)


def _is_number(words: Words, first: int, last: int) -> bool:
    return last - first == 1 and words.text[first].isdigit() and len(words.text[first]) > 2


def _settled(words: Words, rule: str, start: int) -> str:
    """The rule that a plain "for" stands for, given the words before it; empty where it is no cue at all."""
    if rule not in ("for", "made-for"):
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
    closed = joined = False
    cue = words.lower[at - 1] if at else ""
    at = _skip(words, at, cue=":")
    while words.holds(at, sentence):
        end = _phrase_end(words, at, sentence)
        counted = (
            words.in_title[at] and words.text[at].isdigit() and end > at + 1 and rule not in _NAMING
        )  # "for pens, 12 sheets"
        if (found and (counted or not _continues(words, at, end))) or (closed and not is_model(words, end - 1)):
            break
        following = words.lower[end] if words.holds(end, sentence) else ""
        if following == ":" and rule in _NAMING and not found:  # "fits the following printers: A, B and C"
            at = end + 1
            continue
        found += _split_models(words, at, end)
        if following not in _JOINS and following not in (",", "/"):
            break
        after_comma = end + 1 if following == "," and words.holds(end + 1, sentence) else end
        joins = words.lower[after_comma] in _JOINS
        if joins and after_comma > end and len(found) == 1:  # "for home, and the lid closes": another clause
            break
        closed, joined = joined and not joins, joined or joins  # after "and X" only models go on
        at = _skip(words, after_comma + 1 if joins else end + 1, cue=cue)
    return _listed(words, found, closed=joined)


def _split_models(words: Words, start: int, end: int) -> list[tuple[int, int]]:
    """ "Brother TN630 TN660" are two, whatever separator was lost between them."""
    cuts = [i + 1 for i in range(start, end - 1) if is_model(words, i) and is_model(words, i + 1)]
    return list(zip([start, *cuts], [*cuts, end], strict=True))


def _listed(words: Words, found: list[tuple[int, int]], *, closed: bool) -> list[tuple[int, int]]:
    """A list that no "and" or "or" closes goes on only while its members are names or known settings."""
    if not closed and len(found) > 1:
        kept = found[:1]
        for start, end in found[1:]:
            known = is_known(words.lower[end - 1]) and (not words.in_title[start] or end - start == 1)
            if not (is_model(words, end - 1) or known or _is_number(words, start, end)):
                break
            kept.append((start, end))
        found = kept
    if len(found) == 2 and found[0][1] - found[0][0] == 1 and modifies(words.lower[found[0][0]]):
        return [(found[0][0], found[1][1])]  # "small and large rooms": the first makes no sense alone
    return found


def _skip(words: Words, at: int, *, cue: str) -> int:
    """Past articles, and past the cue's own word where a list repeats it: "for dry skin and for oily skin"."""
    if words.lower[at : at + 2] == ("not", "only"):
        at += 2
    while at < len(words.lower) and (words.lower[at] in p.DETERMINERS or words.lower[at] in (cue, "those", "only")):
        at += 1
    return at


def _phrase_end(words: Words, at: int, sentence: int) -> int:
    end = at
    while words.holds(end, sentence):
        word = words.lower[end]
        if word == "&" and at < end and _in_a_name(words, end):
            end += 1  # Moln & Aske
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
        after_gerund = end == at + 1 and words.lower[at].endswith("ing")
        effect = end == at and word in p.EFFECT_GERUNDS  # to be set aside as praise
        if word in _ARTICLES and end > at + 1 and words.lower[end - 1] not in p.DETERMINERS | p.PARTICLES:
            break  # "record your thoughts the moment they come"
        if word in p.ENDS and not effect and not (after_gerund and (word in p.PARTICLES or word in ("with", "on"))):
            break
        end += 1
    return end


def _in_a_name(words: Words, at: int) -> bool:
    around = [i for i in (at - 1, at + 1) if i < len(words.text)]
    return all(capitalised(words, i, i + 1) and not is_model(words, i) for i in around)


def _counts(words: Words, at: int, end: int) -> bool:
    """Whether a title goes on with what is in the pack: "for pens, 12 sheets"."""
    return words.in_title[at] and words.text[at].isdigit() and end > at + 1


def _continues(words: Words, at: int, end: int) -> bool:
    """Whether these words are one more member of a list rather than the next clause."""
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
    if end - start > 1 and words.text[start].isdigit() and len(words.text[start]) == 1:
        counts = words.lower[end - 1] in p.CONSUMABLES or words.text[start + 1][0].isupper()
        start += counts and words.text[start + 1].isalpha()
    return start, end

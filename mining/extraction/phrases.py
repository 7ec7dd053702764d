"""Which words after an English cue name something: the members of a list, each from its first word to its last.

cue → ``phrases``: members as token spans, read over commas, "and", "or", slashes and examples ("such as …") →
``trimmed``: a member without articles and praise before it and empty words behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mining.extraction import patterns as p
from mining.extraction.kinds import Words, all_capitals, capitalised, is_gerund, is_known, is_model, modifies, names_act
from mining.gazetteers import COLORS

NAMING = ("compatible-with", "works-with", "fits", "takes", "accessory-of", "belongs-to")
"""Rules whose tails are names or kinds of things, not purposes."""

HARD_STOPS = frozenset('.!?;()[]{}|—–-…:"“”•*') | {"--", "...", ".."}
JOINS = frozenset({"and", "or", "&", "and/or", "plus"})
_SKIPPED = ("those", "only", "even", "in", "for", "on", "around")  # what a list may repeat before a member
_BROKEN = (("up", "to"), ("prior", "to"), ("due", "to"))  # ends a phrase before its first word
_AS_WELL = ("as", "well", "as")
_AS_A = (("a",), ("an",), ("the",))
_EXAMPLES = (("such", "as"), ("including",), ("ranging", "from"), ("from",))
_ARTICLES = frozenset({"the", "a", "an", "your"})
_LISTS = ("uses",)  # rules that a list always follows; semicolons part it too
_CLAUSE = frozenset({"is", "are", "was", "has", "have", "can", "will", "features", "makes", "it", "you"})
_NO_MORE = -1


def phrases(words: Words, at: int, rule: str, sentence: int) -> list[tuple[int, int]]:
    """The coordinated phrases from token ``at``: one, or more where commas, "and", "or" or a slash list them."""
    reading = _Reading(words, rule, sentence, words.lower[at - 1] if at else "")
    at = _skip(words, at, cue=":")
    while at != _NO_MORE and words.holds(at, sentence):
        at = reading.member(at)
    return _listed(words, reading.found, closed=reading.joined)


@dataclass(slots=True)
class _Reading:
    """A list while it is read. ``joined``: an "and" or "or" has closed it, so that its members belong together;
    ``closed``: it has its last member, and only models may follow; ``ranged``: "to" joins ("from pillows to curtains").
    """

    words: Words
    rule: str
    sentence: int
    cue: str
    found: list[tuple[int, int]] = field(default_factory=list)
    joined: bool = False
    closed: bool = False
    ranged: bool = False

    def member(self, at: int) -> int:
        """Takes the member at token ``at`` and returns where the next one begins."""
        words, end = self.words, self._end(at)
        if self.found and (self._is_count(at, end) or not _continues(words, at, end)):
            return _NO_MORE
        if self.closed and not is_model(words, end - 1):
            return _NO_MORE
        following = words.lower[end] if words.holds(end, self.sentence) else ""
        if following == ":" and self.rule in NAMING and not self.found:  # "fits the following printers: A, B and C"
            self.found += [(at, end)] if all_capitals(words, at, end) else []
            self.joined = True
            return end + 1
        self.found += _split_models(words, at, end)
        examples = _examples(words, end, self.sentence)
        if examples:
            self.ranged = words.lower[examples - 1] == "from"
            return self._reopened(examples)
        return self._next(end, following)

    def _next(self, end: int, following: str) -> int:
        words = self.words
        comma = following == "," or (following == ";" and self.rule in _LISTS)
        after = end + 1 if comma and words.holds(end + 1, self.sentence) else end
        if words.lower[after : after + 3] == _AS_WELL:
            return self._reopened(after + 3)
        joins = JOINS | {"to"} if self.ranged else JOINS
        if not (comma or following == "/" or following in joins):
            return _NO_MORE
        joining = words.lower[after] in joins
        listing = self.rule in _LISTS
        if joining and after > end and len(self.found) == 1 and not (listing or self.joined):
            return _NO_MORE  # "for home, and the lid closes": another clause
        self.closed = self.joined and not (joining or self.ranged or listing) and self._has_join()
        self.joined = self.joined or joining or listing
        if words.lower[after + 1 : after + 2] in (("etc",), ("etc.",)):
            self.joined = True
            return _NO_MORE
        return _skip(words, after + 1 if joining else end + 1, cue=self.cue)

    def _reopened(self, at: int) -> int:
        """Examples and "as well as" go on with a list that had its last member."""
        self.closed, self.joined = False, True
        return _skip(self.words, at, cue=self.cue)

    def _has_join(self) -> bool:
        """Whether an "and" stands between members; where only examples made it a list, it has not closed yet."""
        return any(self.words.lower[start - 1] in JOINS for start, _ in self.found[1:])

    def _end(self, at: int) -> int:
        end = _phrase_end(self.words, at, self.sentence)
        narrowed = self.rule in NAMING and end > at and self.words.holds(end + 1, self.sentence)
        if narrowed and self.words.lower[end] == "using":  # "3D printers using 1.75 mm filament"
            return _phrase_end(self.words, end + 1, self.sentence)
        return end

    def _is_count(self, at: int, end: int) -> bool:
        """Whether a title goes on with what is in the pack: "for pens, 12 sheets"."""
        number = self.words.in_title[at] and self.words.text[at].isdigit()
        return number and end > at + 1 and self.rule not in NAMING


def _examples(words: Words, at: int, sentence: int) -> int:
    """Where examples begin after "such as", "including", "from", "ranging from" at token ``at``; 0 where none do."""
    if words.holds(at, sentence) and words.lower[at] == ",":
        at += 1
    for lead in _EXAMPLES:
        first = at + len(lead)
        if words.lower[at:first] == lead and words.holds(first, sentence):
            return first if lead[-1] != "from" or "to" in words.lower[first : first + 5] else 0
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
        if not (is_model(words, end - 1) or known or name or also or is_number(words, start, end)):
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
        listed = at + 1 < len(found) and words.lower[end] in (*JOINS, ",", "/")
        if listed and _needs_head(words, trimmed(words, start, end), trimmed(words, *found[at + 1])):
            continue
        merged.append((begun, end))
        begun = -1
    return merged


def _needs_head(words: Words, member: tuple[int, int], following: tuple[int, int]) -> bool:
    """Whether a member is an attribute of the next one's head: "single or multiple lines"."""
    start, end = member
    if start >= end:
        return False
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
    """Where the phrase that begins at token ``at`` ends."""
    end = at
    while words.holds(end, sentence):
        if _goes_on(words, at, end):
            end += 1
        elif words.lower[end] in ("making", "keeping") and end == at + 1 and _ends_at(words, end + 1, sentence):
            return end + 1  # "record keeping"
        else:
            break
    return end


def _goes_on(words: Words, at: int, end: int) -> bool:
    """Whether the word at token ``end`` belongs to the phrase that began at token ``at``."""
    word = words.lower[end]
    if word == "&" and at < end and _in_a_name(words, end):
        return True  # Moln & Aske
    if _is_inch(words, end, at) or (word == "!" and words.lower[end + 1 : end + 2] == (",",)):
        return True  # 2" tubes; "UP!, Lulzbot"
    if word in HARD_STOPS or word in (",", "/") or word in JOINS or not word.isprintable() or not word.strip():
        return False
    if words.lower[end : end + 2] in _BROKEN:
        return False
    before = words.lower[end - 1]
    if word in _ARTICLES and end > at + 1 and before not in p.DETERMINERS | p.PARTICLES:
        return False  # "record your thoughts the moment they come"
    if word not in p.ENDS or (end > at and before in p.DETERMINERS and word in p.PRAISE_WORDS):  # "the perfect cup"
        return True
    effect = end == at and word in p.EFFECT_GERUNDS  # to be set aside as praise
    gerund = words.lower[at].endswith("ing") and (end == at + 1 or (end == at + 2 and before in p.PARTICLES))
    return effect or (gerund and (word in p.PARTICLES or word in ("with", "on")))  # "curling up with a book"


def _ends_at(words: Words, at: int, sentence: int) -> bool:
    return not words.holds(at, sentence) or words.lower[at] in HARD_STOPS | JOINS | p.ENDS | {","}


def _is_inch(words: Words, at: int, start: int) -> bool:
    return words.text[at] in ('"', "”") and at > start and words.text[at - 1][-1].isdigit()


def _in_a_name(words: Words, at: int) -> bool:
    around = [i for i in (at - 1, at + 1) if i < len(words.text)]
    return all(capitalised(words, i, i + 1) and not is_model(words, i) for i in around)


def _continues(words: Words, at: int, end: int) -> bool:
    """Whether these words are one more member of a list rather than the next clause."""
    if at < end and words.lower[at - 1] == "for":  # ", and for creating labels"
        return True
    if at >= end or words.lower[at] in p.CLAUSE_STARTS or words.lower[at] in p.EFFECT_GERUNDS:
        return False
    return end >= len(words.lower) or words.lower[end] not in _CLAUSE


def trimmed(words: Words, start: int, end: int) -> tuple[int, int]:
    """Without articles and praise before, without "use", "needs" and signs behind, without a small count."""
    for i in range(start + 1, min(start + 4, end - 1)):
        if words.lower[i] == "of" and words.lower[i - 1] in p.AMOUNTS:
            start = i + 1
    while start < end and (words.lower[start] in p.DETERMINERS or words.lower[start] in p.LEADING):
        if start + 1 < end and words.lower[start + 1] in JOINS:  # "contemporary or mid-century rooms"
            break
        start += 1
    while end > start and (words.lower[end - 1] in p.TRAILING or words.lower[end - 1][-1] in ".,-'’®™©"):
        end -= 1
    while end - start > 1 and words.lower[end - 1] in (COLORS if words.in_title[start] else ("of",)):
        end -= 1
    if end - start > 1 and words.text[start].isdigit() and len(words.text[start]) == 1:
        counts = words.lower[end - 1] in p.CONSUMABLES or words.text[start + 1][0].isupper()
        start += counts and words.text[start + 1].isalpha()
    return start, end


def is_number(words: Words, first: int, last: int) -> bool:
    """Whether a phrase is the number alone of "Officejet 6812, 6815"."""
    return last - first == 1 and words.text[first].isdigit() and len(words.text[first]) > 2

"""What kind of thing an English phrase names, and so of which relation it can be the tail.

The word lists of ``mining.extraction.patterns`` know heads (the last word of a phrase) and first words; the shape of a
word knows model numbers, gerunds and people (``-ers``, ``-ists``).
"""

import re
from dataclasses import dataclass

from mining.extraction import patterns as p

_MODEL = re.compile(
    r"(?=.*\d)(?:[A-Za-z]+[-/.]?\d[\w\-/.+]*|\d+[-]?[A-Z][A-Za-z]*[\w\-]*|[A-Z][A-Za-z]*-[\w\-]*\d[\w\-]*)|[A-Z]{2,}-[A-Z]+"
)
_NOT_MODEL = re.compile(
    r"\d+-[A-Z][a-z]+|\d+(?:D|K|G|st|nd|rd|th|[Xx]\d.*|-?(?i:inch|in|pack|hole|ring|count|ct|pk|oz|ml|mm|cm|lb)s?)"
)
_WORDY = re.compile(r"[a-z]{4,}$|xE\d")  # "4-drawer", and letters that were lost: "dxE9cor"
_PERSON = re.compile(r"[a-z\-]{3,}(?:ers|ors|ists|ians|eers)")
_ADJECTIVE = re.compile(
    r"[a-z\-]+(?:al|ous|ive|ful|ic|ary|less|sized?)|small|large|dry|wet|hot|cold|left|right|thin|thick|hard|soft|rough|big|long|short|wide|bright|dark|modern|elegant|low|medium|high|single|white|black|light-colored"
)
_COUNTED = frozenset(["ages", "age", "grade", "grades", "size", "sizes", "level", "of", "step", "top", "type"])

Verdict = tuple[str, str]
"""A relation, and the reason why a phrase is no tail of it; empty where it is one."""


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

    def holds(self, at: int, sentence: int) -> bool:
        """Whether token ``at`` exists and lies in this sentence."""
        return at < len(self.lower) and self.sentence[at] == sentence


def judge(words: Words, rule: str, cue: str, start: int, end: int) -> Verdict:
    """The verdict on the phrase at tokens ``[start, end)`` after a cue whose last word is ``cue``."""
    if rule == "takes":
        return _taken(words, start, end)
    if rule in ("compatible-with", "works-with", "fits"):
        return _fitted(words, rule, start, end)
    if rule in ("accessory-of", "belongs-to"):
        return _owner(words, rule, start, end)
    if rule == "acts":
        return "USED_FOR", _doubt_of_act(words, start, end)
    if rule == "use-to":
        return "USED_FOR", _doubt_of_use(words, start, end)
    if rule == "use-on":
        return _surface(words, start, end)
    if rule in ("suits", "for-use", "within"):
        return _setting(words, rule, cue, start, end)
    if rule == "uses":
        relation, reason = _purpose(words, "ideal-for", start, end)
        return "USED_FOR" if relation == "COMPATIBLE_WITH" else relation, reason
    return _purpose(words, rule, start, end)


def _doubt_of_use(words: Words, start: int, end: int) -> str:
    """What a product is made to do is an act on something that is named, not an effect or a capacity."""
    track = words.lower[start : start + 2] == ("keep", "track")
    if (words.lower[start] in p.EFFECT_VERBS and not track) or not words.lower[start].isalpha():
        return "praise"
    object_ = [word for word in words.lower[start + 1 : end] if word not in p.DETERMINERS]
    if object_ and (not p.UNNAMED.isdisjoint(object_) or object_[-1] in p.VAGUE or object_[0][0].isdigit()):
        return "names nothing"
    if object_ and p.PARTICLES.issuperset(object_):
        return "unsure"
    return "" if object_ or words.lower[start - 2] in ("use", "used") else "unsure"


def _surface(words: Words, start: int, end: int) -> Verdict:
    """After "use on", "sticks to"."""
    head = words.lower[end - 1]
    if head in p.VAGUE or (end - start == 1 and (modifies(head) or head in p.BARE_PLACES)):
        return "USED_FOR", "names nothing"
    if (
        _is_named(words, start, end)
        or capitalised(words, start, end)
        or (head in p.DEVICES and _narrows(words, start, end))
    ):
        return "COMPATIBLE_WITH", ""
    return "SUITS" if head in p.PLACES - p.SURFACES - p.FURNITURE else "USED_FOR", "unsure" if end - start > 4 else ""


def _doubt_of_act(words: Words, start: int, end: int) -> str:
    """A verb alone, or one that acts on a number or on nothing in particular, is no purpose."""
    if end - start == 2 and words.lower[end - 1] in p.BARE_PLACES:
        return "names nothing"
    rest = [word for word in words.lower[start + 1 : end] if word not in p.DETERMINERS]
    if not rest or not rest[0][0].isalpha() or rest[-1] in p.VAGUE:
        return "names nothing"
    if (
        words.lower[start] in p.MAYBE_VERBS
        and len(rest) == end - start - 1
        and not (len(rest) < 3 and rest[-1][-1] == "s")
    ):
        return "unsure"  # "label holder", "file pockets fold"
    adverb = rest[0].endswith("ly") or rest[0] in p.PARTICLES or rest[0] in p.NOT_OBJECTS
    return "unsure" if adverb or end - start > 5 else ""


def is_model(words: Words, at: int) -> bool:
    word = words.text[at]
    return _MODEL.fullmatch(word) is not None and _NOT_MODEL.fullmatch(word) is None and not _WORDY.search(word)


def is_gerund(words: Words, at: int) -> bool:
    word = words.lower[at]
    return word.endswith("ing") and len(word) > 4 and word not in p.NOT_GERUNDS


def is_known(word: str) -> bool:
    """Whether a head is a setting or an activity that needs no other word."""
    return _is_audience(word) or word in p.ACTIVITIES


def modifies(word: str) -> bool:
    """Whether a word is an adjective that names nothing alone."""
    if word in p.NOT_ADJECTIVES:
        return False
    return word == "professional" or (_ADJECTIVE.fullmatch(word) is not None and not is_known(word))


def names_act(words: Words, start: int, end: int) -> bool:
    """Whether a phrase names something that one does."""
    head = words.lower[end - 1]
    return is_gerund(words, start) or head in p.ACTIVITIES | p.OCCASIONS or head.endswith("ing")


def is_person(head: str) -> bool:
    """Whether a head names people, by the list or by its shape."""
    return head in p.PEOPLE or looks_like_person(head)


def capitalised(words: Words, start: int, end: int) -> bool:
    return any(words.text[i][:1].isupper() and not words.in_title[i] for i in range(start, min(end, len(words.text))))


def all_capitals(words: Words, start: int, end: int) -> bool:
    """Whether every word is written as a name is; in a title that says nothing."""
    return not words.in_title[start] and all(
        words.text[i][:1].isupper() or words.text[i][:1].isdigit() for i in range(start, end)
    )


def _is_named(words: Words, start: int, end: int) -> bool:
    """Whether a phrase holds a model number or the name of a brand, line, app or standard."""
    return _is_sized(words, start, end) or any(
        is_model(words, i)
        or (words.lower[i] in p.BRANDS and (not words.text[i].islower() or words.text[min(i + 1, end - 1)].isdigit()))
        or words.lower[i] in words.brand
        or (
            i > start
            and words.text[i].isdigit()
            and words.text[i - 1][:1].isupper()
            and words.lower[i - 1] not in _COUNTED
        )
        for i in range(start, end)
    )


def _is_sized(words: Words, start: int, end: int) -> bool:
    """Whether a phrase is a thing of a certain size: "3/8 inch chuck"."""
    if not words.text[start][0].isdigit() or end - start < 3 or not words.text[end - 1].isalpha():
        return False
    unit = words.lower[start + 1]
    return (unit in p.SIZES or unit in ('"', "”")) and words.lower[end - 1] not in p.SIZES | p.TRAILING


def _narrows(words: Words, start: int, end: int) -> bool:
    """Whether a kind of thing has a word before it that says which."""
    return end - start > 1 and words.lower[start] not in ("new", "old", "other", "own", "power", "size", "existing")


def _is_audience(head: str) -> bool:
    return head in p.PLACES or head in p.PEOPLE or head in p.SEASONS


def looks_like_person(head: str) -> bool:
    """Whether a word has the shape of people's names for what they do: "painters", "violinists"."""
    return _PERSON.fullmatch(head) is not None and head not in p.NOT_PEOPLE


def _taken(words: Words, start: int, end: int) -> Verdict:
    """After "takes", "uses", "runs on": only what is put into things, and only which one."""
    head = words.lower[end - 1]
    if not words.text[start][0].isalnum():
        return "COMPATIBLE_WITH", "unsure"
    named = _is_named(words, start, end) or capitalised(words, start, end) or _narrows(words, start, end)
    return "COMPATIBLE_WITH", "" if named and (head in p.CONSUMABLES or is_model(words, end - 1)) else "unsure"


def _fitted(words: Words, rule: str, start: int, end: int) -> Verdict:
    if "using" in words.lower[start + 1 : end]:
        end = words.lower.index("using", start)  # "3D printers using 1.75 mm filament"
    head, cue = words.lower[end - 1], words.lower[start - 1]
    if _is_named(words, start, end):
        return "COMPATIBLE_WITH", ""
    if head in p.SURFACES or head in ("material", "materials"):
        return "USED_FOR", "" if rule == "works-with" and cue in ("on", "in") else "unsure"
    if rule == "works-with" and cue == "in" and head in p.PLACES:
        return "SUITS", ""
    if head in p.VAGUE or is_known(head):
        return "COMPATIBLE_WITH", "names nothing"
    if head in p.DEVICES:
        return "COMPATIBLE_WITH", "" if _narrows(words, start, end) else "names nothing"
    used_with = cue in ("with", "to") and words.lower[start - 2] in ("use", "used", "compatible")
    kind = used_with and end - start > 1 and not modifies(head) and head not in p.EFFECTS
    return "COMPATIBLE_WITH", "" if kind or capitalised(words, start, end) else "unsure"


def _owner(words: Words, rule: str, start: int, end: int) -> Verdict:
    """After "refill for", "case for": what the product is a part of, or works with where a certain one is named."""
    head = words.lower[end - 1]
    if head in p.VAGUE and end - start == 1:
        return "ACCESSORY_OF", "names nothing"
    if _is_named(words, start, end) or (capitalised(words, start, end) and not is_known(head)):
        return "ACCESSORY_OF" if rule == "accessory-of" else "COMPATIBLE_WITH", ""
    if head in p.DEVICES:
        return "ACCESSORY_OF", ""
    return _purpose(words, "for", start, end)


def _setting(words: Words, rule: str, cue: str, start: int, end: int) -> Verdict:
    """After "suits", "for use in", and a preposition that follows a purpose."""
    first, head = words.lower[start], words.lower[end - 1]
    act = is_gerund(words, start)
    if rule == "suits" or _is_audience(head):
        if act:
            return "USED_FOR", ""  # "whether you're trekking"
        return "SUITS", "" if _is_audience(head) or is_person(head) else "unsure"
    if rule == "within":
        named = head == "projects" and end - start > 1 and first not in p.GENERIC
        occasion = cue == "during" and head not in p.VAGUE and not modifies(head)
        known = act or head in p.ACTIVITIES or head.endswith("ing") or (cue == "on" and head in p.SURFACES)
        return "USED_FOR", "" if named or occasion or known else "unsure"
    if _is_named(words, start, end) or (head in p.DEVICES and _narrows(words, start, end)):
        return "COMPATIBLE_WITH", ""
    if head in p.VAGUE or not words.text[end - 1][0].isalpha():
        return "USED_FOR", "unsure"
    nothing = not p.NOT_FIELDS.isdisjoint((first, head)) or (end - start == 1 and modifies(head))
    return "USED_FOR", "names nothing" if nothing else ""


def _purpose(words: Words, rule: str, start: int, end: int) -> Verdict:
    """After "for": sure of nearly everything that is praised as fitting it, and of little after a plain "for"."""
    first, head = words.lower[start], words.lower[end - 1]
    sure = rule in ("made-for", "ideal-for")
    if head in p.DEVOTEES or (head in p.ANYBODY and end - start > 1) or _is_kind_of_body(words, start, end):
        return "SUITS", ""
    if is_gerund(words, start):
        mood = first == "creating" and any(word in p.MOOD for word in words.lower[start + 1 : start + 8])
        effect = head in p.EFFECTS and end - start == 2 and not sure
        return "USED_FOR", "praise" if mood or effect or first in p.EFFECT_GERUNDS else ""
    if head.endswith("ing") and end - start > 1 and head not in p.EFFECTS | p.NOT_GERUNDS and not words.in_title[start]:
        return "USED_FOR", ""  # "for easy note taking"
    if modifies(head) or _is_empty(words, start, end):
        return "USED_FOR", "names nothing"
    if _is_audience(head) or (sure and _are_people(words, start, end)):
        return "SUITS", ""
    stored = rule == "kind-for" and head in p.ACTS and end - start > 1  # "labels for food storage"
    if head in p.VAGUE - p.OCCASIONS and not stored and _is_vague(words, start, end, sure=sure):
        return "USED_FOR", "names nothing"
    return _thing(words, rule, start, end)


def _thing(words: Words, rule: str, start: int, end: int) -> Verdict:
    """After "for", what is neither an act nor people nor a place."""
    first, head = words.lower[start], words.lower[end - 1]
    sure, kind = rule in ("made-for", "ideal-for"), rule == "kind-for"
    occasion = head in p.ACTIVITIES or (head in p.OCCASIONS and first not in p.GENERIC)
    if occasion or (head in p.SURFACES and not sure) or (kind and head in p.ACTS and end - start > 1):
        return "USED_FOR", ""
    named = _is_named(words, start, end) or (rule == "made-for" and all_capitals(words, start, end))
    if named or (head in p.DEVICES and _narrows(words, start, end)):
        return "COMPATIBLE_WITH", "" if named or sure or words.in_title[start] else "unsure"
    if words.text[start].replace(".", "").isdigit() or first == "about":  # "good for 380 shots"
        return "USED_FOR", "names nothing"
    if kind:
        return _of_kind(words, start, end)
    if not sure:
        return "USED_FOR", "praise" if head in p.EFFECTS else "unsure"
    joint = not {"and", "or"}.isdisjoint(words.lower[start:end])  # "document and inventory control"
    return "USED_FOR", "praise" if head in p.EFFECTS - p.ACTS and not joint else ""


def _is_empty(words: Words, start: int, end: int) -> bool:
    """Whether a phrase is a pronoun, an adverb, or one word that names no particular thing or place."""
    head = words.lower[end - 1]
    if words.lower[start] in p.UNNAMED or words.lower[start] == "of":
        return True
    return end - start == 1 and (head in p.BARE_PLACES | (p.VAGUE - p.ACTS) or _is_adverb(head))


def _is_vague(words: Words, start: int, end: int, *, sure: bool) -> bool:
    """Whether nothing before a vague head says which: "other projects", but not "art projects"."""
    if end - start == 1:
        return not (sure and words.lower[start] in p.ACTS)
    return not sure or (end - start == 2 and words.lower[start] in p.GENERIC)


def _are_people(words: Words, start: int, end: int) -> bool:
    """ "For teachers", "for the weekend wanderer": one alone needs an article, since most words in -er are things."""
    head = words.lower[end - 1]
    if is_person(head):
        return True
    one = end - start > 1 and words.lower[start - 1] in p.DETERMINERS
    return one and head not in p.NOT_PEOPLE | p.DEVICES and looks_like_person(head + "s")


def _is_kind_of_body(words: Words, start: int, end: int) -> bool:
    """ "all skin types" """
    return end - start > 1 and words.lower[end - 1] in ("type", "types") and words.lower[end - 2] in p.PEOPLE


def _is_adverb(word: str) -> bool:
    return word.endswith("ly") and word not in ("family", "assembly", "supply", "jelly", "belly") and not is_known(word)


def _of_kind(words: Words, start: int, end: int) -> Verdict:
    """After what the product is: "adhesive for glass", "breadboard for Arduino Shield"."""
    head = words.lower[end - 1]
    if head in p.EFFECTS:
        return "USED_FOR", "praise"
    if end - start > 4:
        return "USED_FOR", "unsure"
    if head in p.DEVICES:
        return "ACCESSORY_OF", ""
    if capitalised(words, start, end) or (words.in_title[start] and end - start > 1 and head[-1] != "s"):
        return "COMPATIBLE_WITH", ""
    return "USED_FOR", ""

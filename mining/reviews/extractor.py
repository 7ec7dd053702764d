"""Reviews → ``PRAISED_FOR`` and ``CRITICISED_FOR``, by rules that would rather miss than err.

sentence (no wish, doubt or comparison in it) → words of the lexicon by spaCy's PhraseMatcher → an opinion counts where
it stands right before its aspect ("great sound"), right after a link ("the sound is very good", 音质很好) or names the
aspect itself ("overpriced") → negation turns praise into criticism; what it makes of criticism is left alone.

One review states an opinion; a fact takes two (``quorum``, counted by the pipeline).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kg import ids
from kg.types import Document, Entity, Evidence, Fact
from mining.language import Language, language_of, sentences
from mining.reviews import lexicon
from mining.types import Extraction

METHOD = "reviews"
PRAISED, CRITICISED = "PRAISED_FOR", "CRITICISED_FOR"
CONFIDENCE = 0.6  # of one review; not yet calibrated, and independent reviews add up


@dataclass(frozen=True, slots=True)
class _Match:
    """A word of the lexicon as a half-open token span of a sentence."""

    kind: str  # aspect, praise, criticism
    aspect: str | None
    start: int
    end: int


class ReviewExtractor:
    """Implements mining.types.Extractor for review documents; others come back empty. Needs the extra ``nlp``."""

    method = METHOD
    quorum: Mapping[str, int] = {PRAISED: 2, CRITICISED: 2}

    def __init__(self, *, unless: Collection[Language] = ()) -> None:
        """``unless``: the languages whose sentences are left to another reader."""
        self._unless = frozenset(unless)
        # The number rises when the rules or the lexicon change what is found.
        self.version = " unless ".join(["1", *([",".join(sorted(unless))] if unless else [])])
        self._english = _Language("en")
        self._chinese = _Language("zh")

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        for document in documents:
            yield self._read(document) if document.kind == "review" else Extraction(document.id)

    def _read(self, document: Document) -> Extraction:
        facts: dict[tuple[str, str], Fact] = {}
        for start, end in sentences(document.text):
            sentence = document.text[start:end]
            spoken = language_of(sentence)
            if spoken in self._unless:
                continue
            language = self._english if spoken == "en" else self._chinese
            for relation, aspect, first, last in language.opinions(sentence):
                place = (relation, aspect)
                if place not in facts:
                    facts[place] = _fact(document, relation, aspect, start + first, start + last)
        entities = tuple(_entity(aspect) for aspect in sorted({aspect for _, aspect in facts}))
        return Extraction(document.id, entities, tuple(facts[place] for place in sorted(facts)))


class _Language:
    """One tokenizer with the lexicon's words in its PhraseMatcher. Chinese is read by characters."""

    def __init__(self, code: str) -> None:
        from mining.extraction.spacy_alone import PhraseMatcher, spacy

        self._chinese = code == "zh"
        self._nlp: Any = spacy.blank(code)
        self._matcher: Any = PhraseMatcher(self._nlp.vocab, attr="LOWER")
        self._meaning: dict[str, tuple[str, str | None]] = {}
        for aspect, surfaces in lexicon.ASPECTS.items():
            self._learn("aspect", aspect, surfaces)
        self._learn("praise", None, lexicon.PRAISE)
        self._learn("criticism", None, lexicon.CRITICISM)
        for word, aspect in lexicon.IMPLIED_PRAISE.items():
            self._learn("praise", aspect, (word,))
        for word, aspect in lexicon.IMPLIED_CRITICISM.items():
            self._learn("criticism", aspect, (word,))
        self._hedges: Any = PhraseMatcher(self._nlp.vocab, attr="LOWER")
        self._hedges.add("hedge", [self._nlp.make_doc(word) for word in sorted(lexicon.HEDGES)])

    def _learn(self, kind: str, aspect: str | None, words: Iterable[str]) -> None:
        label = f"{kind}:{aspect or ''}"
        self._meaning[label] = (kind, aspect)
        self._matcher.add(label, [self._nlp.make_doc(word) for word in sorted(words)])

    def opinions(self, sentence: str) -> Iterator[tuple[str, str, int, int]]:
        """(relation, aspect, start, end), the span from the first to the last word that says it."""
        doc = self._nlp.make_doc(sentence)
        if "?" in sentence or "？" in sentence or self._hedges(doc):
            return
        matches = self._matches(doc)
        words = [token.lower_ for token in doc]
        for index, match in enumerate(matches):
            if match.kind == "aspect" or self._is_part(doc, match):
                continue
            stated = self._stated(words, matches, index)
            if stated is None:
                continue
            aspect, first, last, negated = stated
            if negated and match.kind == "criticism":
                continue
            relation = PRAISED if match.kind == "praise" and not negated else CRITICISED
            end = doc[last - 1].idx + len(doc[last - 1])
            yield relation, aspect, doc[first].idx, end

    def _matches(self, doc: Any) -> list[_Match]:
        """The longest words of the lexicon, without overlap; with an aspect of its own before without."""
        found = [(*self._meaning[doc.vocab.strings[label]], start, end) for label, start, end in self._matcher(doc)]
        found.sort(key=lambda m: (m[2] - m[3], m[1] is None, m[0], m[2]))
        kept: list[_Match] = []
        taken: set[int] = set()
        for kind, aspect, start, end in found:
            if not taken.intersection(range(start, end)):
                taken.update(range(start, end))
                kept.append(_Match(kind, aspect, start, end))
        return sorted(kept, key=lambda m: m.start)

    def _is_part(self, doc: Any, match: _Match) -> bool:
        """A single Chinese character inside another word."""
        if not self._chinese or match.end - match.start > 1 or not "\u4e00" <= doc[match.start].text <= "\u9fff":
            return False
        return match.end < len(doc) and doc[match.end].text not in lexicon.END_OF_CLAUSE

    def _stated(self, words: Sequence[str], matches: Sequence[_Match], index: int) -> tuple[str, int, int, bool] | None:
        """(aspect, first token, last token + 1, negated) of the opinion, or None where it is tied to no aspect."""
        opinion = matches[index]
        start, negated, linked = self._back(words, opinion.start)
        if opinion.aspect is not None and opinion.kind != "aspect":
            return None if _negated_before(words, start) else (opinion.aspect, opinion.start, opinion.end, negated)
        before = matches[index - 1] if index else None
        if before is not None and before.kind == "aspect" and before.end == start and (linked or self._chinese):
            return (
                None
                if _negated_before(words, before.start)
                else (before.aspect or "", before.start, opinion.end, negated)
            )
        after = matches[index + 1] if index + 1 < len(matches) else None
        gap = 1 if self._chinese and opinion.end < len(words) and words[opinion.end] == "的" else 0
        if after is None or after.kind != "aspect" or after.start != opinion.end + gap or (self._chinese and not gap):
            return None
        if negated or _negated_before(words, start):
            return None  # "no good price" and "not only great sound" look alike
        return after.aspect or "", opinion.start, after.end, False

    def _back(self, words: Sequence[str], start: int) -> tuple[int, bool, bool]:
        """(where the words between aspect and opinion begin, whether they negate, whether there is a link)."""
        negated = linked = False
        while start:
            width = next((w for w in (3, 2, 1) if self._between(words[max(0, start - w) : start], w)), 0)
            if not width:
                break
            word = ("" if self._chinese else " ").join(words[start - width : start])
            negated |= word in lexicon.NEGATIONS
            linked |= word in lexicon.LINKS
            start -= width
        return start, negated, linked

    def _between(self, words: Sequence[str], width: int) -> bool:
        word = ("" if self._chinese else " ").join(words)
        return len(words) == width and (word in lexicon.BETWEEN or word in lexicon.LINKS or word in lexicon.NEGATIONS)


def _negated_before(words: Sequence[str], start: int) -> bool:
    return any(word in lexicon.NEGATIONS for word in words[max(0, start - 3) : start])


def _entity(aspect: str) -> Entity:
    aliases = tuple(sorted(set(lexicon.ASPECTS[aspect]) - {aspect}))
    return Entity(ids.named("Aspect", aspect), "Aspect", aspect, aliases, "en")


def _fact(document: Document, relation: str, aspect: str, start: int, end: int) -> Fact:
    evidence = Evidence(
        document.id,
        METHOD,
        CONFIDENCE,
        at=document.at,
        field=document.field_at(start),
        quote=document.text[start:end],
        start=start,
        end=end,
    )
    return Fact(document.about, relation, ids.named("Aspect", aspect), (evidence,))

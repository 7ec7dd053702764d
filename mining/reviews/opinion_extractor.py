"""Reviews → ``PRAISED_FOR`` and ``CRITICISED_FOR``, read by a trained model in the languages it was trained on.

sentences → passages as long as the training texts → ``OpinionModel`` → an aspect's name: the lexicon's where it knows
the words, else the words themselves; of what is only implied, the lexicon's for the opinion or for its category. What
names the product itself ("it", 东西) is no aspect; a neutral opinion is neither praise nor criticism.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from kg import ids
from kg.types import Document, Entity, Evidence, Fact
from mining.extraction.examples import words_of
from mining.language import Language, language_of, sentences
from mining.reviews import lexicon
from mining.reviews.extractor import CRITICISED, PRAISED
from mining.reviews.triplets import Opinion, Place
from mining.types import Extraction, SetAside

METHOD = "reviews-model"
LONGEST = 5  # words of an aspect's name
_RELATIONS = MappingProxyType({"POS": PRAISED, "NEG": CRITICISED, "正面": PRAISED, "负面": CRITICISED})
# Of the categories of Chinese review sets, those that name an aspect.
_CATEGORIES = MappingProxyType(
    {
        "价格": "price",
        "物流": "delivery",
        "气味": "scent",
        "包装": "packaging",
        "服务": "service",
        "尺寸": "size",
        "功效": "effect",
    }
)
_SURFACES = MappingProxyType({surface: name for name, surfaces in lexicon.ASPECTS.items() for surface in surfaces})
_IMPLIED = MappingProxyType({**lexicon.IMPLIED_PRAISE, **lexicon.IMPLIED_CRITICISM})


class ReadsOpinions(Protocol):
    """A trained model. ``languages``: those of its training texts; ``usual``: words of a long one of them;
    ``version``: another for other weights."""

    languages: tuple[Language, ...]
    usual: int

    @property
    def version(self) -> str: ...

    def read(self, texts: Sequence[str]) -> list[list[Opinion]]: ...


class OpinionExtractor:
    """Implements mining.types.Extractor for review documents; others come back empty."""

    method = METHOD
    quorum: Mapping[str, int] = MappingProxyType({PRAISED: 2, CRITICISED: 2})

    def __init__(self, model: ReadsOpinions) -> None:
        self._model = model
        self.version = f"1 {model.version}"

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        for document in documents:
            yield self._read(document) if document.kind == "review" else Extraction(document.id)

    def _read(self, document: Document) -> Extraction:
        facts: dict[tuple[str, str], Fact] = {}
        named: dict[str, Entity] = {}
        aside: list[SetAside] = []
        for start, end in passages(document.text, self._model.languages, self._model.usual):
            # One by one: beside others a text is padded, and its confidence differs in the last digits.
            (opinions,) = self._model.read([document.text[start:end]])
            for one in opinions:
                first, last = _extent(one, start)
                relation, aspect = _RELATIONS.get(one.polarity), aspect_of(one, document.text[start:end])
                if relation and aspect:
                    entity = _entity(aspect)
                    named[entity.id] = entity
                    fact = _fact(document, relation, entity.id, first, last, one.confidence)
                    facts.setdefault((relation, entity.id), fact)
                else:
                    reason = "no known aspect" if relation else "neutral"
                    quote = document.text[first:last][:200]
                    aside.append(SetAside(document.id, METHOD, relation or PRAISED, quote, reason))
        kept = tuple(facts[place] for place in sorted(facts))
        entities = tuple(named[name] for name in sorted({fact.tail for fact in kept}))
        return Extraction(document.id, entities, kept, tuple(aside))


def passages(text: str, languages: Sequence[Language], usual: int) -> Iterator[Place]:
    """Neighbouring sentences of these languages, together as long as they have at most ``usual`` words."""
    start = end = -1
    for first, last in sentences(text):
        fits = language_of(text[first:last]) in languages
        together = start >= 0 and fits and _size(text[start:last]) <= usual
        if start >= 0 and not together:
            yield start, end
            start = -1
        if fits:
            start, end = (start if together else first), last
    if start >= 0:
        yield start, end


def _size(text: str) -> int:
    return len(words_of(text))


def aspect_of(one: Opinion, text: str) -> str | None:
    """The name of what is spoken of, or None where it is the product itself or not known."""
    if one.aspect is None:
        said = text[slice(*one.opinion)].lower() if one.opinion else ""
        return _IMPLIED.get(said) or _CATEGORIES.get(one.category)
    words = " ".join(text[slice(*one.aspect)].lower().split())
    for lead in ("the ", "this ", "its ", "my ", "a "):
        words = words.removeprefix(lead)
    if words in lexicon.PRODUCT or not any(char.isalpha() for char in words) or _size(words) > LONGEST:
        return None
    return _SURFACES.get(words, words)


def _entity(aspect: str) -> Entity:
    aliases = tuple(sorted(set(lexicon.ASPECTS.get(aspect, ())) - {aspect}))
    language = "zh" if language_of(aspect) == "zh" else "en"
    return Entity(ids.named("Aspect", aspect), "Aspect", aspect, aliases, language)


def _extent(one: Opinion, start: int) -> Place:
    """From the first to the last word that says it."""
    places = [place for place in (one.aspect, one.opinion) if place is not None]
    return start + min(first for first, _ in places), start + max(last for _, last in places)


def _fact(document: Document, relation: str, tail: str, start: int, end: int, confidence: float) -> Fact:
    evidence = Evidence(
        document.id,
        METHOD,
        round(min(0.99, max(0.01, confidence)), 3),
        at=document.at,
        field=document.field_at(start),
        quote=document.text[start:end],
        start=start,
        end=end,
    )
    return Fact(document.about, relation, tail, (evidence,))

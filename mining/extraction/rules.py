"""Facts by rules: spaCy components that find measures, listed words and stated relations, and what makes facts of them.

document → ``shop_sentences`` → ``shop_gazetteer`` → ``shop_measures`` → ``shop_relations`` → ``Extraction``.
No trained model is needed. Each component is a registered spaCy factory with one result in ``doc.spans``, so that other
pipelines can take it: ``nlp.add_pipe("shop_gazetteer")`` after importing this module.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kg import ids
from kg.errors import SchemaError
from kg.schema import SHOP, Schema
from kg.types import Document, Entity, Evidence, Fact
from mining.catalog import category_of
from mining.extraction import chinese, hidden, negation, patterns, tails
from mining.extraction.attributes import Listed, Stated, stated_values
from mining.extraction.kinds import Words
from mining.extraction.schema_values import by_schema, schema_values
from mining.extraction.spacy_alone import (
    IDX,
    LENGTH,
    SENT_START,
    Doc,
    Language,
    Matcher,
    PhraseMatcher,
    Span,
    Tokenizer,
    compile_infix_regex,
    compile_prefix_regex,
    compile_suffix_regex,
    filter_spans,
    spacy,
)
from mining.gazetteers import AUDIENCES, COLORS, MATERIALS
from mining.language import chinese_share, sentences
from mining.normal_values import value_entity
from mining.normalization import Found, find_quantities
from mining.types import Extraction, SetAside

METHOD = "rules"
MAX_TEXT = 50_000  # code points of one document that are read; what lies beyond is set aside, and counted
LONG_LIST = 10  # words of a token pattern
TEXT_FIELDS = ("title", "description", "text")  # the other fields are the catalogue's own, and it has read them

# How often each rule is right, estimated by eye on a few hundred labels. To be calibrated on labelled data; until then
# only their order means something.
CONFIDENCE = {
    "accessory-of": 0.85,
    "belongs-to": 0.75,
    "compatible-with": 0.9,
    "works-with": 0.8,
    "fits": 0.8,
    "takes": 0.75,
    "ideal-for": 0.8,
    "made-for": 0.8,
    "for-use": 0.75,
    "acts": 0.6,
    "use-to": 0.7,
    "suits": 0.75,
    "for": 0.65,
    "kind-for": 0.65,
    "uses": 0.75,
    "use-on": 0.7,
    "within": 0.7,
    "zh-compatible": 0.85,
    "zh-applies": 0.85,
    "zh-suits": 0.8,
    "zh-used": 0.75,
    "zh-made": 0.7,
    "zh-part": 0.75,
    "zh-acts": 0.7,
    "zh-after": 0.65,
    "color": 0.85,
    "material": 0.8,
    "measure": 0.85,
    "pack": 0.9,
    "keyed": 0.9,
    "listed": 0.8,
    "model-bracketed": 0.85,
    "model": 0.7,
}
_TAIL_TYPES = {"COMPATIBLE_WITH": "Thing", "ACCESSORY_OF": "Thing", "USED_FOR": "Use", "SUITS": "Audience"}

_MEASURES = "shopgraph.measures"  # keys of doc.user_data
_TEXT = "shopgraph.text"
ASIDE = "shopgraph.set_aside"
SURENESS = "shopgraph.sureness"  # of a relation at code points, where another than its rule knows it
_TITLE_END = "shopgraph.title_end"
_BRAND = "shopgraph.brand"

_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, left by a broken decoder

_INFIXES = (
    r"[\u2e80-\u2fdf\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]",  # Chinese, one by one
    r"\.\.+|…|[—–•®™©|]|--",
    r"(?<=[a-z\)])\.(?=[A-Z])",
    r"(?<=[^\d\W]),(?=\w)|(?<=\d),(?=[^\d])|(?<=\w)[;:!?()\[\]\"“”](?=\w)",
    r"(?<=[A-Za-z0-9])/(?=[A-Za-z])",
)


def pipeline() -> Language:
    """A spaCy pipeline of the components of this module, with a tokenizer that reads English and Chinese together."""
    nlp = spacy.blank("en")
    nlp.tokenizer = _tokenizer(nlp)
    nlp.max_length = MAX_TEXT + 1
    for name in ("shop_sentences", "shop_gazetteer", "shop_measures", "shop_relations"):
        nlp.add_pipe(name)
    return nlp


def _tokenizer(nlp: Language) -> Tokenizer:
    """English rules, but hyphens hold words together and each Chinese character is a token."""
    affixes = [a for a in nlp.Defaults.prefixes if a != "#"]
    return Tokenizer(
        nlp.vocab,
        rules=nlp.Defaults.tokenizer_exceptions,
        prefix_search=compile_prefix_regex([*affixes, _INFIXES[0]]).search,
        suffix_search=compile_suffix_regex([*nlp.Defaults.suffixes, _INFIXES[0], "[®™©]"]).search,
        infix_finditer=compile_infix_regex(_INFIXES).finditer,
    )


class SentenceStarts:
    """Marks sentences of English and Chinese; a line feed ends one."""

    def __call__(self, doc: Doc) -> Doc:
        starts = np.fromiter((start for start, _ in sentences(text_of(doc))), dtype=np.uint64)
        begins = np.isin(doc.to_array(IDX), starts)
        begins[:1] = True
        # One call: setting the attribute token by token looks at the whole document each time.
        return doc.from_array([SENT_START], np.where(begins, 1, -1).astype(np.uint64)[:, None])


class Gazetteer:
    """Finds colours, materials and audiences: ``doc.spans["shop_gazetteer"]``, labels color, material, audience."""

    def __init__(self, nlp: Language) -> None:
        self._matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
        for label, table in (("color", COLORS), ("material", MATERIALS), ("audience", AUDIENCES)):
            # A single Chinese character is part of too many words: 铁 of 地铁.
            surfaces = [s for s in table if len(s) > 1]
            self._matcher.add(label, [nlp.make_doc(surface) for surface in surfaces])

    def __call__(self, doc: Doc) -> Doc:
        by_label: dict[str, list[Span]] = {}
        for span in self._matcher(doc, as_spans=True):
            by_label.setdefault(span.label_, []).append(span)
        found = [span for label in sorted(by_label) for span in filter_spans(by_label[label])]
        doc.spans["shop_gazetteer"] = sorted(found, key=lambda span: (span.start, span.end, span.label_))
        return doc


class Measures:
    """Finds numbers with units: ``doc.spans["shop_measures"]``, labelled by dimension."""

    def __call__(self, doc: Doc) -> Doc:
        found = list(find_quantities(text_of(doc)))
        doc.user_data[_MEASURES] = found
        spans = (doc.char_span(f.start, f.end, label=f.dimension, alignment_mode="expand") for f in found)
        doc.spans["shop_measures"] = [span for span in spans if span is not None]
        return doc


class Relations:
    """Finds stated relations: ``doc.spans["shop_relations"]``, tails labelled by relation, the rule in ``span_id``."""

    def __init__(self, nlp: Language) -> None:
        self._english = Matcher(nlp.vocab, validate=False)  # flags have no name that validation knows
        flags: dict[tuple[str, ...], int] = {}
        for rule, alternatives in patterns.CUES.items():
            self._english.add(rule, [[_flagged(nlp, flags, token) for token in pattern] for pattern in alternatives])
        self._chinese = PhraseMatcher(nlp.vocab)
        for rule, phrases in chinese.CUES.items():
            self._chinese.add(rule, [nlp.make_doc(phrase) for phrase in phrases])

    def __call__(self, doc: Doc) -> Doc:
        text = text_of(doc)
        found = list(self._read_english(doc))
        if chinese_share(text) > 0:
            found += self._read_chinese(doc)
        found = [(span, reason or _refusal(text, span)) for span, reason in found]
        found.sort(key=lambda span_and_reason: (span_and_reason[0].start_char, span_and_reason[0].end_char))
        doc.spans["shop_relations"] = [span for span, reason in found if not reason]
        doc.user_data[ASIDE] = [(s.label_, s.start_char, s.end_char, reason) for s, reason in found if reason]
        return doc

    def _read_english(self, doc: Doc) -> Iterator[tuple[Span, str]]:
        cues = filter_spans(self._english(doc, as_spans=True))
        if not cues:
            return
        words = words_of(doc)
        read = 0
        for cue in cues:
            if cue.start < read:  # "for dry skin and for oily skin" was read as one list
                continue
            for p in tails.proposals(words, cue.label_, cue.start, cue.end):
                read = p.end
                yield Span(doc, p.start, p.end, label=p.relation, span_id=p.rule), p.reason

    def _read_chinese(self, doc: Doc) -> Iterator[tuple[Span, str]]:
        for cue in filter_spans(self._chinese(doc, as_spans=True)):
            for p in chinese.proposals(text_of(doc), cue.label_, cue.start_char, cue.end_char):
                span = doc.char_span(p.start, p.end, label=p.relation, span_id=p.rule, alignment_mode="expand")
                if span is not None:
                    yield span, p.reason
        for p in chinese.said_before(text_of(doc)):
            span = doc.char_span(p.start, p.end, label=p.relation, span_id=p.rule, alignment_mode="expand")
            if span is not None:
                yield span, p.reason


def _refusal(text: str, span: Span) -> str:
    """The reason why what a rule reads is no tail, whatever its cue; empty where it may be one."""
    if hidden.hides(text[span.start_char : span.end_char]):
        return hidden.REASON
    return negation.REASON if negation.negated(text, span.start_char, span.end_char) else ""


def _flagged(nlp: Language, flags: dict[tuple[str, ...], int], token: dict[str, Any]) -> dict[Any, Any]:
    """The token pattern with its word list as a flag of the vocabulary: looked up once a word, not once a match.

    A vocabulary has room for few flags, so short lists stay as they are.
    """
    listed = token.get("LOWER")
    if not isinstance(listed, dict) or len(listed["IN"]) < LONG_LIST:
        return token
    words = tuple(listed["IN"])
    if words not in flags:
        flags[words] = nlp.vocab.add_flag(lambda word, known=frozenset(words): word.lower() in known)
    return {flags[words]: True, **{key: value for key, value in token.items() if key != "LOWER"}}


def text_of(doc: Doc) -> str:
    """``doc.text``, put together from its tokens once and not once a component."""
    if _TEXT not in doc.user_data:
        doc.user_data[_TEXT] = doc.text
    return str(doc.user_data[_TEXT])


def words_of(doc: Doc) -> Words:
    """A document of this pipeline as words."""
    title_end = doc.user_data.get(_TITLE_END, 0)
    text, starts, lengths = text_of(doc), doc.to_array(IDX).tolist(), doc.to_array(LENGTH).tolist()
    words = tuple(text[start : start + length] for start, length in zip(starts, lengths, strict=True))
    return Words(
        text=words,
        lower=tuple(word.lower() for word in words),
        sentence=tuple(np.cumsum(doc.to_array(SENT_START) == 1).tolist()),
        in_title=tuple((doc.to_array(IDX) < title_end).tolist()),
        brand=doc.user_data.get(_BRAND, frozenset()),
    )


Language.factory("shop_sentences", func=lambda nlp, name: SentenceStarts())
Language.factory("shop_gazetteer", func=lambda nlp, name: Gazetteer(nlp))
Language.factory("shop_measures", func=lambda nlp, name: Measures())
Language.factory("shop_relations", func=lambda nlp, name: Relations(nlp))


class RuleExtractor:
    """Reads relations and attributes of product documents by rules. Keeps the laws of ``mining.types.Extractor``.

    A review's document yields nothing: what a reviewer says is not what the shop states.
    """

    def __init__(self, schema: Schema = SHOP) -> None:
        self._schema = schema
        self._nlp = pipeline()

    @property
    def method(self) -> str:
        return METHOD

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        for document in documents:
            yield self._read(document) if document.kind == "product" else Extraction(document.id)

    def _read(self, document: Document) -> Extraction:
        body_end = _body_end(document)
        writing = _Writing(document, self._schema)
        if body_end > MAX_TEXT:
            writing.set_aside("*", document.text[MAX_TEXT : MAX_TEXT + 80], "text too long")
        doc = self._doc(document)
        text, title_end = text_of(doc), doc.user_data[_TITLE_END]
        for relation, start, end, reason in doc.user_data[ASIDE]:
            writing.set_aside(relation, document.text[start:end], reason)
        sureness: dict[tuple[int, int], float] = doc.user_data.get(SURENESS, {})
        for span in doc.spans["shop_relations"]:
            place = span.start_char, span.end_char
            writing.relation(span.label_, *place, sureness.get(place, CONFIDENCE.get(span.id_, 0.0)))
        named = list(self._of_schema(text, title_end, category_of(document)))
        lines = [(value.start, value.end) for value in named if value.rule == "keyed"]
        # What stands on a line that names its attribute needs no guess at what it is.
        found = [v for v in _values(doc, title_end) if not any(a <= v.start and v.end <= b for a, b in lines)]
        for value in sorted([*found, *named], key=lambda v: (v.start, v.end, v.attribute)):
            writing.value(value)
        return writing.extraction()

    def _doc(self, document: Document) -> Doc:
        return read(self._nlp, document)

    def _of_schema(self, text: str, title_end: int, category: str | None) -> Iterator[Stated]:
        """The default schema has no lists, and what it names is found by rules of its own."""
        if self._schema is not SHOP:
            yield from schema_values(text, title_end, self._schema.attributes_of(category))


def read(nlp: Language, document: Document) -> Doc:
    """The prose of a product's document, as the components of ``pipeline`` read it."""
    text = _SURROGATE.sub("\ufffd", document.text[: min(_body_end(document), MAX_TEXT)])  # spaCy hashes UTF-8
    doc = nlp.make_doc(text)
    doc.user_data.update({_TEXT: text, _TITLE_END: _title_end(document), _BRAND: _brand_words(document)})
    return nlp(doc)


def _values(doc: Doc, title_end: int) -> Iterator[Stated]:
    listed = [Listed(s.label_, s.start_char, s.end_char) for s in doc.spans["shop_gazetteer"]]
    measures: list[Found] = doc.user_data[_MEASURES]
    return stated_values(text_of(doc), title_end, listed, measures)


def _body_end(document: Document) -> int:
    """Where the prose ends and the catalogue's own fields (brand, category, attributes) begin."""
    ends = [span.end for span in document.fields if span.name in TEXT_FIELDS]
    return max(ends) if ends else (0 if document.fields else len(document.text))


def _title_end(document: Document) -> int:
    title = next((span.end for span in document.fields if span.name == "title"), None)
    if title is not None:
        return title
    if document.fields:
        return 0
    first_line = document.text.partition("\n")[0]
    if len(first_line) < len(document.text):
        return len(first_line)
    return next((end for _, end in sentences(document.text)), 0)  # title and description in one line


def _brand_words(document: Document) -> frozenset[str]:
    span = next((span for span in document.fields if span.name == "brand"), None)
    return frozenset(document.text[span.start : span.end].casefold().split()) if span else frozenset()


@dataclass(slots=True)
class _Writing:
    """Makes facts of what was found in one document, each tail once, the first place it is stated."""

    document: Document
    schema: Schema
    entities: dict[str, Entity] = field(default_factory=dict)
    facts: dict[tuple[str, str], Fact] = field(default_factory=dict)
    aside: list[SetAside] = field(default_factory=list)

    def relation(self, relation: str, start: int, end: int, confidence: float) -> None:
        surface = self.document.text[start:end]
        kind = _TAIL_TYPES[relation]
        if not ids.normal_form(surface):
            return
        if _SURROGATE.search(surface):
            self.set_aside(relation, surface, "broken text")
            return
        entity = Entity(ids.named(kind, surface), kind, _one_line(surface), lang=_lang(surface))
        self._fact(relation, entity, start, end, confidence)

    def value(self, stated: Stated) -> None:
        surface = self.document.text[stated.start : stated.end]
        if hidden.hides(surface):
            self.set_aside("HAS_ATTRIBUTE", surface, hidden.REASON)
            return
        category = category_of(self.document)
        read = by_schema(self.schema.attributes_of(category), stated, surface)
        if isinstance(read, str):
            self.set_aside("HAS_ATTRIBUTE", surface, read)
            return
        attribute, normal = read
        entity = value_entity(category, attribute.name, surface, normal)
        self._fact("HAS_ATTRIBUTE", entity, stated.start, stated.end, CONFIDENCE[stated.rule])

    def set_aside(self, relation: str, quote: str, reason: str) -> None:
        self.aside.append(SetAside(self.document.id, METHOD, relation, _SURROGATE.sub("\ufffd", quote), reason))

    def _fact(self, relation: str, entity: Entity, start: int, end: int, confidence: float) -> None:
        quote = self.document.text[start:end]
        key = (relation if relation not in ("COMPATIBLE_WITH", "ACCESSORY_OF") else "", entity.id)
        if key in self.facts:
            return
        try:
            self.schema.check(relation, "Product", entity.type)
        except SchemaError:
            self.set_aside(relation, quote, "off schema")
            return
        evidence = Evidence(
            source=self.document.id,
            method=METHOD,
            confidence=confidence,
            at=self.document.at,
            field=self.document.field_at(start),
            quote=quote,
            start=start,
            end=end,
        )
        self.entities.setdefault(entity.id, entity)
        self.facts[key] = Fact(self.document.about, relation, entity.id, (evidence,))

    def extraction(self) -> Extraction:
        return Extraction(
            self.document.id, tuple(self.entities.values()), tuple(self.facts.values()), tuple(self.aside)
        )


def _lang(surface: str) -> str | None:
    return "zh" if chinese_share(surface) > 0 else None


def _one_line(surface: str) -> str:
    return " ".join(surface.split())

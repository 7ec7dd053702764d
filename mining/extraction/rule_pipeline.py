"""The spaCy components that find measures, listed words and stated relations in the prose of a product.

``shop_sentences`` → ``shop_gazetteer`` → ``shop_measures`` → ``shop_relations``. No trained model is needed. Each
component is a registered factory with one result in ``doc.spans``, so that other pipelines can take it:
``nlp.add_pipe("shop_gazetteer")`` after importing this module.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from kg.types import Document
from mining.extraction import chinese, hidden, negation, patterns, tails
from mining.extraction.kinds import Words
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
from mining.normalization import find_quantities

MAX_TEXT = 50_000  # code points of one document that are read; what lies beyond is set aside, and counted
LONG_LIST = 10  # words of a token pattern
TEXT_FIELDS = ("title", "description", "text")  # the other fields are the catalogue's own, and it has read them

MEASURES = "shopgraph.measures"  # keys of doc.user_data
_TEXT = "shopgraph.text"
ASIDE = "shopgraph.set_aside"
SURENESS = "shopgraph.sureness"  # of a relation at code points, where another than its rule knows it
TITLE_END = "shopgraph.title_end"
_BRAND = "shopgraph.brand"

SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, left by a broken decoder

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
        doc.user_data[MEASURES] = found
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
    title_end = doc.user_data.get(TITLE_END, 0)
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


def read(nlp: Language, document: Document) -> Doc:
    """The prose of a product's document, as the components of ``pipeline`` read it."""
    text = SURROGATE.sub("\ufffd", document.text[: min(body_end(document), MAX_TEXT)])  # spaCy hashes UTF-8
    doc = nlp.make_doc(text)
    doc.user_data.update({_TEXT: text, TITLE_END: _title_end(document), _BRAND: _brand_words(document)})
    return nlp(doc)


def body_end(document: Document) -> int:
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

"""Facts by rules: what the components of ``rule_pipeline`` find in a document, made into facts.

document → ``rule_pipeline`` → ``Extraction``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kg import ids
from kg.errors import SchemaError
from kg.schema import SHOP, Schema
from kg.types import Document, Entity, Evidence, Fact
from mining.catalog import category_of
from mining.extraction import hidden
from mining.extraction.attributes import Listed, Stated, stated_values
from mining.extraction.rule_pipeline import (
    ASIDE,
    MAX_TEXT,
    MEASURES,
    SURENESS,
    SURROGATE,
    TITLE_END,
    body_end,
    pipeline,
    read,
    text_of,
)
from mining.extraction.schema_values import by_schema, schema_values
from mining.extraction.spacy_alone import Doc
from mining.language import chinese_share
from mining.normal_values import value_entity
from mining.normalization import Found
from mining.types import Extraction, SetAside

METHOD = "rules"

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
        writing = _Writing(document, self._schema)
        if body_end(document) > MAX_TEXT:
            writing.set_aside("*", document.text[MAX_TEXT : MAX_TEXT + 80], "text too long")
        doc = self._doc(document)
        text, title_end = text_of(doc), doc.user_data[TITLE_END]
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


def _values(doc: Doc, title_end: int) -> Iterator[Stated]:
    listed = [Listed(s.label_, s.start_char, s.end_char) for s in doc.spans["shop_gazetteer"]]
    measures: list[Found] = doc.user_data[MEASURES]
    return stated_values(text_of(doc), title_end, listed, measures)


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
        if SURROGATE.search(surface):
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
        found = by_schema(self.schema.attributes_of(category), stated, surface)
        if isinstance(found, str):
            self.set_aside("HAS_ATTRIBUTE", surface, found)
            return
        attribute, normal = found
        entity = value_entity(category, attribute.name, surface, normal)
        self._fact("HAS_ATTRIBUTE", entity, stated.start, stated.end, CONFIDENCE[stated.rule])

    def set_aside(self, relation: str, quote: str, reason: str) -> None:
        self.aside.append(SetAside(self.document.id, METHOD, relation, SURROGATE.sub("\ufffd", quote), reason))

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

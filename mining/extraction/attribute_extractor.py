"""The small model as a reader of the graph: attribute values of product texts, each quoted where it stands.

document → a row of its prose, by the name of its leaf category → ``AttributeModel`` → schema → facts. A category that
the model was not trained on is not read: the model would guess at attributes of other goods.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from kg import ids
from kg.schema import SHOP, Attribute, Schema
from kg.types import Document, Entity, Evidence, Fact
from mining.catalog import ANY_CATEGORY, category_of
from mining.extraction import negation
from mining.extraction.attribute_model import Answer, AttributeModel, Value
from mining.extraction.attribute_routing import route_of, sureness
from mining.extraction.attribute_rows import Row
from mining.extraction.cascade import UNSURE
from mining.normal_values import in_form, refusal, value_entity
from mining.types import Extraction, SetAside

METHOD = "tagger"
PROSE = ("title", "description")
READ_AT_ONCE = 64  # documents; as many as the model puts into one batch
DOUBT = 0.3  # of the threshold: what is surer than this and not sure enough is worth another opinion
UNKNOWN = "category not learned"
ALMOST = "less likely than not"
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # tokenizers read UTF-8


class AttributeExtractor:
    """Implements mining.types.Extractor over a trained model. Reviews, and products of other categories, stay unread.

    ``version``: whatever can change what it finds; None where the model was not read from a folder. ``route_below``:
    the threshold picked from a plan; a product that is less sure is left in doubt, a surer one is not, whatever
    values it almost said. None: each value that was almost said is a doubt.
    """

    method = METHOD

    def __init__(
        self,
        model: AttributeModel,
        *,
        schema: Schema = SHOP,
        version: str | None = None,
        route_below: float | None = None,
    ) -> None:
        self._model, self._schema, self._route_below = model, schema, route_below
        self.version = version

    @classmethod
    def load(cls, folder: Path, *, schema: Schema | None = None, device: str = "cpu") -> "AttributeExtractor":
        """The model of a folder. Without a schema, what the model knows may be written beside ``SHOP``'s attributes.

        Raises SourceError where the folder holds no finished model.
        """
        model = AttributeModel.load(folder, device=device)
        known = schema if schema is not None else widened(SHOP, model)
        return cls(model, schema=known, version=_fingerprint(folder, known), route_below=route_of(folder))

    @property
    def schema(self) -> Schema:
        """What it may write."""
        return self._schema

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        stream = iter(documents)
        while first := next(stream, None):
            yield from self._read([first, *islice(stream, READ_AT_ONCE - 1)])

    def _read(self, documents: list[Document]) -> Iterator[Extraction]:
        asked = [i for i, document in enumerate(documents) if self._knows(document)]
        rows = [_row(documents[i]) for i in asked]
        found = dict(zip(asked, zip(rows, self._model.find(rows), strict=True), strict=True)) if rows else {}
        for i, document in enumerate(documents):
            if i in found:
                row, spans = found[i]
                sure = self._model.answer(row, spans, self._model.threshold)
                doubted = self._model.answer(row, spans, DOUBT * self._model.threshold)
                almost = [value.value for name, value in doubted.values.items() if name not in sure.values]
                yield self._found(document, sure, self._doubts(document, sure, almost))
            else:
                unread = document.kind == "product" and bool(document.text.strip())
                aside = (SetAside(document.id, METHOD, "", category_of(document) or "", UNKNOWN),) if unread else ()
                yield Extraction(document.id, set_aside=aside)

    def _doubts(self, document: Document, sure: Answer, almost: Sequence[str]) -> list[SetAside]:
        """What the model almost said, as a doubt or, where the picked threshold finds the product sure, as none."""
        if self._route_below is None:
            return [_aside(document, value, UNSURE) for value in almost]
        asked = sureness(sure) < self._route_below
        return [_aside(document, value, UNSURE if asked else ALMOST) for value in almost or [""] * asked]

    def _knows(self, document: Document) -> bool:
        return document.kind == "product" and (category_of(document) or "") in self._model.schema

    def _found(self, document: Document, answer: Answer, doubts: Iterable[SetAside]) -> Extraction:
        facts: dict[str, Fact] = {}
        entities: dict[str, Entity] = {}
        category, starts = category_of(document), _starts(document)
        attributes = self._schema.attributes_of(category)
        aside = list(doubts)
        for name, value in answer.values.items():
            start = starts[value.field] + value.start
            end = start + (value.end - value.start)
            quote = document.text[start:end]
            attribute = named(attributes, name)
            reason = _reason(attribute, document, start, end, value)
            if reason is not None or attribute is None:
                aside.append(_aside(document, quote, reason or "off schema"))
                continue
            entity = value_entity(category, attribute.name, quote, in_form(attribute, quote))
            evidence = Evidence(
                document.id, METHOD, round(value.confidence, 3), at=document.at, field=document.field_at(start),
                quote=quote, start=start, end=end,
            )  # fmt: skip
            held = facts.get(entity.id)
            if held is None or held.confidence < evidence.confidence:
                entities[entity.id] = entity
                facts[entity.id] = Fact(document.about, "HAS_ATTRIBUTE", entity.id, (evidence,))
        return Extraction(document.id, tuple(entities.values()), tuple(facts.values()), tuple(aside))


def widened(schema: Schema, model: AttributeModel) -> Schema:
    """The schema with the attributes that the model was trained on, in its categories."""
    own = dict(schema.attributes)
    for category, names in model.schema.items():
        known = schema.attributes_of(category)
        fresh = tuple(Attribute(name) for name in names if named(known, name) is None)
        place = category or ANY_CATEGORY
        own[place] = (*own.get(place, ()), *fresh)
    return replace(schema, attributes=own)


def named(attributes: Iterable[Attribute], name: str) -> Attribute | None:
    """The attribute that is called so, whatever its case: a model's ``Color`` is the shop's ``color``."""
    return next((known for known in attributes if ids.normal_form(known.name) == ids.normal_form(name)), None)


def _aside(document: Document, quote: str, reason: str) -> SetAside:
    return SetAside(document.id, METHOD, "HAS_ATTRIBUTE", _SURROGATE.sub("\ufffd", quote[:200]), reason)


def _reason(attribute: Attribute | None, document: Document, start: int, end: int, value: Value) -> str | None:
    """Why a finding may not be written, or None."""
    quote = document.text[start:end]
    if attribute is None:
        return "off schema"
    if quote != value.value or not ids.normal_form(quote):
        return "not quoted from the document"
    if negation.negated(document.text, start, end):
        return negation.REASON
    return refusal(attribute, quote)


def _starts(document: Document) -> dict[str, int]:
    """Where the fields that are read begin; a document without fields is one text."""
    if not document.fields:
        return {"input": 0}
    return {field.name: field.start for field in document.fields if field.name in PROSE}


def _row(document: Document) -> Row:
    ends = {field.name: field.end for field in document.fields} or {"input": len(document.text)}
    texts = {
        name: _SURROGATE.sub("\ufffd", document.text[start : ends[name]]) for name, start in _starts(document).items()
    }
    return Row(category_of(document) or "", texts)


def _fingerprint(folder: Path, schema: Schema) -> str:
    """SHA-256 of the model's files, of what may be written and of what is taken for denied."""
    content = hashlib.sha256(f"negation {negation.VERSION}".encode())
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        content.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                content.update(block)
    told = {c: [repr(a) for a in attributes] for c, attributes in sorted(schema.attributes.items())}
    content.update(json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return content.hexdigest()[:16]

"""What every store checks and normalises before a put, so that all stores refuse and keep the very same things.

Flow of a put: ``checked_entities`` and ``checked_documents`` (last one under an id wins) → the store looks up the types
of ``endpoints(facts)`` and the texts of ``cited(facts)`` → ``merged_facts`` → the store writes. Numbers are normalised
(confidence and counts to ``float``, times to ``int``), which no comparison sees but every snapshot needs.
"""

import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import replace

from kg.errors import EvidenceError, SchemaError, UnknownEntity
from kg.schema import LABELS, SHOP, Schema
from kg.types import Document, Entity, Evidence, EvidenceKey, Fact, Scalar, Triple, merge_evidence

_INT64 = range(-(2**63), 2**63)
_KINDS = ("product", "review")


def checked_entities(entities: Iterable[Entity]) -> dict[str, Entity]:
    """Entities by id, the last put under an id; SchemaError for one that no store can keep."""
    checked: dict[str, Entity] = {}
    for entity in map(_checked_entity, entities):
        check_type_kept(checked.get(entity.id, entity), entity)
        checked[entity.id] = entity
    return checked


def checked_documents(documents: Iterable[Document]) -> dict[str, Document]:
    """Documents by id, the last put under an id; SchemaError for one that no store can keep."""
    return {d.id: d for d in map(_checked_document, documents)}


def endpoints(facts: Iterable[Fact]) -> set[str]:
    """The ids whose types ``merged_facts`` needs."""
    ids: set[str] = set()
    for fact in facts:
        ids.add(fact.head)
        ids.add(fact.tail)
    return ids


def cited(facts: Iterable[Fact]) -> set[str]:
    """The ids of the documents whose texts ``merged_facts`` needs."""
    return {e.source for fact in facts for e in fact.evidence if e.quote is not None}


def merged_facts(
    facts: Iterable[Fact], type_of: Mapping[str, str], text_of: Mapping[str, str], schema: Schema = SHOP
) -> dict[Triple, tuple[Evidence, ...]]:
    """The evidence of each triple, checked, merged by key, in triple order.

    ``type_of`` maps the known entity ids to their types, ``text_of`` the known document ids to their texts; each must
    cover the store and this put. Raises UnknownEntity, SchemaError, EvidenceError.
    """
    merged: dict[Triple, tuple[Evidence, ...]] = {}
    allowed: set[Triple] = set()
    for fact in facts:
        _check_triple(fact, type_of, schema, allowed)
        if not fact.evidence:
            raise EvidenceError(f"{_told(fact)} brings no evidence; a fact needs at least one")
        evidence = tuple([_checked_evidence(fact, e, text_of) for e in fact.evidence])
        triple = fact.triple
        held = merged.get(triple, ())
        merged[triple] = evidence if not held and len(evidence) == 1 else merge_evidence(held, evidence)
    return {triple: merged[triple] for triple in sorted(merged)}


def fresh_evidence(held: Mapping[EvidenceKey, Evidence], found: tuple[Evidence, ...]) -> list[Evidence]:
    """What must be written so that a fact with the evidence ``held`` also has what a put found."""
    fresh = [e for e in found if held.get(e.key) != e]
    if held and fresh:
        return [e for e in merge_evidence(held.values(), fresh) if held.get(e.key) != e]
    return fresh


def check_type_kept(known: Entity, new: Entity) -> None:
    """An id carries its type, so a put that would change the type is a mistake in the id: SchemaError."""
    if known.type != new.type:
        raise SchemaError(
            f"entity {new.id!r} is known as a {known.type} and came as a {new.type}; "
            "give the other thing an id of its own"
        )


def check_still_quoted(document: Document, fact: Fact) -> None:
    """A document may only be replaced by one that all stored quotes still fit: EvidenceError."""
    for evidence in fact.evidence:
        if evidence.source == document.id and evidence.quote is not None:
            try:
                _check_quote(fact, evidence, {document.id: document.text})
            except EvidenceError as error:
                raise EvidenceError(
                    f"document {document.id!r} came with another text than facts of the store quote; "
                    f"retract {document.id!r} first ({error})"
                ) from None


def check_about(documents: Iterable[Document], known: Mapping[str, object] | set[str]) -> None:
    """Every document is about an entity of the store or of this put: UnknownEntity."""
    for document in documents:
        if document.about not in known:
            raise UnknownEntity(document.about)


def is_unicode(text: str) -> bool:
    """Whether a text can be stored at all: False for one with a lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _checked_entity(entity: Entity) -> Entity:
    where = f"entity {entity.id!r}"
    _check_id(entity.id, "entity")
    if entity.type not in LABELS:
        raise SchemaError(f"{where} has the type {entity.type!r}; expected one of {', '.join(LABELS)}")
    if not entity.name.strip():
        raise SchemaError(f"{where} has an empty name; every entity needs one that a person can read")
    for text in (entity.name, *entity.aliases, entity.lang or ""):
        _check_text(text, where)
    if not entity.properties and type(entity.aliases) is tuple:
        return entity
    properties = {name: _checked_scalar(where, name, entity.properties[name]) for name in sorted(entity.properties)}
    return replace(entity, aliases=tuple(entity.aliases), properties=properties)


def _checked_scalar(where: str, name: str, value: Scalar) -> Scalar:
    _check_text(name, where)
    if isinstance(value, str):
        _check_text(value, where)
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in _INT64:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise SchemaError(f"{where}: property {name!r} is {value!r}; expected a string, a boolean or a finite number")


def _checked_document(document: Document) -> Document:
    where = f"document {document.id!r}"
    _check_id(document.id, "document")
    _check_id(document.about, f"{where}: about")
    if document.kind not in _KINDS:
        raise SchemaError(f"{where} has the kind {document.kind!r}; expected one of {', '.join(_KINDS)}")
    _check_text(document.text, where)
    for span in document.fields:
        _check_id(span.name, f"{where}: field")
        if not 0 <= span.start <= span.end <= len(document.text):
            raise SchemaError(
                f"{where}: field {span.name!r} is at [{span.start}:{span.end}], outside a text of {len(document.text)}"
            )
    at = _checked_time(document.at, document)
    if at is document.at and type(document.fields) is tuple:
        return document
    return replace(document, at=at, fields=tuple(document.fields))


def _check_triple(fact: Fact, type_of: Mapping[str, str], schema: Schema, allowed: set[Triple]) -> None:
    head, tail = type_of.get(fact.head), type_of.get(fact.tail)
    if head is None:
        raise UnknownEntity(fact.head)
    if tail is None:
        raise UnknownEntity(fact.tail)
    if (head, fact.relation, tail) not in allowed:
        try:
            schema.check(fact.relation, head, tail)
        except SchemaError as error:
            raise SchemaError(f"{_told(fact)}: {error}") from None
        allowed.add((head, fact.relation, tail))


def _checked_evidence(fact: Fact, e: Evidence, text_of: Mapping[str, str]) -> Evidence:
    if not 0.0 <= e.confidence <= 1.0:
        raise EvidenceError(f"{_told(fact)}: confidence {e.confidence!r} from {e.source!r}; expected 0 to 1")
    for mark in (e.source, e.method, e.field, e.run):
        if mark is not None and not (mark and is_unicode(mark)):
            raise EvidenceError(f"{_told(fact)}: evidence has the source, method, field or run {mark!r}; expected text")
    if e.quote is not None:
        _check_quote(fact, e, text_of)
    elif e.start is not None or e.end is not None:
        raise EvidenceError(f"{_told(fact)}: evidence from {e.source!r} has a span but no quote; give both")
    at = _checked_time(e.at, fact)
    if not e.counts and at is e.at and type(e.confidence) is float:
        return e
    counts = _checked_counts(fact, e)
    return Evidence(e.source, e.method, float(e.confidence), at, e.run, e.field, e.quote, e.start, e.end, counts)


def _check_quote(fact: Fact, evidence: Evidence, text_of: Mapping[str, str]) -> None:
    source, start, end = evidence.source, evidence.start, evidence.end
    text = text_of.get(source)
    if text is None:
        raise EvidenceError(
            f"{_told(fact)} quotes {_cut(evidence.quote)} from {source!r}, and no document has that id; put it too"
        )
    if start is None or end is None or not 0 <= start < end <= len(text):
        raise EvidenceError(
            f"{_told(fact)} quotes {_cut(evidence.quote)} at [{start}:{end}] of {source!r}, "
            f"which is no span of its {len(text)} code points"
        )
    found = text[start:end]
    if found != evidence.quote:
        raise EvidenceError(
            f"{_told(fact)} quotes {_cut(evidence.quote)} at [{start}:{end}] of {source!r}, "
            f"but the text there is {_cut(found)}; spans are half-open and count code points"
        )


def _checked_counts(fact: Fact, evidence: Evidence) -> dict[str, float]:
    counts = {name: float(evidence.counts[name]) for name in sorted(evidence.counts)}
    if not math.isfinite(sum(counts.values())) or not all(map(is_unicode, counts)):
        raise EvidenceError(f"{_told(fact)}: the counts are {counts!r}; expected finite numbers under names")
    return counts


def _checked_time(at: int | None, of: Fact | Document) -> int | None:
    if at is None or (type(at) is int and at in _INT64):
        return at
    try:
        seconds = operator.index(at)  # an integer of NumPy becomes one of Python
    except TypeError:
        seconds = _INT64.stop
    if seconds not in _INT64:
        where = _told(of) if isinstance(of, Fact) else f"document {of.id!r}"
        raise SchemaError(f"{where}: the time is {at!r}; expected whole Unix seconds")
    return seconds


def _check_id(text: str, what: str) -> None:
    if not text.strip():
        raise SchemaError(f"{what} has an empty id; expected one made from content or a source key")
    _check_text(text, what)


def _check_text(text: str, where: str) -> None:
    if not is_unicode(text):
        raise SchemaError(f"{where}: {_cut(text)} holds a lone surrogate and is no Unicode text; decode it again")


def _told(fact: Fact) -> str:
    return f"fact ({fact.head!r}, {fact.relation}, {fact.tail!r})"


def _cut(text: str | None, length: int = 80) -> str:
    return repr(text if text is None or len(text) <= length else text[:length] + "…")

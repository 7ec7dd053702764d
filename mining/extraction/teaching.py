"""What people decided, as training rows of the small model.

A product teaches when nothing in it is in doubt any more: each value that a machine read is either decided by a person
or surer than ``SURE``. Then what is not stated is a lesson too. Others wait, and are counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kg.errors import UnknownDocument
from kg.store import GraphReader
from kg.types import Document, Fact
from mining.catalog import ATTRIBUTE_FIELD, category_of
from mining.catalog import METHOD as CATALOG
from mining.decisions import Decision, DecisionLog
from mining.extraction.attribute_rows import Row

SURE = 0.9
PROSE = ("title", "description")


@dataclass(frozen=True, slots=True)
class Lessons:
    """``rows``: products to learn from. ``waiting``: products with a decision that still hold something doubtful.
    ``gone``: decided products that the graph no longer has, or whose text no longer says so."""

    rows: tuple[Row, ...]
    waiting: int
    gone: int


def lessons(reader: GraphReader, log: DecisionLog, *, sure: float = SURE) -> Lessons:
    """The products with decisions about attributes, as the texts and the graph are now."""
    by_document: dict[str, list[Decision]] = {}
    for decision in log.holding():
        if decision.attribute is not None:
            by_document.setdefault(decision.document, []).append(decision)
    rows, waiting, gone = [], 0, 0
    for document_id, decisions in by_document.items():
        try:
            document = reader.document(document_id)
        except UnknownDocument:
            gone += 1
            continue
        values = _values(reader, document, decisions, sure)
        if values is None:
            waiting += 1
        elif any(d.right and d.right not in document.text for d in decisions):
            gone += 1
        else:
            rows.append(Row(category_of(document) or "", _texts(document), values, {"id": document_id}))
    return Lessons(tuple(rows), waiting, gone)


def _values(
    reader: GraphReader, document: Document, decisions: list[Decision], sure: float
) -> Mapping[str, tuple[str, ...]] | None:
    """Attribute → its values; () where a person said that what was read is wrong. None while anything is in doubt."""
    decided = {(d.relation, d.tail) for d in decisions}
    values: dict[str, list[str]] = {d.attribute: [] for d in decisions if d.attribute is not None}
    for decision in decisions:
        if decision.right and decision.attribute is not None:
            values[decision.attribute].append(decision.right)
    for fact in reader.facts(head=document.about, relation="HAS_ATTRIBUTE"):
        quote = _quoted(fact, document)
        if quote is None or (fact.relation, fact.tail) in decided:
            continue
        if fact.confidence < sure:
            return None
        name = str(reader.entity(fact.tail).properties.get("attribute", ""))
        if name not in values or not values[name]:
            values.setdefault(name, []).append(quote)
    return {name: tuple(dict.fromkeys(said)) for name, said in sorted(values.items())}


def _quoted(fact: Fact, document: Document) -> str | None:
    """What the fact quotes from the prose of the document, if it does; the catalogue's own fields are no prose."""
    for e in fact.evidence:
        prose = not (e.field or "").startswith(ATTRIBUTE_FIELD) and e.method != CATALOG
        if e.source == document.id and e.quote and prose:
            return e.quote
    return None


def _texts(document: Document) -> dict[str, str]:
    if not document.fields:
        return {"input": document.text}
    names = {"title": "input_title", "description": "input_description"}
    return {names[f.name]: document.text[f.start : f.end] for f in document.fields if f.name in PROSE}

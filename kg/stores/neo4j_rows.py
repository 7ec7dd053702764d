"""Values of the graph as properties of Neo4j and back, without loss and readable in Neo4j Browser.

Neo4j holds no maps and no nulls: a property is a scalar or a list of one scalar type. A fact is one relationship whose
evidence lies on it as parallel lists; a list in which nothing is said (no quote, no time, no counts) is left out.
``key``, ``confidence``, ``support`` and the counts by name (``lift``, ``users``, ...) are for people and are computed
from the evidence; reading ignores them.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeAlias

from kg.search import entity_tokens
from kg.types import Document, Entity, Evidence, Fact, FieldSpan, Triple

Properties: TypeAlias = dict[str, Any]

_CAPTION = 60  # characters of a document's name
_UNDATED = -(2**63)  # in ``ats``, only beside evidence that has a time
_ENTITY_OWN = frozenset(("id", "name", "aliases", "lang", "search"))
_FOREIGN = "property:"  # before names that Neo4j or this module would read otherwise
_LISTS = ("sources", "methods", "confidences", "ats", "runs", "fields", "quotes", "starts", "ends", "counts")
_FACT_OWN = frozenset(("key", "confidence", "support", *_LISTS))


def entity_row(entity: Entity) -> tuple[str, Properties]:
    row: Properties = {_escaped(name): value for name, value in entity.properties.items()}
    row["id"], row["name"] = entity.id, entity.name
    row["search"] = " ".join(sorted(entity_tokens(entity)))
    if entity.aliases:
        row["aliases"] = list(entity.aliases)
    if entity.lang is not None:
        row["lang"] = entity.lang
    return entity.id, row


def entity_of(kind: str, row: Properties) -> Entity:
    properties = {_unescaped(name): row[name] for name in row.keys() - _ENTITY_OWN}
    ordered = {name: properties[name] for name in sorted(properties)}
    return Entity(row["id"], kind, row["name"], tuple(row.get("aliases", ())), row.get("lang"), ordered)


def _escaped(name: str) -> str:
    """Neo4j knows no empty names and none with a NUL; our own names and this prefix must stay free."""
    if name and name not in _ENTITY_OWN and "\0" not in name and not name.startswith(_FOREIGN):
        return name
    return _FOREIGN + name.replace("%", "%25").replace("\0", "%00")


def _unescaped(name: str) -> str:
    if not name.startswith(_FOREIGN):
        return name
    return name.removeprefix(_FOREIGN).replace("%00", "\0").replace("%25", "%")


def document_row(document: Document, heads: Sequence[str]) -> tuple[str, Properties, str]:
    """``heads`` are the entities, beside the product, whose facts cite the document: where ``retract`` looks."""
    row: Properties = {"id": document.id, "name": _caption(document), "about": document.about, "kind": document.kind}
    row["text"] = document.text
    if document.at is not None:
        row["at"] = document.at
    if document.fields:
        row["field_names"] = [f.name for f in document.fields]
        row["field_starts"] = [f.start for f in document.fields]
        row["field_ends"] = [f.end for f in document.fields]
    if heads:
        row["heads"] = list(heads)
    return document.id, row, document.about


def _caption(document: Document) -> str:
    line = document.text.strip().partition("\n")[0].strip() or document.id
    return line if len(line) <= _CAPTION else line[: _CAPTION - 1] + "…"


def document_of(row: Properties) -> Document:
    spans = zip(row.get("field_names", ()), row.get("field_starts", ()), row.get("field_ends", ()), strict=True)
    fields = tuple(FieldSpan(*span) for span in spans)
    return Document(row["id"], row["about"], row["kind"], row["text"], row.get("at"), fields)


def fact_row(triple: Triple, evidence: Sequence[Evidence]) -> Properties:
    return {"key": fact_key(triple), **told(evidence)}


def told(evidence: Sequence[Evidence]) -> Properties:
    """What lies on a relationship beside its key."""
    fact = Fact("", "", "", tuple(evidence))
    row: Properties = {"confidence": fact.confidence, "support": len(evidence)}
    for name, value in fact.counts.items():
        if name.isidentifier() and (name == "support" or name not in _FACT_OWN):
            row[name] = value
    row["sources"] = [e.source for e in evidence]
    row["methods"] = [e.method for e in evidence]
    row["confidences"] = [e.confidence for e in evidence]
    for e in evidence:
        if e.quote is not None or e.field is not None or e.at is not None or e.counts or e.run is not None:
            _add_said(row, evidence)
            break
    return row


def _add_said(row: Properties, evidence: Sequence[Evidence]) -> None:
    """The lists that are left out where no evidence says anything. Validation refuses empty fields, quotes and runs."""
    lists: Properties = {
        "fields": [e.field or "" for e in evidence],
        "quotes": [e.quote or "" for e in evidence],
        "runs": [e.run or "" for e in evidence],
        "counts": [_counts(e.counts) for e in evidence],
    }
    row.update({name: values for name, values in lists.items() if any(values)})
    if "quotes" in row:
        row["starts"] = [-1 if e.start is None else e.start for e in evidence]
        row["ends"] = [-1 if e.end is None else e.end for e in evidence]
    if any(e.at is not None for e in evidence):
        row["ats"] = [_UNDATED if e.at is None else e.at for e in evidence]


def _counts(counts: Mapping[str, float]) -> str:
    """As JSON: counts are finite floats, whose ``repr`` is JSON."""
    if not counts:
        return ""
    return "{" + ", ".join([f"{_name(name)}: {counts[name]!r}" for name in sorted(counts)]) + "}"


@lru_cache(maxsize=1_000)
def _name(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def fact_key(triple: Triple) -> str:
    """A short name for a triple, the same in every graph: what one copies out of Neo4j Browser to talk about a fact."""
    return blake2b("\0".join(triple).encode(), digest_size=8).hexdigest()


def evidence_of(row: Properties) -> tuple[Evidence, ...]:
    """In key order, as it was written."""
    sources, methods, confidences = row["sources"], row["methods"], row["confidences"]
    size = len(sources)
    none, empty = (None,) * size, ("",) * size
    lists = zip(
        sources, methods, confidences, row.get("ats", none), row.get("runs", empty), row.get("fields", empty),
        row.get("quotes", empty), row.get("starts", none), row.get("ends", none), row.get("counts", empty), strict=True,
    )  # fmt: skip
    return tuple([_evidence(*values) for values in lists])


def _evidence(
    source: str, method: str, confidence: float, at: int | None, run: str, field: str, quote: str,
    start: int | None, end: int | None, counts: str,
) -> Evidence:  # fmt: skip
    return Evidence(
        source, method, confidence, None if at == _UNDATED else at, run or None, field or None, quote or None,
        None if start == -1 else start, None if end == -1 else end, json.loads(counts) if counts else {},
    )  # fmt: skip


def fact_of(row: Mapping[str, Any]) -> Fact:
    return Fact(row["head"], row["relation"], row["tail"], evidence_of(row["p"]))

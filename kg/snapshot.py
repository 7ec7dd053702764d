"""Graph ⇄ a folder of JSON Lines, in one order and one spelling: equal graphs give equal bytes from every store.

``documents.jsonl``, ``entities.jsonl``, ``facts.jsonl``; UTF-8, one object a line. ``run`` is provenance and never
written. ``cat documents.jsonl entities.jsonl facts.jsonl | sha256sum`` is ``digest``.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from kg.errors import FormatError, StoreLocked
from kg.store import GraphReader, GraphStore
from kg.types import Counts, Document, Entity, Evidence, Fact, FieldSpan

T = TypeVar("T")
Record = Mapping[str, Any]

FILES = ("documents.jsonl", "entities.jsonl", "facts.jsonl")
_TRIES = 3


def write_jsonl(reader: GraphReader, folder: Path) -> Counts:
    """Write the graph into ``folder`` (made where missing), streaming. Returns how much was written.

    The three files appear together once all are whole; those of an earlier snapshot stay until then. Raises StoreLocked
    where the graph is written to during every try.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = {name: folder / f".{name}.{os.getpid()}.partial" for name in FILES}
    try:
        counts = _at_one_version(reader, lambda: _written(reader, partial))
        for name, path in partial.items():
            path.replace(folder / name)
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)
    return counts


def digest(reader: GraphReader) -> str:
    """The SHA-256 of what ``write_jsonl`` would write, as hexadecimal digits."""

    def digested() -> str:
        sha = hashlib.sha256()
        for name in FILES:
            for record in _records_of(reader, name):
                sha.update(_line(record).encode("utf-8"))
        return sha.hexdigest()

    return _at_one_version(reader, digested)


def read_jsonl(folder: Path, store: GraphStore) -> Counts:
    """Put a snapshot into a store, in one transaction. Raises FormatError that names the file and the line."""
    for name in FILES:
        if not (folder / name).is_file():
            raise FormatError(f"{folder} has no {name}; a snapshot is the three files {', '.join(FILES)}")
    return store.put(
        entities=_records(folder / "entities.jsonl", _entity_of),
        facts=_records(folder / "facts.jsonl", _fact_of),
        documents=_records(folder / "documents.jsonl", _document_of),
    )


def _at_one_version(reader: GraphReader, work: Callable[[], T]) -> T:
    for _ in range(_TRIES):
        version = reader.version
        done = work()
        if reader.version == version:
            return done
    raise StoreLocked(
        f"the graph was written to during {_TRIES} tries of a snapshot; try again when the writer is done"
    )


def _written(reader: GraphReader, paths: Mapping[str, Path]) -> Counts:
    """Write every file; returns how much."""
    lines, evidence = dict.fromkeys(paths, 0), 0
    for name, path in paths.items():
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for record in _records_of(reader, name):
                file.write(_line(record))
                lines[name] += 1
                evidence += len(record.get("evidence", ()))
    return Counts(lines["entities.jsonl"], lines["facts.jsonl"], lines["documents.jsonl"], evidence)


def _records_of(reader: GraphReader, name: str) -> Iterator[Record]:
    """The records of one file."""
    if name == "documents.jsonl":
        yield from map(_document_record, reader.documents())
    elif name == "entities.jsonl":
        yield from map(_entity_record, reader.entities())
    else:
        yield from map(_fact_record, reader.facts())


def _line(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _document_record(document: Document) -> Record:
    record: dict[str, Any] = {
        "id": document.id,
        "about": document.about,
        "kind": document.kind,
        "text": document.text,
    }
    if document.at is not None:
        record["at"] = document.at
    if document.fields:
        record["fields"] = [{"name": f.name, "start": f.start, "end": f.end} for f in document.fields]
    return record


def _entity_record(entity: Entity) -> Record:
    record: dict[str, Any] = {"id": entity.id, "type": entity.type, "name": entity.name}
    if entity.aliases:
        record["aliases"] = list(entity.aliases)
    if entity.lang is not None:
        record["lang"] = entity.lang
    if entity.properties:
        record["properties"] = {name: entity.properties[name] for name in sorted(entity.properties)}
    return record


def _fact_record(fact: Fact) -> Record:
    return {
        "head": fact.head,
        "relation": fact.relation,
        "tail": fact.tail,
        "evidence": [_evidence_record(e) for e in fact.evidence],
    }


def _evidence_record(evidence: Evidence) -> Record:
    return {
        "source": evidence.source,
        "field": evidence.field,
        "quote": evidence.quote,
        "start": evidence.start,
        "end": evidence.end,
        "method": evidence.method,
        "confidence": evidence.confidence,
        "counts": {name: evidence.counts[name] for name in sorted(evidence.counts)},
        "at": evidence.at,
    }


def _records(path: Path, build: Callable[[Record], T]) -> Iterator[T]:
    with path.open("rb") as file:  # only a line feed ends a line; a text may hold other line ends
        for number, line in enumerate(file, start=1):
            try:
                yield build(json.loads(line.decode("utf-8")))
            except UnicodeDecodeError as error:
                raise FormatError(f"{path}, line {number}: not UTF-8 ({error.reason})") from error
            except json.JSONDecodeError as error:
                raise FormatError(f"{path}, line {number}: not JSON ({error.msg})") from error
            except (FormatError, TypeError) as error:
                raise FormatError(f"{path}, line {number}: {error}") from error


def _part(record: Record, name: str, *kinds: type) -> Any:
    """A field of one of these types; None among them lets it be missing."""
    value = record.get(name)
    if isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds):
        return value
    expected = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
    raise FormatError(f"field {name!r} is {value!r}; expected {expected}")


def _known(record: Any, *names: str) -> None:
    if not isinstance(record, dict):
        raise FormatError(f"expected an object, found {type(record).__name__}")
    unknown = sorted(record.keys() - set(names))
    if unknown:
        raise FormatError(f"unknown field {unknown[0]!r}; expected {', '.join(names)}")


def _document_of(record: Record) -> Document:
    _known(record, "id", "about", "kind", "text", "at", "fields")
    return Document(
        _part(record, "id", str),
        _part(record, "about", str),
        _part(record, "kind", str),
        _part(record, "text", str),
        _part(record, "at", int, type(None)),
        tuple(_span_of(span) for span in _part(record, "fields", list, type(None)) or ()),
    )


def _span_of(record: Record) -> FieldSpan:
    _known(record, "name", "start", "end")
    return FieldSpan(_part(record, "name", str), _part(record, "start", int), _part(record, "end", int))


def _entity_of(record: Record) -> Entity:
    _known(record, "id", "type", "name", "aliases", "lang", "properties")
    aliases = _part(record, "aliases", list, type(None)) or ()
    if not all(isinstance(alias, str) for alias in aliases):
        raise FormatError(f"field 'aliases' is {aliases!r}; expected a list of strings")
    return Entity(
        _part(record, "id", str),
        _part(record, "type", str),
        _part(record, "name", str),
        tuple(aliases),
        _part(record, "lang", str, type(None)),
        _part(record, "properties", dict, type(None)) or {},
    )


def _fact_of(record: Record) -> Fact:
    _known(record, "head", "relation", "tail", "evidence")
    return Fact(
        _part(record, "head", str),
        _part(record, "relation", str),
        _part(record, "tail", str),
        tuple(_evidence_of(evidence) for evidence in _part(record, "evidence", list)),
    )


def _evidence_of(record: Record) -> Evidence:
    _known(record, "source", "field", "quote", "start", "end", "method", "confidence", "counts", "at")
    counts = _part(record, "counts", dict, type(None)) or {}
    for name in counts:
        _part(counts, name, int, float)
    return Evidence(
        source=_part(record, "source", str),
        method=_part(record, "method", str),
        confidence=_part(record, "confidence", int, float),
        at=_part(record, "at", int, type(None)),
        field=_part(record, "field", str, type(None)),
        quote=_part(record, "quote", str, type(None)),
        start=_part(record, "start", int, type(None)),
        end=_part(record, "end", int, type(None)),
        counts=counts,
    )

"""What extractors found in which text, kept in one SQLite file: an interrupted run resumes, a second one is free.

A key holds everything that can change an extraction: the extractor's method and version, and the whole document. The
file is disposable; a value is JSON.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from kg.types import Document, Entity, Evidence, Fact, FieldSpan
from mining.errors import SourceError
from mining.types import Extraction, SetAside

FORMAT = "1"
_ASKED = 500  # keys a query, below SQLite's limit of parameters


def key_of(method: str, version: str, document: Document) -> str:
    """SHA-256, in hex, of what decides an extraction."""
    content = [FORMAT, method, version, to_document(document)]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode("ascii")).hexdigest()


class ExtractionCache:
    """Extractions by key. Each ``save`` is one transaction, so a killed run loses at most the batch under way.

    Raises SourceError where the file is no SQLite database.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._connection = sqlite3.connect(path)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS extractions (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise SourceError(f"{path} is no extraction cache ({error}); delete it, it only saves time") from error

    def load(self, keys: Sequence[str]) -> dict[str, Extraction]:
        """The extractions that are there."""
        found: dict[str, Extraction] = {}
        for start in range(0, len(keys), _ASKED):
            some = keys[start : start + _ASKED]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, value FROM extractions WHERE key IN ({marks})"  # noqa: S608  (only question marks)
            for key, value in self._connection.execute(query, some):
                found[key] = from_extraction(json.loads(value))
        return found

    def save(self, extractions: Mapping[str, Extraction]) -> None:
        rows = [(key, json.dumps(to_extraction(value), separators=(",", ":"))) for key, value in extractions.items()]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO extractions VALUES (?, ?)", rows)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> "ExtractionCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# ---- values as JSON lists: short, and in the order of the constructors --------------------------------------------


def to_document(document: Document) -> list[Any]:
    spans = [[f.name, f.start, f.end] for f in document.fields]
    return [document.id, document.about, document.kind, document.text, document.at, spans]


def from_document(raw: Sequence[Any]) -> Document:
    identity, about, kind, text, at, spans = raw
    return Document(identity, about, kind, text, at, tuple(FieldSpan(*span) for span in spans))


def to_entity(entity: Entity) -> list[Any]:
    return [entity.id, entity.type, entity.name, list(entity.aliases), entity.lang, dict(entity.properties)]


def from_entity(raw: Sequence[Any]) -> Entity:
    identity, type_, name, aliases, lang, properties = raw
    return Entity(identity, type_, name, tuple(aliases), lang, properties)


def to_fact(fact: Fact) -> list[Any]:
    evidence = [
        [e.source, e.method, e.confidence, e.at, e.run, e.field, e.quote, e.start, e.end, dict(e.counts)]
        for e in fact.evidence
    ]
    return [fact.head, fact.relation, fact.tail, evidence]


def from_fact(raw: Sequence[Any]) -> Fact:
    return Fact(raw[0], raw[1], raw[2], tuple(Evidence(*evidence) for evidence in raw[3]))


def to_extraction(extraction: Extraction) -> list[Any]:
    aside = [[s.document_id, s.method, s.relation, s.quote, s.reason] for s in extraction.set_aside]
    return [extraction.document_id, _each(to_entity, extraction.entities), _each(to_fact, extraction.facts), aside]


def from_extraction(raw: Sequence[Any]) -> Extraction:
    identity, entities, facts, aside = raw
    return Extraction(
        identity,
        tuple(map(from_entity, entities)),
        tuple(map(from_fact, facts)),
        tuple(SetAside(*row) for row in aside),
    )


def _each(convert: Any, values: Iterable[Any]) -> list[Any]:
    return [convert(value) for value in values]

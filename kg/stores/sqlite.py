"""The default store: one SQLite file, many readers, one writer, whole batches.

A put streams: entities and documents first, then facts in batches, all in one transaction. Each batch asks the file a
fixed number of set-wise questions, however many facts it holds.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from kg import search as searching
from kg.errors import StoreUnavailable, UnknownDocument, UnknownEntity
from kg.pathfinding import find_paths
from kg.schema import SHOP, Schema
from kg.stores import sqlite_file, sqlite_rows
from kg.stores.sqlite_rows import document_of, entity_of, facts_of
from kg.types import Counts, Document, Entity, Evidence, Fact, GraphPath, Timestamp
from kg.validation import (
    check_about,
    check_still_quoted,
    check_type_kept,
    checked_documents,
    checked_entities,
    cited,
    endpoints,
    fresh_evidence,
    is_unicode,
    merged_facts,
)

T = TypeVar("T")

_BATCH = 20_000  # rows checked and written at once
_IDLE = 8  # reader connections kept open between reads


class SqliteStore:
    """A graph in one file. Reads are safe from several threads and processes and see whole batches."""

    def __init__(self, path: Path | str, *, schema: Schema = SHOP) -> None:
        self._path = Path(path)
        self._schema = schema
        self._write_lock = threading.RLock()
        self._pool_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._writer = sqlite_file.prepare(self._path)

    @property
    def version(self) -> int:
        with self._reading() as connection:
            (version,) = connection.execute("SELECT value FROM meta WHERE name = 'graph_version'").fetchone()
            return int(version)

    def entity(self, entity_id: str) -> Entity:
        with self._reading() as connection:
            return _entity(connection, entity_id)

    def entities(self, *, type: str | None = None) -> Iterator[Entity]:
        every = "SELECT id, type, name, aliases, lang, properties FROM entities"
        query = f"{every} ORDER BY id" if type is None else f"{every} WHERE type = ? ORDER BY id"
        with self._reading() as connection:
            yield from map(entity_of, connection.execute(query, () if type is None else (type,)))

    def document(self, document_id: str) -> Document:
        query = "SELECT id, about, kind, text, at, fields FROM documents WHERE id = ?"
        with self._reading() as connection:
            row = connection.execute(query, (document_id,)).fetchone() if is_unicode(document_id) else None
        if row is None:
            raise UnknownDocument(document_id)
        return document_of(row)

    def documents(self, *, about: str | None = None) -> Iterator[Document]:
        every = "SELECT id, about, kind, text, at, fields FROM documents"
        query = f"{every} ORDER BY id" if about is None else f"{every} WHERE about = ? ORDER BY id"
        with self._reading() as connection:
            yield from map(document_of, connection.execute(query, () if about is None else (about,)))

    def facts(
        self,
        *,
        head: str | None = None,
        relation: str | None = None,
        tail: str | None = None,
        until: Timestamp | None = None,
        allow_undated: bool = False,
    ) -> Iterator[Fact]:
        if not all(is_unicode(value) for value in (head, relation, tail) if value is not None):
            return
        query, values = sqlite_rows.facts_query(head, relation, tail, until, allow_undated)
        with self._reading() as connection:
            yield from facts_of(connection.execute(query, values))

    def paths(self, source: str, target: str, *, max_hops: int = 3, limit: int = 10) -> list[GraphPath]:
        with self._reading() as connection:
            _entity(connection, source), _entity(connection, target)

            def neighbours(ids: Sequence[str], most: int | None) -> Mapping[str, list[Fact]]:
                return {i: list(islice(sqlite_rows.facts_around(connection, i), most)) for i in ids}

            return find_paths(source, target, neighbours, max_hops=max_hops, limit=limit)

    def search(self, text: str, *, type: str | None = None, limit: int = 20) -> list[tuple[Entity, float]]:
        tokens = searching.query_tokens(text)
        with self._reading() as connection:
            found = sqlite_rows.entities_with(connection, tokens, type, at_least=len(tokens))
            found = found or sqlite_rows.entities_with(connection, tokens, type, at_least=1)
        return searching.rank(text, found, limit)

    def put(
        self, entities: Iterable[Entity] = (), facts: Iterable[Fact] = (), documents: Iterable[Document] = ()
    ) -> Counts:
        with self._writing() as connection:
            counts = Counts()
            for some_entities in _batches(checked_entities(entities).values()):
                counts += self._put_entities(connection, {e.id: e for e in some_entities})
            for some_documents in _batches(documents):
                counts += self._put_documents(connection, checked_documents(some_documents))
            known: dict[str, tuple[int, str]] = {}
            for some_facts in _batches(facts):
                counts += self._put_facts(connection, some_facts, known)
            _raise_version(connection, counts)
        return counts

    def retract(self, source: str) -> Counts:
        with self._writing() as connection:
            counts = sqlite_rows.retract(connection, source) if is_unicode(source) else Counts()
            _raise_version(connection, counts)
        return counts

    def close(self) -> None:
        """Close every connection; an iterator that is still open reads on to its end."""
        with self._write_lock, self._pool_lock:
            self._closed = True
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle.clear()

    def __enter__(self) -> "SqliteStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own inside one read transaction: what is read belongs to one version of the graph."""
        with self._pool_lock:
            if self._closed:
                raise StoreUnavailable(f"{self._path}: the store is closed; open it again")
            connection = self._idle.pop() if self._idle else None
        connection = connection or sqlite_file.connect(self._path, writer=False)
        try:
            with sqlite_file.translated(self._path):
                connection.execute("BEGIN")
                yield connection
        finally:
            self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with self._pool_lock:
            if not self._closed and len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock, sqlite_file.translated(self._path):
            self._writer.execute("BEGIN IMMEDIATE")
            with sqlite_file.committed(self._writer):
                yield self._writer

    def _put_entities(self, connection: sqlite3.Connection, entities: Mapping[str, Entity]) -> Counts:
        known = sqlite_rows.entities_by_id(connection, entities)
        for entity_id, entity in known.items():
            check_type_kept(entity, entities[entity_id])
        changed = [e for e in entities.values() if known.get(e.id) != e]
        sqlite_rows.write_entities(connection, changed, [known[e.id] for e in changed if e.id in known])
        return Counts(entities=len(changed))

    def _put_documents(self, connection: sqlite3.Connection, documents: Mapping[str, Document]) -> Counts:
        known = sqlite_rows.documents_by_id(connection, documents)
        check_about(documents.values(), sqlite_rows.keys_of(connection, {d.about for d in documents.values()}))
        rewritten = {i for i, d in known.items() if d.text != documents[i].text}
        for fact, source in sqlite_rows.quoting(connection, rewritten):
            check_still_quoted(documents[source], fact)
        changed = [d for d in documents.values() if known.get(d.id) != d]
        sqlite_rows.write_documents(connection, changed)
        return Counts(documents=len(changed))

    def _put_facts(
        self, connection: sqlite3.Connection, facts: Sequence[Fact], known: dict[str, tuple[int, str]]
    ) -> Counts:
        """``known`` is the keys and types that earlier batches of this put looked up."""
        known.update(sqlite_rows.keys_of(connection, endpoints(facts) - known.keys()))
        types = {i: known[i][1] for i in endpoints(facts) if i in known}
        merged = merged_facts(facts, types, sqlite_rows.texts_of(connection, cited(facts)), self._schema)
        found = {(known[h][0], relation, known[t][0]): evidence for (h, relation, t), evidence in merged.items()}
        keys = sqlite_rows.fact_keys(connection, found)
        held = sqlite_rows.evidence_of(connection, keys.values())
        new = sqlite_rows.write_facts(connection, [triple for triple in found if triple not in keys])
        keys |= new
        rows: list[tuple[int, Evidence]] = []
        for triple, evidence in found.items():
            key = keys[triple]
            rows += [(key, e) for e in (fresh_evidence(held[key], evidence) if key in held else evidence)]
        sqlite_rows.write_evidence(connection, rows)
        return Counts(facts=len(new), evidence=len(rows))


def _entity(connection: sqlite3.Connection, entity_id: str) -> Entity:
    query = "SELECT id, type, name, aliases, lang, properties FROM entities WHERE id = ?"
    row = connection.execute(query, (entity_id,)).fetchone() if is_unicode(entity_id) else None
    if row is None:
        raise UnknownEntity(entity_id)
    return entity_of(row)


def _raise_version(connection: sqlite3.Connection, counts: Counts) -> None:
    if counts:
        connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'graph_version'")


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch

"""Rows of the SQLite file as values of the graph and back, and the set-wise questions that ``SqliteStore`` asks.

Every question takes its values as parameters; a set of values goes in as one JSON array.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias

from kg.search import entity_tokens
from kg.types import Counts, Document, Entity, Evidence, EvidenceKey, Fact, FieldSpan, Timestamp

Row: TypeAlias = tuple[Any, ...]
KeyTriple: TypeAlias = tuple[int, str, int]  # a triple with the keys of its entities

# In the order of Evidence's fields, so that a row becomes one without names. CROSS JOIN keeps SQLite to this order of
# the tables, in which the rows come sorted by the first columns of the fact order.
_FACT = (
    "SELECT h.id, f.relation, t.id, e.source, e.method, e.confidence, e.at, e.run, e.field, e.quote, e.start, e.stop, "
    "e.counts FROM "
)
_FROM_HEAD = (
    "entities AS h CROSS JOIN facts AS f ON f.head = h.key CROSS JOIN entities AS t ON t.key = f.tail "
    "CROSS JOIN evidence AS e ON e.fact = f.key"
)
_FROM_TAIL = (
    "entities AS t CROSS JOIN facts AS f ON f.tail = t.key CROSS JOIN entities AS h ON h.key = f.head "
    "CROSS JOIN evidence AS e ON e.fact = f.key"
)
_FROM_EVIDENCE = (
    "evidence AS e CROSS JOIN facts AS f ON f.key = e.fact CROSS JOIN entities AS h ON h.key = f.head "
    "CROSS JOIN entities AS t ON t.key = f.tail"
)
_UNMENTIONED = (
    "SELECT e.id, e.type, e.name, e.aliases, e.lang, e.properties FROM entities AS e "
    "WHERE (e.key IN (SELECT head FROM temp.touched UNION SELECT tail FROM temp.touched) "
    "OR e.id IN (SELECT value FROM json_each(?))) AND NOT EXISTS (SELECT 1 FROM facts AS f WHERE f.head = e.key) "
    "AND NOT EXISTS (SELECT 1 FROM facts AS f WHERE f.tail = e.key) "
    "AND NOT EXISTS (SELECT 1 FROM documents AS d WHERE d.about = e.id)"
)
_FACT_ORDER = "ORDER BY h.id, f.relation, t.id, e.source, e.method, e.field, e.start, e.stop"

_read = json.JSONDecoder().raw_decode
_written = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def _listed(values: Iterable[str]) -> tuple[str]:
    """A set of values as the one parameter of ``json_each(?)``."""
    return (json.dumps(list(values)),)


def entity_of(row: Row) -> Entity:
    entity_id, kind, name, aliases, lang, properties = row
    return Entity(entity_id, kind, name, tuple(json.loads(aliases)), lang, json.loads(properties))


def document_of(row: Row) -> Document:
    document_id, about, kind, text, at, fields = row
    return Document(document_id, about, kind, text, at, tuple(FieldSpan(*f) for f in json.loads(fields)))


def facts_of(rows: Iterable[Row]) -> Iterator[Fact]:
    """One fact for each run of rows with the same triple."""
    held: Row | None = None
    evidence: list[Evidence] = []
    for row in rows:
        triple = row[:3]
        if held != triple:
            if held is not None:
                yield Fact(held[0], held[1], held[2], tuple(evidence))
            held, evidence = triple, []
        evidence.append(_evidence_of(*row[3:]))
    if held is not None:
        yield Fact(held[0], held[1], held[2], tuple(evidence))


def _evidence_of(
    source: str, method: str, confidence: float, at: int | None, run: str | None, field: str, quote: str | None,
    start: int, stop: int, counts: str,
) -> Evidence:  # fmt: skip
    return Evidence(
        source, method, confidence, at, run, field or None, quote, None if start < 0 else start,
        None if stop < 0 else stop, {} if counts == "{}" else _read(counts)[0],
    )  # fmt: skip


def _evidence_row(fact: int, e: Evidence) -> Row:
    counts = ", ".join([f"{_name(name)}: {value!r}" for name, value in e.counts.items()])
    return (fact, *e.key, e.quote, e.confidence, e.at, f"{{{counts}}}", e.run)


@lru_cache(maxsize=1_000)
def _name(text: str) -> str:
    """A name as JSON writes it. Counts have few names and finite floats, whose ``repr`` is JSON: faster than dumps."""
    return json.dumps(text, ensure_ascii=False)


def facts_query(
    head: str | None, relation: str | None, tail: str | None, until: Timestamp | None, allow_undated: bool
) -> tuple[str, list[str | int]]:
    """The question behind ``facts``: only fixed pieces of SQL are joined, every value is a parameter."""
    given = {"h.id = ?": head, "f.relation = ?": relation, "t.id = ?": tail}
    clauses: dict[str, str | int] = {clause: value for clause, value in given.items() if value is not None}
    if until is not None:
        clauses["(e.at < ? OR e.at IS NULL)" if allow_undated else "e.at < ?"] = until
    tables = _FROM_HEAD if head is not None or tail is None else _FROM_TAIL
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    return f"{_FACT} {tables} {where} {_FACT_ORDER}", list(clauses.values())


def facts_around(connection: sqlite3.Connection, entity_id: str) -> Iterator[Fact]:
    """The facts that touch an entity, each once, lazily."""
    forward = f"{_FACT} {_FROM_HEAD} WHERE h.id = ? ORDER BY f.relation, f.tail"
    backward = f"{_FACT} {_FROM_TAIL} WHERE t.id = ? AND f.head <> f.tail ORDER BY f.relation, f.head"
    told = (facts_of(connection.execute(query, (entity_id,))) for query in (forward, backward))
    return chain.from_iterable(told)


def entities_with(
    connection: sqlite3.Connection, tokens: Sequence[str], kind: str | None, *, at_least: int
) -> list[Entity]:
    """The entities (of one type) that hold at least so many of the tokens."""
    query = (
        "SELECT e.id, e.type, e.name, e.aliases, e.lang, e.properties FROM entities AS e "
        "JOIN (SELECT t.entity, COUNT(*) AS held FROM tokens AS t "
        "WHERE t.token IN (SELECT value FROM json_each(?)) GROUP BY t.entity HAVING held >= ?) AS found "
        "ON found.entity = e.key WHERE ? IS NULL OR e.type = ?"
    )
    return [entity_of(row) for row in connection.execute(query, (*_listed(tokens), at_least, kind, kind))]


def entities_by_id(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Entity]:
    query = (
        "SELECT id, type, name, aliases, lang, properties FROM entities WHERE id IN (SELECT value FROM json_each(?))"
    )
    rows = connection.execute(query, _listed(ids))
    return {row[0]: entity_of(row) for row in rows}


def documents_by_id(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Document]:
    query = "SELECT id, about, kind, text, at, fields FROM documents WHERE id IN (SELECT value FROM json_each(?))"
    rows = connection.execute(query, _listed(ids))
    return {row[0]: document_of(row) for row in rows}


def keys_of(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, tuple[int, str]]:
    """The key and the type of each of these entities that the file holds."""
    query = "SELECT id, key, type FROM entities WHERE id IN (SELECT value FROM json_each(?))"
    return {entity_id: (key, kind) for entity_id, key, kind in connection.execute(query, _listed(ids))}


def texts_of(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, str]:
    query = "SELECT id, text FROM documents WHERE id IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, _listed(ids)).fetchall())


def quoting(connection: sqlite3.Connection, sources: Collection[str]) -> Iterator[tuple[Fact, str]]:
    """The facts that quote one of these documents, with the document's id, a fact for each piece of evidence."""
    if sources:
        where = "WHERE e.source IN (SELECT value FROM json_each(?)) AND e.quote IS NOT NULL"
        rows = connection.execute(f"{_FACT} {_FROM_EVIDENCE} {where} {_FACT_ORDER}", _listed(sources))
        for head, relation, tail, *mark in rows:
            yield Fact(head, relation, tail, (_evidence_of(*mark),)), mark[0]


def fact_keys(connection: sqlite3.Connection, triples: Iterable[KeyTriple]) -> dict[KeyTriple, int]:
    """The keys of those of these triples of keys that the file holds."""
    connection.execute("DELETE FROM temp.batch")
    connection.executemany("INSERT INTO temp.batch VALUES (?, ?, ?)", triples)
    rows = connection.execute(
        "SELECT f.head, f.relation, f.tail, f.key FROM temp.batch AS b CROSS JOIN facts AS f "
        "ON f.head = b.head AND f.relation = b.relation AND f.tail = b.tail"
    )
    return {(head, relation, tail): key for head, relation, tail, key in rows}


def evidence_of(connection: sqlite3.Connection, facts: Iterable[int]) -> dict[int, dict[EvidenceKey, Evidence]]:
    """What the file holds under these fact keys."""
    held: dict[int, dict[EvidenceKey, Evidence]] = {}
    rows = connection.execute(
        "SELECT fact, source, method, confidence, at, run, field, quote, start, stop, counts FROM evidence "
        "WHERE fact IN (SELECT value FROM json_each(?))",
        (json.dumps(list(facts)),),
    )
    for fact, *mark in rows:
        evidence = _evidence_of(*mark)
        held.setdefault(fact, {})[evidence.key] = evidence
    return held


def write_facts(connection: sqlite3.Connection, triples: Sequence[KeyTriple]) -> dict[KeyTriple, int]:
    """Give new triples their keys, in the order given."""
    (last,) = connection.execute("SELECT COALESCE(MAX(key), 0) FROM facts").fetchone()
    keys = {triple: last + i for i, triple in enumerate(triples, start=1)}
    connection.executemany(
        "INSERT INTO facts (key, head, relation, tail) VALUES (?, ?, ?, ?)", [(k, *t) for t, k in keys.items()]
    )
    return keys


def write_evidence(connection: sqlite3.Connection, evidence: Iterable[tuple[int, Evidence]]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO evidence "
        "(fact, source, method, field, start, stop, quote, confidence, at, counts, run) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_evidence_row(fact, e) for fact, e in evidence],
    )


def write_entities(connection: sqlite3.Connection, new: Sequence[Entity], replaced: Sequence[Entity]) -> None:
    """``replaced`` is what the file holds so far under the ids of ``new``."""
    _forget_tokens(connection, replaced)
    connection.executemany(
        "INSERT INTO entities (id, type, name, aliases, lang, properties) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET name = excluded.name, aliases = excluded.aliases, lang = excluded.lang, "
        "properties = excluded.properties",
        [(e.id, e.type, e.name, _written(e.aliases), e.lang, _written(dict(e.properties))) for e in new],
    )
    keys = keys_of(connection, [e.id for e in new])
    rows = sorted((token, keys[e.id][0]) for e in new for token in entity_tokens(e))
    connection.executemany("INSERT INTO tokens (token, entity) VALUES (?, ?)", rows)


def _forget_tokens(connection: sqlite3.Connection, entities: Sequence[Entity]) -> None:
    keys = keys_of(connection, [e.id for e in entities])
    rows = [(token, keys[e.id][0]) for e in entities for token in entity_tokens(e)]
    connection.executemany("DELETE FROM tokens WHERE token = ? AND entity = ?", rows)


def write_documents(connection: sqlite3.Connection, new: Iterable[Document]) -> None:
    connection.executemany(
        "INSERT INTO documents (id, about, kind, text, at, fields) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET about = excluded.about, kind = excluded.kind, text = excluded.text, "
        "at = excluded.at, fields = excluded.fields",
        [(d.id, d.about, d.kind, d.text, d.at, _written([(f.name, f.start, f.end) for f in d.fields])) for d in new],
    )


def retract(connection: sqlite3.Connection, source: str) -> Counts:
    """Delete a source with everything that rests on it alone."""
    connection.execute("DELETE FROM temp.touched")
    connection.execute(
        "INSERT INTO temp.touched SELECT DISTINCT f.key, f.head, f.tail FROM evidence AS e "
        "JOIN facts AS f ON f.key = e.fact WHERE e.source = ?",
        (source,),
    )
    evidence = connection.execute("DELETE FROM evidence WHERE source = ?", (source,)).rowcount
    connection.execute("DELETE FROM temp.touched WHERE fact IN (SELECT fact FROM evidence)")
    facts = connection.execute("DELETE FROM facts WHERE key IN (SELECT fact FROM temp.touched)").rowcount
    about = [row[0] for row in connection.execute("SELECT about FROM documents WHERE id = ?", (source,))]
    documents = connection.execute("DELETE FROM documents WHERE id = ?", (source,)).rowcount
    gone = [entity_of(row) for row in connection.execute(_UNMENTIONED, _listed(about))]
    _forget_tokens(connection, gone)
    connection.execute("DELETE FROM entities WHERE id IN (SELECT value FROM json_each(?))", _listed(e.id for e in gone))
    return Counts(len(gone), facts, documents, evidence)

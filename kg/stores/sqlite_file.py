"""The SQLite file behind ``SqliteStore``: its tables, its format version, its connections, its errors.

A fact is a row of ``facts`` between two entity keys and the rows of ``evidence`` under its key, clustered by the key of
the evidence. Small integer keys keep the two adjacency indexes in memory, which is what makes a put fast.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kg.errors import FormatError, StoreLocked, StoreUnavailable

FORMAT = 1
APPLICATION_ID = 0x5347_4B47  # "SGKG", so that ``file`` and we know a graph from any other database
BUSY_SECONDS = 30.0  # how long a writer waits for another one

# From a version to the next one. Each runs inside the transaction that opens the file.
MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {}

_TABLES = """
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE entities (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, name TEXT NOT NULL,
    aliases TEXT NOT NULL, lang TEXT, properties TEXT NOT NULL
);
CREATE INDEX entities_of_type ON entities (type, id);
CREATE TABLE tokens (token TEXT NOT NULL, entity INTEGER NOT NULL, PRIMARY KEY (token, entity)) WITHOUT ROWID;
CREATE TABLE documents (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, about TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    at INTEGER, fields TEXT NOT NULL
);
CREATE INDEX documents_about ON documents (about, id);
CREATE TABLE facts (
    key INTEGER PRIMARY KEY, head INTEGER NOT NULL, relation TEXT NOT NULL, tail INTEGER NOT NULL,
    UNIQUE (head, relation, tail)
);
CREATE INDEX facts_by_tail ON facts (tail, relation, head);
CREATE TABLE evidence (
    fact INTEGER NOT NULL, source TEXT NOT NULL, method TEXT NOT NULL, field TEXT NOT NULL, start INTEGER NOT NULL,
    stop INTEGER NOT NULL, quote TEXT, confidence REAL NOT NULL, at INTEGER, counts TEXT NOT NULL, run TEXT,
    PRIMARY KEY (fact, source, method, field, start, stop)
) WITHOUT ROWID;
CREATE INDEX evidence_by_source ON evidence (source, fact);
"""

# What one batch of a write is about; private to the writer's connection.
_BATCH = """
CREATE TEMP TABLE batch (head INTEGER, relation TEXT, tail INTEGER, PRIMARY KEY (head, relation, tail)) WITHOUT ROWID;
CREATE TEMP TABLE touched (fact INTEGER PRIMARY KEY, head INTEGER, tail INTEGER);
"""


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """A connection in autocommit mode; transactions are begun by hand. Readers cannot write."""
    if not path.parent.is_dir():
        raise StoreUnavailable(f"{path}: the folder {path.parent} does not exist; make it first")
    with translated(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "temp_store = MEMORY"):
                connection.execute(f"PRAGMA {pragma}")
            if writer:
                connection.execute("PRAGMA cache_size = -131072")  # KiB: the indexes of a batch stay in memory
                connection.execute("PRAGMA journal_size_limit = 67108864")  # the log of a large put is given back
            else:
                connection.execute("PRAGMA query_only = 1")
        except BaseException:
            connection.close()
            raise
    return connection


def prepare(path: Path) -> sqlite3.Connection:
    """The writer's connection to a file of this format: made, migrated in one transaction, or FormatError."""
    connection = connect(path, writer=True)
    try:
        with translated(path):
            if not _is_current(connection):  # a current file is opened without waiting for its writer
                connection.execute("BEGIN IMMEDIATE")
                with committed(connection):
                    _ensure_format(path, connection)
            for statement in filter(str.strip, _BATCH.split(";")):
                connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_current(connection: sqlite3.Connection) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        return False
    found: tuple[int] | None = connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    return found == (FORMAT,)


def _ensure_format(path: Path, connection: sqlite3.Connection) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [("format", FORMAT), ("graph_version", 0)])
        return
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID or "meta" not in tables:
        raise FormatError(f"{path} is a SQLite database, but no graph of ours; give the path of another file")
    (found,) = connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    if found > FORMAT:
        raise FormatError(
            f"{path} has the format {found} and this version reads up to {FORMAT}; upgrade shopgraph, or export the "
            "graph with the version that wrote it"
        )
    while found < FORMAT:
        if found not in MIGRATIONS:
            raise FormatError(
                f"{path} has the format {found}, and there is no way from there to {FORMAT}; run `shopgraph export` "
                "with the version that wrote it and load what it wrote"
            )
        MIGRATIONS[found](connection)
        found += 1
        connection.execute("UPDATE meta SET value = ? WHERE name = 'format'", (found,))


@contextmanager
def committed(connection: sqlite3.Connection) -> Iterator[None]:
    """Ends the open transaction: by COMMIT, or by ROLLBACK where anything is raised."""
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors in our words."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", None) or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StoreLocked(
                f"{path} is held by another writer (waited {BUSY_SECONDS:.0f} s); wait for it to end"
            ) from error
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise FormatError(
                f"{path} is no readable SQLite database ({error}); restore it or give another path"
            ) from error
        if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
            raise StoreUnavailable(f"{path}: the store is closed; open it again") from error
        raise StoreUnavailable(f"{path}: SQLite says {error} ({name or type(error).__name__})") from error

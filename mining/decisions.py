"""What people decided about facts that texts state: right, right in other words, wrong; who said so and when.

One SQLite file, one transaction a decision, nothing ever overwritten: the last decision about a fact of a document
holds, the earlier ones stay to be read.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from kg.types import Timestamp
from mining.errors import ConfigurationError, SourceError

Verdict: TypeAlias = Literal["accept", "correct", "reject"]
Judged: TypeAlias = tuple[str, str, str]
"""(document, relation, tail): what a decision is about."""

_APPLICATION_ID = 0x53474443  # "SGDC"
_TABLES = (
    """CREATE TABLE decisions (
    number INTEGER PRIMARY KEY, document TEXT NOT NULL, relation TEXT NOT NULL, tail TEXT NOT NULL,
    attribute TEXT, quote TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, method TEXT NOT NULL,
    confidence REAL NOT NULL, verdict TEXT NOT NULL, right TEXT NOT NULL, who TEXT NOT NULL, at INTEGER NOT NULL
)""",
    "CREATE INDEX by_document ON decisions (document)",
)


@dataclass(frozen=True, slots=True)
class Decision:
    """A fact that ``method`` read at ``[start, end)`` of a document, and what a person says of it.

    ``attribute``: its name, where the relation is ``HAS_ATTRIBUTE``. ``right``: the words of the text that should have
    been quoted; the quote itself where the fact was right, "" where it was wrong. ``at``: Unix seconds.
    """

    document: str
    relation: str
    tail: str
    attribute: str | None
    quote: str
    start: int
    end: int
    method: str
    confidence: float
    verdict: Verdict
    right: str
    who: str
    at: Timestamp

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise ConfigurationError(f"verdict {self.verdict!r}: expected {', '.join(get_args(Verdict))}")
        if (self.verdict == "reject") != (not self.right):
            raise ConfigurationError("a rejected fact has no right words, any other has some")
        if not self.who.strip():
            raise ConfigurationError("a decision names who took it")

    @property
    def judged(self) -> Judged:
        return (self.document, self.relation, self.tail)


_COLUMNS = ", ".join(f'"{field.name}"' for field in fields(Decision))
_MARKS = ", ".join("?" for _ in fields(Decision))


class DecisionLog:
    """The file, made when the first decision is taken. Holds nothing open; safe to use from several threads.

    Every method raises SourceError for a file that is not ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, decision: Decision) -> None:
        """Keep a decision; on return it is on disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._opened() as connection, connection:
            query = f"INSERT INTO decisions ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608  (names of our own columns)
            connection.execute(query, astuple(decision))

    def holding(self, document: str | None = None) -> list[Decision]:
        """The decisions that hold, of one document or of all, in the order of (document, relation, tail)."""
        last = {decision.judged: decision for decision in self.history(document)}
        return [last[judged] for judged in sorted(last)]

    def history(self, document: str | None = None) -> Iterator[Decision]:
        """All decisions, the oldest first."""
        if not self.path.exists():
            return
        query = f"SELECT {_COLUMNS} FROM decisions WHERE ?1 IS NULL OR document = ?1 ORDER BY number"  # noqa: S608
        with self._opened() as connection:
            rows = connection.execute(query, (document,)).fetchall()
        for row in rows:
            yield Decision(*row)

    def rejected(self, document: str) -> frozenset[tuple[str, str]]:
        """(relation, tail) of what may not be written from a document: wrong, or right in other words only."""
        return frozenset((d.relation, d.tail) for d in self.holding(document) if d.verdict != "accept")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            try:
                if _kind(connection) != _APPLICATION_ID:
                    self._make(connection)
                yield connection
            except sqlite3.DatabaseError as error:
                raise SourceError(f"{self.path} cannot be used as a log of decisions ({error})") from error

    def _make(self, connection: sqlite3.Connection) -> None:
        """The table of a new file; whoever comes second finds it made."""
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if _kind(connection) == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        if _kind(connection) != _APPLICATION_ID:
            raise SourceError(f"{self.path} is no log of decisions; move it away")


def _kind(connection: sqlite3.Connection) -> int:
    kind: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return kind

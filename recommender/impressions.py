"""The log of impressions: which products an answer showed, at which rank, with which propensity, and what came of it.

One SQLite file. ``record`` keeps an answer, ``join`` the events that name it, ``scan`` gives both together, and
``forget`` erases a person. A serving policy without chance has the propensity 1 for what it shows.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from kg.types import Action, Timestamp
from recommender.errors import ImpressionError, PropensityError
from recommender.exploring import Lottery
from recommender.interleaving import Draft, Interleaved

FORMAT = 2
_BEFORE_DRAFTS = 1
"""The format of logs that know of no interleaved answers: read, and erased from, as it is; made ``FORMAT`` by the first
that adds to it."""
_OURS = 0x73676C6F  # SQLite's application_id of this log
_BUSY_SECONDS = 30
_TABLES = """
CREATE TABLE answers (
    request_id TEXT PRIMARY KEY, at INTEGER NOT NULL, user_id TEXT, session_id TEXT, model TEXT NOT NULL, lottery TEXT,
    interleaved TEXT
);
CREATE INDEX answers_in_time ON answers (at, request_id);
CREATE INDEX answers_of_user ON answers (user_id);
CREATE TABLE shown (
    request_id TEXT NOT NULL, rank INTEGER NOT NULL, product_id TEXT NOT NULL, propensity REAL NOT NULL,
    PRIMARY KEY (request_id, rank)
) WITHOUT ROWID;
CREATE TABLE outcomes (
    event_id TEXT PRIMARY KEY, request_id TEXT NOT NULL, product_id TEXT NOT NULL, action TEXT NOT NULL, value REAL
);
CREATE INDEX outcomes_of_answer ON outcomes (request_id);
"""
_ANSWERS = """SELECT request_id, at, user_id, session_id, model, lottery, interleaved FROM answers
WHERE ? <= at AND at < ? ORDER BY at, request_id"""
_ANSWERS_BEFORE_DRAFTS = """SELECT request_id, at, user_id, session_id, model, lottery, NULL FROM answers
WHERE ? <= at AND at < ? ORDER BY at, request_id"""
_OF_PERSON = """
SELECT request_id FROM answers WHERE user_id = :user OR (user_id IS NULL AND session_id IN (
    SELECT session_id FROM answers WHERE user_id = :user
))
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A product at its rank, from 1, with the probability that the serving policy puts it just there."""

    product_id: str
    rank: int
    propensity: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """An event that names the answer from which it came."""

    event_id: str
    request_id: str
    product_id: str
    action: Action
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Impression:
    """One answer. ``lottery`` holds what chance chose among; None where the policy left nothing to chance.
    ``interleaved`` says which other model shared the list, and who put in what; None where ``model`` spoke alone."""

    request_id: str
    at: Timestamp
    model: str
    shown: tuple[Shown, ...]
    user_id: str | None = None
    session_id: str | None = None
    lottery: Lottery | None = None
    outcomes: tuple[Outcome, ...] = ()
    interleaved: Interleaved | None = None

    @property
    def person(self) -> tuple[str, str]:
        """Whom the answer was for: a user, else a session, else somebody who came once."""
        if self.user_id is not None:
            return ("user", self.user_id)
        return ("answer", self.request_id) if self.session_id is None else ("session", self.session_id)

    def propensity(self, product_id: str, rank: int) -> float:
        """The probability with which the policy would have shown any product at any rank of this answer.

        Raises PropensityError for an interleaved one: only that of what was shown is kept.
        """
        if self.interleaved is not None:
            raise PropensityError(f"two models share the answer {self.request_id}: ask ``replaying.credited`` about it")
        if self.lottery is not None and rank in self.lottery.ranks:
            return self.lottery.propensity(product_id, rank)
        return float(any(s.rank == rank and s.product_id == product_id for s in self.shown))


class ImpressionLog:
    """The log in one file, made when it is first written. Holds nothing open; safe to use from several threads.

    Every method raises ImpressionError for a file that cannot be used or is not ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, impression: Impression) -> None:
        """Keep an answer, without outcomes. A request id that is known is refused: it would count twice."""
        i = impression
        chance, shared = (part and json.dumps(asdict(part)) for part in (i.lottery, i.interleaved))
        row = (i.request_id, i.at, i.user_id, i.session_id, i.model, chance, shared)
        with self._opened(write=True) as connection:
            connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            connection.executemany(
                "INSERT INTO shown VALUES (?, ?, ?, ?)",
                [(i.request_id, s.rank, s.product_id, s.propensity) for s in i.shown],
            )

    def join(self, outcomes: Iterable[Outcome]) -> int:
        """Keep what came of answers; returns how many of them name an answer that showed their product.

        The others are not kept. Sending an event twice changes nothing.
        """
        joined = 0
        with self._opened(write=True) as connection:
            for o in outcomes:
                known = connection.execute(
                    "SELECT 1 FROM shown WHERE request_id = ? AND product_id = ?", (o.request_id, o.product_id)
                ).fetchone()
                if known:
                    joined += 1
                    connection.execute(
                        "INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?, ?)",
                        (o.event_id, o.request_id, o.product_id, o.action, o.value),
                    )
        return joined

    def scan(self, since: Timestamp | None = None, until: Timestamp | None = None) -> Iterator[Impression]:
        """The answers with ``since`` <= at < ``until`` and what came of them, by (at, request id)."""
        if not self._path.exists():
            return
        bounds = (-(2**63) if since is None else since, 2**63 - 1 if until is None else until)
        with self._opened(write=False) as connection:
            drafts = _marks(connection)[1] != _BEFORE_DRAFTS
            rows = connection.execute(_ANSWERS if drafts else _ANSWERS_BEFORE_DRAFTS, bounds)
            for request_id, at, user_id, session_id, model, chance, shared in rows:
                shown = connection.execute(
                    "SELECT product_id, rank, propensity FROM shown WHERE request_id = ? ORDER BY rank", (request_id,)
                )
                outcomes = connection.execute(
                    "SELECT event_id, request_id, product_id, action, value FROM outcomes WHERE request_id = ? "
                    "ORDER BY event_id",
                    (request_id,),
                )
                yield Impression(
                    request_id, at, model, tuple(Shown(*row) for row in shown), user_id, session_id,
                    _lottery(chance), tuple(Outcome(*row) for row in outcomes), _interleaved(shared),
                )  # fmt: skip

    def forget(self, user_id: str) -> int:
        """Delete a person: the answers to them, and those to nobody in their sessions, with all that came of them.

        Returns how many answers went. Sessions are those of the answers to them.
        """
        if not self._path.exists():
            return 0
        with self._opened(write=True, upgrade=False) as connection:  # an older service may be writing: its records stay
            theirs = connection.execute(_OF_PERSON, {"user": user_id}).fetchall()
            for table in ("shown", "outcomes", "answers"):
                connection.executemany(f"DELETE FROM {table} WHERE request_id = ?", theirs)  # noqa: S608
        with self._opened(write=False) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what was deleted leaves the journal too
        return len(theirs)

    @contextmanager
    def _opened(self, *, write: bool, upgrade: bool = True) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
                _prepare(connection, self._path, upgrade=write and upgrade)
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield connection
                connection.commit()
        except sqlite3.Error as error:
            raise ImpressionError(f"{self._path}, the log of impressions, cannot be used: {error}") from error


def _prepare(connection: sqlite3.Connection, path: Path, *, upgrade: bool) -> None:
    """Make the tables of a new file, once, and bring those of an older format up to ours where that is asked for.

    Raises ImpressionError for a file of another owner or format.
    """
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = NORMAL")  # with WAL: whole after a crash, and no wait for the disk
    ours, version = _marks(connection)
    if (ours, version) == (0, 0):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        if _marks(connection) == (0, 0):  # nobody was faster
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise ImpressionError(f"{path} is a database, but no log of impressions; give another path")
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_OURS}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.commit()
        ours, version = _marks(connection)
    if (ours, version) == (_OURS, _BEFORE_DRAFTS):
        if not upgrade:
            return
        version = _upgraded(connection)
    if ours != _OURS or version != FORMAT:
        raise ImpressionError(
            f"{path} has format {version} and this version reads {FORMAT}, or it is another's; move it away"
        )


def _upgraded(connection: sqlite3.Connection) -> int:
    """Give a log from before drafts the column for them; returns its format."""
    connection.execute("BEGIN IMMEDIATE")
    if _marks(connection)[1] == _BEFORE_DRAFTS:  # nobody was faster
        connection.execute("ALTER TABLE answers ADD COLUMN interleaved TEXT")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.commit()
    return _marks(connection)[1]


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    """In one statement, so that both are of one moment: another process may be making the file just now."""
    query = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
    ours, version = connection.execute(query).fetchone()
    return ours, version


def _lottery(text: str | None) -> Lottery | None:
    if text is None:
        return None
    raw = json.loads(text)
    return Lottery(tuple(raw["candidates"]), tuple(raw["ranks"]), raw["sharpness"])


def _interleaved(text: str | None) -> Interleaved | None:
    if text is None:
        return None
    raw = json.loads(text)
    return Interleaved(raw["rival"], Draft(tuple(raw["draft"]["products"]), tuple(raw["draft"]["teams"])))

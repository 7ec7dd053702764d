"""The event log: interactions in one SQL table, idempotent by event id, read back in the order (time, arrival).

SQLite by path, any other database by SQLAlchemy URL. Personal data lives here and nowhere else: ``forget`` is one
statement. Mining and training read columns (``table``), serving reads one person's history.
"""

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from kg.errors import EventError, StoreUnavailable
from kg.types import ACTIONS, Interaction, Timestamp

_META = sa.MetaData()
EVENTS = sa.Table(
    "events",
    _META,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("user", sa.Text),
    sa.Column("session", sa.Text),
    sa.Column("product", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Float),
    sa.Index("events_by_user", "user", "at", "sequence"),
    sa.Index("events_by_session", "session", "at", "sequence"),
    sa.Index("events_by_time", "at", "sequence"),
)
VERSION = sa.Table("version", _META, sa.Column("value", sa.BigInteger, nullable=False))

_COLUMNS = (EVENTS.c.event_id, EVENTS.c.user, EVENTS.c.session, EVENTS.c.product, EVENTS.c.action, EVENTS.c.at)
_ORDER = (EVENTS.c.at, EVENTS.c.sequence)
_BATCH = 5_000
SCHEMA = pa.schema(
    {
        "event_id": pa.string(), "user": pa.string(), "session": pa.string(), "product": pa.string(),
        "action": pa.string(), "at": pa.int64(), "value": pa.float64(),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AppendReport:
    """``duplicates`` were known by their id and changed nothing."""

    added: int
    duplicates: int


class EventLog:
    """One log. Safe to use from several threads; appends of one process take turns."""

    def __init__(self, where: Path | str) -> None:
        """A path is an SQLite file; a string with ``://`` is an SQLAlchemy URL. Raises StoreUnavailable."""
        local = isinstance(where, Path) or "://" not in where
        if local:
            Path(where).parent.mkdir(parents=True, exist_ok=True)
        url = sa.URL.create("sqlite", database=str(where)) if local else sa.make_url(str(where))
        self._engine = sa.create_engine(url)
        self._lock = threading.Lock()
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _tune_sqlite)
        try:
            _META.create_all(self._engine)
            with self._engine.begin() as connection:
                if connection.execute(sa.select(VERSION)).first() is None:
                    connection.execute(VERSION.insert().values(value=0))
        except sa.exc.DBAPIError as error:
            raise StoreUnavailable(f"the event log at {url!r} cannot be opened: {error.orig}") from error

    def append(self, interactions: Iterable[Interaction]) -> AppendReport:
        """Add in one transaction; what is known by its id stays as it is. Raises EventError, then nothing is added."""
        offered = added = 0
        with self._lock, self._engine.begin() as connection:
            rows = (_row(i) for i in interactions)
            while batch := list(islice(rows, _BATCH)):
                unique = {row["event_id"]: row for row in reversed(batch)}
                offered += len(batch)
                added += self._insert(connection, list(reversed(unique.values())))
            if added:
                connection.execute(VERSION.update().values(value=VERSION.c.value + 1))
        return AppendReport(added, offered - added)

    def _insert(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> int:
        before = connection.execute(sa.select(sa.func.count()).select_from(EVENTS)).scalar_one()
        kind = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        connection.execute(kind.insert(EVENTS).on_conflict_do_nothing(index_elements=["event_id"]), rows)
        after = connection.execute(sa.select(sa.func.count()).select_from(EVENTS)).scalar_one()
        return int(after - before)

    def scan(self, *, since: Timestamp | None = None, until: Timestamp | None = None) -> Iterator[Interaction]:
        """Events with ``since <= at < until``, oldest first, in the order of arrival within a second."""
        query = sa.select(*_COLUMNS, EVENTS.c.value).where(*_between(since, until)).order_by(*_ORDER)
        with self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=_BATCH).execute(query):
                yield _interaction(row)

    def table(self, until: Timestamp | None = None) -> pa.Table:
        """The same as columns: event_id, user, session, product, action, at, value."""
        query = sa.select(*_COLUMNS, EVENTS.c.value).where(*_between(None, until)).order_by(*_ORDER)
        batches = []
        with self._engine.connect() as connection:
            for rows in connection.execution_options(yield_per=50_000).execute(query).partitions():
                columns = list(zip(*rows, strict=True))
                batches.append(pa.record_batch([list(c) for c in columns], schema=SCHEMA))
        return pa.Table.from_batches(batches, SCHEMA)

    def history(
        self, user_id: str | None, session_id: str | None = None, limit: int | None = None
    ) -> tuple[Interaction, ...]:
        """The newest ``limit`` events of a user or session (of either, where both are given), oldest first."""
        wanted = []
        if user_id is not None:
            wanted.append(EVENTS.c.user == user_id)
        if session_id is not None:
            wanted.append(EVENTS.c.session == session_id)
        if not wanted:
            return ()
        newest = (EVENTS.c.at.desc(), EVENTS.c.sequence.desc())
        query = sa.select(*_COLUMNS, EVENTS.c.value).where(sa.or_(*wanted)).order_by(*newest).limit(limit)
        with self._engine.connect() as connection:
            return tuple(_interaction(row) for row in reversed(connection.execute(query).all()))

    def users(self, *, limit: int = 100, offset: int = 0) -> list[str]:
        """Known users, in the order of their ids."""
        query = sa.select(EVENTS.c.user).where(EVENTS.c.user.is_not(None)).distinct().order_by(EVENTS.c.user)
        with self._engine.connect() as connection:
            return list(connection.execute(query.limit(limit).offset(offset)).scalars())

    def forget(self, user_id: str) -> int:
        """Delete a person's events; how many went."""
        with self._lock, self._engine.begin() as connection:
            gone = connection.execute(EVENTS.delete().where(EVENTS.c.user == user_id)).rowcount
            if gone:
                connection.execute(VERSION.update().values(value=VERSION.c.value + 1))
        return int(gone)

    @property
    def version(self) -> int:
        """Rises with each append or forget that changed something."""
        return self._one(sa.select(VERSION.c.value)) or 0

    @property
    def count(self) -> int:
        return self._one(sa.select(sa.func.count()).select_from(EVENTS)) or 0

    @property
    def last_at(self) -> Timestamp | None:
        """The time of the newest event, or None for an empty log."""
        return self._one(sa.select(sa.func.max(EVENTS.c.at)))

    def _one(self, query: sa.Select[Any]) -> int | None:
        with self._engine.connect() as connection:
            value = connection.execute(query).scalar()
        return None if value is None else int(value)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _tune_sqlite(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA busy_timeout=30000")


def _between(since: Timestamp | None, until: Timestamp | None) -> list[sa.ColumnElement[bool]]:
    bounds: list[sa.ColumnElement[bool]] = []
    if since is not None:
        bounds.append(EVENTS.c.at >= since)
    if until is not None:
        bounds.append(EVENTS.c.at < until)
    return bounds


def _row(event: Interaction) -> dict[str, Any]:
    where = f"event {event.event_id!r}"
    if not event.event_id or not event.product_id:
        raise EventError(f"{where} about product {event.product_id!r}: both ids are needed")
    if event.action not in ACTIONS:
        raise EventError(f"{where} has the action {event.action!r}; expected one of {', '.join(ACTIONS)}")
    if event.user_id is None and event.session_id is None:
        raise EventError(f"{where} has neither a user nor a session; one of them is needed")
    if event.value is not None and not math.isfinite(event.value):
        raise EventError(f"{where} has the value {event.value!r}; expected a finite number or none")
    if not -(2**62) < event.at < 2**62:
        raise EventError(f"{where} is at {event.at!r}; expected Unix seconds")
    return {
        "event_id": event.event_id, "user": event.user_id, "session": event.session_id, "product": event.product_id,
        "action": event.action, "at": int(event.at), "value": event.value,
    }  # fmt: skip


def _interaction(row: Any) -> Interaction:
    return Interaction(row.event_id, row.product, row.action, row.at, row.user, row.session, row.value)

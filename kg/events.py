"""The event log: interactions in one SQL table, idempotent by event id, in the order (at, sequence).

append → table → ``scan`` one by one, ``table`` as columns, ``parquet`` as a disposable copy of the columns. Personal
data lives here and not in the graph; ``forget`` removes a person, copies included.
"""

import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, or_, select, update

from kg import events_table
from kg.errors import EventError
from kg.events_table import copies, events, marks, translated
from kg.types import ACTIONS, Action, Interaction, Timestamp
from kg.validation import is_unicode

COLUMNS = pa.schema(
    [
        ("event_id", pa.string()),
        ("user", pa.string()),
        ("session", pa.string()),
        ("product", pa.string()),
        ("action", pa.string()),
        ("at", pa.int64()),
        ("value", pa.float64()),
    ]
)
_BATCH = 20_000  # rows written, and read, at once
_INT64 = range(-(2**63), 2**63)
_ROW = (events.c.event_id, events.c.user_id, events.c.session_id, events.c.product_id, events.c.action, events.c.at)
_ROW_AND_VALUE = (*_ROW, events.c.value)


@dataclass(frozen=True, slots=True)
class AppendReport:
    """What an append did. ``duplicates`` had an event id that the log, or this append, already had."""

    added: int
    duplicates: int


def check_event(event: Interaction) -> None:
    """Raises EventError, which says what the log cannot take about this event."""
    where = f"event {event.event_id!r}"
    named = {"event_id": event.event_id, "product_id": event.product_id}
    named |= {n: v for n, v in (("user_id", event.user_id), ("session_id", event.session_id)) if v is not None}
    for name, text in named.items():
        if not isinstance(text, str) or not text.strip() or not is_unicode(text):
            raise EventError(f"{where}: {name} is {text!r}; expected text that is not empty")
    if event.user_id is None and event.session_id is None:
        raise EventError(f"{where} has neither a user nor a session; give at least one of them")
    if event.action not in ACTIONS:
        raise EventError(f"{where} has the action {event.action!r}; expected one of {', '.join(ACTIONS)}")
    if not hasattr(event.at, "__index__") or isinstance(event.at, bool) or event.at not in _INT64:
        raise EventError(f"{where}: the time is {event.at!r}; expected whole Unix seconds")
    if event.value is not None and not abs(event.value) < float("inf"):
        raise EventError(f"{where}: the value is {event.value!r}; expected a finite number")


class EventLog:
    """The log behind a path or a URL: a path or ``sqlite:///events.db``, or ``postgresql://host/database``.

    ``auth`` is (user, password); a URL that holds credentials is refused (StoreUrlError). Safe to use from several
    threads. Raises FormatError for a database that is not ours, StoreUnavailable where it cannot be reached.
    """

    def __init__(self, url_or_path: str | Path, *, auth: tuple[str, str] | None = None) -> None:
        self._engine = events_table.engine_of(url_or_path, auth)
        self._insert = events_table.insert_unless_known(self._engine)
        try:
            with self._reading() as connection:
                ready = events_table.is_ready(connection)
            if not ready:  # a ready log is opened without waiting for its writer
                with self._writing() as connection:
                    events_table.ensure_format(connection)
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def version(self) -> int:
        """Rises by one with each append or forget that changed something."""
        return self._mark("version")

    @property
    def count(self) -> int:
        """How many events the log holds."""
        with self._reading() as connection:
            return int(connection.scalar(select(func.count()).select_from(events)) or 0)

    @property
    def last_at(self) -> Timestamp | None:
        """The time of the last event, or None for an empty log."""
        with self._reading() as connection:
            last = connection.scalar(select(func.max(events.c.at)))
        return None if last is None else int(last)

    def last_before(self, moment: Timestamp) -> Timestamp | None:
        """The time of the last event before a moment, or None where there is none."""
        with self._reading() as connection:
            last = connection.scalar(select(func.max(events.c.at)).where(events.c.at < moment))
        return None if last is None else int(last)

    def append(self, interactions: Iterable[Interaction]) -> AppendReport:
        """Add events in one transaction; one whose id is known changes nothing. EventError, and nothing is added."""
        rest, seen = iter(interactions), 0
        with self._writing() as connection:
            _lock(connection)
            last = connection.scalar(select(func.max(events.c.sequence))) or 0
            while rows := [_row(event) for event in islice(rest, _BATCH)]:
                connection.execute(self._insert, rows)
                seen += len(rows)
            added = int(connection.scalar(select(func.count()).where(events.c.sequence > last)) or 0) if seen else 0
            if added:
                _raise_version(connection)
        return AppendReport(added, seen - added)

    def append_each(self, interactions: Iterable[Interaction]) -> list[bool]:
        """As ``append``, for the events of one request; says of each, in order, whether it was new."""
        offered = list(interactions)
        rows = [_row(event) for event in offered]
        with self._writing() as connection:
            _lock(connection)
            fresh = set(connection.scalars(self._insert.returning(events.c.event_id), rows)) if rows else set()
            if fresh:
                _raise_version(connection)
        new = []
        for event in offered:
            new.append(event.event_id in fresh)
            fresh.discard(event.event_id)  # a second one of the same request is known by then
        return new

    def scan(self, since: Timestamp | None = None, until: Timestamp | None = None) -> Iterator[Interaction]:
        """The events with ``since`` <= at < ``until``, by (at, order of arrival)."""
        with self._reading() as connection:
            yield from map(_interaction_of, _streamed(connection, _between(since, until)))

    def table(self, until: Timestamp | None = None) -> pa.Table:
        """The events before ``until`` as columns (``COLUMNS``), in the order of ``scan``."""
        with self._reading() as connection:
            return pa.Table.from_batches(_record_batches(connection, until), COLUMNS)

    def parquet(self, folder: Path, until: Timestamp | None = None) -> Path:
        """A copy of ``table(until)`` as a Parquet file in ``folder``; made once for each version of the log.

        Copies of earlier versions in the folder are removed, and ``forget`` removes all: never keep one.
        """
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            version, prefix = self.version, f"events-{self._mark('id'):x}-"
            path = folder / f"{prefix}{version}{'' if until is None else f'-until-{until}'}.parquet"
            if not path.exists():
                self._copy(path, until)
            if self.version == version:
                break
            path.unlink(missing_ok=True)  # an event came, or somebody was forgotten, while we wrote
        for old in folder.glob(f"{prefix}*.parquet"):
            if not old.name.startswith((f"{prefix}{version}.", f"{prefix}{version}-")):
                old.unlink(missing_ok=True)
        return path

    def history(
        self,
        user_id: str | None,
        *,
        session_id: str | None = None,
        limit: int | None = None,
        until: Timestamp | None = None,
    ) -> tuple[Interaction, ...]:
        """The last ``limit`` events before ``until`` of a user, of a session, or of a user and of a session not yet
        known to be theirs.

        Oldest first. The session of another user is never told.
        """
        whose = _whose(user_id, session_id)
        if whose is None:
            return ()
        newest = select(*_ROW_AND_VALUE).where(whose)
        if until is not None:
            newest = newest.where(events.c.at < until)
        newest = newest.order_by(events.c.at.desc(), events.c.sequence.desc()).limit(limit)
        with self._reading() as connection:
            rows = connection.execute(newest).all()
        return tuple(_interaction_of(row) for row in reversed(rows))

    def products(
        self,
        user_id: str | None,
        *,
        session_id: str | None = None,
        actions: Collection[Action] = ACTIONS,
        until: Timestamp | None = None,
    ) -> frozenset[str]:
        """Every product that they did one of ``actions`` to before ``until``, however long ago.

        Of a user, of a session, or of both, as in ``history``.
        """
        whose = _whose(user_id, session_id)
        if whose is None:
            return frozenset()
        touched = select(events.c.product_id).distinct().where(whose, events.c.action.in_(actions))
        if until is not None:
            touched = touched.where(events.c.at < until)
        with self._reading() as connection:
            return frozenset(connection.scalars(touched))

    def users(self, limit: int = 100, offset: int = 0) -> list[str]:
        """The ids of the users who have events, in order."""
        query = select(events.c.user_id).where(events.c.user_id.is_not(None)).distinct()
        with self._reading() as connection:
            return list(connection.scalars(query.order_by(events.c.user_id).limit(limit).offset(offset)))

    def forget(self, user_id: str) -> int:
        """Delete a person: their events, and those without a user in their sessions. Returns how many went.

        Every Parquet copy goes too.
        """
        sessions = select(events.c.session_id).where(events.c.user_id == user_id, events.c.session_id.is_not(None))
        before_login = and_(events.c.user_id.is_(None), events.c.session_id.in_(sessions))
        with self._writing() as connection:
            _lock(connection)
            gone = connection.execute(delete(events).where(before_login)).rowcount  # first: it looks at the others
            gone += connection.execute(delete(events).where(events.c.user_id == user_id)).rowcount
            if gone:
                _raise_version(connection)
                self._drop_copies(connection)
        if gone:
            with translated(self._engine):
                events_table.erase(self._engine)
        return gone

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reading(self) -> "events_table.Transaction":
        return events_table.transaction(self._engine, write=False)

    def _writing(self) -> "events_table.Transaction":
        return events_table.transaction(self._engine, write=True)

    def _mark(self, name: str) -> int:
        with self._reading() as connection:
            return int(connection.scalar(select(marks.c.value).where(marks.c.name == name)) or 0)

    def _copy(self, path: Path, until: Timestamp | None) -> None:
        known = select(copies.c.folder).where(copies.c.folder == str(path.parent))
        with self._reading() as connection:
            noted = connection.scalar(known) is not None
        if not noted:  # before the copy is made: one that nobody knows of could not be forgotten
            with self._writing() as connection:
                _lock(connection)
                if connection.scalar(known) is None:
                    connection.execute(insert(copies), {"folder": str(path.parent)})
        partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
        try:
            with self._reading() as connection, pq.ParquetWriter(partial, COLUMNS) as writer:
                for batch in _record_batches(connection, until):
                    writer.write_batch(batch)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _drop_copies(self, connection: Connection) -> None:
        name = connection.scalar(select(marks.c.value).where(marks.c.name == "id"))
        for folder in connection.scalars(select(copies.c.folder)).all():
            for copy in Path(folder).glob(f"events-{name:x}-*.parquet"):
                copy.unlink(missing_ok=True)
        connection.execute(delete(copies))


def _lock(connection: Connection) -> None:
    """One writer at a time, also where the database would let two write at once."""
    connection.execute(update(marks).where(marks.c.name == "version").values(value=marks.c.value))


def _raise_version(connection: Connection) -> None:
    connection.execute(update(marks).where(marks.c.name == "version").values(value=marks.c.value + 1))


def _row(event: Interaction) -> Mapping[str, object]:
    check_event(event)
    return {
        "event_id": event.event_id,
        "product_id": event.product_id,
        "action": event.action,
        "at": int(event.at),
        "user_id": event.user_id,
        "session_id": event.session_id,
        "value": None if event.value is None else float(event.value),
    }


def _whose(user_id: str | None, session_id: str | None) -> ColumnElement[bool] | None:
    """Which events are theirs: a session's only as far as it is of no other user. None where nobody is named."""
    theirs: list[ColumnElement[bool]] = []
    if user_id is not None:
        theirs.append(events.c.user_id == user_id)
    if session_id is not None:
        of_nobody = [events.c.user_id.is_(None)] if user_id is not None else []
        theirs.append(and_(events.c.session_id == session_id, *of_nobody))
    return or_(*theirs) if theirs else None


def _interaction_of(row: Any) -> Interaction:
    event_id, user, session, product, action, at, value = row
    return Interaction(event_id, product, action, at, user, session, value)


def _between(since: Timestamp | None, until: Timestamp | None) -> Select[Any]:
    query = select(*_ROW_AND_VALUE).order_by(events.c.at, events.c.sequence)
    if since is not None:
        query = query.where(events.c.at >= since)
    return query if until is None else query.where(events.c.at < until)


def _streamed(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    yield from connection.execution_options(stream_results=True, yield_per=_BATCH).execute(query)


def _record_batches(connection: Connection, until: Timestamp | None) -> Iterator[pa.RecordBatch]:
    result = connection.execution_options(stream_results=True, yield_per=_BATCH).execute(_between(None, until))
    for rows in result.partitions():
        columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), COLUMNS, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=COLUMNS)

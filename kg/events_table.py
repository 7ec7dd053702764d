"""The tables of the event log, and how its database is opened, locked and erased; SQLite or PostgreSQL."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from kg.errors import FormatError, StoreAuthError, StoreLocked, StoreUnavailable, StoreUrlError

FORMAT = 1
BUSY_SECONDS = 30

Transaction: TypeAlias = AbstractContextManager[sa.Connection]

_metadata = sa.MetaData()
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts rows only under INTEGER

events = sa.Table(
    "events",
    _metadata,
    sa.Column("sequence", _BIG, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("product_id", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("session_id", sa.Text),
    sa.Column("value", sa.Double),
    sa.Index("events_in_time", "at", "sequence"),
    sa.Index("events_of_user", "user_id", "at", "sequence"),
    sa.Index("events_of_session", "session_id", "at", "sequence"),
    sqlite_autoincrement=True,  # the number of a forgotten event is never given again
)
marks = sa.Table(
    "event_log",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
copies = sa.Table("event_copies", _metadata, sa.Column("folder", sa.Text, primary_key=True))


def engine_of(url_or_path: str | Path, auth: tuple[str, str] | None) -> sa.Engine:
    """An engine that connects when it is first used."""
    url = _url(url_or_path)
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    if auth is not None:
        url = url.set(username=auth[0], password=auth[1])
    try:
        return sa.create_engine(url, pool_pre_ping=True)
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        raise StoreUrlError(
            f"no driver for {url.drivername}:// is installed ({error}); install one, such as psycopg, and name it: "
            "postgresql+psycopg://host/database"
        ) from error


def _url(url_or_path: str | Path) -> URL:
    text = str(url_or_path)
    if isinstance(url_or_path, Path) or "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
    except sa.exc.ArgumentError:
        raise StoreUrlError(
            f"the event log's URL with the scheme {text.partition('://')[0]!r} cannot be read"
        ) from None
    if url.username or url.password:
        raise StoreUrlError("the event log's URL holds a user or a password; leave them out and pass them as auth")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreUrlError(
            f"the event log knows sqlite:///file.db and postgresql://host/database, not {url.drivername}://"
        )
    if url.get_backend_name() == "sqlite" and not url.database:
        raise StoreUrlError("the event log's URL names no file; write sqlite:///events.db")
    return url


def _sqlite_engine(url: URL) -> sa.Engine:
    folder = Path(url.database or "").parent
    if not folder.is_dir():
        raise StoreUnavailable(f"{url.database}: the folder {folder} does not exist; make it first")
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions begin as we say below, not at the first INSERT
        # What is deleted is overwritten: a forgotten person is not left in free pages.
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON", "cache_size = -65536"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def transaction(engine: sa.Engine, *, write: bool) -> Iterator[sa.Connection]:
    """One transaction: all its reads see one state of the log."""
    options: Mapping[str, Any] = {"writes": write}
    if engine.dialect.name == "postgresql" and not write:
        options = {"isolation_level": "REPEATABLE READ"}
    with translated(engine), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def translated(engine: sa.Engine) -> Iterator[None]:
    """The errors of SQLAlchemy and its drivers in our words; neither parameters nor credentials are told."""
    where = engine.url.render_as_string(hide_password=True)
    try:
        yield
    except sa.exc.DBAPIError as error:
        said = str(error.orig)
        name = getattr(error.orig, "sqlite_errorname", None) or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StoreLocked(f"{where} is held by another writer (waited {BUSY_SECONDS} s); try again") from error
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise FormatError(f"{where} is no readable SQLite database ({said}); give another path") from error
        if "authentication" in said:
            raise StoreAuthError(f"{where} refused the credentials; pass the right ones as auth") from error
        raise StoreUnavailable(f"{where} cannot be used: {said.strip()}") from error


def insert_unless_known(engine: sa.Engine) -> sa.Insert:
    """An insert that leaves alone what has a known event id."""
    if engine.dialect.name == "sqlite":
        return sqlite.insert(events).on_conflict_do_nothing(index_elements=["event_id"])
    return postgresql.insert(events).on_conflict_do_nothing(index_elements=["event_id"])


def is_ready(connection: sa.Connection) -> bool:
    """Whether the tables are there and ours; raises FormatError for those of another format or owner."""
    tables, ours = set(sa.inspect(connection).get_table_names()), set(_metadata.tables)
    if not ours & tables:
        if tables and connection.dialect.name == "sqlite":
            raise FormatError(f"{connection.engine.url.database} is a database, but no event log; give another path")
        return False
    found = connection.scalar(sa.select(marks.c.value).where(marks.c.name == "format")) if ours <= tables else None
    if found != FORMAT:
        raise FormatError(
            f"the event log has the format {found} and this version reads {FORMAT}; use the version of shopgraph that "
            "wrote it, or load the events anew"
        )
    return True


def ensure_format(connection: sa.Connection) -> None:
    """Make the tables, unless another process was faster."""
    if not is_ready(connection):
        _metadata.create_all(connection)
        first = {"format": FORMAT, "version": 0, "id": secrets.randbits(48)}
        connection.execute(sa.insert(marks), [{"name": name, "value": value} for name, value in first.items()])


def erase(engine: sa.Engine) -> None:
    """Make what was deleted unreadable on the disk as well, as far as open readers allow."""
    if engine.dialect.name == "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

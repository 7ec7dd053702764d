"""The laws of the event log, held against every database it may live in."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kg.errors import EventError, FormatError, StoreAuthError
from kg.events import COLUMNS, AppendReport, EventLog
from kg.events_table import marks
from kg.types import Interaction

NewLog = Callable[[], EventLog]


@dataclass(frozen=True, slots=True)
class Postgres:
    port: int
    auth: tuple[str, str]

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://127.0.0.1:{self.port}/postgres"

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} dbname=postgres user={self.auth[0]} password={self.auth[1]}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of our own on loopback, for as long as the tests run."""
    pytest.importorskip("psycopg")
    initdb = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None) or shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed: no initdb in PATH or /usr/lib/postgresql")
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="shopgraph-postgres-"))
    if user:
        shutil.chown(folder, user)
    secret, data = folder / "secret", folder / "data"
    secret.write_text("only-for-tests", encoding="utf-8")
    secret.chmod(0o644)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [initdb, "-D", data, "-U", "shop", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-sync"]
    subprocess.run([*command, "--locale=C"], check=True, capture_output=True, user=user, cwd="/")
    server = subprocess.Popen(
        [Path(initdb).with_name("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"],
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _when_ready(Postgres(port, ("shop", secret.read_text(encoding="utf-8"))))
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _when_ready(server: Postgres) -> Postgres:
    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(server.dsn).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return server
    raise AssertionError("PostgreSQL did not start within 20 seconds")


def _in_sqlite(request: pytest.FixtureRequest) -> NewLog:
    folder = request.getfixturevalue("tmp_path")
    return lambda: EventLog(folder / "events.db")


def _in_postgres(request: pytest.FixtureRequest) -> NewLog:
    server: Postgres = request.getfixturevalue("postgres")
    import psycopg

    name = f"shop_{secrets.token_hex(4)}"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return lambda: EventLog(f"postgresql+psycopg://127.0.0.1:{server.port}/{name}", auth=server.auth)


@pytest.fixture(params=[_in_sqlite, _in_postgres], ids=["sqlite", "postgres"])
def new_log(request: pytest.FixtureRequest) -> Iterator[NewLog]:
    """Opens the one log of this test, as often as asked; all are closed after it."""
    make, opened = request.param(request), []

    def new() -> EventLog:
        opened.append(make())
        return opened[-1]

    yield new
    for log in opened:
        log.close()


@pytest.fixture
def log(new_log: NewLog) -> EventLog:
    return new_log()


def event(number: int, at: int = 100, **changes: object) -> Interaction:
    return replace(Interaction(f"e{number}", "B1", "purchase", at, "ann"), **changes)  # type: ignore[arg-type]


EVENTS = [
    event(1, 300),
    event(2, 100, user_id=None, session_id="s1"),
    event(3, 200, user_id="李雷", product_id="水壶 🫖", action="rating", value=4.5),
    event(4, 100, session_id="s1", action="view"),
    event(5, 100, user_id="bob", session_id="s2", action="cart", value=2),
]
IN_ORDER = ["e2", "e4", "e5", "e3", "e1"]  # by time, then by arrival


def ids(events: Iterator[Interaction] | tuple[Interaction, ...]) -> list[str]:
    return [e.event_id for e in events]


def test_what_is_appended_is_scanned_in_order(log: EventLog) -> None:
    assert (log.count, log.version, log.last_at) == (0, 0, None)
    assert log.append(iter(EVENTS)) == AppendReport(5, 0)
    assert (log.count, log.version, log.last_at) == (5, 1, 300)
    found = list(log.scan())
    assert [e.event_id for e in found] == IN_ORDER
    assert sorted(found, key=lambda e: e.event_id) == EVENTS


def test_appending_again_changes_nothing(log: EventLog, new_log: NewLog) -> None:
    log.append(EVENTS)
    assert log.append(EVENTS) == AppendReport(0, 5)
    assert log.append([event(1, 999, product_id="other"), event(6), event(6, 7)]) == AppendReport(1, 2)
    assert (log.count, log.version, log.last_at) == (6, 2, 300)
    assert log.append([]) == AppendReport(0, 0)
    again = new_log()
    assert (again.count, again.version) == (6, 2)
    assert ids(again.scan()) == [*IN_ORDER[:3], "e6", *IN_ORDER[3:]]


def test_each_event_of_a_request_is_told_whether_it_was_new(log: EventLog) -> None:
    assert log.append_each([event(1), event(2)]) == [True, True]
    assert log.append_each([event(2), event(3), event(3, 5)]) == [False, True, False]
    assert (log.count, log.version) == (3, 2)
    assert log.append_each([event(1)]) == [False]
    assert log.append_each([]) == []
    assert log.version == 2
    with pytest.raises(EventError, match="e5"):
        log.append_each([event(4), event(5, action="buy")])
    assert ids(log.scan()) == ["e1", "e2", "e3"]


def test_bounds_are_half_open(log: EventLog) -> None:
    log.append(EVENTS)
    assert ids(log.scan(since=200)) == ["e3", "e1"]
    assert ids(log.scan(until=200)) == IN_ORDER[:3]
    assert ids(log.scan(since=101, until=300)) == ["e3"]
    assert log.table(until=200).column("event_id").to_pylist() == IN_ORDER[:3]


def test_the_table_has_the_columns_of_the_events_in_the_same_order(log: EventLog) -> None:
    assert log.table().schema == COLUMNS
    assert log.table().num_rows == 0
    log.append(EVENTS)
    table = log.table()
    assert table.schema == COLUMNS
    expected = [(e.event_id, e.user_id, e.session_id, e.product_id, e.action, e.at, e.value) for e in log.scan()]
    assert [tuple(row.values()) for row in table.to_pylist()] == expected


def test_a_copy_is_made_once_a_version(log: EventLog, tmp_path: Path) -> None:
    log.append(EVENTS)
    whole, part = log.parquet(tmp_path / "cache"), log.parquet(tmp_path / "cache", until=200)
    assert pq.read_table(whole) == log.table()
    assert pq.read_table(part) == log.table(until=200)
    made = whole.stat().st_mtime_ns
    assert log.parquet(tmp_path / "cache") == whole
    assert whole.stat().st_mtime_ns == made
    log.append([event(6)])
    newer = log.parquet(tmp_path / "cache")
    assert pq.read_table(newer).num_rows == 6
    assert list((tmp_path / "cache").iterdir()) == [newer]


def test_history_is_the_latest_events_oldest_first(log: EventLog) -> None:
    log.append([*EVENTS, event(6, 50), event(7, 150, user_id="bob", session_id="s1")])
    assert ids(log.history("ann")) == ["e6", "e4", "e1"]
    assert ids(log.history("ann", limit=2)) == ["e4", "e1"]
    assert ids(log.history(None, session_id="s1")) == ["e2", "e4", "e7"]
    assert ids(log.history("ann", session_id="s1")) == ["e6", "e2", "e4", "e1"]  # never what bob did in it
    assert ids(log.history("ann", until=log.history("ann")[-1].at)) == ["e6", "e4"]
    assert log.history("nobody") == log.history(None) == log.history("nobody", session_id="none") == ()


def test_users_are_told_in_order(log: EventLog) -> None:
    log.append(EVENTS)
    assert log.users() == ["ann", "bob", "李雷"]
    assert log.users(limit=1, offset=1) == ["bob"]


def test_a_person_is_forgotten_with_their_sessions_and_all_copies(log: EventLog, tmp_path: Path) -> None:
    log.append([*EVENTS, event(6, user_id=None, session_id="s2"), event(7, user_id=None, session_id="s3")])
    copies = [log.parquet(tmp_path / "a"), log.parquet(tmp_path / "b", until=150)]
    assert log.forget("ann") == 3
    assert ids(log.scan()) == ["e5", "e6", "e7", "e3"]
    assert [path.exists() for path in copies] == [False, False]
    assert (log.version, log.users()) == (2, ["bob", "李雷"])
    assert log.forget("ann") == log.forget("nobody") == 0
    assert log.version == 2
    assert pq.read_table(log.parquet(tmp_path / "a")).column("user").to_pylist() == ["bob", None, None, "李雷"]
    assert log.append([event(1)]) == AppendReport(1, 0)  # the shop may send it again; that is its decision


BAD_EVENTS = {
    "action": {"action": "buy"},
    "no product": {"product_id": ""},
    "no id": {"event_id": " "},
    "nan": {"at": float("nan")},
    "infinite": {"at": float("inf")},
    "between seconds": {"at": 1.5},
    "too late": {"at": 2**63},
    "nobody": {"user_id": None},
    "empty user": {"user_id": ""},
    "value": {"value": float("nan")},
    "surrogate": {"product_id": "B\ud800"},
}


@pytest.mark.parametrize("changes", BAD_EVENTS.values(), ids=BAD_EVENTS)
def test_a_bad_event_refuses_the_whole_append(log: EventLog, changes: dict[str, object]) -> None:
    with pytest.raises(EventError, match="event "):
        log.append([event(1), event(2, **changes)])
    assert (log.count, log.version) == (0, 0)


def test_readers_and_writers_share_one_log(log: EventLog) -> None:
    """Four threads append overlapping events while the log is read: each event is there once, batches are whole."""
    seen: list[int] = []

    def write(start: int) -> None:
        for first in range(start, start + 40, 10):
            log.append([event(i, i) for i in range(first, first + 20)])

    threads = [threading.Thread(target=write, args=(10 * t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen.append(len(list(log.scan())))
    for thread in threads:
        thread.join()
    assert ids(log.scan()) == [f"e{i}" for i in range(80)]
    assert {n % 10 for n in seen} == {0}
    assert seen == sorted(seen)


def test_an_open_scan_survives_a_write(log: EventLog) -> None:
    log.append(EVENTS)
    scan = log.scan()
    first = next(scan)
    log.append([event(6)])
    assert ids((first, *scan)) == IN_ORDER


def test_wrong_credentials_are_told_without_them(postgres: Postgres) -> None:
    with pytest.raises(StoreAuthError) as told:
        EventLog(postgres.url, auth=("shop", "not the secret"))
    assert "not the secret" not in str(told.value)


def test_a_log_of_another_format_is_refused(log: EventLog, new_log: NewLog) -> None:
    with log._writing() as connection:
        connection.execute(marks.update().where(marks.c.name == "format").values(value=99))
    with pytest.raises(FormatError, match="format 99"):
        new_log()


def test_products_are_told_without_a_horizon(log: EventLog) -> None:
    log.append(EVENTS)
    for user, session in (("ann", None), (None, "s1"), ("ann", "s1"), ("nobody", None), (None, None)):
        history = log.history(user, session_id=session)
        assert log.products(user, session_id=session) == {e.product_id for e in history}
        bought = {e.product_id for e in history if e.action == "purchase"}
        assert log.products(user, session_id=session, actions=["purchase"]) == bought
        assert log.products(user, session_id=session, until=150) == {e.product_id for e in history if e.at < 150}


def test_a_history_of_the_past_is_its_newest_part_however_much_came_later(log: EventLog) -> None:
    log.append([*EVENTS, *(event(n, 1000 + n) for n in range(10, 40))])
    for user, session in (("ann", None), (None, "s1"), ("ann", "s1"), ("nobody", None), (None, None)):
        whole = log.history(user, session_id=session)
        for until in (None, 0, 100, 101, 150, 2000):
            before = tuple(e for e in whole if until is None or e.at < until)
            assert log.history(user, session_id=session, until=until) == before
            for limit in (1, 2):
                assert log.history(user, session_id=session, limit=limit, until=until) == before[-limit:]

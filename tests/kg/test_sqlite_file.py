"""What is particular to the SQLite file: its format, its locks, a process that dies."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kg.errors import FormatError, StoreLocked, StoreUnavailable
from kg.stores import sqlite_file
from kg.stores.sqlite import SqliteStore
from kg.types import Counts, Entity, Evidence, Fact


def test_the_graph_outlives_the_process(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "graph.db") as store:
        store.put([Entity("use:茶", "Use", "茶")])
    with SqliteStore(tmp_path / "graph.db") as store:
        assert (store.version, [e.name for e in store.entities()]) == (1, ["茶"])


def test_what_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_bytes(b"these are notes, not a database" * 100)
    with pytest.raises(FormatError, match="no readable SQLite database"):
        SqliteStore(text)
    assert text.read_bytes() == b"these are notes, not a database" * 100
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(FormatError, match="no graph of ours"):
        SqliteStore(foreign)
    with sqlite3.connect(foreign) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    with pytest.raises(StoreUnavailable, match="does not exist"):
        SqliteStore(tmp_path / "nowhere" / "graph.db")


def _say_format(path: Path, number: int) -> None:
    with SqliteStore(path) as store:
        store.put([Entity("use:x", "Use", "x")])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'format'", (number,))


def test_another_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    _say_format(tmp_path / "newer.db", sqlite_file.FORMAT + 1)
    with pytest.raises(FormatError, match="upgrade shopgraph"):
        SqliteStore(tmp_path / "newer.db")
    _say_format(tmp_path / "older.db", 0)
    with pytest.raises(FormatError, match="shopgraph export"):
        SqliteStore(tmp_path / "older.db")


def test_an_older_format_is_migrated_in_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "graph.db"
    _say_format(path, 0)

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM entities")
        raise RuntimeError("the power went")

    monkeypatch.setattr(sqlite_file, "MIGRATIONS", {0: fails})
    with pytest.raises(RuntimeError, match="the power went"):
        SqliteStore(path)
    rename = "UPDATE entities SET name = 'migrated'"
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", {0: lambda connection: connection.execute(rename)})
    with SqliteStore(path) as store:
        assert [e.name for e in store.entities()] == ["migrated"]
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", {})
    SqliteStore(path).close()


def test_a_second_writer_waits_and_is_then_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    path = tmp_path / "graph.db"
    with SqliteStore(path) as one, SqliteStore(path) as two:

        def entities() -> Iterator[Entity]:
            with pytest.raises(StoreLocked, match="another writer"):
                two.put([Entity("use:y", "Use", "y")])
            assert list(two.entities()) == []
            SqliteStore(path).close()  # opening does not wait for the writer
            yield Entity("use:x", "Use", "x")

        def facts() -> Iterator[Fact]:
            next(entities())
            yield from ()

        assert one.put([Entity("use:x", "Use", "x")], facts()) == Counts(entities=1)
        assert [e.id for e in two.entities()] == ["use:x"]


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "graph.db")
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.entity("use:x")
    with pytest.raises(StoreUnavailable, match="closed"):
        store.put([Entity("use:x", "Use", "x")])


WRITER = """
import sys
from kg.stores.sqlite import SqliteStore
from kg.types import Entity, Evidence, Fact

def facts():
    for i in range(1, 100_000):
        yield Fact(f"product:{i % 50}", "BOUGHT_WITH", f"product:{i // 50 % 50}", (Evidence(f"e{i}", "m", 0.5),))
        if i == 45_000:
            print("in the middle", flush=True)
            sys.stdin.read()

store = SqliteStore(sys.argv[1])
store.put([Entity(f"product:{i}", "Product", "x") for i in range(50)])
store.put(facts=facts())
"""


def test_a_killed_put_leaves_the_graph_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(sqlite_file.__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"in the middle\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with SqliteStore(path) as store:
        assert store.version == 1
        assert len(list(store.entities())) == 50
        assert list(store.facts()) == []
        evidence = (Evidence("e", "m", 0.5),)
        assert store.put(facts=[Fact("product:1", "BOUGHT_WITH", "product:2", evidence)]).facts == 1


def test_put_streams_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More facts than one batch, some of them again in a later batch, are one put."""
    monkeypatch.setattr("kg.stores.sqlite._BATCH", 7)
    entities = [Entity(f"product:{i}", "Product", "x") for i in range(20)]
    facts = [
        Fact(f"product:{i % 20}", "BOUGHT_WITH", f"product:{(i + 1) % 20}", (Evidence(f"e{i % 30}", "m", 0.5),))
        for i in range(60)
    ]
    with SqliteStore(tmp_path / "graph.db") as store:
        counts = store.put(iter(entities), iter(facts))
        assert counts == Counts(entities=20, facts=20, evidence=60)
        assert store.version == 1
        assert sum(len(f.evidence) for f in store.facts()) == 60
        assert store.put(entities, facts) == Counts()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_an_abandoned_read_gives_its_connection_back(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "graph.db") as store:
        store.put([Entity(f"use:{i}", "Use", "x") for i in range(100)])
        next(store.entities())
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(200):
            next(store.entities())
        assert len(list(Path("/proc/self/fd").iterdir())) <= before

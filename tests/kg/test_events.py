"""What is particular to the event log's file and URL; its laws are in tests/contracts."""

import sqlite3
from pathlib import Path

import pytest

from kg import events_table
from kg.errors import FormatError, StoreLocked, StoreUnavailable, StoreUrlError
from kg.events import EventLog
from kg.types import Interaction


def event(number: int, user: str = "ann") -> Interaction:
    return Interaction(f"e{number}", "B1", "view", number, user)


def test_a_path_and_its_url_are_the_same_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with EventLog(tmp_path / "a b%.db") as by_path, EventLog("a b%.db") as by_text:
        by_path.append([event(1)])
        assert by_text.count == 1
    with EventLog(tmp_path / "log.db") as by_path, EventLog(f"sqlite:///{tmp_path}/log.db") as by_url:
        by_path.append([event(1)])
        assert by_url.count == 1


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "nonsense://", "oracle://x/y"])
def test_an_unknown_url_is_refused(url: str) -> None:
    with pytest.raises(StoreUrlError):
        EventLog(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(StoreUrlError) as told:
        EventLog("postgresql://ann:secret@host/db")
    assert "secret" not in str(told.value)


def test_what_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"these are notes, not a database" * 100)
    with pytest.raises(FormatError, match="no readable SQLite database"):
        EventLog(tmp_path / "notes.db")
    with sqlite3.connect(tmp_path / "foreign.db") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(FormatError, match="no event log"):
        EventLog(tmp_path / "foreign.db")
    with pytest.raises(StoreUnavailable, match="does not exist"):
        EventLog(tmp_path / "nowhere" / "events.db")


def test_a_second_writer_waits_and_is_then_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_table, "BUSY_SECONDS", 0.05)
    with EventLog(tmp_path / "events.db") as one, EventLog(tmp_path / "events.db") as two:

        def slowly() -> list[Interaction]:
            with pytest.raises(StoreLocked, match="another writer"):
                two.append([event(2)])
            assert two.count == 0
            EventLog(tmp_path / "events.db").close()  # opening does not wait for the writer
            return [event(1)]

        assert one.append(e for _ in range(1) for e in slowly()).added == 1


def test_a_forgotten_person_leaves_no_trace_in_the_files(tmp_path: Path) -> None:
    with EventLog(tmp_path / "events.db") as log:
        log.append([event(i, "ann-the-unforgettable" if i % 2 else "bob") for i in range(1_000)])
        copy = log.parquet(tmp_path)
        assert b"ann-the-unforgettable" in b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert log.forget("ann-the-unforgettable") == 500
        assert not copy.exists()
        assert b"ann-the-unforgettable" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert log.users() == ["bob"]


def test_two_logs_share_a_folder_of_copies(tmp_path: Path) -> None:
    """A copy belongs to its log: another log at the same version never answers with it."""
    with EventLog(tmp_path / "a.db") as a, EventLog(tmp_path / "b.db") as b:
        a.append([event(1, "ann")])
        b.append([event(1, "bob")])
        of_a, of_b = a.parquet(tmp_path), b.parquet(tmp_path)
        assert of_a != of_b
        b.forget("bob")
        assert (of_a.exists(), of_b.exists()) == (True, False)

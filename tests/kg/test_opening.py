"""A URL names a store, and never a secret."""

from pathlib import Path

import pytest

from kg.errors import StoreUrlError
from kg.stores import open_store
from kg.stores.memory import MemoryStore
from kg.stores.sqlite import SqliteStore
from kg.types import Entity


def test_embedded_stores_open_by_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("memory://", auth=("user", "unused")) as memory:
        assert isinstance(memory, MemoryStore)
    with open_store("sqlite:///my shop 100%.db") as relative:
        assert isinstance(relative, SqliteStore)
        relative.put([Entity("use:x", "Use", "x")])
    with open_store(f"sqlite:///{tmp_path}/my shop 100%.db") as absolute:
        assert [e.id for e in absolute.entities()] == ["use:x"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "graph.db",
        "mysql://host/db",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/x.db",
        "memory://name",
        "SQLITE:///x",
    ],
)
def test_what_nobody_understands_is_refused(url: str) -> None:
    with pytest.raises(StoreUrlError):
        open_store(url)


def test_an_unknown_scheme_is_told_what_is_known() -> None:
    with pytest.raises(StoreUrlError, match=r"'mysql'.*memory://, sqlite://, neo4j://, bolt://"):
        open_store("mysql://ann:secret@host/db")


@pytest.mark.parametrize("url", ["mysql://ann:secret@host", "neo4j://ann:secret@host:7687", "bolt://ann:secret@host/"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(StoreUrlError) as told:
        open_store(url)
    assert "secret" not in str(told.value)

"""A snapshot is the graph: the same bytes from every store, and back again."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kg.errors import FormatError, StoreLocked
from kg.snapshot import FILES, digest, read_jsonl, write_jsonl
from kg.stores.memory import MemoryStore
from kg.stores.sqlite import SqliteStore
from kg.types import Counts, Document, Entity, Evidence, Fact


def test_the_bytes_are_the_same_from_every_store_and_back(shop: MemoryStore, tmp_path: Path) -> None:
    counts = write_jsonl(shop, tmp_path / "memory")
    assert counts == Counts(15, 18, 6, 18)
    with SqliteStore(tmp_path / "graph.db") as other:
        assert read_jsonl(tmp_path / "memory", other) == counts
        write_jsonl(other, tmp_path / "sqlite")
        assert digest(other) == digest(shop)
    written = b""
    for name in FILES:
        assert (tmp_path / "sqlite" / name).read_bytes() == (tmp_path / "memory" / name).read_bytes()
        written += (tmp_path / "memory" / name).read_bytes()
    assert hashlib.sha256(written).hexdigest() == digest(shop)
    assert sorted(p.name for p in (tmp_path / "memory").iterdir()) == sorted(FILES)


def test_a_line_says_what_is_set_and_nothing_of_the_run(tmp_path: Path) -> None:
    store = MemoryStore()
    evidence = Evidence("doc:1", "rules", 1, 7, "run-9", "title", "茶 🫖", 0, 3)
    behaviour = Evidence("events", "cooccurrence", 0.1, counts={"support": 3, "lift": 1.25})
    store.put(
        [Entity("product:1", "Product", "茶 🫖"), Entity("use:tea", "Use", "tea", ("茶",), "en", {"b": 1, "a": True})],
        [Fact("product:1", "USED_FOR", "use:tea", (evidence, behaviour))],
        [Document("doc:1", "product:1", "product", "茶 🫖\u2028x")],
    )
    write_jsonl(store, tmp_path)
    documents, entities, facts = ((tmp_path / name).read_text(encoding="utf-8").split("\n") for name in FILES)
    assert documents == [
        '{"id": "doc:1", "about": "product:1", "kind": "product", "text": "茶 🫖\u2028x"}',
        "",
    ]
    assert entities == [
        '{"id": "product:1", "type": "Product", "name": "茶 🫖"}',
        '{"id": "use:tea", "type": "Use", "name": "tea", "aliases": ["茶"], "lang": "en", '
        '"properties": {"a": true, "b": 1}}',
        "",
    ]
    assert facts == [
        '{"head": "product:1", "relation": "USED_FOR", "tail": "use:tea", "evidence": ['
        '{"source": "doc:1", "field": "title", "quote": "茶 🫖", "start": 0, "end": 3, "method": "rules", '
        '"confidence": 1.0, "counts": {}, "at": 7}, '
        '{"source": "events", "field": null, "quote": null, "start": null, "end": null, "method": "cooccurrence", '
        '"confidence": 0.1, "counts": {"lift": 1.25, "support": 3.0}, "at": null}]}',
        "",
    ]


def test_a_later_snapshot_replaces_and_a_failed_one_does_not(shop: MemoryStore, tmp_path: Path) -> None:
    write_jsonl(shop, tmp_path)
    before = (tmp_path / "facts.jsonl").read_bytes()

    class Broken(MemoryStore):
        def facts(self, **parts: object) -> Iterator[Fact]:  # type: ignore[override]
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_jsonl(Broken(), tmp_path)
    assert (tmp_path / "facts.jsonl").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES)
    shop.retract("events")
    write_jsonl(shop, tmp_path)
    assert b"events" not in (tmp_path / "facts.jsonl").read_bytes()


def test_a_snapshot_is_of_one_version(shop: MemoryStore, tmp_path: Path) -> None:
    class Busy(MemoryStore):
        def documents(self, **parts: object) -> Iterator[Document]:  # type: ignore[override]
            self.put([Entity(f"product:{self.version}", "Product", "new")])
            return iter(())

    with pytest.raises(StoreLocked, match="written to"):
        write_jsonl(Busy(), tmp_path)


GOOD = {
    "documents.jsonl": {"id": "doc:1", "about": "product:1", "kind": "product", "text": "tea"},
    "entities.jsonl": {"id": "product:1", "type": "Product", "name": "tea"},
    "facts.jsonl": {"head": "product:1", "relation": "BOUGHT_WITH", "tail": "product:1", "evidence": []},
}
BAD_LINES = {
    "not json": ("facts.jsonl", b'{"head": '),
    "not utf-8": ("entities.jsonl", b'{"id": "\xff"}'),
    "no object": ("documents.jsonl", b"[1]"),
    "missing": ("entities.jsonl", b'{"id": "product:2", "type": "Product"}'),
    "wrong type": ("documents.jsonl", b'{"id": "d", "about": "product:1", "kind": "product", "text": 5}'),
    "boolean time": ("documents.jsonl", b'{"id": "d", "about": "p", "kind": "product", "text": "", "at": true}'),
    "unknown field": ("entities.jsonl", b'{"id": "product:2", "type": "Product", "name": "x", "colour": "red"}'),
    "aliases": ("entities.jsonl", b'{"id": "product:2", "type": "Product", "name": "x", "aliases": [1]}'),
    "evidence": ("facts.jsonl", b'{"head": "a", "relation": "r", "tail": "b", "evidence": [{"source": "s"}]}'),
    "empty line": ("facts.jsonl", b""),
}


@pytest.mark.parametrize(("name", "line"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_named_and_nothing_is_read(tmp_path: Path, name: str, line: bytes) -> None:
    for good, record in GOOD.items():
        text = json.dumps(record).encode() + b"\n" if good != "facts.jsonl" else b""
        (tmp_path / good).write_bytes(text + (line + b"\n" if good == name else b""))
    number = 1 if name == "facts.jsonl" else 2
    with SqliteStore(tmp_path / "graph.db") as store:
        with pytest.raises(FormatError, match=rf"{name}, line {number}: "):
            read_jsonl(tmp_path, store)
        assert list(store.entities()) == []


def test_a_missing_file_is_named(shop: MemoryStore, tmp_path: Path) -> None:
    write_jsonl(shop, tmp_path)
    (tmp_path / "entities.jsonl").unlink()
    with pytest.raises(FormatError, match=r"no entities\.jsonl"):
        read_jsonl(tmp_path, MemoryStore())

"""The reply cache: found again, replayed, exported byte for byte, refused when foreign, whole after a kill."""

import json
import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from kg.errors import FormatError
from mining.language_model import Message, Prompt, Reply, ReplyCache, Usage, export_replies, reply_usage


def prompt(text: str = "hello") -> Prompt:
    return Prompt((Message("user", text),), {"type": "object", "required": ["a"]}, "1")


def test_a_reply_is_kept_and_found_by_its_own_prompt_and_model_only(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "new" / "replies.db") as cache:
        cache.put(prompt(), Reply('{"a":"画画 🎨\u2028"}', "m", Usage(1, 0, 30, 5)))
        assert len(cache) == 1
    with ReplyCache(tmp_path / "new" / "replies.db") as cache:
        assert cache.get(prompt(), "m") == Reply('{"a":"画画 🎨\u2028"}', "m", origin="cached")
        assert cache.get(prompt(), "n") is None
        assert cache.get(prompt(), None) is None
        assert cache.get(prompt("other"), "m") is None


def test_a_shipped_file_is_replayed_for_any_model_and_never_written(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "a.db") as cache:
        cache.put(prompt("two\u2028lines"), Reply('{"a":"\u2028二"}', "big", Usage(1, 0, 30, 5)))
        cache.put(prompt(), Reply('{"a":"1"}', "big", Usage(1, 0, 30, 5)))
        cache.put(prompt("left out"), Reply('{"a":"3"}', "big"))
    shipped = tmp_path / "shipped.jsonl"
    keys = [prompt("two\u2028lines").key("big"), prompt().key("big")]
    assert export_replies(tmp_path / "a.db", shipped, keys=keys) == 2
    before = shipped.read_bytes()
    with ReplyCache(None, shipped=[shipped]) as cache:
        assert cache.get(prompt(), None) == Reply('{"a":"1"}', "big", origin="replayed")
        assert cache.get(prompt("two\u2028lines"), "small") == Reply('{"a":"\u2028二"}', "big", origin="replayed")
        assert cache.get(prompt("left out"), "big") is None
        cache.put(prompt("left out"), Reply("{}", "big"))
        assert len(cache) == 0
    assert shipped.read_bytes() == before


def test_the_own_file_is_asked_before_shipped_ones(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "a.db") as cache:
        cache.put(prompt(), Reply('{"a":"old"}', "m"))
    export_replies(tmp_path / "a.db", tmp_path / "s.jsonl")
    with ReplyCache(tmp_path / "b.db", shipped=[tmp_path / "s.jsonl"]) as cache:
        cache.put(prompt(), Reply('{"a":"new"}', "m"))
        assert cache.get(prompt(), "m") == Reply('{"a":"new"}', "m", origin="cached")


def test_an_export_is_the_same_bytes_in_whatever_order_replies_came(tmp_path: Path) -> None:
    replies = [(prompt(str(number)), Reply(json.dumps({"a": str(number)}), "m")) for number in range(20)]
    for name, order in (("a", replies), ("b", replies[::-1])):
        with ReplyCache(tmp_path / f"{name}.db") as cache:
            for asked, reply in order:
                cache.put(asked, reply)
        export_replies(tmp_path / f"{name}.db", tmp_path / f"{name}.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert reply_usage(tmp_path / "a.db").calls == 20


def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"not a database" * 100)
    with pytest.raises(FormatError, match=r"junk\.db"):
        ReplyCache(junk)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE replies (x)")
    database.close()
    with pytest.raises(FormatError, match="no reply cache"):
        ReplyCache(foreign)
    assert junk.read_bytes() == b"not a database" * 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1"),
        (b"[]\n", "line 1"),
        (b'{"format":"shopgraph-replies","version":2,"models":[]}\n', "version 1"),
        (b'{"format":"shopgraph-replies","version":1}\nnonsense\n', "line 2"),
        (b'{"format":"shopgraph-replies","version":1}\n{"key":"x"}\n', "line 2"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_broken_shipped_file_names_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "s.jsonl").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        ReplyCache(None, shipped=[tmp_path / "s.jsonl"])
    with pytest.raises(FormatError, match="missing"):
        ReplyCache(None, shipped=[tmp_path / "missing.jsonl"])


def _write_for_ever(path: Path, written: "multiprocessing.queues.Queue[int]") -> None:
    with ReplyCache(path) as cache:
        for number in range(10**6):
            cache.put(prompt(str(number)), Reply(json.dumps({"a": str(number)}), "m"))
            written.put(number)


def test_a_killed_writer_loses_no_reply_that_it_had_put(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    written: multiprocessing.queues.Queue[int] = context.Queue()
    writer = context.Process(target=_write_for_ever, args=(tmp_path / "r.db", written))
    writer.start()
    last = max(written.get(timeout=20) for _ in range(30))
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    with ReplyCache(tmp_path / "r.db") as cache:
        assert [cache.get(prompt(str(n)), "m") for n in range(last + 1)] == [
            Reply(json.dumps({"a": str(n)}), "m", origin="cached") for n in range(last + 1)
        ]
        cache.put(prompt("after"), Reply("{}", "m"))

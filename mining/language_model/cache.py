"""Replies on disk, so that what was asked once is never asked, or paid for, again.

One SQLite file that is written with one commit a reply (a killed run loses at most the replies under way), and any
number of read-only shipped files: JSONL, a header line first, then one reply a line in key order.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from kg.errors import FormatError
from mining.language_model.types import Prompt, Reply, Usage

FORMAT = "shopgraph-replies"
VERSION = 1
_APPLICATION_ID = 0x53475250  # "SGRP"

_TABLE = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, reply TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    model: str
    version: str
    reply: str
    prompt_tokens: int
    completion_tokens: int


class ReplyCache:
    """Replies by (content, model, prompt version, schema, sampling); a context manager, safe between threads.

    ``path`` is the file that is read and written, or None to write nothing. ``shipped`` files are never written; their
    replies come back with the origin ``replayed`` under the name of the model that gave them, whatever model is asked
    now. Raises FormatError for a file that is not ours or of another version.
    """

    def __init__(self, path: Path | None, *, shipped: Iterable[Path] = ()) -> None:
        self._lock = threading.Lock()
        self._shipped: dict[str, _Row] = {}
        for file in shipped:
            self._shipped.update((row.key, row) for row in _read_shipped(file))
        # A prompt is looked up under the name of every model that a shipped file speaks for.
        self._shipped_models = tuple(sorted({row.model for row in self._shipped.values()}))
        self._database = None if path is None else _open(path)

    def __enter__(self) -> "ReplyCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def get(self, prompt: Prompt, model: str | None) -> Reply | None:
        """The reply that ``model`` gave to this prompt, else the one of a shipped file, else None."""
        if model is not None:
            found = self._find(prompt.key(model))
            if found is not None:
                return Reply(found.reply, found.model, origin="cached")
        for name in self._shipped_models:
            row = self._shipped.get(prompt.key(name))
            if row is not None:
                return Reply(row.reply, row.model, origin="replayed")
        return None

    def put(self, prompt: Prompt, reply: Reply) -> None:
        """Writes and commits one reply. Without a file to write to, nothing is kept."""
        if self._database is None:
            return
        row = (
            prompt.key(reply.model),
            reply.model,
            prompt.version,
            reply.text,
            reply.usage.prompt_tokens,
            reply.usage.completion_tokens,
        )
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?)", row)

    def __len__(self) -> int:
        """Replies in the file that is written; shipped ones are not counted."""
        if self._database is None:
            return 0
        with self._lock:
            (count,) = self._database.execute("SELECT count(*) FROM replies").fetchone()
        return int(count)

    def _find(self, key: str) -> _Row | None:
        if self._database is None:
            return None
        with self._lock:
            row = self._database.execute("SELECT * FROM replies WHERE key = ?", (key,)).fetchone()
        return None if row is None else _Row(*row)


def export_replies(cache: Path, out: Path, *, keys: Iterable[str] | None = None) -> int:
    """Writes the replies of a cache file as a shipped one and returns how many.

    ``keys`` limits the export to what one prompt set needs. The same replies give the same bytes: rows are in key order
    and nothing in them depends on the clock. The file appears whole or not at all.
    """
    wanted = None if keys is None else frozenset(keys)
    with closing(_open(cache)) as database:
        rows = [_Row(*row) for row in database.execute("SELECT * FROM replies ORDER BY key")]
    kept = [row for row in rows if wanted is None or row.key in wanted]
    partial = out.with_name(out.name + ".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("w", encoding="utf-8", newline="\n") as sink:
        sink.write(_line({"format": FORMAT, "version": VERSION, "models": sorted({row.model for row in kept})}))
        for row in kept:
            sink.write(
                _line(
                    {
                        "key": row.key,
                        "model": row.model,
                        "prompt_version": row.version,
                        "reply": json.loads(row.reply),
                        "prompt_tokens": row.prompt_tokens,
                        "completion_tokens": row.completion_tokens,
                    }
                )
            )
    partial.replace(out)
    return len(kept)


def reply_usage(cache: Path) -> Usage:
    """What the replies of a cache file cost in tokens when they were given."""
    with closing(_open(cache)) as database:
        calls, prompt, completion = database.execute(
            "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) FROM replies"
        ).fetchone()
    return Usage(calls=calls, prompt_tokens=prompt, completion_tokens=completion)


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=30, check_same_thread=False)
    try:
        (owner,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and (owner, version) != (_APPLICATION_ID, VERSION):
            raise FormatError(f"{path} is no reply cache of version {VERSION}; delete it or name another file")
        if not tables:  # the marks first: a run killed in between leaves an empty file of ours
            database.execute(f"PRAGMA application_id = {_APPLICATION_ID:d}")
            database.execute(f"PRAGMA user_version = {VERSION:d}")
            database.execute(_TABLE)
    except sqlite3.DatabaseError as error:
        database.close()
        raise FormatError(
            f"{path} cannot be read as a reply cache ({error}); delete it or name another file"
        ) from error
    except FormatError:
        database.close()
        raise
    return database


def _read_shipped(path: Path) -> Iterator[_Row]:
    try:
        # Not splitlines(): a reply may hold U+2028, which is no line end in JSONL.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: shipped replies cannot be read ({error})") from error
    header = _parse(path, 1, lines[0])
    if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
        raise FormatError(f"{path}, line 1: expected the header of {FORMAT} version {VERSION}")
    for number, line in enumerate(lines[1:], start=2):
        raw = _parse(path, number, line)
        try:
            yield _Row(
                str(raw["key"]),
                str(raw["model"]),
                str(raw["prompt_version"]),
                json.dumps(raw["reply"], ensure_ascii=False, separators=(",", ":")),
                int(raw["prompt_tokens"]),
                int(raw["completion_tokens"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{path}, line {number}: a reply needs key, model, prompt_version and reply") from error


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise FormatError(f"{path}, line {number}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path}, line {number}: expected a JSON object")
    return value

"""Rows of JSON: one object a line, or one small array of objects. Objects written by Python's ``repr`` are read too,
since Amazon's older files are such."""

import json
from collections.abc import Iterator
from pathlib import Path

from mining.errors import SourceError
from mining.sources.rows import MAX_CELL, MAX_ROW, Row, raw_of
from mining.sources.text import python_literal
from mining.sources.text_files import Lines, is_broken, open_text, reading
from mining.types import Reject

MAX_ARRAY = 64 << 20  # code points of a JSON array, which can only be read whole


def read_json(path: Path, *, encoding: str | None = None) -> Iterator[Row | Reject]:
    """Rows by key. Blank lines are no rows. SourceError for an array that is too large or broken."""
    stream, encoding = open_text(path, encoding)
    with reading(path), stream:
        lines = Lines(stream)
        first = lines.take()
        while first and not first.strip("\ufeff \t\r\n"):
            first = lines.take()
        lines.push([first])
        if first.lstrip("\ufeff \t").startswith("["):
            yield from _array(path, first, stream.read(MAX_ARRAY), encoding)
        else:
            yield from _lines(path, lines, encoding)


def _lines(path: Path, lines: Lines, encoding: str) -> Iterator[Row | Reject]:
    number = 0
    while line := lines.take():
        text = line.strip()
        if not text:
            continue
        number += 1
        if len(line) > MAX_ROW:
            lines.skip_rest()
            yield Reject(str(path), number, f"row longer than {MAX_ROW} characters", raw_of(line))
        elif is_broken(text, encoding):
            yield Reject(str(path), number, f"wrong encoding: bytes that are not {encoding}", raw_of(text))
        else:
            yield _row(path, number, _parsed(text), text)


def _array(path: Path, first: str, rest: str, encoding: str) -> Iterator[Row | Reject]:
    if len(rest) >= MAX_ARRAY:
        raise SourceError(
            f"{path} is a JSON array of more than {MAX_ARRAY} characters; write one object a line (JSONL)"
        )
    try:
        rows = json.loads((first + rest).lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} begins like a JSON array and is none ({error}); write one object a line") from error
    broken = is_broken(rest, encoding)
    for number, values in enumerate(rows, 1):
        if broken and is_broken(json.dumps(values, ensure_ascii=False), encoding):
            yield Reject(str(path), number, f"wrong encoding: bytes that are not {encoding}", raw_of(values))
        else:
            yield _row(path, number, values, values)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return python_literal(text) if text.startswith("{") and len(text) <= MAX_CELL else None


def _row(path: Path, number: int, values: object, raw: object) -> Row | Reject:
    if not isinstance(values, dict):
        begins_well = not isinstance(raw, str) or (values is not None)
        reason = "not an object: expected {...} in each row" if begins_well else "not JSON"
        return Reject(str(path), number, reason, raw_of(raw))
    if (not isinstance(raw, str) or len(raw) > MAX_CELL) and any(map(_too_long, values.values())):
        return Reject(str(path), number, f"cell longer than {MAX_CELL} characters", raw_of(raw))
    return Row(number, {str(name): value for name, value in values.items()})


def _too_long(value: object) -> bool:
    if isinstance(value, str):
        return len(value) > MAX_CELL
    if isinstance(value, list | dict):
        return len(json.dumps(value, ensure_ascii=False, default=str)) > MAX_CELL
    return False

"""Rows of CSV and its cousins: delimiter and encoding are found, quoted line ends understood, broken rows set aside.

A quote that never closes costs its own line only: the lines behind it are read again from the next one.
"""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mining.errors import ColumnError, SourceError
from mining.sources.rows import MAX_CELL, MAX_ROW, Row, raw_of
from mining.sources.text_files import Lines, is_broken, open_text, reading
from mining.types import Reject

DELIMITERS = ",;\t|"
_SAMPLE_RECORDS = 20
_SAMPLE_CHARACTERS = 1 << 16

Record = list[str]


class _Bad(ValueError):
    """(reason, the raw text)."""


def read_delimited(
    path: Path, *, encoding: str | None = None, header: tuple[str, ...] | None = None
) -> Iterator[Row | Reject]:
    """Rows by column name. ``header`` names the columns of a file whose first line is data already.

    Blank lines are no rows. Raises SourceError for a file without a header, ColumnError for one that names a column
    twice.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW))  # process-wide, and only ever raised
    stream, encoding = open_text(path, encoding)
    with reading(path), stream:
        sample = stream.read(_SAMPLE_CHARACTERS)
        delimiter = delimiter_of(sample, whole=len(sample) < _SAMPLE_CHARACTERS)
        if not sample.endswith(("\r", "\n")):
            sample += stream.readline(MAX_ROW + 1)
        lines = Lines(stream)
        lines.push(io.StringIO(sample, newline="").readlines())
        records = _records(lines, delimiter)
        names = _header(path, next(records, None), encoding) if header is None else header
        for number, record in enumerate(records, 1):
            yield _row(path, number, record, names, encoding)


def first_record(path: Path, encoding: str | None = None) -> list[str]:
    """The cells of the first line, whatever it is; none where it cannot be read."""
    stream, _ = open_text(path, encoding)
    with reading(path), stream:
        sample = stream.read(_SAMPLE_CHARACTERS)
    record = next(_records(_over(sample), delimiter_of(sample, whole=False)), None)
    return record if isinstance(record, list) else []


def delimiter_of(sample: str, *, whole: bool = True) -> str:
    """Of , ; tab and |, the one that splits the header into most columns, among those for which at least half of the
    first rows have as many cells as the header; a comma where nothing splits anything."""
    best, most = ",", 1
    for delimiter in DELIMITERS:
        records = [r for r in islice(_records(_over(sample), delimiter), _SAMPLE_RECORDS) if isinstance(r, list)]
        if not whole and len(records) > 1 and len(records) < _SAMPLE_RECORDS:
            records.pop()  # it may be cut
        width = len(records[0]) if records else 0
        alike = sum(len(record) == width for record in records[1:])
        if width > most and 2 * alike >= len(records) - 1:
            best, most = delimiter, width
    return best


def _over(sample: str) -> Lines:
    return Lines(io.StringIO(sample, newline=""))


def _header(path: Path, record: Record | _Bad | None, encoding: str) -> tuple[str, ...]:
    if record is None:
        raise SourceError(f"{path} is empty; expected a header")
    if isinstance(record, _Bad):
        raise SourceError(f"{path}: the header cannot be read ({record.args[0]}): {record.args[1][:120]!r}")
    if is_broken("".join(record), encoding):
        raise SourceError(f"{path}: the header is not {encoding}: {record}; save the file as UTF-8")
    names = tuple(name.strip() or f"column {i}" for i, name in enumerate(record, 1))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ColumnError(f"{path}: two columns are named {twice[0]!r}; rename one (columns seen: {', '.join(names)})")
    return names


def _row(path: Path, number: int, record: Record | _Bad, names: tuple[str, ...], encoding: str) -> Row | Reject:
    if isinstance(record, _Bad):
        return Reject(str(path), number, record.args[0], raw_of(record.args[1]))
    reason = None
    if len(record) != len(names):
        fewer = "few" if len(record) < len(names) else "many"
        reason = f"too {fewer} fields: {len(record)} instead of {len(names)}"
    elif max(map(len, record)) > MAX_CELL:
        reason = f"cell longer than {MAX_CELL} characters"
    elif is_broken("".join(record), encoding):
        reason = f"wrong encoding: bytes that are not {encoding}"
    if reason:
        return Reject(str(path), number, reason, raw_of(",".join(cell[:500] for cell in record[:50])))
    return Row(number, dict(zip(names, record, strict=True)))


def _records(lines: Lines, delimiter: str) -> Iterator[Record | _Bad]:
    while line := lines.take():
        bare = line.rstrip("\r\n")
        if not bare:
            continue
        if len(line) > MAX_ROW:
            lines.skip_rest()
            yield _Bad(f"row longer than {MAX_ROW} characters", line[:1000])
        elif '"' not in line:
            yield bare.split(delimiter)
        else:
            yield _quoted(line, lines, delimiter)


def _quoted(line: str, lines: Lines, delimiter: str) -> Record | _Bad:
    """One record that may go on over several lines; if it is broken, all lines but its first are given back."""
    taken: list[str] = []

    def feed() -> Iterator[str]:
        yield line
        size = len(line)
        while size <= MAX_ROW and (more := lines.take()):
            taken.append(more)
            size += len(more)
            yield more

    try:
        return next(csv.reader(feed(), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        lines.push(taken)
        return _Bad("broken quotes", line[:1000])

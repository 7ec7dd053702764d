"""Rows of Parquet, a batch at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mining.errors import SourceError
from mining.sources.rows import MAX_CELL, Row, raw_of
from mining.types import Reject

BATCH = 8192  # rows held at once

_BAD = object()


def read_parquet(path: Path) -> Iterator[Row | Reject]:
    """Rows by column name. SourceError for a file that is no Parquet, or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise SourceError(f"{path}: two columns have one name ({', '.join(names)}); rename one")
            texts = [field.name for field in file.schema_arrow if not _is_number(pa, field.type)]
            for batch in file.iter_batches(batch_size=BATCH):
                columns = [_cells(pa, column) for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield _row(path, number, dict(zip(names, cells, strict=True)), texts)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} is no readable Parquet file (after row {number}): {error}") from error


def _cells(pa: Any, column: Any) -> list[object]:
    if column.null_count == 0 and _is_number(pa, column.type):
        return column.to_numpy(zero_copy_only=False).tolist()  # type: ignore[no-any-return]
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except (UnicodeDecodeError, ValueError, OverflowError):
        return [_cell(scalar) for scalar in column]


def _is_number(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _cell(scalar: Any) -> object:
    try:
        return scalar.as_py()
    except (UnicodeDecodeError, ValueError, OverflowError):
        return _BAD


def _row(path: Path, number: int, values: dict[str, object], texts: list[str]) -> Row | Reject:
    for name in texts:
        value = values[name]
        if isinstance(value, bytes):
            value = values[name] = _text(value)
        if value is _BAD:
            return Reject(str(path), number, "wrong encoding: a cell that is no UTF-8 or no date", f"column {name}")
        if isinstance(value, str) and len(value) > MAX_CELL:
            return Reject(str(path), number, f"cell longer than {MAX_CELL} characters", raw_of(value))
    return Row(number, values)


def _text(value: bytes) -> object:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return _BAD

"""One door for all file forms: ``read_rows`` looks at the name of a file and reads its rows."""

from collections.abc import Iterator
from pathlib import Path

from mining.errors import SourceError
from mining.sources.delimited import read_delimited
from mining.sources.json_lines import read_json
from mining.sources.parquet import read_parquet
from mining.sources.rows import Row
from mining.types import Reject

DELIMITED = (".csv", ".tsv", ".txt")
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
FORMS = "CSV (.csv .tsv .txt), JSON (.jsonl .ndjson .json), each also as .gz, or Parquet (.parquet .pq)"


def form_of(path: Path) -> str:
    """The suffix that says how a file is read, without ``.gz``; "" for a form that nobody reads."""
    name = path.name.casefold()
    suffix = Path(name.removesuffix(".gz")).suffix
    known = suffix in DELIMITED + JSON or (suffix in PARQUET and not name.endswith(".gz"))
    return suffix if known else ""


def read_rows(
    path: Path | str, *, encoding: str | None = None, header: tuple[str, ...] | None = None
) -> Iterator[Row | Reject]:
    """The rows of a file, in order, and those set aside; their numbers count from 1 without a gap.

    ``encoding`` overrules detection for text; ``header`` names the columns of a delimited file without a header line.
    Raises SourceError where the file as a whole cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"{path} is no file; expected {FORMS}")
    form = form_of(path)
    if form in DELIMITED:
        return read_delimited(path, encoding=encoding, header=header)
    if form in JSON:
        return read_json(path, encoding=encoding)
    if form in PARQUET:
        return read_parquet(path)
    raise SourceError(f"{path} has a form that is not read; expected {FORMS}")

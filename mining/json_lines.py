"""Files of one JSON object a line: read so that a line that is none stops the work, written whole or not at all."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mining.errors import SourceError


def objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(``file:line``, the object there); blank lines are none. Raises SourceError that names file and line.

    Bytes are split, so that one broken line is named and not its file.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", _object(f"{path}:{number}", line)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error


def _object(where: str, line: bytes) -> dict[str, Any]:
    try:
        read = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: not JSON in UTF-8 ({error}); expected one object a line") from error
    if not isinstance(read, dict):
        raise SourceError(f"{where}: expected a JSON object, saw {type(read).__name__}")
    return read


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """The whole file or none: it takes its name when its last line is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.with_name(f"{path.name}.new")
    with waiting.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    waiting.replace(path)

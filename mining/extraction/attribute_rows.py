"""Files of products with attribute values, and files that say which attributes a category has.

A product row is a JSON line with ``input`` (or ``input_title`` and ``input_description``), ``category`` and, for
training, ``target_scores`` {attribute: {value: …}} where ``n/a`` says that there is none.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mining.errors import SourceError
from mining.evaluation import NOT_APPLICABLE

AttributeNames: TypeAlias = Mapping[str, tuple[str, ...]]
"""Category → the names of its attributes."""

FIELDS = ("input", "input_title", "input_description")


@dataclass(frozen=True, slots=True)
class Row:
    """A product. ``texts``: field of the file → text. ``gold``: attribute → accepted values as the file lists them,
    empty where labels were not read. ``own``: its ``id`` and ``input`` as they were written."""

    category: str
    texts: Mapping[str, str]
    gold: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | None = None

    def values(self) -> dict[str, tuple[str, ...]]:
        """Its gold without the "there is none"."""
        kept = {a: tuple(v for v in listed if v != NOT_APPLICABLE) for a, listed in self.gold.items()}
        return {attribute: values for attribute, values in kept.items() if values}


def read_rows(path: Path, *, labels: bool) -> list[Row]:
    """The products of a JSONL file in order. Without ``labels``, ``target_scores`` is dropped unseen.

    Raises SourceError that names the line and what it should hold.
    """
    rows = []
    for number, read in _lines(path):
        scores = read.pop("target_scores", None)
        scores = scores if labels else None
        texts = {name: read[name] for name in FIELDS if isinstance(read.get(name), str)}
        category = read.get("category")
        if not texts or not isinstance(category, str):
            raise SourceError(f"{path}:{number}: expected a category and one of {', '.join(FIELDS)}, saw {_keys(read)}")
        if labels and not isinstance(scores, dict):
            raise SourceError(f"{path}:{number}: expected target_scores {{attribute: {{value: …}}}}, saw {_keys(read)}")
        gold = {attribute: tuple(map(str, values)) for attribute, values in (scores or {}).items()}
        own: dict[str, Any] = {name: read[name] for name in ("id", "input") if name in read}
        cluster = read.get("cluster_id")
        rows.append(Row(category, texts, gold, own, None if cluster is None else str(cluster)))
    return rows


def schema_of(rows: Sequence[Row]) -> AttributeNames:
    """The attributes that the labels of each category name, in the order of their names."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.category, set()).update(row.gold)
    return {category: tuple(sorted(names)) for category, names in sorted(found.items())}


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    read = json.loads(line)
                    if not isinstance(read, dict):
                        raise SourceError(f"{path}:{number}: expected a JSON object, saw {type(read).__name__}")
                    yield number, read
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path}: not JSON lines in UTF-8 ({error}); expected one object a line") from error


def _keys(read: Mapping[str, Any]) -> str:
    return ", ".join(sorted(read)) or "nothing"

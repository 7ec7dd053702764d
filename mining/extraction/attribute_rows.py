"""Files of products with attribute values, and files that say which attributes a category has.

A product row is a JSON line with ``input`` (or ``input_title`` and ``input_description``), ``category`` and, for
training, ``target_scores`` {attribute: {value: …}} where ``n/a`` says that there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mining.errors import SourceError
from mining.evaluation import NOT_APPLICABLE
from mining.json_lines import objects

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
    for where, read in objects(path):
        scores = read.pop("target_scores", None)
        scores = scores if labels else None
        texts = {name: read[name] for name in FIELDS if isinstance(read.get(name), str)}
        category = read.get("category")
        if not texts or not isinstance(category, str):
            raise SourceError(f"{where}: expected a category and one of {', '.join(FIELDS)}, saw {_keys(read)}")
        if labels and not isinstance(scores, dict):
            raise SourceError(f"{where}: expected target_scores {{attribute: {{value: …}}}}, saw {_keys(read)}")
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


def _keys(read: Mapping[str, Any]) -> str:
    return ", ".join(sorted(read)) or "nothing"

"""What a reader of files hands on: rows as they stand, what was set aside, and the count of both."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mining.errors import RejectError
from mining.sources.text import MAX_CELL
from mining.types import Reject

MAX_ROW = 16 << 20  # code points of one row, and so the most that is ever held of a file without line ends
MAX_RAW = 500  # characters of a row that a reject shows
EXAMPLES = 5  # row numbers kept for each note

__all__ = ["EXAMPLES", "MAX_CELL", "MAX_RAW", "MAX_ROW", "OnReject", "ReadReport", "Row", "raw_of", "refuse"]

OnReject = Callable[[Reject], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the file has it. ``number`` counts from 1 at the first data row; ``values`` by column name."""

    number: int
    values: Mapping[str, object]


@dataclass(slots=True)
class ReadReport:
    """What became of the rows of one file: ``read == kept + set_aside``, always.

    ``made`` counts the values handed on: one a row, except where a row holds several (a history, a list of relations).
    ``notes`` counts what was changed or left out inside a row that was kept, with the first rows as examples.
    ``columns`` says which column was read as what, ``derived`` what the file does not say and was made by rule.
    """

    file: str = ""
    read: int = 0
    kept: int = 0
    made: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[int]] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    derived: list[str] = field(default_factory=list)
    synthetic_times: bool = False

    @property
    def set_aside(self) -> int:
        return self.rejected.total()

    def reject(self, reason: str) -> None:
        """Counts a reject under what stands before the first colon of its reason."""
        self.rejected[reason.partition(":")[0]] += 1

    def note(self, what: str, row: int) -> None:
        self.notes[what] += 1
        rows = self.examples.setdefault(what, [])
        if len(rows) < EXAMPLES:
            rows.append(row)

    def derive(self, what: str) -> None:
        if what not in self.derived:
            self.derived.append(what)

    def as_dict(self) -> dict[str, object]:
        """For ``report.json``: plain values, keys in a fixed order."""
        return {
            "file": self.file,
            "read": self.read,
            "kept": self.kept,
            "set_aside": self.set_aside,
            "made": self.made,
            "rejected": dict(sorted(self.rejected.items())),
            "notes": {n: {"count": c, "rows": self.examples.get(n, [])} for n, c in sorted(self.notes.items())},
            "columns": dict(sorted(self.columns.items())),
            "unused": list(self.unused),
            "derived": list(self.derived),
        }


def raw_of(values: object) -> str:
    """How a reject shows a row: text as it is, anything else as JSON, cut."""
    if isinstance(values, str):
        return values[:MAX_RAW].rstrip("\r\n")
    if isinstance(values, Mapping):  # cut before writing: a cell may be huge
        values = {k: v[:MAX_RAW] if isinstance(v, str | bytes) else v for k, v in values.items()}
    try:
        return json.dumps(values, ensure_ascii=False, default=str)[:MAX_RAW]
    except (ValueError, RecursionError, TypeError):
        return repr(type(values))


def refuse(reject: Reject) -> None:
    """What ``--strict`` does with a bad row: raises RejectError."""
    shown = f": {reject.raw[:120]}" if reject.raw else ""
    raise RejectError(
        f"{reject.file}, row {reject.row}: {reject.reason}{shown} (correct the row, or run without --strict)"
    )

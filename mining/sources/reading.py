"""The loop that every typed reader shares: rows in, values out, each row counted once as kept or set aside.

Flow: ``read_rows`` → columns recognised on the first rows (a JSON key that comes later may still fill an empty role) →
``make(fields)`` → values, or a reject with its reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TypeVar

from mining.sources.columns import Kind, Roles, roles_of
from mining.sources.delimited import first_record
from mining.sources.files import DELIMITED, JSON, form_of, read_rows
from mining.sources.presets import Preset, preset_of
from mining.sources.rows import MAX_ROW, OnReject, ReadReport, Row, raw_of
from mining.sources.text import is_missing
from mining.sources.values import BadRow, number_of
from mining.types import Reject

T = TypeVar("T")

LOOKAHEAD = 1000  # rows on which columns are recognised; JSON rows leave out what they lack


@dataclass(frozen=True, slots=True)
class Request:
    """How one file is to be read; the options of the typed readers, in one hand."""

    path: Path
    kind: Kind
    on_reject: OnReject
    columns: Mapping[str, str] | None = None
    preset: str | None = None
    encoding: str | None = None
    report: ReadReport = field(default_factory=ReadReport)


class Fields:
    """One row by role. Reused from row to row, so nothing may keep it."""

    __slots__ = ("report", "roles", "row", "values")

    def __init__(self, report: ReadReport) -> None:
        self.report = report
        self.roles = Roles({})
        self.row = 0
        self.values: Mapping[str, object] = {}

    def get(self, role: str) -> object:
        """The cell of that role, or None where there is no such column."""
        column = self.roles.columns.get(role)
        return None if column is None else self.values.get(column)

    def has(self, role: str) -> bool:
        """Whether the file has a column of that role."""
        return role in self.roles.columns

    def parsed(self, role: str, read: Callable[[object], T], otherwise: T) -> T:
        """What ``read`` makes of the cell; ``otherwise`` where it is missing, or where ``read`` raises ValueError,
        whose reason is noted."""
        value = self.get(role)
        if is_missing(value):
            return otherwise
        try:
            return read(value)
        except ValueError as error:
            self.note(f"{role}: {str(error).partition(':')[0]}, left out")
            return otherwise

    def number(self, role: str) -> float | None:
        """A finite number, or None."""
        return self.parsed(role, number_of, None)

    def note(self, what: str) -> None:
        self.report.note(what, self.row)


Make = Callable[[Fields], Iterable[T]]
OptionalRoles = Callable[[list[str]], Iterable[str]]


def read_typed(request: Request, make: Make[T], optional: OptionalRoles = lambda seen: ()) -> Iterator[T]:
    """What ``make`` reads from each row. It raises BadRow for one that cannot be read; ``optional`` says, for the
    columns seen, which required roles this layout does without."""
    preset = preset_of(request.preset)
    report = request.report
    report.file = str(request.path)
    rows = read_rows(request.path, encoding=request.encoding, header=_header(request, preset))
    head = _head(rows, LOOKAHEAD if form_of(request.path) in JSON else 1)
    seen = _names(head)
    fields = Fields(report)
    if seen:
        fields.roles = _resolve(request, preset, seen, optional)
    known = set(seen)
    for item in chain(head, rows):
        report.read += 1
        if isinstance(item, Reject):
            _set_aside(request, item)
            continue
        if not item.values.keys() <= known:
            seen += [name for name in item.values if name not in known]
            known.update(seen)
            fields.roles = _resolve(request, preset, seen, optional, fields.roles)
        fields.row, fields.values = item.number, item.values
        try:
            made = tuple(make(fields))
        except BadRow as error:
            _set_aside(request, Reject(report.file, item.number, str(error), raw_of(item.values)))
        else:
            report.kept += 1
            report.made += len(made)
            yield from made


def _set_aside(request: Request, reject: Reject) -> None:
    request.report.reject(reject.reason)
    request.on_reject(reject)


def _head(rows: Iterator[Row | Reject], wanted: int) -> list[Row | Reject]:
    """The first ``wanted`` good rows with the bad ones between them, fewer where they are huge."""
    head: list[Row | Reject] = []
    size = 0
    for item in rows:
        head.append(item)
        if isinstance(item, Row):
            wanted -= 1
            size += sum(len(value) for value in item.values.values() if isinstance(value, str))
        if wanted <= 0 or size > MAX_ROW or len(head) > LOOKAHEAD:
            break
    return head


def _names(head: list[Row | Reject]) -> list[str]:
    names: dict[str, None] = {}
    for item in head:
        if isinstance(item, Row):
            names.update(dict.fromkeys(item.values))
    return list(names)


def _resolve(
    request: Request, preset: Preset | None, seen: list[str], optional: OptionalRoles, known: Roles | None = None
) -> Roles:
    mapped = dict(request.columns or {}) if known is None else known.columns
    wanted = preset.roles.get(request.kind) if preset else None
    waived = optional(seen)
    roles = roles_of(request.kind, seen, file=str(request.path), mapped=mapped, preset=wanted, optional=waived)
    report = request.report
    report.columns = {**roles.columns, **{f"attribute.{name}": column for name, column in roles.attributes.items()}}
    report.unused = roles.unused
    return roles


def _header(request: Request, preset: Preset | None) -> tuple[str, ...] | None:
    """The preset's header where the file's first line has as many cells and none of the preset's names."""
    header = preset.headers.get(request.kind) if preset else None
    if header is None or not request.path.is_file() or form_of(request.path) not in DELIMITED:
        return None
    first = first_record(request.path, request.encoding)
    return header if len(first) == len(header) and not set(first) & set(header) else None

"""What the report of a stage becomes before it is drawn: figures, charts, tables; and reading what may have any shape.

A report on disk may be of an older version or half of one, so nothing here trusts that a part is what it should be.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Cell: TypeAlias = str | int | float | None
Report: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """``best`` is the row that is marked, where one is."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    best: int | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """ECharts ``options``; ``says`` is how it is read; ``lines`` of text are as high as it is."""

    title: str
    says: str
    options: dict[str, Any]
    lines: int = 16


@dataclass(frozen=True, slots=True)
class Section:
    """One stage: a sentence's worth of figures, then its charts, then its tables."""

    stage: str
    figures: list[tuple[str, Cell]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)


def text(cell: Cell) -> str:
    """As people write it: thousands apart, four digits behind the point."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.4f}".rstrip("0").rstrip(".") if isinstance(cell, float) else cell


def mapping(value: Any) -> Report:
    return value if isinstance(value, Mapping) else {}


def objects(value: Any) -> list[Report]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def number(value: Any) -> float | int:
    return value if isinstance(value, int | float) else 0


def cell(value: Any) -> Cell:
    return value if isinstance(value, str | int | float | None) else listed(value)


def listed(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {listed(part)}" for name, part in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(listed, value))
    return f"{value:g}" if isinstance(value, float) else str(value)

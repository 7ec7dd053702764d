"""A small model that learned more than the one before it takes its place only where it is better on held-back rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from kg.ids import normal_form
from mining.evaluation import lenient_attributes, strict_attributes
from mining.extraction.attribute_rows import AttributeNames, Row

if TYPE_CHECKING:
    from mining.extraction.attribute_model import AttributeModel
    from mining.extraction.tagger_training import Epoch

Curve: TypeAlias = list[dict[str, float]]
"""Precision, recall, F1 on the held-back rows and the training loss, an epoch."""
CURVE = "curve.json"


@dataclass(frozen=True, slots=True)
class Worth:
    """F1 of a model on labelled rows."""

    lenient: float
    strict: float

    @property
    def mean(self) -> float:
        return (self.lenient + self.strict) / 2


@dataclass(frozen=True, slots=True)
class Judgement:
    """The new model beside the old one on the same held-back rows; ``old`` is None where there was none."""

    new: Worth
    old: Worth | None
    rows: int

    @property
    def promoted(self) -> bool:
        """Only a better model takes a place that is taken. What the old one has learned from may be among the rows,
        which favours the old one."""
        return self.old is None or self.new.mean > self.old.mean

    def told(self) -> str:
        """One line for a person."""
        kept = "it takes the place" if self.promoted else "the old one stays"
        told = f"new lenient {self.new.lenient:.4f} strict {self.new.strict:.4f}"
        if self.old is None:
            return f"on {self.rows} held-back rows: {told}"
        was = f"old lenient {self.old.lenient:.4f} strict {self.old.strict:.4f}"
        return f"on {self.rows} held-back rows: {told}; {was}: {kept}"

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        worth = {name: w and {"lenient": w.lenient, "strict": w.strict} for name, w in self._named()}
        return {**worth, "held_back": self.rows, "promoted": self.promoted}

    def _named(self) -> list[tuple[str, Worth | None]]:
        return [("new", self.new), ("old", self.old)]


def judge(new: "AttributeModel", old: "AttributeModel | None", rows: Sequence[Row]) -> Judgement:
    return Judgement(_worth(new, rows), _worth(old, rows) if old is not None else None, len(rows))


def _worth(model: "AttributeModel", rows: Sequence[Row]) -> Worth:
    said = [(row.gold, answer.plain()) for row, answer in zip(rows, model.extract(rows), strict=True)]
    return Worth(lenient_attributes(said).f1, strict_attributes(said).f1)


def in_names(rows: Sequence[Row], schema: AttributeNames) -> list[Row]:
    """The rows with attributes as the schema calls them; what it does not have is left out."""
    made = []
    for row in rows:
        known = {normal_form(name): name for name in schema.get(row.category, ())}
        gold = {known[normal_form(n)]: values for n, values in row.gold.items() if normal_form(n) in known}
        made.append(replace(row, gold=gold))
    return made


def point(epoch: "Epoch") -> dict[str, float]:
    """An epoch as a point of the curve."""
    dev = epoch.dev
    return {"epoch": epoch.number, "loss": epoch.loss, "precision": dev.precision, "recall": dev.recall, "f1": dev.f1}


def read_curve(folder: Path) -> Curve:
    """The curve of the model in a folder; empty where none was kept."""
    try:
        read = json.loads((folder / CURVE).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return read if isinstance(read, list) else []


def side_by_side(new: Curve, old: Curve) -> str:
    """F1 an epoch of both, as a table for a terminal."""
    lines = ["epoch  new F1  old F1"]
    for number in range(max(len(new), len(old))):
        cells = [f"{curve[number]['f1']:7.4f}" if number < len(curve) else " " * 7 for curve in (new, old)]
        lines.append(f"{number + 1:5d} {' '.join(cells)}".rstrip())
    return "\n".join(lines)

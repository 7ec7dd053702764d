"""What the commands do: each stage once, with its run folder and its report.

Every stage can be interrupted and typed again: what is done is known and skipped, what was half done is done again.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.bootstrap import Shop, extractors, load_recommender, services
from api.errors import FrontDoorError, MissingExtra, NotTrained
from api.progress import Bars
from api.serving import current_model
from api.settings import Settings
from api.workspace import write_json


@dataclass(frozen=True, slots=True)
class Files:
    """The user's files and how their columns are read."""

    catalog: Path
    events: Path | None = None
    reviews: Path | None = None
    relations: Path | None = None
    preset: str | None = None
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # file → our name → their column
    strict: bool = False

    @classmethod
    def of(
        cls, catalog: Path, events: Path | None, reviews: Path | None, relations: Path | None,
        *, preset: str | None, columns: list[str], strict: bool,
    ) -> "Files":  # fmt: skip
        """``columns`` are flags such as ``events.user=buyer``. Raises FrontDoorError for a flag of another form."""
        read: dict[str, dict[str, str]] = {}
        for flag in columns:
            name, _, column = flag.partition("=")
            file, _, ours = name.partition(".")
            if not column or not ours or file not in ("catalog", "events", "reviews", "relations"):
                raise FrontDoorError(f"--map {flag}: expected FILE.NAME=COLUMN, such as events.user=buyer")
            read.setdefault(file, {})[ours] = column
        return cls(catalog, events, reviews, relations, preset, read, strict)


def moment(text: str | None) -> int | None:
    """ISO 8601 or Unix seconds as Unix seconds; a time without a zone is UTC."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise FrontDoorError(f"--until {text}: expected ISO 8601 (2026-06-01) or Unix seconds") from error
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def keep(opened: Shop, stage: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """Write a stage's report into its run folder and return it."""
    whole = {"stage": stage, **report}
    write_json(opened.workspace.report(stage), whole)
    return whole

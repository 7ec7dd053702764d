"""A stage's report as figures and tables that a person can read; what has no table of its own is listed as it is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, TypeAlias

from api.nouns import iso

Cell: TypeAlias = str | int | float | None
Report: TypeAlias = Mapping[str, Any]

MOMENTS = frozenset({"until", "newest_event", "oldest_event", "first", "last", "as_of"})  # Unix seconds in a report
LONG = 8  # values; more of them are a table
LONGEST = 160  # characters of a figure; the whole report has the rest
TENTHS = tuple(f"{t / 10:.1f}-{(t + 1) / 10:.1f}" for t in range(10))


@dataclass(frozen=True, slots=True)
class Table:
    """``best`` is the row that is marked, where one is."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    best: int | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One stage: a sentence's worth of figures, then its tables."""

    stage: str
    figures: list[tuple[str, Cell]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


def section(stage: str, report: Report) -> Section:
    """The report of one stage. Unknown stages, and unknown parts of known ones, are listed as they stand."""
    known = {"load": _load, "mine": _mine, "train": _train, "evaluate": _evaluate}.get(stage)
    made, used = known(report) if known else (Section(stage), set[str]())
    rest = {name: value for name, value in report.items() if name not in used | {"stage"}}
    figures, tables = _rest(rest)
    shown = [table for table in (*made.tables, *tables) if table.rows]
    return Section(stage, [*made.figures, *figures], shown)


def _load(report: Report) -> tuple[Section, set[str]]:
    files = {kind: part for kind, part in report.items() if isinstance(part, Mapping) and "read" in part}
    rows: list[tuple[Cell, ...]] = []
    why: list[tuple[Cell, ...]] = []
    for kind, part in files.items():
        read, cleaned, loading = map(_mapping, (part["read"], part.get("cleaned"), part.get("set_aside")))
        reasons = [("reading", n, c) for n, c in _mapping(read.get("rejected")).items()]
        reasons += [("reading", n, _count(c)) for n, c in _mapping(read.get("notes")).items()]
        reasons += [("cleaning", n, _count(c)) for n, c in _mapping(cleaned.get("rules")).items()]
        reasons += [("loading", n, c) for n, c in loading.items()]
        aside = _number(read.get("set_aside")) + _number(cleaned.get("set_aside")) + sum(map(_number, loading.values()))
        written = _mapping(part.get("written"))
        rows.append(
            (
                kind, PurePath(str(read.get("file", ""))).name, read.get("read"),
                _number(read.get("made", read.get("read"))) - aside + _number(read.get("set_aside")), aside,
                part.get("unchanged"), *(written.get(n) for n in _WRITTEN),
            )
        )  # fmt: skip
        why += [(kind, where, str(name).replace("_", " "), count) for where, name, count in reasons]
    columns = ("Kind", "File", "Rows read", "Kept", "Set aside", "Known before", *(f"New {n}" for n in _WRITTEN))
    tables = [
        Table("Files", columns, rows),
        Table("What was noticed, and in how many rows", ("Kind", "While", "What", "Rows"), why),
    ]
    return Section("load", [], tables), set(files) | {k for k, v in report.items() if v is None}


_WRITTEN = ("documents", "entities", "facts", "events")


def _mine(report: Report) -> tuple[Section, set[str]]:
    text, behavior = _mapping(report.get("text")), _mapping(report.get("behavior"))
    figures: list[tuple[str, Cell]] = [
        (name, value)
        for name, value in (
            ("documents", text.get("documents")),
            ("events counted", behavior.get("events")),
            ("sessions", behavior.get("sessions")),
            ("baskets", behavior.get("baskets")),
            ("bots left out", report.get("bots")),
        )
        if value is not None
    ]
    facts = facts_table(_mapping(report.get("facts")), "Facts by relation, method and confidence")
    tables = [facts, *_extractors(_mapping(text.get("extractors")))]
    left_out = [("texts", n, c) for n, c in _mapping(text.get("left_out")).items()]
    left_out += [("behaviour", n, c) for n, c in _mapping(behavior.get("set_aside")).items()]
    tables.append(Table("Left out, and why", ("Of", "Reason", "Count"), left_out))
    return Section("mine", figures, tables), {"text", "behavior", "behavior_written", "facts", "bots"}


def facts_table(facts: Report, title: str) -> Table:
    """relation → method → tenth of confidence → count, as rows of (relation, method, all, each tenth)."""
    rows: list[tuple[Cell, ...]] = []
    for relation, methods in facts.items():
        for method, counts in _mapping(methods).items():
            counted = _mapping(counts)
            rows.append((relation, method, sum(map(_number, counted.values())), *(counted.get(t) for t in TENTHS)))
    columns = ("Relation", "Method", "Facts", *(t.replace("-", "–") for t in TENTHS))
    return Table(title, columns, rows)


def _extractors(extractors: Report) -> list[Table]:
    rows: list[tuple[Cell, ...]] = []
    aside: list[tuple[Cell, ...]] = []
    usage: list[tuple[Cell, ...]] = []
    for method, part in extractors.items():
        told = _mapping(part)
        reasons = _mapping(told.get("set_aside"))
        rows.append((method, *(told.get(n) for n in _READING), sum(map(_number, reasons.values()))))
        aside += [(method, reason, count) for reason, count in reasons.items()]
        usage += [(method, name, value) for name, value in _rest(_mapping(told.get("usage")))[0]]
    columns = ("Method", "Documents", "Read before", "Not asked", "Unread", "Facts", "Set aside")
    return [
        Table("Who read the texts", columns, rows),
        Table("Found and set aside, and why", ("Method", "Reason", "Count"), aside),
        Table("What it cost", ("Method", "What", "How much"), usage),
    ]


_READING = ("documents", "cached", "not_asked", "unread", "facts")


def _train(report: Report) -> tuple[Section, set[str]]:
    validation, data = _mapping(report.get("validation")), _mapping(report.get("data"))
    tried = _objects(validation.get("tried"))
    rows: list[tuple[Cell, ...]] = [
        (
            row.get("model"),
            row.get("decay"),
            _listed(row.get("weights")),
            row.get("ndcg@10"),
            row.get("seconds"),
            row.get("failed"),
        )
        for row in tried
    ]
    figures: list[tuple[str, Cell]] = [(n, report[n]) for n in ("model", "chose", "serves") if n in report]
    figures += [("validation users", validation.get("users"))] if "users" in validation else []
    columns = ("Model", "Decay of history", "Weights", "NDCG@10", "Seconds", "Failed")
    best = max(range(len(rows)), key=lambda i: _number(rows[i][3]), default=None)
    relations: list[tuple[Cell, ...]] = [(n, c) for n, c in _mapping(data.get("relations")).items()]
    steps = _objects(validation.get("sum"))
    sums: list[tuple[Cell, ...]] = [(s.get("adds"), _listed(s.get("weights")), s.get("ndcg@10")) for s in steps]
    tables = [
        Table("What was chosen: part after part", ("Part", "Weights", "NDCG@10"), sums),
        Table("Models compared on the validation cut", columns, rows, best),
        Table("Relations learned from", ("Relation", "Edges"), relations),
    ]
    figures += _rest({name: value for name, value in data.items() if name != "relations"})[0]
    return Section("train", figures, tables), {"validation", "data", "model", "chose", "serves", "configuration"}


def _evaluate(report: Report) -> tuple[Section, set[str]]:
    rows: list[tuple[Cell, ...]] = []
    k = report.get("k", 10)
    for row in _objects(report.get("rows")):
        metrics = _mapping(row.get("metrics"))
        measured = (metrics.get(n) for n in ("recall", "ndcg", "mrr", "hit_rate"))
        told = (row.get("model"), row.get("relations"), row.get("seed"), *measured, row.get("coverage"))
        rows.append((*told, row.get("fit_seconds"), row.get("failed")))
    columns = (
        "Model",
        "Relations",
        "Seed",
        f"Recall@{k}",
        f"NDCG@{k}",
        "MRR",
        "Hit rate",
        "Coverage",
        "Fit, s",
        "Failed",
    )
    best = max(range(len(rows)), key=lambda i: _number(rows[i][4]), default=None)
    return Section("evaluate", [], [Table("Models compared", columns, rows, best)]), {"rows"}


def _rest(report: Report, prefix: str = "") -> tuple[list[tuple[str, Cell]], list[Table]]:
    """Whatever a report holds: single values as figures, lists of objects and objects of objects as tables."""
    figures: list[tuple[str, Cell]] = []
    tables: list[Table] = []
    for name, value in report.items():
        path = f"{prefix}{str(name).replace('_', ' ')}"
        if name == "facts" and _is_facts(value):
            tables.append(facts_table(value, f"{path[:1].upper()}{path[1:]} by relation, method and confidence"))
        elif isinstance(value, Mapping) and value:
            plain = len(value) > LONG and not any(isinstance(v, Mapping | list) for v in value.values())
            whole = plain or _are_records(value.values())
            deeper = ([], [_records(path, value)]) if whole else _rest(value, f"{path}: ")
            figures += deeper[0]
            tables += deeper[1]
        elif isinstance(value, list) and value and _are_records(value):
            tables.append(_records(path, dict(enumerate(value, start=1))))
        elif isinstance(value, list) and value and all(isinstance(v, list) and len(v) == 2 for v in value):
            tables.append(_records(path, dict(value)))
        elif (cell := _cell(value)) not in (None, ""):
            told = iso(value) if name in MOMENTS and isinstance(value, int) else cell
            figures.append((path, f"{told[:LONGEST]}…" if isinstance(told, str) and len(told) > LONGEST else told))
    return figures, tables


def _records(title: str, records: Mapping[Any, Any]) -> Table:
    """One row a name, one column a field; where there are no fields, the value."""
    fields = tuple(dict.fromkeys(key for part in records.values() for key in _mapping(part)))
    rows: list[tuple[Cell, ...]] = [
        (str(name), *(_cell(_mapping(part).get(f)) for f in fields)) if fields else (str(name), _cell(part))
        for name, part in records.items()
    ]
    columns = ("", *(str(f).replace("_", " ") for f in fields)) if fields else ("", "Value")
    return Table(f"{title[:1].upper()}{title[1:]}", columns, rows)


def _are_records(values: Iterable[Any]) -> bool:
    """Objects of plain values."""
    return all(isinstance(v, Mapping) and not any(isinstance(x, Mapping) for x in v.values()) for v in values)


def _is_facts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(by, Mapping) and by and _are_records(by.values()) for by in value.values()
    )


def _mapping(value: Any) -> Report:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Any) -> list[Report]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _number(value: Any) -> float | int:
    return value if isinstance(value, int | float) else 0


def _count(value: Any) -> Any:
    return value.get("count") if isinstance(value, Mapping) else value


def _cell(value: Any) -> Cell:
    return value if isinstance(value, str | int | float | None) else _listed(value)


def _listed(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_listed(part)}" for name, part in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(_listed, value))
    return f"{value:g}" if isinstance(value, float) else str(value)

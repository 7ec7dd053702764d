"""A stage's report as figures and tables that a person can read; what has no table of its own is listed as it is."""

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from api.nouns import iso
from api.page import report_evaluation
from api.page.sections import Cell, Report, Section, Table, cell, listed, mapping, number, objects

MOMENTS = frozenset({"until", "newest_event", "oldest_event", "first", "last", "as_of"})  # Unix seconds in a report
LONG = 8  # values; more of them are a table
TENTHS = tuple(f"{t / 10:.1f}-{(t + 1) / 10:.1f}" for t in range(10))


def section(stage: str, report: Report) -> Section:
    """The report of one stage. Unknown stages, and unknown parts of known ones, are listed as they stand."""
    known = {"load": _load, "mine": _mine, "train": _train, "evaluate": report_evaluation.section}.get(stage)
    made, used = known(report) if known else (Section(stage), set[str]())
    rest = {name: value for name, value in report.items() if name not in used | {"stage"}}
    figures, tables = _rest(rest)
    shown = [table for table in (*made.tables, *tables) if table.rows]
    return Section(stage, [*made.figures, *figures], shown, made.charts)


def _load(report: Report) -> tuple[Section, set[str]]:
    files = {kind: part for kind, part in report.items() if isinstance(part, Mapping) and "read" in part}
    rows: list[tuple[Cell, ...]] = []
    why: list[tuple[Cell, ...]] = []
    for kind, part in files.items():
        read, cleaned, loading = map(mapping, (part["read"], part.get("cleaned"), part.get("set_aside")))
        reasons = [("reading", n, c) for n, c in mapping(read.get("rejected")).items()]
        reasons += [("reading", n, _count(c)) for n, c in mapping(read.get("notes")).items()]
        reasons += [("cleaning", n, _count(c)) for n, c in mapping(cleaned.get("rules")).items()]
        reasons += [("loading", n, c) for n, c in loading.items()]
        aside = number(read.get("set_aside")) + number(cleaned.get("set_aside")) + sum(map(number, loading.values()))
        written = mapping(part.get("written"))
        rows.append(
            (
                kind, PurePath(str(read.get("file", ""))).name, read.get("read"),
                number(read.get("made", read.get("read"))) - aside + number(read.get("set_aside")), aside,
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
    text, behavior = mapping(report.get("text")), mapping(report.get("behavior"))
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
    facts = facts_table(mapping(report.get("facts")), "Facts by relation, method and confidence")
    tables = [facts, *_extractors(mapping(text.get("extractors")))]
    left_out = [("texts", n, c) for n, c in mapping(text.get("left_out")).items()]
    left_out += [("behaviour", n, c) for n, c in mapping(behavior.get("set_aside")).items()]
    tables.append(Table("Left out, and why", ("Of", "Reason", "Count"), left_out))
    return Section("mine", figures, tables), {"text", "behavior", "behavior_written", "facts", "bots"}


def facts_table(facts: Report, title: str) -> Table:
    """relation → method → tenth of confidence → count, as rows of (relation, method, all, each tenth)."""
    rows: list[tuple[Cell, ...]] = []
    for relation, methods in facts.items():
        for method, counts in mapping(methods).items():
            counted = mapping(counts)
            rows.append((relation, method, sum(map(number, counted.values())), *(counted.get(t) for t in TENTHS)))
    columns = ("Relation", "Method", "Facts", *(t.replace("-", "–") for t in TENTHS))
    return Table(title, columns, rows)


def _extractors(extractors: Report) -> list[Table]:
    rows: list[tuple[Cell, ...]] = []
    aside: list[tuple[Cell, ...]] = []
    usage: list[tuple[Cell, ...]] = []
    for method, part in extractors.items():
        told = mapping(part)
        reasons = mapping(told.get("set_aside"))
        rows.append((method, *(told.get(n) for n in _READING), sum(map(number, reasons.values()))))
        aside += [(method, reason, count) for reason, count in reasons.items()]
        usage += [(method, name, value) for name, value in _rest(mapping(told.get("usage")))[0]]
    columns = ("Method", "Documents", "Read before", "Not asked", "Unread", "Facts", "Set aside")
    return [
        Table("Who read the texts", columns, rows),
        Table("Found and set aside, and why", ("Method", "Reason", "Count"), aside),
        Table("What it cost", ("Method", "What", "How much"), usage),
    ]


_READING = ("documents", "cached", "not_asked", "unread", "facts")


def _train(report: Report) -> tuple[Section, set[str]]:
    validation, data = mapping(report.get("validation")), mapping(report.get("data"))
    tried = objects(validation.get("tried"))
    rows: list[tuple[Cell, ...]] = [
        (
            row.get("model"),
            row.get("decay"),
            listed(row.get("weights")),
            row.get("ndcg@10"),
            row.get("seconds"),
            row.get("failed"),
        )
        for row in tried
    ]
    figures: list[tuple[str, Cell]] = [(n, report[n]) for n in ("model", "chose", "serves") if n in report]
    figures += [("validation users", validation.get("users"))] if "users" in validation else []
    columns = ("Model", "Decay of history", "Weights", "NDCG@10", "Seconds", "Failed")
    best = max(range(len(rows)), key=lambda i: number(rows[i][3]), default=None)
    relations: list[tuple[Cell, ...]] = [(n, c) for n, c in mapping(data.get("relations")).items()]
    steps = objects(validation.get("sum"))
    sums: list[tuple[Cell, ...]] = [(s.get("adds"), listed(s.get("weights")), s.get("ndcg@10")) for s in steps]
    tables = [
        Table("What was chosen: part after part", ("Part", "Weights", "NDCG@10"), sums),
        Table("Models compared on the validation cut", columns, rows, best),
        Table("Relations learned from", ("Relation", "Edges"), relations),
    ]
    figures += _rest({name: value for name, value in data.items() if name != "relations"})[0]
    return Section("train", figures, tables), {"validation", "data", "model", "chose", "serves", "configuration"}


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
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            tables.append(_records(path, dict(enumerate(map(_flat, value), start=1))))
        elif isinstance(value, list) and value and all(isinstance(v, list) and len(v) == 2 for v in value):
            tables.append(_records(path, dict(value)))
        elif (found := cell(value)) not in (None, ""):
            figures.append((path, iso(value) if name in MOMENTS and isinstance(value, int) else found))
    return figures, tables


def _records(title: str, records: Mapping[Any, Any]) -> Table:
    """One row a name, one column a field; where there are no fields, the value."""
    fields = tuple(dict.fromkeys(key for part in records.values() for key in mapping(part)))
    rows: list[tuple[Cell, ...]] = [
        (str(name), *(cell(mapping(part).get(f)) for f in fields)) if fields else (str(name), cell(part))
        for name, part in records.items()
    ]
    columns = ("", *(str(f).replace("_", " ") for f in fields)) if fields else ("", "Value")
    return Table(f"{title[:1].upper()}{title[1:]}", columns, rows)


def _flat(part: Report, prefix: str = "") -> dict[str, Any]:
    """Objects inside an object as fields of it, so that no cell has to hold a whole one."""
    found: dict[str, Any] = {}
    for name, value in part.items():
        deeper = isinstance(value, Mapping) and value
        found |= _flat(value, f"{prefix}{name}: ") if deeper else {f"{prefix}{name}": value}
    return found


def _are_records(values: Iterable[Any]) -> bool:
    """Objects of plain values."""
    return all(isinstance(v, Mapping) and not any(isinstance(x, Mapping) for x in v.values()) for v in values)


def _is_facts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(by, Mapping) and by and _are_records(by.values()) for by in value.values()
    )


def _count(value: Any) -> Any:
    return value.get("count") if isinstance(value, Mapping) else value

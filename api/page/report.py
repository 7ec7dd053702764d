"""What the last run of each stage did, as charts and tables; the whole report below them as it is on disk."""

import json
from collections.abc import Mapping
from typing import Any

from nicegui import ui

from api.page.frame import MUTED, card, muted
from api.page.report_tables import section
from api.page.sections import Chart, Section, Table, text

TITLES = {
    "load": "Load: files into graph and log",
    "mine": "Mine: texts and behaviour into facts",
    "train": "Train: what is served, and what it was chosen from",
    "evaluate": "Evaluate: all models on the newest part of the log",
}
ROWS = 25  # of a table on one page


def draw(reports: Mapping[str, Mapping[str, Any]]) -> None:
    if not reports:
        with card("No run has left a report yet"):
            ui.label("`shopgraph run` or `shopgraph demo` leaves one a stage.")
        return
    for run, report in reversed(list(reports.items())):
        stage = str(report.get("stage", run))
        with card(TITLES.get(stage, stage), f"run {run}"):
            _draw(section(stage, report))
            with ui.expansion("The whole report").classes("w-full text-sm").props("dense"):
                whole = json.dumps(report, ensure_ascii=False, indent=1, sort_keys=True)
                ui.label(whole).classes("whitespace-pre-wrap break-all font-mono text-xs")


def _draw(shown: Section) -> None:
    if shown.figures:
        with ui.row().classes("w-full items-start gap-x-8 gap-y-2 pb-2"):
            for name, value in shown.figures:
                with ui.column().classes("gap-0 max-w-md"):
                    ui.label(name).classes(MUTED)
                    ui.label(text(value)).classes("text-sm font-medium tabular-nums break-words")
    if shown.charts:
        with ui.element("div").classes("w-full xl:columns-2 gap-6"):
            for chart in shown.charts:
                _chart(chart)
    with ui.row().classes("w-full items-start gap-x-8 gap-y-4"):
        for table in shown.tables:
            with ui.column().classes("gap-1 max-w-full"):
                _table(table)
    if not shown.figures and not shown.tables:
        muted("Nothing to tell.")


def _chart(chart: Chart) -> None:
    with ui.column().classes("w-full min-w-0 gap-1 pb-4 break-inside-avoid"):
        ui.label(chart.title).classes("text-sm font-medium text-slate-600")
        drawn = ui.echart(chart.options).classes("w-full").style(f"height: {1.4 * chart.lines:g}rem")
        drawn.props('data-testid="chart" role="img"')
        drawn.props["aria-label"] = chart.title
        muted(chart.says)


def _table(table: Table) -> None:
    numeric = [all(isinstance(row[i], int | float | None) for row in table.rows) for i in range(len(table.columns))]
    columns = [
        {"name": f"c{i}", "field": f"c{i}", "label": name, "align": "right" if numeric[i] else "left", "sortable": True}
        for i, name in enumerate(table.columns)
    ]
    rows = [
        {"id": n, **{f"c{i}": text(cell) for i, cell in enumerate(row)}, "best": n == table.best}
        for n, row in enumerate(table.rows)
    ]
    ui.label(table.title).classes("text-sm font-medium text-slate-600")
    shown = ui.table(columns=columns, rows=rows, row_key="id", pagination=ROWS if len(rows) > ROWS else 0)
    shown.props('dense flat bordered wrap-cells data-testid="table"').classes("w-fit max-w-full")
    shown.props["aria-label"] = table.title
    if len(rows) <= ROWS:
        shown.props("hide-bottom")
    if table.best is not None:
        shown.props(":table-row-class-fn=\"row => row.best ? 'bg-green-1 text-weight-bold' : ''\"")

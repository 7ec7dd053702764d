"""The report of an evaluation: how right each model is and how sure that is, for whom, and at whose cost.

The rows of all tables are models over their seeds, best first, in the same order as in the charts.
"""

from collections.abc import Iterable, Sequence

from api.page import report_charts
from api.page.sections import Cell, Chart, Report, Section, Table, mapping, number, objects

WHOLE = "all"  # the slice that holds every target
SLICES = (WHOLE, "warm", "cold item", "long tail")  # as they are read; others come after them
WHO = ("Model", "Relations")
LISTS = {
    "coverage": "Coverage", "novelty": "Novelty, bits", "diversity": "Diversity", "popularity": "Users a product",
    "popularity_lift": "Popularity lift", "long_tail_share": "Long tail share", "gini": "Gini of exposure",
}  # fmt: skip
ACCURACY = {"recall": "Recall@{k}", "ndcg": "NDCG@{k}", "mrr": "MRR", "hit_rate": "Hit rate", "precision": "Precision"}
FAIRNESS = {"unfairness_purchases": "Unfairness to purchases", "unfairness_catalogue": "Unfairness to catalogue"}


def section(report: Report) -> tuple[Section, set[str]]:
    """Figures are left to what lists the rest; ``rows`` and ``summaries`` have been told."""
    k = report.get("k", 10)
    models = report_charts.best_first(report)
    tables = [
        _accuracy(models, report, k),
        _slices(models, report, k),
        _differences(models, report, k),
        _lists(models),
        _fairness(models, report),
        _providers(report),
        _fits(report, k),
    ]
    charts: list[Chart] = report_charts.charts(report) if models else []
    return Section("evaluate", [], tables, charts), {"rows", "summaries"}


def _who(model: Report) -> tuple[Cell, Cell]:
    return model.get("model"), model.get("relations")


def _against(model: Report, slice_: str = WHOLE) -> Report:
    """By metric, the interval of the difference to the best baseline."""
    return mapping(mapping(model.get("against")).get(slice_))


def _in_order(slices: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(slices), key=lambda name: SLICES.index(name) if name in SLICES else len(SLICES))


def interval(found: Report) -> str | None:
    """As the command line writes it; None where there is nothing to compare with."""
    if not found:
        return None
    mean, low, high = (number(found.get(name)) for name in ("mean", "low", "high"))
    return f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"


def _accuracy(models: Sequence[Report], report: Report, k: Cell) -> Table:
    """``spread`` has something to say only where a model ran with several seeds."""
    rows: list[tuple[Cell, ...]] = []
    for model in models:
        mean, several = mapping(model.get("mean")), number(model.get("seeds")) > 1
        spread = mapping(model.get("spread")).get("ndcg") if several else None
        measured = (mean.get(name) for name in ACCURACY)
        rows.append(
            (*_who(model), model.get("seeds"), *measured, spread, interval(mapping(_against(model).get("ndcg"))))
        )
    measures = (name.format(k=k) for name in ACCURACY.values())
    against = f"NDCG@{k} − {report.get('baseline') or 'best baseline'} [95 %]"
    columns = (*WHO, "Seeds", *measures, f"NDCG@{k} ± over seeds", against)
    return Table("Accuracy, and how sure it is", columns, rows, 0 if rows else None)


def _slices(models: Sequence[Report], report: Report, k: Cell) -> Table:
    targets = mapping(report.get("targets"))
    names = _in_order(name for model in models for name in mapping(model.get("slices")))
    rows: list[tuple[Cell, ...]] = []
    for model in models:
        found = mapping(model.get("slices"))
        # of nobody nothing can be said, and 0 would read as a failure
        rows.append((*_who(model), *(found.get(name) if targets.get(name) != 0 else None for name in names)))
    columns = tuple(f"{name}, {number(targets.get(name)):,} targets" for name in names)
    return Table(f"NDCG@{k} by slice", (*WHO, *columns), rows)


def _differences(models: Sequence[Report], report: Report, k: Cell) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for model in models:
        for name in _in_order(mapping(model.get("against"))):
            intervals = [mapping(_against(model, name).get(metric)) for metric in ACCURACY]
            users = next((part.get("users") for part in intervals if part), None)
            told = (interval(part) for part in intervals[:-1])  # precision is not compared
            rows.append((*_who(model), name, users, *told))
    measures = (name.format(k=k) for name in list(ACCURACY.values())[:-1])
    title = f"Difference to {report.get('baseline') or 'the best baseline'}, with 95 % intervals over users"
    return Table(title, (*WHO, "Slice", "Users", *measures), rows)


def _lists(models: Sequence[Report]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for model in models:
        mean = mapping(model.get("mean"))
        rows.append((*_who(model), *(mean.get(name) for name in LISTS)))
    return Table(
        "What the lists are like: coverage, novelty, diversity, popularity bias", (*WHO, *LISTS.values()), rows
    )


def _fairness(models: Sequence[Report], report: Report) -> Table:
    """Shares of exposure that would have to go to other brands; how many there are stands in the fits."""
    first = report_charts.first_fits(report)
    rows: list[tuple[Cell, ...]] = []
    for model in models:
        mean = mapping(model.get("mean"))
        fit = mapping(first.get(report_charts.label(model), {}).get("providers"))
        if any(name in mean for name in FAIRNESS):
            told = (mean.get(name) for name in FAIRNESS)
            rows.append((*_who(model), *told, fit.get("unnamed"), fit.get("providers")))
    columns = (*WHO, *FAIRNESS.values(), "Exposure without a brand", "Brands")
    return Table("Fairness to brands: the share of exposure that others should have", columns, rows)


def _providers(report: Report) -> Table:
    name, shares = report_charts.most_out_of_proportion(report)
    rows: list[tuple[Cell, ...]] = []
    for share in shares:
        told = (share.get(part) for part in report_charts.SHARES)
        rows.append((report_charts.brand(share), *told))
    columns = ("Brand", *(f"Share of {part}" for part in report_charts.SHARES))
    return Table(f"{name}: brands shown most out of proportion", columns, rows)


def _fits(report: Report, k: Cell) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for row in objects(report.get("rows")):
        metrics = mapping(row.get("metrics"))
        measured = (metrics.get(n) for n in ("recall", "ndcg", "mrr", "hit_rate"))
        told = (row.get("model"), row.get("relations"), row.get("seed"), *measured, row.get("coverage"))
        rows.append((*told, row.get("fit_seconds"), row.get("failed")))
    columns = (*WHO, "Seed", f"Recall@{k}", f"NDCG@{k}", "MRR", "Hit rate", "Coverage", "Fit, s", "Failed")
    best = max(range(len(rows)), key=lambda i: number(rows[i][4]), default=None)
    return Table("Models compared", columns, rows, best)

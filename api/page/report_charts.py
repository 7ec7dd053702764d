"""The evaluation as ECharts: what ``plotting`` draws as pictures, drawn in the browser from the same numbers.

Names come from the shop and are only ever values: of category axes, of series, and of texts without braces, which a
chart would read as a template. No key is made of one, since NiceGUI runs the values of keys that begin with a colon.
All tooltips are drawn on the canvas (``richText``), so that nothing is read as HTML.
"""

from collections.abc import Sequence
from typing import Any

from api.page.sections import Chart, Report, mapping, number, objects, text

SERVED = "served"
SHARES = ("exposure", "purchases", "catalogue")
LINES = 6  # models whose exposure is drawn: more cannot be told apart
WIDEST = 230  # pixels of a name on an axis; a longer one goes on in the next line

_BLUE, _LIGHT, _GRAY, _RED, _INK = "#2563eb", "#93c5fd", "#94a3b8", "#dc2626", "#334155"
_PALETTE = [_BLUE, "#ea580c", "#16a34a", "#9333ea", "#ca8a04", "#0891b2", _GRAY]
_BRACES = str.maketrans("{}", "()")


def charts(report: Report) -> list[Chart]:
    """Accuracy first; those without anything to show are left out."""
    found = (_accuracy(report), _tradeoff(report), _exposure(report), _providers(report))
    return [chart for chart in found if chart is not None]


def label(model: Report) -> str:
    """Of a summary or of a fit."""
    return f"{model.get('model')} ({model.get('relations')})"


def best_first(report: Report) -> list[Report]:
    """The models that were measured, over their seeds."""
    return sorted(objects(report.get("summaries")), key=lambda s: -_mean(s, "ndcg"))


def first_fits(report: Report) -> dict[str, Report]:
    """By label, of each model the fit with the first seed: what is not averaged is told of that one."""
    found: dict[str, Report] = {}
    for row in objects(report.get("rows")):
        if row.get("metrics"):
            found.setdefault(label(row), row)
    return found


def most_out_of_proportion(report: Report) -> tuple[str, list[Report]]:
    """Of the best model that knows brands: its label, and the brands whose exposure differs most from purchases."""
    first = first_fits(report)
    for name in map(label, best_first(report)):
        if shares := objects(mapping(first.get(name, {}).get("providers")).get("shares")):
            return name, shares
    return "", []


def brand(share: Report) -> str:
    return str(share.get("provider", "")).removeprefix("brand:")


def _mean(model: Report, name: str) -> float:
    return float(number(mapping(model.get("mean")).get(name)))


def _spoken(*lines: str) -> dict[str, str]:
    """A tooltip or label that is shown as it stands."""
    return {"formatter": "\n".join(lines).translate(_BRACES)}


def _frame(**more: Any) -> dict[str, Any]:
    return {
        "animation": False,
        "color": _PALETTE,
        "tooltip": {"renderMode": "richText", "confine": True},
        "grid": _grid(30),
        **more,
    }


def _grid(bottom: int, left: int = 8) -> dict[str, Any]:
    """Pixels around axes and their labels; an axis' name needs room of its own."""
    return {"left": left, "right": 40, "top": 16, "bottom": bottom, "containLabel": True}


def _names(names: Sequence[str]) -> dict[str, Any]:
    """A category axis from top to bottom, each name whole."""
    whole = {"interval": 0, "width": WIDEST, "overflow": "breakAll", "color": _INK}
    return {"type": "category", "inverse": True, "data": list(names), "axisLabel": whole, "axisTick": {"show": False}}


def _values(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "value", "name": name, "nameLocation": "middle", "nameGap": 26, **more}


def _accuracy(report: Report) -> Chart | None:
    """A boxplot whose box is one point is a pair of whiskers."""
    models, k, baseline = best_first(report), report.get("k", 10), report.get("baseline")
    if not models:
        return None
    best = max((_mean(m, "ndcg") for m in models if m.get("model") == baseline), default=None)
    line = {
        "silent": True, "symbol": "none", "label": {"show": False}, "lineStyle": {"color": _RED, "type": "dashed"},
        "precision": 9, "data": [] if best is None else [{"xAxis": best}],  # else it stands at two digits, off the bar
    }  # fmt: skip
    bars = {"type": "bar", "name": f"NDCG@{k}", "barWidth": "60%", "data": [_bar(m, k) for m in models]}
    ends = {
        "type": "boxplot", "name": "95 % interval", "data": list(map(_ends, models)), "boxWidth": [8, 8], "z": 3,
        "itemStyle": {"color": _INK, "borderColor": _INK, "borderWidth": 1.5}, "silent": True,
    }  # fmt: skip
    options = _frame(
        xAxis=_values(f"NDCG@{k}", min=0),
        yAxis=_names([label(m) for m in models]),
        series=[bars | {"markLine": line}, ends],
    )
    says = (
        f"Whiskers: the 95 % interval of the difference to {baseline}, the best baseline, at the dashed line: a model "
        "whose whiskers do not touch the line differs from it beyond chance."
        if baseline
        else "No baseline learned anything, so there is nothing to compare with."
    )
    title = f"NDCG@{k}: {text(report.get('users'))} users, {text(report.get('items'))} products ranked"
    return Chart(title, says, options, 5 + 2 * len(models))


def _difference(model: Report) -> Report:
    return mapping(mapping(mapping(model.get("against")).get("all")).get("ndcg"))


def _bar(model: Report, k: Any) -> dict[str, Any]:
    mean, found = _mean(model, "ndcg"), _difference(model)
    told = [label(model), f"NDCG@{k} {mean:.4f}"]
    if found:
        low, high = number(found.get("low")), number(found.get("high"))
        told.append(f"difference {number(found.get('mean')):+.4f} [{low:+.4f}, {high:+.4f}]")
    color = _BLUE if model.get("model") == SERVED else _LIGHT if found else _GRAY
    return {"value": mean, "itemStyle": {"color": color}, "tooltip": _spoken(*told)}


def _ends(model: Report) -> list[float | None]:
    """Around the mean, as far as the interval of the difference reaches around the difference."""
    found, mean = _difference(model), _mean(model, "ndcg")
    if not found:
        return [None] * 5
    middle, low, high = (number(found.get(name)) for name in ("mean", "low", "high"))
    return [mean + low - middle, mean, mean, mean, mean + high - middle]


def _tradeoff(report: Report) -> Chart | None:
    k = report.get("k", 10)
    points = [_point(model, k) for model in best_first(report) if "coverage" in mapping(model.get("mean"))]
    if not points:
        return None
    cloud = {"type": "scatter", "data": points, "labelLayout": {"hideOverlap": True}, "itemStyle": {"opacity": 0.7}}
    options = _frame(
        grid=_grid(30, 30),
        xAxis=_values("coverage: share of products in at least one list", min=0, max=1),
        yAxis=_values(f"NDCG@{k}", min=0, nameGap=40),
        series=[cloud],
    )
    says = "The larger the point, the less popular what is shown (novelty). The pointer tells a name that has no room."
    return Chart(f"NDCG@{k} against coverage", says, options)


def _point(model: Report, k: Any) -> dict[str, Any]:
    ndcg, coverage, novelty = (_mean(model, name) for name in ("ndcg", "coverage", "novelty"))
    figures = f"NDCG@{k} {ndcg:.4f}, coverage {coverage:.4f}, novelty {novelty:.4f} bits"
    side = "left" if coverage > 0.5 else "right"  # within the frame
    return {
        "value": [coverage, ndcg],
        "symbolSize": 6 + 3 * max(novelty, 0.0),
        "itemStyle": {"color": _BLUE if model.get("model") == SERVED else _GRAY},
        "label": {"show": True, "position": side, "fontSize": 10, "color": _INK, **_spoken(label(model))},
        "tooltip": _spoken(label(model), figures),
    }


def _exposure(report: Report) -> Chart | None:
    """Lorenz curves over the products, of the best models."""
    first = first_fits(report)
    known = [name for name in map(label, best_first(report)) if name in first]
    series = [_curve(name, first[name]) for name in known if isinstance(first[name].get("exposure_curve"), list)][
        :LINES
    ]
    if not series:
        return None
    alike = {"type": "line", "name": "all products alike", "data": [[0, 0], [1, 1]], "symbol": "none", "silent": True}
    options = _frame(
        grid=_grid(90, 30),
        legend={"bottom": 0, "textStyle": {"color": _INK}},
        xAxis=_values("share of products, least shown first", min=0, max=1),
        yAxis=_values("share of exposure", min=0, max=1, nameGap=40),
        series=[*series, alike | {"lineStyle": {"type": "dashed", "color": _GRAY}}],
    )
    return Chart("Who gets shown", "The further below the diagonal, the fewer products get the exposure.", options, 20)


def _curve(name: str, fit: Report) -> dict[str, Any]:
    curve = fit["exposure_curve"]
    points = [[place / max(len(curve) - 1, 1), share] for place, share in enumerate(curve)]
    told = _spoken(name, f"Gini {number(fit.get('gini')):.4f}")
    return {"type": "line", "name": name, "symbol": "none", "data": points, "triggerLineEvent": True, "tooltip": told}


def _providers(report: Report) -> Chart | None:
    name, shares = most_out_of_proportion(report)
    if not shares:
        return None
    series = [{"type": "bar", "name": part, "data": [_share(share, part) for share in shares]} for part in SHARES]
    options = _frame(
        grid=_grid(60),
        legend={"bottom": 0, "textStyle": {"color": _INK}},
        xAxis=_values("share", min=0),
        yAxis=_names([brand(share) for share in shares]),
        series=series,
    )
    says = "What lists show of a brand, beside its share of the purchases and of the products."
    return Chart(f"{name}: brands shown most out of proportion", says, options, 7 + 3 * len(shares))


def _share(share: Report, part: str) -> dict[str, Any]:
    value = number(share.get(part))
    return {"value": value, "tooltip": _spoken(brand(share), f"{part} {value:.4f}")}

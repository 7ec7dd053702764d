"""The evaluation as pictures: who ranks how well, at what cost in coverage, and who gets shown. Imports matplotlib."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Report: TypeAlias = Mapping[str, Any]

SCRIPTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Noto Sans SC")
"""Fonts in the order in which they are asked for a character; those that are not installed are passed over."""
LONGEST = 24  # characters of a brand on an axis
LINES = 6  # models whose exposure is drawn: more cannot be told apart


def draw(report: Report, folder: Path) -> list[Path]:
    """accuracy.png, tradeoff.png, exposure.png, and providers.png where brands are known; returns their paths."""
    import matplotlib as mpl
    from matplotlib import font_manager
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    installed = {font.name for font in font_manager.fontManager.ttflist}
    pictures = {
        "accuracy.png": _accuracy,
        "tradeoff.png": _tradeoff,
        "exposure.png": _exposure,
        "providers.png": _providers,
    }
    written = []
    with mpl.rc_context({"font.family": [name for name in SCRIPTS if name in installed], "font.size": 9}):
        for name, drawn in pictures.items():
            figure = Figure(figsize=(8, 5), layout="constrained")
            FigureCanvasAgg(figure)
            if drawn(figure.add_subplot(), report):
                figure.savefig(folder / name, dpi=150)
                written.append(folder / name)
    return written


def _label(summary: Report) -> str:
    return f"{summary['model']} ({summary['relations']})"


def _best(report: Report) -> list[Report]:
    """Best first."""
    return sorted(report["summaries"], key=lambda s: -s["mean"]["ndcg"])


def _accuracy(axes: "Axes", report: Report) -> bool:
    """NDCG@k a model, with the interval of its difference to the best baseline around it."""
    shown = _best(report)[::-1]
    for place, summary in enumerate(shown):
        mean = summary["mean"]["ndcg"]
        interval = summary["against"].get("all", {}).get("ndcg")
        color = "tab:gray" if interval is None else "tab:blue"
        axes.barh(place, mean, color=color, alpha=0.7)
        if interval is not None:
            reach = [[interval["mean"] - interval["low"]], [interval["high"] - interval["mean"]]]
            axes.errorbar(mean, place, xerr=reach, color="black", capsize=3, linewidth=1)
    axes.set_yticks(range(len(shown)), [_label(s) for s in shown])
    axes.set_xlabel(f"NDCG@{report['k']}; bars: 95 % interval of the difference to {report['baseline'] or 'nothing'}")
    axes.set_title(f"{report['users']:,} users, {report['items']:,} products ranked")
    if report["baseline"]:
        best = max(s["mean"]["ndcg"] for s in shown if s["model"] == report["baseline"])
        axes.axvline(best, color="tab:red", linewidth=1, linestyle="--")
    return bool(shown)


def _tradeoff(axes: "Axes", report: Report) -> bool:
    """NDCG@k against coverage; the larger the point, the less popular what is shown."""
    for summary in report["summaries"]:
        mean = summary["mean"]
        axes.scatter(mean["coverage"], mean["ndcg"], s=12 * mean["novelty"] ** 2 + 8, alpha=0.6)
        side = "right" if mean["coverage"] > 0.5 else "left"  # within the frame
        axes.annotate(_label(summary), (mean["coverage"], mean["ndcg"]), fontsize=7, ha=side)
    axes.set_xlabel("coverage: share of products in at least one list (size: novelty)")
    axes.set_ylabel(f"NDCG@{report['k']}")
    axes.set_xlim(0, 1.02)
    return bool(report["summaries"])


def _exposure(axes: "Axes", report: Report) -> bool:
    """The Lorenz curve of exposure over the products, of the best models and the baselines."""
    first: dict[str, Report] = {}
    for row in report["rows"]:
        if row["exposure_curve"]:
            first.setdefault(_label(row), row)
    for name in [name for name in map(_label, _best(report)) if name in first][:LINES]:
        curve = first[name]["exposure_curve"]
        shares = [place / (len(curve) - 1) for place in range(len(curve))]
        axes.plot(shares, curve, label=f"{name}, Gini {first[name]['gini']:.2f}")
    axes.plot([0, 1], [0, 1], color="gray", linewidth=1, linestyle="--", label="all products alike")
    axes.set_xlabel("share of products, least shown first")
    axes.set_ylabel("share of exposure")
    axes.legend()
    return bool(first)


def _providers(axes: "Axes", report: Report) -> bool:
    """Of the best model, the brands whose exposure differs most from what is bought."""
    rows = {_label(row): row for row in report["rows"] if row["providers"]}
    name = next((name for name in map(_label, _best(report)) if name in rows), None)
    if name is None:
        return False
    shares = rows[name]["providers"]["shares"]
    for offset, what in enumerate(("exposure", "purchases", "catalogue")):
        places = [place + (offset - 1) * 0.27 for place in range(len(shares))]
        axes.barh(places, [share[what] for share in shares], height=0.25, label=what)
    brands = [share["provider"].removeprefix("brand:") for share in shares]
    axes.set_yticks(range(len(shares)), [b if len(b) <= LONGEST else f"{b[:LONGEST]}…" for b in brands])
    axes.invert_yaxis()
    axes.set_xlabel("share of exposure, of purchases, of the catalogue")
    axes.set_title(f"{name}: brands shown most out of proportion")
    axes.legend()
    return True

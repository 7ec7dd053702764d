"""A routing plan as pictures: what confidences promise and keep, and F1 against money. Imports matplotlib."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from api.plotting import SCRIPTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Report: TypeAlias = Mapping[str, Any]

COLUMNS = 4
MOST = 24  # attributes that are drawn, those with the most values first


def draw(report: Report, folder: Path) -> list[Path]:
    """reliability.png, a diagram an attribute, and cost_f1.png; returns their paths."""
    import matplotlib as mpl
    from matplotlib import font_manager
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    installed = {font.name for font in font_manager.fontManager.ttflist}
    folder.mkdir(parents=True, exist_ok=True)
    shown = _most(report["reliability"])
    rows = max(1, math.ceil(len(shown) / COLUMNS))
    with mpl.rc_context({"font.family": [name for name in SCRIPTS if name in installed], "font.size": 8}):
        figure = Figure(figsize=(10, 2.2 * rows + 0.6), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True).flat
        for axes, (name, bins) in zip(grid, shown, strict=False):
            _reliability(axes, name, bins)
        for axes in list(figure.axes)[len(shown) :]:
            axes.set_axis_off()
        figure.supxlabel("confidence promised")
        figure.supylabel("share right")
        figure.savefig(folder / "reliability.png", dpi=120)
        figure = Figure(figsize=(8, 5), layout="constrained")
        FigureCanvasAgg(figure)
        _cost(figure.add_subplot(), report)
        figure.savefig(folder / "cost_f1.png", dpi=150)
    return [folder / "reliability.png", folder / "cost_f1.png"]


def _most(reliability: Mapping[str, Sequence[Report]]) -> list[tuple[str, Sequence[Report]]]:
    return sorted(reliability.items(), key=lambda pair: (-sum(part["count"] for part in pair[1]), pair[0]))[:MOST]


def _reliability(axes: "Axes", name: str, bins: Sequence[Report]) -> None:
    """Right against promised, the size of a point by its values; on the line a promise is kept."""
    count = sum(part["count"] for part in bins)
    axes.plot([0, 1], [0, 1], color="gray", linewidth=0.8, linestyle="--")
    sizes = [8 + 120 * part["count"] / count for part in bins]
    axes.plot([part["promised"] for part in bins], [part["right"] for part in bins], linewidth=0.8)
    axes.scatter([part["promised"] for part in bins], [part["right"] for part in bins], s=sizes, alpha=0.6)
    axes.set_title(f"{name} ({count} values)", fontsize=8)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.02, 1.05)


def _cost(axes: "Axes", report: Report) -> None:
    points = report["points"]
    for name, label in (("lenient_f1", "lenient"), ("strict_f1", "strict")):
        axes.plot([p["usd"] for p in points], [100 * p[name] for p in points], marker="o", label=label)
    for number, point in enumerate(points):
        if number % 3 == 0:
            told = f"{point['share']:.0%} asked, below {point['route_below']:.2f}"
            place = (point["usd"], 100 * point["strict_f1"])
            axes.annotate(told, place, fontsize=7, xytext=(8, -10), textcoords="offset points")
    axes.margins(x=0.15, y=0.1)
    axes.set_xlabel("USD for 1,000 products")
    axes.set_ylabel("F1")
    axes.set_title(f"language model: {report['llm']['f1_is']}", fontsize=8)
    axes.legend()

"""The evaluation as a product: all models and what would be served on the newest part of the log, as files.

What is served is a sum that a validation cut chose, so it is chosen anew on what lies before the measured part: the
row ``served`` says how well the whole way from log to choice does on days that it has not seen. Every model is measured
with the setting that the same days before prefer.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from api.bootstrap import Shop
from api.progress import Bars
from api.training import human, newest_cut
from api.workspace import write_json
from recommender import choosing, reporting
from recommender.competing import EVERYONE, Offer, candidates, one_each
from recommender.errors import RecommenderError
from recommender.model import Model
from recommender.reporting import WHOLE, Measured
from recommender.splits import Cut, validation_time

WHO = ("model", "relations", "seed")
OF_THE_WHOLE = (*reporting.LISTS, "fit_seconds", "score_seconds", "failed")
COLUMNS = (*WHO, "slice", "users", *reporting.METRICS, *OF_THE_WHOLE, *reporting.FAIRNESS)


def evaluate(opened: Shop, bars: Bars, *, seeds: Sequence[int], offer: Offer = EVERYONE) -> dict[str, Any]:
    """Every model on the newest tenth of the purchases, with relations, without them and with shuffled ones, once for
    each seed; ``unserved`` says why there is no row ``served`` where there is none. ``offer`` is what the training
    let compete: else ``served`` is chosen among others than that one's choice was."""
    events = human(opened.log.table())
    choice: choosing.Choice | None = None
    unserved: str | None = None
    try:
        before = events.filter(pc.less(events["at"], validation_time(events)))
        choice = _choice(opened, before, bars, seed=seeds[0], offer=offer)
    except RecommenderError as error:  # a log too short to be cut twice: the others can be measured all the same
        unserved = str(error)

    def done(_: Measured) -> None:
        bars.advance()

    bars.start("evaluating")
    cut = newest_cut(opened.store, events)
    models = one_each(_offered(cut, offer, seeds[0]))
    if choice is not None:
        models = [choice.best(model.name) or model for model in models]
    served = choice.model if choice else None
    found = reporting.evaluate(models, cut, served=served, seeds=seeds, on_row=done)
    bars.finish()
    return {**found.as_dict(), "seeds": list(seeds), "serves": served.name if served else None, "unserved": unserved}


def _choice(opened: Shop, events: Any, bars: Bars, *, seed: int, offer: Offer) -> choosing.Choice:
    bars.start("evaluating: choosing")
    cut = newest_cut(opened.store, events)
    scratch = opened.workspace.cache / "evaluating"
    scratch.mkdir(parents=True, exist_ok=True)
    choice = choosing.choose(
        _offered(cut, offer, seed), cut, scratch=scratch, on_progress=lambda _: bars.advance()
    )  # fmt: skip
    bars.finish()
    return choice


def _offered(cut: Cut, offer: Offer, seed: int) -> list[Model]:
    return candidates(cut.train, seed=seed, networks=offer.networks, texts=offer.texts, thorough=offer.thorough)


def write(report: Mapping[str, Any], folder: Path, *, plots: bool, scalars: Path | None) -> list[Path]:
    """report.json and metrics.csv; pictures and TensorBoard scalars where asked. Returns what was written."""
    written = [folder / "report.json", folder / "metrics.csv"]
    write_json(written[0], report)
    with written[1].open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        lines.writeheader()
        lines.writerows(_lines(report))
    if plots:
        from api import plotting

        written += plotting.draw(report, folder)
    if scalars is not None:
        from api import scalars as board

        board.write(report, scalars)
        written.append(scalars)
    return written


def _lines(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line a fit and slice."""
    for row in report["rows"]:
        who = {name: row[name] for name in WHO}
        extras = {name: row.get(name) for name in OF_THE_WHOLE}
        fair = {name: (row["providers"] or {}).get(name) for name in reporting.FAIRNESS}
        yield {**who, "slice": WHOLE, **_only(row["metrics"] or {}), **extras, **fair}
        for name, metrics in row["slices"].items():
            yield {**who, "slice": name, **_only(metrics)}


def _only(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metrics[name] for name in ("users", *reporting.METRICS) if name in metrics}

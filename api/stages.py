"""What the commands do: each stage once, with its run folder and its report.

Every stage can be interrupted and typed again: what is done is known and skipped, what was half done is done again.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from api import answering, telling
from api.bootstrap import Shop
from api.errors import FrontDoorError
from api.extraction import extractors
from api.extras import need
from api.progress import Bars
from api.reading import Reading
from api.settings import Torchrun
from api.workspace import write_json
from kg import analysis, quality
from mining import loading, pipeline, samples
from mining.decisions import DecisionLog
from mining.samples.simulator import simulate, write_events
from mining.samples.truth import load_truth
from mining.sources import find_shop_files
from recommender.competing import EVERYONE, Offer

Device: TypeAlias = Literal["cpu", "cuda"]
SHOWN = 3  # recommendations that run and demo print


@dataclass(frozen=True, slots=True)
class Files:
    """The user's files and how they are read."""

    catalog: Path
    events: Path | None = None
    reviews: Path | None = None
    relations: Path | None = None
    options: loading.LoadOptions = field(default_factory=loading.LoadOptions)

    @classmethod
    def of(
        cls, catalog: Path, events: Path | None, reviews: Path | None, relations: Path | None,
        *, preset: str | None, columns: list[str], strict: bool,
    ) -> "Files":  # fmt: skip
        """A folder as catalogue brings its other files along. ``columns`` are flags such as ``events.user=buyer``."""
        options = loading.LoadOptions(columns=_columns(columns), preset=preset, strict=strict)
        if catalog.is_dir():
            found = find_shop_files(catalog)
            events, reviews = events or found.events, reviews or found.reviews
            relations = relations or found.relations
        for path in (catalog, events, reviews, relations):
            if path is not None and not path.exists():
                raise FrontDoorError(f"{path}: there is no such file")
        return cls(catalog, events, reviews, relations, options)


def _columns(flags: list[str]) -> dict[str, dict[str, str]]:
    read: dict[str, dict[str, str]] = {}
    for flag in flags:
        name, _, column = flag.partition("=")
        file, _, ours = name.partition(".")
        if not column or not ours or file not in ("catalog", "events", "reviews", "relations"):
            raise FrontDoorError(f"--map {flag}: expected FILE.NAME=COLUMN, such as events.user=buyer")
        read.setdefault(file, {})[ours] = column
    return read


def moment(text: str | None, flag: str = "--until") -> int | None:
    """What a flag says: ISO 8601 or Unix seconds as Unix seconds; a time without a zone is UTC."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise FrontDoorError(f"{flag} {text}: expected ISO 8601 (2026-06-01) or Unix seconds") from error
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def _keep(opened: Shop, stage: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """Write a stage's report into its run folder and return it."""
    whole = {"stage": stage, **report}
    write_json(opened.workspace.report(stage), whole)
    return whole


def load(opened: Shop, files: Files, bars: Bars) -> dict[str, Any]:
    report = loading.load(
        opened.store, opened.log, catalog=files.catalog, events=files.events, reviews=files.reviews,
        relations=files.relations, options=files.options, rejects_dir=opened.workspace.rejects, progress=bars,
    )  # fmt: skip
    return _keep(opened, "load", pipeline.as_dict(report))


def mine(opened: Shop, bars: Bars, how: Reading, *, until: int | None) -> dict[str, Any]:
    run_dir = opened.workspace.runs / "mine"
    with extractors(opened, how) as (readers, schema):
        report = pipeline.mine(
            opened.store, opened.log, extractors=readers, until=until, allow_undated=True, run_dir=run_dir,
            progress=bars, schema=schema, decisions=DecisionLog(opened.workspace.decisions),
        )  # fmt: skip
    health = asdict(quality.health(opened.store))
    graph = asdict(analysis.summary(opened.store))
    return _keep(opened, "mine", {**pipeline.as_dict(report), "health": health, "graph": graph})


def train(
    opened: Shop,
    bars: Bars,
    *,
    until: int | None,
    device: Device,
    seed: int,
    tolerance: float | None = None,
    ranker: bool = False,
    offer: Offer = EVERYONE,
    torchrun: Torchrun | None = None,
) -> dict[str, Any]:
    """Needs the extra ``train`` for the graph neural networks. With a ``tolerance``, only what passes the gate is put
    into service; the report's ``gate`` says what it found. Of several processes the first one alone writes."""
    need("torch", "train")
    from api import training
    from api.promoting import Promotion
    from recommender.distributed import Member, joined

    member = Member() if torchrun is None else Member(**torchrun.model_dump())
    with joined(member, device):
        report = training.train(
            opened.store, opened.log, opened.workspace, bars, until=until, device=device, seed=seed,
            gate=None if tolerance is None else Promotion(tolerance), ranker=ranker, offer=offer,
        )  # fmt: skip
    return report if member.rank else _keep(opened, "train", report)


def evaluate(
    opened: Shop,
    bars: Bars,
    *,
    seed: int,
    seeds: int = 1,
    offer: Offer = EVERYONE,
    plots: bool = False,
    scalars: Path | None = None,
) -> dict[str, Any]:
    """Write ``evaluation/`` in the workspace: report.json, metrics.csv, pictures where asked; scalars where told.
    ``offer`` as in the training."""
    need("torch", "train")
    if plots:
        need("matplotlib", "plots")
    if scalars is not None:
        need("tensorboardX", "plots")
    from api import evaluating

    report = evaluating.evaluate(opened, bars, seeds=range(seed, seed + seeds), offer=offer)
    whole = _keep(opened, "evaluate", report)
    written = evaluating.write(whole, opened.workspace.evaluation, plots=plots, scalars=scalars)
    return {**whole, "written": [str(path) for path in written]}


def run(opened: Shop, files: Files, bars: Bars, how: Reading, *, until: int | None, device: Device, seed: int) -> str:
    """Load, mine, train; returns what a person reads at the end."""
    told = [telling.summary("load", load(opened, files, bars))]
    told.append(telling.summary("mine", mine(opened, bars, how, until=until)))
    if opened.log.count == 0:
        told.append("There are no events: nothing to learn from, so nothing is recommended. The graph is there.")
        return "\n\n".join(told)
    told.append(telling.summary("train", train(opened, bars, until=until, device=device, seed=seed)))
    answer = answering.recommend(opened, user=_someone(opened), k=SHOWN)
    told.append(telling.recommendations(answer, reasons=2))
    return "\n\n".join(told)


def demo(opened: Shop, bars: Bars, how: Reading, *, seed: int) -> str:
    """``run`` on the sample shop and its simulated log."""
    shop = samples.sample_shop()
    events = opened.workspace.cache / "sample-events.csv"
    events.parent.mkdir(parents=True, exist_ok=True)
    write_events(events, simulate(samples.sample_products(), load_truth()))
    files = Files(shop.catalog, events, shop.reviews)
    return run(opened, files, bars, how, until=None, device="cpu", seed=seed)


def _someone(opened: Shop) -> str | None:
    """The user with the newest purchase: someone whose answer is worth looking at."""
    newest: str | None = None
    for event in opened.log.scan():
        if event.user_id is not None and (event.action == "purchase" or newest is None):
            newest = event.user_id
    return newest

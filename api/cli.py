"""The command line: each stage is a command, ``run`` does them all on your files, ``demo`` on the sample shop.

stdout is the result (``--json`` for machines), stderr is progress. Exit codes: 0 done, 1 refused or failed with a
sentence, 2 wrong usage, 3 a model that the gate refused, 130 interrupted.
"""

import logging
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api import answering, feedback_commands, model_commands, schema_commands, telling
from api.bootstrap import shop
from api.flags import (
    AskFlag,
    BudgetFlag,
    CatalogFlag,
    DeviceFlag,
    EventsFlag,
    JsonFlag,
    MapFlag,
    NetworkFlag,
    PresetFlag,
    RelationsFlag,
    ReviewsFlag,
    ReviewsModelFlag,
    SchemaFlag,
    SeedFlag,
    SmallModelFlag,
    StoreFlag,
    StrictFlag,
    TextsFlag,
    ThoroughFlag,
    UntilFlag,
    WorkspaceFlag,
    offer,
    refusing,
    settings,
    told,
)
from api.progress import Bars
from api.reading import Reading
from api.settings import Torchrun
from api.workspace import Workspace
from recommender.exploring import MOST_SHARPNESS
from recommender.thresholds import Thresholds

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A knowledge graph a shop can trust, and recommendations it can explain.",
)

app.add_typer(schema_commands.schemas, name="schema")


class ExportFormat(StrEnum):
    jsonl = "jsonl"
    graphml = "graphml"


@app.command()
@refusing
def demo(
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the page at the end.")] = True,
    llm_budget: BudgetFlag = "0",
    host: Annotated[str | None, typer.Option(help="Address to bind; loopback unless told.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the page and the API.")] = None,
    seed: SeedFlag = 0,
) -> None:
    """The whole way on the sample shop: text and logs to facts, a graph, a trained GNN, explained recommendations."""
    from api import stages

    chosen = settings(workspace or Path("shopgraph-demo"), store, host=host, port=port)
    with shop(chosen, write=True) as opened, Bars() as bars:
        print(stages.demo(opened, bars, Reading(llm_budget), seed=seed))
    if serve:
        answering.serve(chosen, print)


@app.command()
@refusing
def run(
    catalog: CatalogFlag,
    events: EventsFlag = None,
    reviews: ReviewsFlag = None,
    relations: RelationsFlag = None,
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    llm_budget: BudgetFlag = "0",
    preset: PresetFlag = None,
    map: MapFlag = None,
    strict: StrictFlag = False,
    until: UntilFlag = None,
    schema: SchemaFlag = None,
    model: SmallModelFlag = None,
    reviews_model: ReviewsModelFlag = None,
    ask: AskFlag = "doubtful",
    device: DeviceFlag = "cpu",
    seed: SeedFlag = 0,
) -> None:
    """Load, mine and train on your files, then print three explained recommendations."""
    from api import stages

    files = stages.Files.of(catalog, events, reviews, relations, preset=preset, columns=map or [], strict=strict)
    how = Reading.of(llm_budget, schema, model, reviews_model, ask, device)
    with shop(settings(workspace, store), write=True) as opened, Bars() as bars:
        print(stages.run(opened, files, bars, how, until=stages.moment(until), device=device, seed=seed))


@app.command()
@refusing
def load(
    catalog: CatalogFlag,
    events: EventsFlag = None,
    reviews: ReviewsFlag = None,
    relations: RelationsFlag = None,
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    preset: PresetFlag = None,
    map: MapFlag = None,
    strict: StrictFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Read the files into the graph and the event log; bad rows go to the rejects."""
    from api import stages

    files = stages.Files.of(catalog, events, reviews, relations, preset=preset, columns=map or [], strict=strict)
    with shop(settings(workspace, store), write=True) as opened, Bars() as bars:
        report = stages.load(opened, files, bars)
    told(report, as_json, telling.summary("load", report))


@app.command()
@refusing
def mine(
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    llm_budget: BudgetFlag = "0",
    until: UntilFlag = None,
    schema: SchemaFlag = None,
    model: SmallModelFlag = None,
    reviews_model: ReviewsModelFlag = None,
    ask: AskFlag = "doubtful",
    device: DeviceFlag = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Extract facts from texts and statistics from behaviour."""
    from api import stages

    how = Reading.of(llm_budget, schema, model, reviews_model, ask, device)
    with shop(settings(workspace, store), write=True) as opened, Bars() as bars:
        report = stages.mine(opened, bars, how, until=stages.moment(until))
    told(report, as_json, telling.summary("mine", report))


@app.command()
@refusing
def train(
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    until: UntilFlag = None,
    device: DeviceFlag = "cpu",
    gate: Annotated[bool, typer.Option("--gate", help="Refuse what ranks worse than the model in service.")] = False,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="With --gate: share of the NDCG in service that may be lost.")
    ] = 0.05,
    ranker: Annotated[
        bool, typer.Option("--ranker", help="Learn a ranker too; it orders the best of the choice anew if that helps.")
    ] = False,
    thorough: ThoroughFlag = False,
    network: NetworkFlag = None,
    texts: TextsFlag = False,
    seed: SeedFlag = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train the models, let the validation cut choose, and put the choice into service.

    Several processes share the networks' batches: torchrun --nproc-per-node 2 --no-python shopgraph train
    """
    from api import stages

    when, lose, torchrun = stages.moment(until), tolerance if gate else None, Torchrun()
    first = torchrun.rank == 0
    with shop(settings(workspace, store), write=first) as opened, Bars(quiet=not first) as bars:
        report = stages.train(
            opened, bars, until=when, device=device, seed=seed, tolerance=lose, ranker=ranker,
            offer=offer(network, texts, thorough), torchrun=torchrun,
        )  # fmt: skip
    if not first:
        return
    told(report, as_json, telling.summary("train", report))
    if gate and not report["gate"]["passed"]:
        raise typer.Exit(3)


@app.command()
@refusing
def promote(
    model: Annotated[str, typer.Argument(help="The id of a model in models/.")], workspace: WorkspaceFlag = None
) -> None:
    """Put a model that is on disk into service: one that the gate refused, or an earlier one."""
    from api import promoting

    print(promoting.promote(Workspace(settings(workspace).workspace), model))


@app.command()
@refusing
def evaluate(
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    seed: SeedFlag = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from --seed on.")] = 1,
    thorough: ThoroughFlag = False,
    network: NetworkFlag = None,
    texts: TextsFlag = False,
    plots: Annotated[bool, typer.Option("--plots", help="Draw pictures beside the report.")] = False,
    board: Annotated[Path | None, typer.Option("--tensorboard", help="Folder for TensorBoard scalars.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare all models, and what would be served, on the newest part of your own log, all products ranked."""
    from api import stages

    with shop(settings(workspace, store), write=True) as opened, Bars() as bars:
        report = stages.evaluate(
            opened, bars, seed=seed, seeds=seeds, offer=offer(network, texts, thorough), plots=plots, scalars=board
        )  # fmt: skip
    told(report, as_json, telling.summary("evaluate", report))


app.command()(feedback_commands.compare)


@app.command()
@refusing
def label(
    who: Annotated[str, typer.Option("--who", help="Who decides: a name that stands beside each decision.")],
    lessons: Annotated[
        Path | None, typer.Option("--lessons", help="Instead, write what was decided as rows for extract --more.")
    ] = None,
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    host: Annotated[str | None, typer.Option(help="Address to bind; loopback unless told.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the page.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Serve the queue of facts that texts state, the least sure first: accept, correct or reject each with a key."""
    chosen = settings(workspace, store, host=host, port=port)
    if lessons is None:
        answering.label(chosen, print, who=who)
        return
    result = answering.lessons(chosen, lessons)
    text = f"{result['products']} products to learn from in {lessons}; {result['waiting']} wait for more decisions"
    told(result, as_json, text + (f", {result['gone']} are gone" if result["gone"] else ""))


app.command()(feedback_commands.forget)
app.command()(model_commands.extract)
app.command()(model_commands.compress)


@app.command()
@refusing
def reviews(
    product: Annotated[str | None, typer.Option("--product", help="Only this product, by the shop's id.")] = None,
    until: UntilFlag = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Days in a window of the trend.")] = 30,
    out: Annotated[Path | None, typer.Option("--out", help="File to write: a JSON line a finding.")] = None,
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Say where reviews contradict the catalogue, and which aspects they criticise more than before, with quotes."""
    from api import reviewing, stages

    with shop(settings(workspace, store)) as opened:
        report = reviewing.reviews(opened, product=product, until=stages.moment(until), days=days, out=out)
    told(report, as_json, reviewing.told(report))


@app.command()
@refusing
def recommend(
    user: Annotated[
        str | None, typer.Option("--user", help="A user of the log; an unknown one gets the fallback.")
    ] = None,
    k: Annotated[int, typer.Option(help="How many.")] = 10,
    min_score: Annotated[float | None, typer.Option(help="Leave out what scores lower.")] = None,
    min_confidence: Annotated[
        float | None, typer.Option(help="Leave out what no fact of this confidence joins to the history.")
    ] = None,
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """What to show a user, best first."""
    with shop(settings(workspace, store)) as opened:
        answer = answering.recommend(opened, user=user, k=k, thresholds=Thresholds(min_score, min_confidence))
    told(answer, as_json, telling.recommendations(answer, reasons=0))


@app.command()
@refusing
def explain(
    user: Annotated[str, typer.Option("--user", help="A user of the log.")],
    product: Annotated[str | None, typer.Option("--product", help="Only this product's reasons.")] = None,
    k: Annotated[int, typer.Option(help="How many recommendations.")] = 3,
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Why a user is shown what is shown: events, facts, quotes, counts."""
    with shop(settings(workspace, store)) as opened:
        answer = answering.recommend(opened, user=user, k=k, product=product)
    told(answer, as_json, telling.recommendations(answer, reasons=5))


@app.command()
@refusing
def serve(
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    host: Annotated[str | None, typer.Option(help="Address to bind; loopback unless told.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the page and the API.")] = None,
    log_answers: Annotated[
        bool | None, typer.Option("--log-answers", help="Keep what is shown, with propensities, in impressions.db.")
    ] = None,
    explore_from: Annotated[
        int | None, typer.Option("--explore-from", min=1, help="Let chance fill ranks from this one on.")
    ] = None,
    explore_sharpness: Annotated[
        float | None,
        typer.Option(
            "--explore-sharpness",
            min=0,
            max=MOST_SHARPNESS,
            help="How closely chance keeps to the order; 0 not at all.",
        ),
    ] = None,
    interleave: Annotated[
        str | None,
        typer.Option(
            "--interleave", help="A model that shares lists with the one in service, but those with a threshold."
        ),
    ] = None,
) -> None:
    """Serve the API and the page."""
    chosen = settings(
        workspace, store, host=host, port=port, log_answers=log_answers, explore_from=explore_from,
        explore_sharpness=explore_sharpness, interleave=interleave,
    )  # fmt: skip
    answering.serve(chosen, print)


@app.command()
@refusing
def export(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    format: Annotated[ExportFormat, typer.Option(help="jsonl or graphml.")] = ExportFormat.jsonl,
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
) -> None:
    """Write the graph to files, in an order that never changes."""
    with shop(settings(workspace, store)) as opened:
        print(answering.export(opened, out, format.value))


def main() -> None:
    """The console script."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")  # what its own libraries deprecate
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    app()

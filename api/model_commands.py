"""Commands about the small model: ``shopgraph extract`` and ``shopgraph compress``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from api import telling
from api.errors import FrontDoorError
from api.flags import BudgetFlag, DeviceFlag, JsonFlag, SchemaFlag, SeedFlag, refusing, told
from api.settings import Settings, WeightsAndBiases

PlanFlag = Annotated[
    bool,
    typer.Option("--plan", help="Instead: F1, money and time at each route, of --test, whose labels are read."),
]
PlotsFlag = Annotated[Path | None, typer.Option("--plots", help="With --plan: folder for its pictures.")]
RouteFlag = Annotated[
    float | None,
    typer.Option("--route-below", help="Ask the language model about products less sure than this; --plan keeps it."),
]
AssumedFlag = Annotated[
    float | None, typer.Option("--llm-f1", help="With --plan: F1 (0 to 1) of the language model where it is not asked.")
]
PriceFlag = Annotated[
    str | None,
    typer.Option("--llm-price", help="With --plan: USD a million input and output tokens; default 2.5,10 (GPT-4o)."),
]
MaskedFlag = Annotated[
    list[Path] | None,
    typer.Option(
        "--masked", help="Products (JSONL) whose words the encoder learns to guess before; kept in MODEL (repeatable)."
    ),
]
AdaptersFlag = Annotated[
    Literal["none", "lora", "adalora"],
    typer.Option("--adapters", help="What of the encoder learns: all of it (none), or low-rank products beside it."),
]
BatchFlag = Annotated[int | None, typer.Option("--batch", min=1, help="Texts of a batch; default 16.")]
AccumulateFlag = Annotated[
    int | None,
    typer.Option("--accumulate", min=1, help="Batches whose gradients make one step, as if they were one; default 1."),
]
SwapFlag = Annotated[
    float | None,
    typer.Option("--swap", min=0, max=1, help="Share of texts that are learned with other values; default 0.2."),
]
WeighFlag = Annotated[
    Literal["none", "root", "effective"] | None,
    typer.Option("--weigh", help="Values of rare attributes count more: by the root of their number, or effective."),
]
RDropFlag = Annotated[
    float | None,
    typer.Option("--r-drop", min=0, help="Read each text twice; so much costs that the two say different things."),
]
AdversarialFlag = Annotated[
    float | None,
    typer.Option("--adversarial", min=0, help="Learn each text once more, its words shifted so far against it."),
]
TensorBoardFlag = Annotated[
    Path | None, typer.Option("--tensorboard", help="Folder for the curves of the training, as TensorBoard reads them.")
]
CoreHourFlag = Annotated[float, typer.Option("--core-hour", help="With --plan: USD an hour of one processor core.")]


@refusing
def extract(
    test: Annotated[Path, typer.Option("--test", help="Products to read (JSONL); their labels are not looked at.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: a JSON line a product, in order.")],
    relations: Annotated[
        bool, typer.Option("--relations", help="Write the relations that texts (id, text) state; needs no training.")
    ] = False,
    train: Annotated[Path | None, typer.Option("--train", help="Labelled products (JSONL) to learn from.")] = None,
    more: Annotated[
        Path | None, typer.Option("--more", help="Rows of label --lessons: a model in --model stays unless beaten.")
    ] = None,
    dev: Annotated[
        Path | None, typer.Option("--dev", help="Labelled products to choose on; else cut from train.")
    ] = None,
    schema: SchemaFlag = None,
    wanted: Annotated[Path | None, typer.Option("--normalized", help="Train, with values as you want them.")] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="Folder to keep the model in, or to take it from.")
    ] = None,
    encoder: Annotated[str | None, typer.Option("--encoder", help="Name, folder or file of an encoder.")] = None,
    encoders: Annotated[Path | None, typer.Option("--encoders", help="Folder to look for named encoders in.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="At most so many passes over train.")] = None,
    masked: MaskedFlag = None,
    adapters: AdaptersFlag = "none",
    batch: BatchFlag = None,
    accumulate: AccumulateFlag = None,
    swap: SwapFlag = None,
    weigh: WeighFlag = None,
    r_drop: RDropFlag = None,
    adversarial: AdversarialFlag = None,
    tensorboard: TensorBoardFlag = None,
    plan: PlanFlag = False,
    plots: PlotsFlag = None,
    route_below: RouteFlag = None,
    llm_budget: BudgetFlag = "0",
    llm_f1: AssumedFlag = None,
    llm_price: PriceFlag = None,
    core_hour: CoreHourFlag = 0.05,
    device: DeviceFlag = "cpu",
    seed: SeedFlag = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train the small model on labelled products and write the attribute values of others; or, with --relations,
    write what texts say that a product is compatible with, belongs to, is used for and suits; or, with --plan, write
    what asking a language model about the least sure products would gain and cost."""
    from api import extracting, planning

    changed = extracting.Learning(batch, accumulate, swap, weigh, r_drop, adversarial)
    files = train or more or dev or schema or wanted or masked or tensorboard
    learning = bool(files or adapters != "none" or changed.given())
    asking = planning.Asking(llm_budget, llm_f1, llm_price, core_hour, route_below, Settings())
    if plan:
        if relations or learning:
            raise FrontDoorError("--plan is about a trained model: give --model, --test and --out alone")
        report = planning.plan(model, test, out, asking, plots=plots, device=device)
        told(report, as_json, planning.told(report))
        return
    if relations:
        if learning or model:
            raise FrontDoorError(
                "--relations reads by rules and trained judges: give --test and --out, and nothing to learn from"
            )
        result = extracting.extract_relations(test, out)
        told(result, as_json, _relations_told(result))
        return
    asked = extracting.Extract(
        test,
        out,
        train=train,
        more=more,
        dev=dev,
        schema=schema,
        wanted=wanted,
        model=model,
        encoder=encoder,
        encoders=encoders or Settings().encoders,
        epochs=epochs,
        device=device,
        seed=seed,
        asking=asking,
        masked=masked or (),
        adapters=adapters,
        learning=changed,
        tensorboard=tensorboard,
        board=WeightsAndBiases(),
    )
    result = extracting.extract(asked, lambda text: typer.echo(text, err=True))
    told(result, as_json, _values_told(result))
    if not result.get("compared", {"promoted": True})["promoted"]:
        raise typer.Exit(3)


def _relations_told(result: dict[str, Any]) -> str:
    """As a person reads it."""
    return f"{result['labels']} relations of {result['texts']} texts in {result['out']}, by {result['by']}"


def _values_told(result: dict[str, Any]) -> str:
    """As a person reads it."""
    text = f"{result['values']} values of {result['products']} products in {result['out']}"
    if "routed" in result:
        asked = "; of {asked} products less sure than {route_below:g}, a language model answered {answered}"
        text += asked.format(**result["routed"])
    return text + telling.because(result["set_aside"])


@refusing
def compress(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model: what extract --model has kept.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write the compressed model to.")],
    texts: Annotated[
        list[Path] | None,
        typer.Option("--texts", help="Products that it is to read (JSONL): cuts the vocabulary to them (repeatable)."),
    ] = None,
    vocabulary: Annotated[
        Literal["texts", "scripts"],
        typer.Option("--vocabulary", help="With --texts: keep the pieces that they need, or all of their scripts."),
    ] = "texts",
    networks: Annotated[
        int | None, typer.Option("--networks", min=1, help="Of several averaged networks keep so many, else two.")
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="Labelled products (JSONL) to print loss and speed on.")
    ] = None,
    device: DeviceFlag = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Make a trained small model small and fast: 8-bit weights, a vocabulary cut to your texts. Reads as before."""
    from api import compressing

    asked = compressing.Compress(
        model, out, texts=texts or [], keep=vocabulary, networks=networks, check=check, device=device
    )
    result = compressing.compress(asked)
    told(result, as_json, compressing.told(result))

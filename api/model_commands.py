"""Commands and flags about a small model that was trained: ``shopgraph compress``, and the plan of ``extract``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from api.flags import DeviceFlag, JsonFlag, refusing, told

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
CoreHourFlag = Annotated[float, typer.Option("--core-hour", help="With --plan: USD an hour of one processor core.")]


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
    check: Annotated[
        Path | None, typer.Option("--check", help="Labelled products (JSONL) to print loss and speed on.")
    ] = None,
    device: DeviceFlag = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Make a trained small model small and fast: 8-bit weights, a vocabulary cut to your texts. Reads as before."""
    from api import compressing

    asked = compressing.Compress(model, out, texts=texts or [], keep=vocabulary, check=check, device=device)
    result = compressing.compress(asked)
    told(result, as_json, compressing.told(result))

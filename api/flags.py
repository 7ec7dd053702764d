"""What commands are asked in common, and how they speak and refuse."""

import json
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec

import typer

from api.errors import FrontDoorError
from api.reading import Ask
from api.settings import Settings
from kg.errors import KGError
from mining.errors import MiningError
from recommender.competing import OFFERED, Offer, known_networks
from recommender.errors import RecommenderError

WorkspaceFlag = Annotated[
    Path | None,
    typer.Option("--workspace", help="Folder of the graph, events and models.", envvar="SHOPGRAPH_WORKSPACE"),
]
StoreFlag = Annotated[
    str | None, typer.Option("--store", help="sqlite:///graph.db, neo4j://host:7687 or memory://; no password in it.")
]
UntilFlag = Annotated[
    str | None, typer.Option("--until", help="See nothing at or after this time (ISO 8601 or Unix seconds).")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
BudgetFlag = Annotated[
    str, typer.Option("--llm-budget", help="0, or a hard limit such as 500products, 200000tokens, 5usd.")
]
SmallModelFlag = Annotated[
    Path | None,
    typer.Option("--model", help="Folder of a small model that extract made: it reads attribute values."),
]
AskFlag = Annotated[
    Ask,
    typer.Option("--ask", help="A language model is asked about products that the others doubt, or every."),
]
CatalogFlag = Annotated[Path, typer.Option("--catalog", help="Products: CSV, JSONL or Parquet, or a shop's folder.")]
EventsFlag = Annotated[Path | None, typer.Option("--events", help="Behaviour: user, product, time, action.")]
ReviewsFlag = Annotated[Path | None, typer.Option("--reviews", help="Reviews: product, text, user, rating, time.")]
RelationsFlag = Annotated[Path | None, typer.Option("--relations", help="Product to product: head, relation, tail.")]
MapFlag = Annotated[list[str] | None, typer.Option("--map", help="Settle a column: events.user=buyer (repeatable).")]
PresetFlag = Annotated[str | None, typer.Option("--preset", help="amazon2014, amazon2018, amazon2023 or retailrocket.")]
StrictFlag = Annotated[bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")]
SchemaFlag = Annotated[
    Path | None, typer.Option("--schema", help="Attributes of each category: JSON, JSON lines or YAML.")
]
ReviewsModelFlag = Annotated[
    Path | None,
    typer.Option("--reviews-model", help="Folder of a trained model of reviews; without one, a lexicon reads them."),
]
DeviceFlag = Annotated[Literal["cpu", "cuda"], typer.Option("--device", help="cpu or cuda.")]
SeedFlag = Annotated[int, typer.Option("--seed", help="Seed of every random choice.")]

ThoroughFlag = Annotated[
    bool, typer.Option("--thorough", help="Try more settings, in small shops too, minutes longer.")
]
NetworkFlag = Annotated[
    list[str] | None,
    typer.Option("--network", help="lightgcn, relational or sasrec, instead of the first two (repeatable), or none."),
]
TextsFlag = Annotated[
    bool, typer.Option("--texts", help="Let texts of products compete too: no fact explains what they add.")
]

P = ParamSpec("P")


def settings(workspace: Path | None, store: str | None = None, **more: Any) -> Settings:
    """The environment, with the flags that were given on top."""
    given = {"workspace": workspace, "store": store, **more}
    return Settings().model_copy(update={name: value for name, value in given.items() if value is not None})


def offer(networks: Sequence[str] | None, texts: bool, thorough: bool) -> Offer:
    """What the flags let compete. Raises ConfigurationError for a network that is none, FrontDoorError for none beside
    some."""
    if networks and "none" in networks:
        if set(networks) != {"none"}:
            raise FrontDoorError("--network none leaves all networks out; do not name others beside it")
        networks = ()
    return Offer(OFFERED if networks is None else known_networks(networks), texts, thorough)


def told(result: dict[str, Any], as_json: bool, text: str) -> None:
    print(json.dumps(result, ensure_ascii=False, indent=1) if as_json else text)


def refusing(command: Callable[P, None]) -> Callable[P, None]:
    """Turn our errors into one sentence and exit code 1, and Ctrl-C into 130."""

    @wraps(command)
    def safe(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (KGError, MiningError, RecommenderError, FrontDoorError) as error:
            print(f"shopgraph: {error}", file=sys.stderr)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            print("shopgraph: interrupted; the same command goes on from here", file=sys.stderr)
            raise typer.Exit(130) from None

    return safe

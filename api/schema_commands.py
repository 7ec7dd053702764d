"""Commands about schemas: propose one from a catalogue, check a file."""

from pathlib import Path
from typing import Annotated

import typer

from api import telling
from api.flags import CatalogFlag, JsonFlag, PresetFlag, WorkspaceFlag, refusing, settings, told
from api.progress import Bars
from mining.schema.files import read_schema

schemas = typer.Typer(no_args_is_help=True, help="Which attributes products have: propose a schema, or check a file.")


@schemas.command()
@refusing
def propose(
    catalog: CatalogFlag,
    out: Annotated[Path, typer.Option("--out", help="File to write: YAML or JSON by its name.")],
    workspace: WorkspaceFlag = None,
    llm_budget: Annotated[
        str, typer.Option("--llm-budget", help="Limit where SHOPGRAPH_LLM_BASE_URL is set; 0: rules alone.")
    ] = "200000tokens",
    preset: PresetFlag = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that says something else.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Propose the attributes of each category from a catalogue, for a person to accept."""
    from api import proposing

    with Bars() as bars:
        result = proposing.propose(
            settings(workspace), catalog, out, bars, llm_budget=llm_budget, preset=preset, force=force
        )
    told(result, as_json, telling.proposed(result))


@schemas.command()
@refusing
def check(
    file: Annotated[Path, typer.Argument(help="A schema file: JSON, JSON lines or YAML.")], as_json: JsonFlag = False
) -> None:
    """Say whether a schema file can be read, and what it holds."""
    names = read_schema(file).names()
    text = "\n".join(f"{category}: {', '.join(attributes)}" for category, attributes in names.items())
    told({"attributes": {category: list(of) for category, of in names.items()}}, as_json, text)

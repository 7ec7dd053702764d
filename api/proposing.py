"""A schema proposed from a catalogue, for a person to accept: ``shopgraph schema propose``."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from api.errors import FrontDoorError
from api.settings import Settings
from api.workspace import Workspace
from kg.schema import Schema
from kg.types import Product
from mining import sources
from mining.language_model import Budget, ReplyCache
from mining.progress import Progress, watched
from mining.schema.files import told_schema, write_schema
from mining.schema.induction import Proposal, induce
from mining.schema.naming import Naming
from mining.types import Reject

YAML = (".yaml", ".yml")


def propose(
    settings: Settings,
    catalog: Path,
    out: Path,
    progress: Progress,
    *,
    llm_budget: str,
    preset: str | None,
    force: bool,
) -> dict[str, Any]:
    """Writes the proposed schema and returns counts for the user. A file that someone may have edited is kept."""
    if not catalog.exists():
        raise FrontDoorError(f"{catalog}: there is no such file")
    rejects: Counter[str] = Counter()

    def reject(one: Reject) -> None:
        rejects[one.reason.partition(":")[0]] += 1

    read = sources.read_products(catalog, on_reject=reject, preset=preset)
    proposal = induce(_each_once(watched(progress, "catalogue", read), rejects))
    named: Mapping[str, int] = {}
    if settings.llm_base_url is not None and Budget.parse(llm_budget).limit:
        proposal, named = _named(settings, proposal, llm_budget)
    schema = proposal.schema()
    if not schema.attributes:
        raise FrontDoorError(
            f"{catalog}: {sum(proposal.products.values())} products show no attribute that repeats; "
            "write the schema by hand (mining/README.md)"
        )
    _write(schema, out, force=force)
    return {
        "out": str(out),
        "products": sum(proposal.products.values()),
        "categories": len(schema.attributes),
        "attributes": sum(map(len, schema.attributes.values())),
        "set_aside": dict(sorted({**rejects, **proposal.left_out}.items())),
        "language_model": dict(sorted(named.items())),
    }


def _each_once(products: Iterator[Product], rejects: Counter[str]) -> Iterator[Product]:
    """The products with a title; one without says nothing."""
    for product in products:
        if product.title or product.description or product.attributes:
            yield product
        else:
            rejects["no text"] += 1


def _named(settings: Settings, proposal: Proposal, llm_budget: str) -> tuple[Proposal, Mapping[str, int]]:
    """Names by the configured endpoint; its replies are kept in the workspace, so that asking again is free."""
    from api.extraction import language_model  # spaCy comes along: seconds that rules alone need not wait for

    workspace = Workspace(settings.workspace)
    with ExitStack() as stack:
        workspace.open()
        workspace.cache.mkdir(parents=True, exist_ok=True)
        cache = stack.enter_context(ReplyCache(workspace.cache / "replies.db"))
        naming = Naming(stack.enter_context(language_model(settings)), Budget.parse(llm_budget), cache)
        return naming.name(proposal), naming.counts


def _write(schema: Schema, out: Path, *, force: bool) -> None:
    if out.is_file() and not force:
        if out.read_bytes() == told_schema(schema, yaml=out.suffix.casefold() in YAML).encode("utf-8"):
            return
        raise FrontDoorError(
            f"{out} is there and says something else; someone may have edited it: --force, or another --out"
        )
    write_schema(schema, out)

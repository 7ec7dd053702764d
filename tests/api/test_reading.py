"""``shopgraph mine --model``: the small model reads the graph's texts, and who else is asked about them."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from kg.stores.sqlite import SqliteStore

COLORS = ("red", "blue", "green")
CATALOG = (
    "id,title,category\n" + "".join(f"{n},zeta {COLORS[n % 3]} mug {n},Mugs\n" for n in range(6)) + "s,zeta,Shoes\n"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model that knows the brand of mugs."""
    from mining.extraction.attribute_model import fit
    from mining.extraction.attribute_rows import Row
    from mining.extraction.tagger_training import Options

    folder = tmp_path_factory.mktemp("small")
    made = runpy.run_path(str(Path(__file__).parents[1] / "tiny_encoder.py"))["tiny_encoder_in"]
    encoder = made(folder / "encoder")
    rows = [
        Row("Mugs", {"input": f"{brand} {color} mug {n}"}, {"Maker": (brand,), "Color": (color,)})
        for n, (brand, color) in enumerate((b, c) for b in ("acme", "zeta") for c in COLORS)
    ]
    options = Options(encoder=str(encoder), epochs=15, batch=4, rate=3e-3, head_rate=1e-2, patience=15)
    fit(rows * 2, options, dev=rows).save(folder / "model")
    return folder / "model"


def run(*flags: object) -> Any:
    done = CliRunner().invoke(app, [*map(str, flags)])
    assert done.exit_code == 0, done.output
    return done


def test_the_small_model_writes_quoted_values_beside_the_rules(tmp_path: Path, model: Path) -> None:
    catalog, workspace = tmp_path / "catalog.csv", tmp_path / "shop"
    catalog.write_text(CATALOG, "utf-8")
    run("load", "--catalog", catalog, "--workspace", workspace)
    told = json.loads(run("mine", "--workspace", workspace, "--model", model, "--json").stdout)
    by_tagger = told["facts"]["HAS_ATTRIBUTE"]["tagger"]
    assert sum(by_tagger.values()) >= 6
    assert told["text"]["extractors"]["tagger"]["set_aside"]["category not learned"] == 1
    with SqliteStore(workspace / "graph.db") as store:
        found = {
            (str(store.entity(fact.tail).properties["attribute"]), e.quote)
            for fact in store.facts(relation="HAS_ATTRIBUTE")
            for e in fact.evidence
            if e.method == "tagger"
        }
    assert {("Maker", "zeta"), ("color", "red")} <= found  # the shop's own name for what the model calls Color
    again = json.loads(run("mine", "--workspace", workspace, "--model", model, "--json").stdout)
    assert again["text"]["extractors"]["tagger"]["cached"] == 7
    assert not any(again["text"]["written"].values())


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["mine", "--workspace", str(tmp_path), "--model", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "holds no finished small model" in done.output

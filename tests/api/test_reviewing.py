"""``shopgraph reviews`` prints contradictions and alerts with quotes, and writes them as JSON lines."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.workspace import Workspace
from kg.stores.sqlite import SqliteStore
from kg.types import Entity, Evidence, Fact, Product
from mining.catalog import document_of_review, graph_of
from mining.types import Review

DAY = 86_400
START = 1_767_225_600  # 2026-01-01T00:00:00Z


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A speaker that claims to be waterproof: it leaks, and in the last month the battery is criticised."""
    graph = graph_of(Product("s/1", "Waterproof Speaker 防水音箱"))
    reviews, evidence = [], []
    for day in range(400):
        bad = day >= 380 and day % 2 == 0
        text = (
            "Battery life is terrible. 😡"
            if bad
            else f"It leaked on day {day}. 进水了"
            if day % 40 == 0
            else f"Day {day}."
        )
        review = document_of_review(Review(f"r{day}", "s/1", text, at=START + day * DAY))
        reviews.append(review)
        if bad or day == 60:
            evidence.append(Evidence(review.id, "reviews", 0.6, at=review.at, quote=review.text[:3], start=0, end=3))
    folder = Workspace(tmp_path / "w")
    with folder.writing(), SqliteStore(folder.root / "graph.db") as store:
        store.put(
            [*graph.entities, Entity("aspect:battery", "Aspect", "battery")], graph.facts, [graph.document, *reviews]
        )
        store.put(facts=[Fact("product:s/1", "CRITICISED_FOR", "aspect:battery", tuple(evidence))])
    return folder.root


def run(workspace: Path, *flags: object) -> Any:
    return CliRunner().invoke(app, ["reviews", "--workspace", str(workspace), *map(str, flags)])


def test_it_prints_what_it_found_with_quotes(workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report.jsonl"
    done = run(workspace, "--out", out)
    assert done.exit_code == 0, done.output
    assert "the catalogue says “Waterproof” (waterproof); 10 of 10 reviews that mention it disagree" in done.output
    assert "“It leaked on day 360.”  (review:r360)" in done.output
    assert "battery: criticised in 10 of 30 reviews from 2027-01-05 to 2027-02-04" in done.output
    assert "1 contradictions of 1 claims that reviews mention; 2 alerts of 2 trends" in done.output
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert (lines[0]["kind"], lines[0]["product_id"]) == ("contradiction", "s/1")
    assert {line["product_id"] for line in lines[1:]} == {"s/1", None}
    assert all(line["quotes"] and line["text"] and line["title"] for line in lines)


def test_until_and_product_narrow_it(workspace: Path) -> None:
    answer = json.loads(run(workspace, "--json", "--product", "s/1", "--until", "2026-06-01").stdout)
    assert [entry["kind"] for entry in answer["entries"]] == ["contradiction"]
    assert answer["entries"][0]["mention"] == 4
    assert (answer["claims_tested"], answer["trends_tested"]) == (1, 0)


def test_an_unknown_product_is_a_sentence(workspace: Path) -> None:
    done = run(workspace, "--product", "nobody")
    assert done.exit_code == 1
    assert "nobody" in done.output

"""The benchmarks of relations and of items without events, on a shop of two tastes in the layout of Beauty."""

import json
import runpy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
USERS, ITEMS = 80, 30
NAMES = ("tea tree shampoo", "红色 nail polish")


def taken_rows():
    """Everyone takes eight of the fifteen items of one taste."""
    random = np.random.default_rng(0)
    for user in range(USERS):
        for pos, item in enumerate(random.permutation(ITEMS // 2)[:8]):
            split = {7: "test", 6: "valid"}.get(pos, "train")
            yield {"user": user, "item": 2 * int(item) + user % 2, "timestamp": pos, "pos": pos, "split_loo": split}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("beauty")
    told = [
        {"item": i, "title": f"{NAMES[i % 2]} {i}", "brand": f"brand {i % 2}", "categories": "Beauty > Care"}
        for i in range(ITEMS)
    ]
    related = [
        {"head": i, "relation": "also_bought", "tail": (i + step) % ITEMS} for i in range(ITEMS) for step in (2, 4)
    ]
    for name, rows in (("interactions", list(taken_rows())), ("items", told), ("relations", related)):
        pq.write_table(pa.Table.from_pylist(rows), path / f"{name}.parquet")
    return path


@pytest.fixture
def ask(folder, monkeypatch, capsys):
    def run(command, *flags):
        path = BENCHMARKS / f"{command}.py"
        monkeypatch.syspath_prepend(BENCHMARKS)
        monkeypatch.setattr("sys.argv", [str(path), "--data", str(folder), *map(str, flags)])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_relations_are_told_with_without_and_shuffled_by_slice(ask, tmp_path):
    flags = ("--out", tmp_path, "--models", "term", "ease", "--sources", "crawled", "own", "--seeds", 2)
    ask("relations_help", *flags)
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    rows = {(row["model"], row["source"], row["slice"]): row for row in report}
    assert {key[0] for key in rows} == {"term", "ease"}
    assert {key[2] for key in rows} == {"warm", "cold item", "long tail"}
    cold = rows["ease", "crawled", "cold item"]
    assert cold["targets"] > 0
    assert [cold[name]["seeds"] for name in ("with", "without", "shuffled")] == [1, 1, 2]
    assert cold["without"]["recall"] == 0
    assert cold["with"]["recall"] > cold["shuffled"]["recall"]
    gain = cold["with − without"]["recall"]
    assert gain["low"] <= gain["mean"] <= gain["high"]
    assert gain["mean"] == pytest.approx(cold["with"]["recall"])


def test_an_ended_run_goes_on_where_it_was(ask, tmp_path):
    flags = ("--out", tmp_path, "--models", "term", "--sources", "crawled", "--seeds", 1)
    assert "the time is over" in ask("relations_help", *flags, "--minutes", 0)
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == []
    assert "term crawled-with seed 0" in ask("relations_help", *flags)
    again = ask("relations_help", *flags)
    assert "seed 0:" not in again
    assert "term       crawled" in again


def test_ranks_of_other_data_are_not_mixed_in(ask, tmp_path):
    (tmp_path / "about.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SystemExit, match="holds the ranks of other data"):
        ask("relations_help", "--out", tmp_path, "--models", "--minutes", 0)


def test_texts_rank_what_no_one_took(ask, tmp_path):
    assert "the time is over" in ask("cold_items", "--out", tmp_path, "--minutes", 0)
    told = ask("cold_items", "--out", tmp_path)
    found = json.loads((tmp_path / "report.json").read_text("utf-8"))
    models = found["models"]
    cold = {name: row["cold among all"]["recall"] for name, row in models.items()}
    assert cold["texts"] > cold["popularity"] == 0
    assert models["ease"]["cold among all"]["recall"] == 0
    assert models["texts"]["cold among cold"]["cases"] == models["texts"]["cold among all"]["cases"] > 0
    less = found["texts less"]["popularity"]["recall among all"]
    assert less["mean"] == pytest.approx(cold["texts"])
    assert "texts less the others on cold items" in told

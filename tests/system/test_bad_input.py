"""What strangers' files hold: a sentence or a counted reject each, and never a loss without a count."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Shopgraph = Callable[..., "subprocess.CompletedProcess[str]"]


def load(shopgraph: Shopgraph, folder: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    return shopgraph("load", "--workspace", "shop", "--json", *args, cwd=folder, check=False)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", b"", "none.csv|empty"),
        ("columns.csv", b"colour,weight\nred,3\n", "colour"),
        ("broken.parquet", b"PAR1 is not all it takes", "broken.parquet"),
        ("picture.png", b"\x89PNG\r\n", "picture.png"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(
    shopgraph: Shopgraph, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = load(shopgraph, tmp_path, "--catalog", name)
    assert done.returncode == 1, done.stderr
    assert any(part in done.stderr for part in said.split("|")), done.stderr
    assert "Traceback" not in done.stderr


def test_bad_rows_are_set_aside_with_file_row_and_reason(shopgraph: Shopgraph, tmp_path: Path) -> None:
    big = "x" * (10 * 1024 * 1024)
    rows = ["id,title,price", "a,Kettle,12", ",No id,3", f"b,{big},4", "c,Lamp,cheap", "d,壶 🫖,5"]
    (tmp_path / "catalog.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = load(shopgraph, tmp_path, "--catalog", "catalog.csv")
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)["catalog"]["read"]
    assert read["read"] == 5
    assert read["read"] == read["kept"] + read["set_aside"]
    assert read["set_aside"] >= 2
    rejects = [json.loads(line) for line in (tmp_path / "shop/rejects/catalog.jsonl").open(encoding="utf-8")]
    assert {r["row"] for r in rejects} >= {2, 3}
    assert all(r["file"] and r["reason"] for r in rejects)


def test_other_encodings_are_read(shopgraph: Shopgraph, tmp_path: Path) -> None:
    (tmp_path / "gb.csv").write_bytes("id,title\na,不锈钢电热水壶 一点七升\nb,手冲咖啡壶 玻璃\n".encode("gb18030"))
    done = load(shopgraph, tmp_path, "--catalog", "gb.csv")
    assert done.returncode == 0, done.stderr
    shopgraph("export", "--workspace", "shop", "--out", "out", cwd=tmp_path)
    assert "不锈钢电热水壶" in (tmp_path / "out/entities.jsonl").read_text(encoding="utf-8")


def test_strict_stops_at_the_first_bad_row(shopgraph: Shopgraph, tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("id,title\n,No id\n", encoding="utf-8")
    done = load(shopgraph, tmp_path, "--catalog", "catalog.csv", "--strict")
    assert done.returncode == 1
    assert "catalog.csv" in done.stderr


def test_a_dead_neo4j_is_a_sentence(shopgraph: Shopgraph, tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("id,title\na,Kettle\n", encoding="utf-8")
    environment = {"SHOPGRAPH_NEO4J_USER": "neo4j", "SHOPGRAPH_NEO4J_PASSWORD": "nobody-home"}
    args = ("load", "--workspace", "shop", "--catalog", "catalog.csv", "--store", "neo4j://127.0.0.1:9")
    done = shopgraph(*args, cwd=tmp_path, check=False, **environment)
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dead_language_model_is_counted_and_the_run_goes_on(shopgraph: Shopgraph, tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("id,title\na,Capsules for the Caldoro Piccola\n", encoding="utf-8")
    load(shopgraph, tmp_path, "--catalog", "catalog.csv")
    environment = {"SHOPGRAPH_LLM_BASE_URL": "http://127.0.0.1:9/v1", "SHOPGRAPH_LLM_MODEL": "nobody"}
    args = ("mine", "--workspace", "shop", "--llm-budget", "5products", "--ask", "every", "--json")
    done = shopgraph(*args, cwd=tmp_path, check=False, **environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["text"]["extractors"]["llm"]
    assert told["set_aside"] == {"model unavailable": 1}


def test_commands_without_a_model_or_a_workspace_say_what_to_do(shopgraph: Shopgraph, tmp_path: Path) -> None:
    done = shopgraph("recommend", "--workspace", "shop", "--user", "x", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "shopgraph train" in done.stderr


def test_two_writers_take_turns(shopgraph: Shopgraph, tmp_path: Path) -> None:
    """Across processes; this takes as long as a command waits."""
    from api.workspace import Workspace

    (tmp_path / "catalog.csv").write_text("id,title\na,Kettle\n", encoding="utf-8")
    with Workspace(tmp_path / "shop").writing():
        done = load(shopgraph, tmp_path, "--catalog", "catalog.csv")
    assert done.returncode == 1
    assert f"is being written by process {os.getpid()}" in done.stderr

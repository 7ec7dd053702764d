"""``shopgraph schema propose`` writes a file that a person may accept; ``schema check`` reads one."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app

CATALOG = "id,title,category,description\n" + "".join(
    f'{n},"Mug {("red", "blue")[n % 2]}, {300 + n} ml",Mugs,"Finish: {("matte", "glossy")[n % 2]}"\n' for n in range(12)
)


def run(*flags: object, **env: str) -> Any:
    return CliRunner().invoke(app, ["schema", *map(str, flags)], env=env)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.csv"
    path.write_text(CATALOG, encoding="utf-8")
    return path


def test_propose_writes_what_check_reads(catalog: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "schema.yaml"
    done = run("propose", "--catalog", catalog, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["products"], told["categories"], told["set_aside"]) == (12, 1, {})
    checked = run("check", out)
    assert checked.exit_code == 0
    assert checked.stdout.startswith("Mugs: Finish, brand, volume, color")


def test_a_file_that_someone_edited_is_kept(catalog: Path, tmp_path: Path) -> None:
    out = tmp_path / "schema.json"
    assert run("propose", "--catalog", catalog, "--out", out).exit_code == 0
    assert run("propose", "--catalog", catalog, "--out", out).exit_code == 0
    first = out.read_bytes()
    out.write_text('{"attributes": {"Mugs": ["Mine"]}}', "utf-8")
    done = run("propose", "--catalog", catalog, "--out", out)
    assert done.exit_code == 1
    assert "--force" in done.output
    assert "Mine" in out.read_text("utf-8")
    assert run("propose", "--catalog", catalog, "--out", out, "--force").exit_code == 0
    assert out.read_bytes() == first


def test_what_cannot_be_proposed_or_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("id,title\n1,Thing\n", "utf-8")
    done = run("propose", "--catalog", tmp_path / "one.csv", "--out", tmp_path / "s.yaml")
    assert (done.exit_code, "show no attribute that repeats" in done.output) == (1, True)
    done = run("propose", "--catalog", tmp_path / "gone.csv", "--out", tmp_path / "s.yaml")
    assert (done.exit_code, "there is no such file" in done.output) == (1, True)
    (tmp_path / "bad.yaml").write_text("attributes:\n  C:\n  - name: A\n    unit: parsec\n", "utf-8")
    for command in (
        ["schema", "check", str(tmp_path / "bad.yaml")],
        ["mine", "--workspace", str(tmp_path / "w"), "--schema", str(tmp_path / "bad.yaml")],
        ["run", "--catalog", str(tmp_path / "one.csv"), "--workspace", str(tmp_path / "w"),
         "--schema", str(tmp_path / "bad.yaml")],
    ):  # fmt: skip
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 1
        assert "bad.yaml, line 4: unknown unit 'parsec'" in done.output
    assert not (tmp_path / "s.yaml").exists()


def test_mine_obeys_a_schema_file(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "attributes:\n  Mugs:\n  - name: Finish\n    values: [matte]\n  - {name: volume, unit: l}\n", "utf-8"
    )
    where = ["--workspace", str(tmp_path / "w"), "--json"]
    assert CliRunner().invoke(app, ["load", "--catalog", str(catalog), *where]).exit_code == 0
    done = CliRunner().invoke(app, ["mine", "--schema", str(tmp_path / "s.yaml"), *where])
    assert done.exit_code == 0, done.output
    rules = json.loads(done.stdout)["text"]["extractors"]["rules"]
    assert rules["set_aside"] == {"not in the list of values": 6, "off schema": 12}
    assert rules["facts"] == 6 + 12


def test_a_dead_endpoint_leaves_the_rules(catalog: Path, tmp_path: Path) -> None:
    dead = {"SHOPGRAPH_LLM_BASE_URL": "http://127.0.0.1:9/v1", "SHOPGRAPH_LLM_MODEL": "nobody"}
    out, where = tmp_path / "s.yaml", ("--workspace", tmp_path / "w")
    done = run("propose", "--catalog", catalog, "--out", out, "--llm-budget", "0", *where, **dead)
    assert done.exit_code == 0, done.output
    assert "language model" not in done.output
    assert not (tmp_path / "w").exists()

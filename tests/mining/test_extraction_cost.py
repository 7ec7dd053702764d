"""The benchmark that sets the small model's cost beside a language model's: its prompts, its sums, what it prints."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from mining.extraction.attribute_rows import Row

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "extraction_cost.py"


@pytest.fixture(scope="module")
def cost() -> dict[str, Any]:
    return runpy.run_path(str(BENCHMARK))


def row(title: str, color: str) -> dict[str, Any]:
    return {"input": title, "category": "Mugs", "target_scores": {"Color": {color: 1}}}


def test_the_likest_examples_stand_next_to_the_question(cost: dict[str, Any]) -> None:
    pool = [Row("Mugs", {"input": text}) for text in ("blue shoes", "a red mug", "red mug of clay", "green hat")]
    words = [(one, cost["_words"](one)) for one in pool]
    shots = cost["likest"](Row("Mugs", {"input": "red mug of clay, new"}), words, 2)
    assert [one.texts["input"] for one in shots] == ["a red mug", "red mug of clay"]
    asked = cost["prompt"](Row("Mugs", {"input": "new mug"}), shots, ("Brand", "Color"))
    assert [message.role for message in asked] == ["system", *("user", "assistant") * 2, "user"]
    assert "Brand, Color" in asked[0].content
    assert json.loads(asked[2].content) == {"Brand": "n/a", "Color": "n/a"}
    assert asked[-1].content == "new mug"


def test_the_sums(cost: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, rows in (
        ("train", [row("red mug", "red"), row("blue mug", "blue")]),
        ("test", [row("red mug x", "red")]),
    ):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    files = ("--train", str(tmp_path / "train.jsonl"), "--test", str(tmp_path / "test.jsonl"))
    prices = ("--input-price", "1000", "--output-price", "0", "--core-hour", "3.6", "--training-seconds", "0")
    assert cost["main"]([*files, *prices, "--shots", "0", "--per-cpu-second", "1000"]) == 0
    told = capsys.readouterr().out
    expected = cost["prompt_tokens"](cost["prompt"](Row("Mugs", {"input": "red mug x"}), (), ("Color",)))
    assert f"{expected} + " in told
    assert f"a million titles: {1000 * expected:,} USD" in told
    assert "a million titles: 1.000 USD (reading 1.000, training 0.000)" in told
    assert f"1 / {1000 * expected:,}" in told

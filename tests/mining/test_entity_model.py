"""Entities of texts without spaces and without a category; several of a type in one text."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from mining.errors import ConfigurationError
from mining.extraction.entity_model import EntityModel, fit_entities, score_entities
from mining.extraction.tagged_text import read_tagged
from mining.extraction.tagger_training import Options

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "extraction.py"
TEXTS = ("红B 鞋I 子I 品O 牌O", "品O 牌O 红B 杯I", "绿B 杯I 蓝B 杯I", "蓝B 鞋I 品O", "绿B 鞋I 子I", "品O 牌O 牌O")


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tagged") / "train"
    tags = {"B": "B-cp", "I": "I-cp", "O": "O"}
    blocks = ("\n".join(f"{pair[0]}\t{tags[pair[1]]}" for pair in text.split()) for text in TEXTS * 4)
    path.write_text("\n\n".join(blocks) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def model(tiny_encoder: Path, tagged: Path) -> EntityModel:
    examples = read_tagged(tagged)
    options = Options(encoder=str(tiny_encoder), epochs=25, batch=4, rate=3e-3, head_rate=1e-2, smooth=0.9, mask=0)
    return fit_entities(examples, options, dev=examples[:6])


def test_it_finds_several_entities_of_a_type(model: EntityModel, tagged: Path) -> None:
    examples = read_tagged(tagged)
    found = model.extract([example.text for example in examples])
    assert score_entities(examples, found).f1 > 0.9
    (spans,) = model.extract(["绿杯蓝杯"])
    assert [(span.start, span.end) for span in spans] == [(0, 2), (2, 4)]


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no texts"):
        fit_entities([], Options())


def test_without_dev_equal_texts_lie_on_one_side(tiny_encoder: Path, tagged: Path) -> None:
    fitted = fit_entities(read_tagged(tagged), Options(encoder=str(tiny_encoder), epochs=1))
    assert fitted.extract(["", "红杯"])[0] == []
    assert 0 < fitted.threshold < 1


def test_the_benchmark_writes_a_line_a_text(
    tiny_encoder: Path, tagged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main: Any = runpy.run_path(str(BENCHMARK))["main"]
    out = tmp_path / "spans.jsonl"
    flags = {"--set": "zh_ec_yang2018", "--train": tagged, "--test": tagged, "--out": out, "--epochs": 2}
    argv = [str(word) for pair in flags.items() for word in pair]
    assert main([*argv, "--encoder", str(tiny_encoder)]) == 0
    assert "entities   P/R/F1" in capsys.readouterr().out
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == [example.text for example in read_tagged(tagged)]
    assert all(set(span) == {"start", "end", "type"} for row in rows for span in row["spans"])


def test_the_benchmark_scores_attributes(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main: Any = runpy.run_path(str(BENCHMARK))["main"]
    path, out = tmp_path / "train.jsonl", tmp_path / "out.jsonl"
    rows = [{"input": f"acme red mug {n}", "category": "M", "target_scores": {"Color": {"red": 1}}} for n in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    flags = {"--set": "en_oamine", "--train": path, "--test": path, "--out": out, "--epochs": 2}
    argv = [str(word) for pair in flags.items() for word in pair]
    assert main([*argv, "--encoder", str(tiny_encoder)]) == 0
    said = capsys.readouterr().out
    assert said.count("A lenient") == said.count("B strict") == 2
    assert [json.loads(line)["input"] for line in out.read_text("utf-8").splitlines()] == [r["input"] for r in rows]

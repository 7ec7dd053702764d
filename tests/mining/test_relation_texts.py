"""Labels of relations are read, scored as defined, and the rules keep to what they reached on the shipped ones."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from mining.errors import SourceError
from mining.evaluation import Label, Score, relation_spans
from mining.extraction.relation_texts import Text, line_of, read_labelled, stated
from mining.extraction.rules import RuleExtractor

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SHIPPED = BENCHMARKS / "relations" / "sample_zh_choose.jsonl"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "stated_relations.py"))


def labelled(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def test_labels_are_read_with_their_text_or_without(tmp_path: Path) -> None:
    label = {"relation": "SUITS", "start": 0, "end": 4}
    path = labelled(tmp_path / "l.jsonl", [{"id": "a", "text": "kids", "labels": [label]}, {"id": 2, "labels": []}])
    first, second = read_labelled(path)
    assert (first.id, first.text, first.labels) == ("a", "kids", (Label("SUITS", 0, 4),))
    assert (second.id, second.text, second.labels) == (2, None, ())


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("SUITS", "a label is"),
        ({"relation": "LIKES", "start": 0, "end": 4}, "saw 'LIKES'"),
        ({"relation": "SUITS", "start": 4, "end": 4}, "0 <= start < end"),
        ({"relation": "SUITS", "start": "0", "end": 4}, "0 <= start < end"),
        ({"relation": "SUITS", "end": 4}, "saw None and 4"),
    ],
)
def test_a_broken_label_is_named_with_its_line(tmp_path: Path, label: object, said: str) -> None:
    path = labelled(tmp_path / "l.jsonl", [{"id": "a", "labels": []}, {"id": "b", "labels": [label]}])
    with pytest.raises(SourceError, match=r"l\.jsonl:2: ") as caught:
        read_labelled(path)
    assert said in str(caught.value)


def test_the_benchmark_prints_what_the_definitions_count(
    benchmark: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Mug\nIdeal for kids. Works with Alexa. Perfect for hiking trips."
    at = {quote: (text.index(quote), text.index(quote) + len(quote)) for quote in ("kids", "Alexa", "hiking", "Mug")}
    rows = [
        {"relation": "SUITS", "start": at["kids"][0], "end": at["kids"][1]},  # found
        {"relation": "ACCESSORY_OF", "start": at["Alexa"][0], "end": at["Alexa"][1]},  # found as another relation
        {"relation": "USED_FOR", "start": at["hiking"][0], "end": at["hiking"][1]},  # half of "hiking trips", and less
        {"relation": "USED_FOR", "start": at["Mug"][0], "end": at["Mug"][1]},  # not found
    ]
    path, out = labelled(tmp_path / "l.jsonl", [{"id": "own:1", "text": text, "labels": rows}]), tmp_path / "out.jsonl"
    benchmark["print_relations"]([path], None, out)
    told = capsys.readouterr().out
    assert "l.jsonl, rules: 1 texts, 4 labels" in told
    assert "l.jsonl, rules and judge: 1 texts, 4 labels" in told
    (said,) = [json.loads(line)["labels"] for line in out.read_text("utf-8").splitlines()]
    assert [label["quote"] for label in said] == ["kids", "Alexa", "hiking trips"]
    # "hiking" is 6 of the 12 characters of "hiking trips": exactly half, and right
    assert "2 of 3 said are right, 4 are labelled" in told
    assert "P/R/F1 0.667 0.500 0.571" in told


def test_a_text_that_is_not_the_labelled_one_is_refused(benchmark: dict[str, Any], tmp_path: Path) -> None:
    rows = [{"id": "sample_zh:cof-03", "sha256": "0" * 64, "labels": []}]
    with pytest.raises(ValueError, match="sample_zh:cof-03: the catalogue holds another text"):
        benchmark["texts_of"](read_labelled(labelled(tmp_path / "l.jsonl", rows)), None)
    rows[0]["id"] = "office:1"
    with pytest.raises(ValueError, match="give --data DIR"):
        benchmark["texts_of"](read_labelled(labelled(tmp_path / "l.jsonl", rows)), None)


def test_rules_keep_what_they_reached_on_the_shipped_choosing_half(benchmark: dict[str, Any]) -> None:
    rows = read_labelled(SHIPPED)
    texts: list[Text] = benchmark["texts_of"](rows, None)
    found = list(stated(RuleExtractor(), texts))
    records = [(row.labels, labels) for row, labels in zip(rows, found, strict=True)]
    score = sum(relation_spans(records).values(), Score())
    assert score.precision >= 0.90
    assert score.recall >= 0.80
    for text, labels in zip(texts, found, strict=True):
        for label in line_of(text, labels)["labels"]:
            assert label["quote"] == text.text[label["start"] : label["end"]]


def test_the_benchmark_command_knows_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", ["extraction.py"])
    main = runpy.run_path(str(BENCHMARKS / "extraction.py"), run_name="benchmark")["main"]
    out = tmp_path / "out.jsonl"
    assert main(["--set", "relations", "--test", str(SHIPPED), "--out", str(out)]) == 0
    assert len(out.read_text("utf-8").splitlines()) == len(read_labelled(SHIPPED))

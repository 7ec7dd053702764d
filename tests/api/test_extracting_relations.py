"""``shopgraph extract --relations`` writes a line a text, in order, with the places of what it states."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from mining.extraction import judge_context
from mining.extraction.judge_features import Sight
from mining.extraction.judge_network import Floats

TEXTS = [
    {"id": "en", "text": "Stylus 🖊️ Pen\nWorks with Alexa. Ideal for kids."},
    {"id": "zh", "text": "替换滤芯\n适用于华为 Mate 60，适合孕妇。不适合儿童。"},
    {"id": 7, "text": "充电宝 Power bank 🔋\n适用于 iPhone 15，ideal for travel."},
    {"id": "empty", "text": ""},
    {"id": "nothing", "text": "A lamp."},
]


def run(*flags: object) -> Any:
    return CliRunner().invoke(app, ["extract", "--relations", *map(str, flags)])


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def test_a_line_a_text_in_order(tmp_path: Path) -> None:
    test, out = written(tmp_path / "texts.jsonl", TEXTS), tmp_path / "new" / "labels.jsonl"
    done = run("--test", test, "--out", out)
    assert done.exit_code == 0, done.output
    assert "5 texts" in done.output
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [line["id"] for line in lines] == ["en", "zh", 7, "empty", "nothing"]
    stated = [[(label["relation"], label["quote"]) for label in line["labels"]] for line in lines]
    assert stated == [
        [("COMPATIBLE_WITH", "Alexa"), ("SUITS", "kids")],
        [("COMPATIBLE_WITH", "华为 Mate 60"), ("SUITS", "孕妇")],
        [("COMPATIBLE_WITH", "iPhone 15"), ("USED_FOR", "travel")],
        [],
        [],
    ]
    for row, line in zip(TEXTS, lines, strict=True):
        assert set(line) == {"id", "labels"}
        for label in line["labels"]:
            assert set(label) == {"relation", "quote", "start", "end"}
            assert str(row["text"])[label["start"] : label["end"]] == label["quote"]  # code points, past the emoji
    again = tmp_path / "again.jsonl"
    assert run("--test", test, "--out", again).exit_code == 0
    assert again.read_bytes() == out.read_bytes()


def test_flags_of_a_training_are_refused(tmp_path: Path) -> None:
    test = written(tmp_path / "texts.jsonl", TEXTS)
    for flags in (("--adapters", "lora"), ("--r-drop", 1), ("--tensorboard", tmp_path / "drawn"), ("--masked", test)):
        done = run("--test", test, "--out", tmp_path / "out.jsonl", *flags)
        assert done.exit_code == 1
        assert "nothing to learn from" in done.output


class Agreeing:
    """Leaves every chunk to the judge."""

    threshold = 1.0

    def weigh(self, sight: Sight, first: Floats, second: Floats) -> tuple[Floats, dict[int, Floats]]:
        return second, {}


@pytest.mark.parametrize(
    ("context", "by"), [(None, "by rules and judge"), (Agreeing(), "by rules and contextual judge")]
)
def test_the_command_says_who_decided(context: Any, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_context, "shipped", lambda: context)
    test = written(tmp_path / "texts.jsonl", TEXTS)
    done = run("--test", test, "--out", tmp_path / "out.jsonl")
    assert " ".join(done.output.split()).endswith(by)


def test_where_there_are_no_texts_no_encoder_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded() -> None:
        raise AssertionError("loaded for nothing")

    monkeypatch.setattr(judge_context, "shipped", loaded)
    done = run("--test", written(tmp_path / "none.jsonl", []), "--out", tmp_path / "out.jsonl")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"id": "b", "text": "Ideal for', "not JSON in UTF-8"),
        (b'{"id": "b", "text": "caf\xe9"}', "not JSON in UTF-8"),
        (b'["b", "Ideal for kids."]', "expected a JSON object, saw list"),
        (b'{"id": "b", "text": 5}', 'expected {"id": …, "text": "…"}, saw text 5'),
        (b'{"id": "b"}', "saw only id"),
        (b'{"text": "Ideal for kids."}', "an id is a text or a whole number, saw only text"),
        (b'{"id": true, "text": "Ideal for kids."}', "saw id True"),
        (b'{"id": "\\ud83d", "text": "Ideal for kids."}', "an id is a text"),
    ],
)
def test_a_broken_line_is_named_and_nothing_is_written(tmp_path: Path, line: bytes, said: str) -> None:
    test, out = tmp_path / "texts.jsonl", tmp_path / "labels.jsonl"
    test.write_bytes(b'{"id": "a", "text": "Ideal for kids."}\n\n' + line + b"\n")
    done = run("--test", test, "--out", out)
    assert done.exit_code == 1
    told = " ".join(done.output.split())
    assert "texts.jsonl:3:" in told.replace(" ", "")
    assert said in told
    assert list(tmp_path.iterdir()) == [test]


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    test = written(tmp_path / "texts.jsonl", TEXTS)
    done = run("--test", test, "--out", tmp_path / "out.jsonl", "--train", test)
    assert done.exit_code == 1
    assert "nothing to learn from" in " ".join(done.output.split())
    done = run("--test", tmp_path / "gone.jsonl", "--out", tmp_path / "out.jsonl")
    assert done.exit_code == 1
    assert "cannot be read" in " ".join(done.output.split())


def test_half_a_character_in_a_text_is_no_label(tmp_path: Path) -> None:
    test, out = tmp_path / "texts.jsonl", tmp_path / "labels.jsonl"
    test.write_text('{"id": 1, "text": "Mug\\nIdeal for kids. Works with Alexa \\ud83d."}\n', "utf-8")
    assert run("--test", test, "--out", out).exit_code == 0
    (line,) = [json.loads(one) for one in out.read_text("utf-8").splitlines()]
    assert [label["quote"] for label in line["labels"]][:1] == ["kids"]

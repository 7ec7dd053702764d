"""``shopgraph extract`` writes a line a product, in order, and never reads the labels of what it is tested on."""

import json
import runpy
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.errors import FrontDoorError
from api.extracting import Extract, beside, on_schema, trained
from api.retraining import Judgement, Worth, in_names
from kg.schema import Attribute, Schema
from mining.errors import SourceError
from mining.extraction.attribute_rows import Row


def products(count: int) -> list[dict[str, Any]]:
    colors = ("red", "blue", "green")
    return [
        {
            "input": f"acme {colors[n % 3]} mug {n}",
            "category": "Mugs",
            "target_scores": {"Brand": {"acme": 1}, "Color": {colors[n % 3]: 1}},
        }
        for n in range(count)
    ]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained encoder of one layer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {"[UNK]": 1, "[PAD]": 0, "[CLS]": 2, "[SEP]": 3, "acme": 4, "red": 5, "blue": 6, "green": 7, "mug": 8}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    folder = tmp_path_factory.mktemp("encoder")
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def run(*flags: object) -> Any:
    return CliRunner().invoke(app, ["extract", *map(str, flags)])


def test_a_line_a_product_in_order(encoder: Path, tmp_path: Path) -> None:
    train = written(tmp_path / "train.jsonl", products(60))
    asked = [
        {"id": "α", "input": "acme  red mug 🧦", "category": "Mugs", "target_scores": {"Color": {"secret": 1}}},
        {"id": 7, "input_title": "blue mug", "input_description": "by acme", "category": "Mugs"},
        {"input": "a hat", "category": "Hats"},
    ]
    test, out, kept = written(tmp_path / "test.jsonl", asked), tmp_path / "new" / "out.jsonl", tmp_path / "model"
    done = run("--train", train, "--test", test, "--out", out, "--encoder", encoder, "--epochs", 4, "--model", kept)
    assert done.exit_code == 0, done.output
    first, second, third = lines(out)
    assert (first["id"], first["input"], first["category"]) == ("α", "acme  red mug 🧦", "Mugs")
    assert list(first["attributes"]) == ["Brand", "Color"]
    assert (second["id"], "input" in second) == (7, False)
    assert set(third["attributes"]) == {"Brand", "Color"}
    for row, line in zip(asked, (first, second, third), strict=True):
        for name, span in line["spans"].items():
            assert str(row[span["field"]])[span["start"] : span["end"]] == line["attributes"][name]
    assert "secret" not in out.read_text("utf-8")
    assert not (kept / "unfinished").exists()

    stripped = written(tmp_path / "bare.jsonl", [{k: v for k, v in r.items() if k != "target_scores"} for r in asked])
    again = tmp_path / "again.jsonl"
    assert run("--model", kept, "--test", stripped, "--out", again).exit_code == 0
    assert again.read_bytes() == out.read_bytes()


def test_an_encoder_that_learned_the_words_first_is_what_is_trained(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    made = runpy.run_path(str(Path(__file__).parents[1] / "tiny_encoder.py"))["tiny_encoder_in"](tmp_path / "tiny")
    train, model = written(tmp_path / "train.jsonl", products(30)), tmp_path / "model"
    flags = ("--train", train, "--test", train, "--out", tmp_path / "out.jsonl", "--encoder", made, "--masked", train)
    refused = run(*flags)
    assert refused.exit_code == 1
    assert "--model FOLDER" in refused.output
    done = run(*flags, "--epochs", 1, "--model", model)
    assert done.exit_code == 0, done.output
    assert "words of the shop, epoch 5" in done.stderr
    assert json.loads((model / "manifest.json").read_text("utf-8"))["encoder"] == str(model / "encoder")
    again = run(*flags, "--epochs", 1, "--model", model)
    assert again.exit_code == 0
    assert "words of the shop" not in again.stderr


def test_values_off_the_schema_are_set_aside() -> None:
    pytest.importorskip("torch")
    from mining.extraction.attribute_model import Answer, Value

    said = {"Color": "red", "Shape": "round", "Weight": "1,5 kg", "Height": "tall", "Brand": "HP"}
    values = {name: Value(value, "input", 0, len(value), 0.9) for name, value in said.items()}
    attributes = (
        Attribute("Color", values=("Blue", "Green")),
        Attribute("Weight", unit="g"),
        Attribute("Height", unit="cm"),
        Attribute("Brand", abbreviations={"HP": "Hewlett-Packard"}),
        Attribute("Age"),
    )
    aside: Counter[str] = Counter()
    kept = on_schema(Answer("C", ("Color",), values), Schema({}, {"C": attributes}), aside)
    assert kept.plain() == {"Color": None, "Weight": "1,5 kg", "Height": None, "Brand": "HP", "Age": None}
    assert kept.normalized == {"Color": None, "Weight": "1500 g", "Height": None, "Brand": "Hewlett-Packard"}
    assert aside == {"not in the list of values": 1, "not a measure of its unit": 1, "off schema": 1}
    learned = on_schema(
        Answer("C", ("Color",), values, {"Brand": "HEWLETT", "Height": "9"}), Schema({}, {"C": attributes}), Counter()
    )
    assert learned.normalized is not None
    assert (learned.normalized["Brand"], learned.normalized["Height"]) == ("HEWLETT", None)
    bare = Schema({}, {"C": (Attribute("Color"), Attribute("Shape"))})
    assert on_schema(Answer("C", ("Color",), values), bare, aside).normalized is None


def test_wanted_forms_lie_beside_the_training_file(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("wdc_with_all_attributes", "wdc_normalized")]
    raw, normal = (folder / "train.jsonl" for folder in folders)
    for path in (raw, normal):
        path.parent.mkdir()
        path.touch()
    assert beside(raw, None) == beside(normal, None) == (raw, normal)
    assert beside(raw, tmp_path / "mine.jsonl") == (raw, tmp_path / "mine.jsonl")
    assert beside(tmp_path / "train.jsonl", None) == (tmp_path / "train.jsonl", None)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    test = written(tmp_path / "test.jsonl", products(1))
    done = run("--test", test, "--out", tmp_path / "out.jsonl")
    assert done.exit_code == 1
    assert "--train FILE" in done.output
    done = run("--train", tmp_path / "gone.jsonl", "--test", test, "--out", tmp_path / "out.jsonl")
    assert done.exit_code == 1
    assert "gone.jsonl: cannot be read" in done.output
    for flags in (("--masked", test), ("--adapters", "lora"), ("--r-drop", 1), ("--tensorboard", tmp_path)):
        done = run("--model", tmp_path, "--test", test, "--out", tmp_path / "out.jsonl", *flags)
        assert done.exit_code == 1
        assert "are about a training: give --train FILE too" in done.output.replace("\n", " ")
    assert not (tmp_path / "out.jsonl").exists()


def test_flags_of_how_to_learn_reach_the_training(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mining.extraction import attribute_model

    seen = []

    def fit(rows: Any, options: Any, **rest: Any) -> None:
        seen.append(options)
        raise FrontDoorError("enough")

    monkeypatch.setattr(attribute_model, "fit", fit)
    train = written(tmp_path / "train.jsonl", products(8))
    files = ("--train", train, "--test", train, "--out", tmp_path / "out.jsonl", "--encoder", encoder)
    flags = ("--batch", 8, "--accumulate", 2, "--swap", 0, "--weigh", "root", "--r-drop", 1, "--adversarial", 0.5)
    for given in ((), flags):
        assert run(*files, *given).exit_code == 1
    usual, told = seen
    expected = replace(usual, batch=8, accumulate=2, swap=0.0, weigh="root", agree=1.0, adversarial=0.5)
    assert told == expected
    assert (usual.accumulate, usual.weigh, usual.agree, usual.adversarial) == (1, "none", 0.0, 0.0)


def test_a_retrained_model_takes_a_place_only_by_being_better(encoder: Path, tmp_path: Path) -> None:
    train, test = written(tmp_path / "train.jsonl", products(24)), written(tmp_path / "test.jsonl", products(3))
    flags = ("--test", test, "--out", tmp_path / "out.jsonl", "--model", tmp_path / "model", "--encoder", encoder)
    assert run("--train", train, "--epochs", 1, *flags).exit_code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    assert len(json.loads(before["curve.json"])) == 1
    more = written(
        tmp_path / "more.jsonl",
        [{"input_title": "acme red mug", "category": "Mugs", "target_scores": {"color": {"red": 1}, "Odd": {"x": 1}}}],
    )
    done = run("--train", train, "--more", more, "--epochs", 1, "--json", *flags)
    compared = json.loads(done.stdout)["compared"]
    assert (done.exit_code == 0) == compared["promoted"] == (_mean(compared["new"]) > _mean(compared["old"]))
    assert compared["held_back"] == 12  # half of so few
    assert "epoch  new F1  old F1" in done.stderr
    after = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    assert (before == after) != compared["promoted"]
    assert len(lines(tmp_path / "out.jsonl")) == 3


def test_a_training_that_dies_in_its_second_network_keeps_the_curve_of_the_first(encoder: Path, tmp_path: Path) -> None:
    train = written(tmp_path / "train.jsonl", products(24))
    asked = Extract(train, tmp_path / "out.jsonl", train, model=tmp_path / "model", encoder=str(encoder), epochs=2)

    def die(told: str) -> None:
        if told.startswith("network 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(asked, None, die)
    heard: list[str] = []
    trained(asked, None, heard.append)
    assert heard
    assert all(told.startswith("network") for told in heard), "the first network is not trained again"
    assert [point["epoch"] for point in json.loads((tmp_path / "model/curve.json").read_text("utf-8"))] == [1, 2]


def test_an_old_model_that_cannot_be_read_is_said_before_anything_is_learned(encoder: Path, tmp_path: Path) -> None:
    train, model = written(tmp_path / "train.jsonl", products(24)), tmp_path / "model"
    asked = Extract(train, tmp_path / "out.jsonl", train, model=model, encoder=str(encoder), epochs=1)
    trained(asked, None, lambda told: None)
    manifest = json.loads((model / "manifest.json").read_text("utf-8"))
    (model / "manifest.json").write_text(json.dumps({**manifest, "format": 1}), "utf-8")
    heard: list[str] = []
    with pytest.raises(SourceError, match="a model of format 1, expected"):
        trained(replace(asked, more=train), None, heard.append)
    assert heard == []


def _mean(worth: dict[str, float]) -> float:
    return (worth["lenient"] + worth["strict"]) / 2


def test_what_people_taught_is_called_as_the_schema_calls_it() -> None:
    taught = Row("Mugs", {"input": "red"}, {"color": ("red",), "Odd": ("x",)})
    (row,) = in_names([taught], {"Mugs": ("Color", "Size")})
    assert row.gold == {"Color": ("red",)}


def test_a_worse_or_equal_model_is_not_promoted() -> None:
    worth = Worth(0.7, 0.6)
    assert not Judgement(worth, worth, 9).promoted
    assert not Judgement(Worth(0.6, 0.6), worth, 9).promoted
    assert Judgement(Worth(0.7, 0.61), worth, 9).promoted
    assert Judgement(worth, None, 9).promoted
    assert "the old one stays" in Judgement(worth, worth, 9).told()

"""Files of labelled products, and answers with one value an attribute that stands in the text."""

import json
from pathlib import Path
from typing import Any

import pytest

from mining.errors import ConfigurationError, SourceError
from mining.extraction.attribute_model import AttributeModel, by_row, cut, cuts, fit
from mining.extraction.attribute_rows import Row, read_rows, schema_of
from mining.extraction.tagger import Found
from mining.extraction.tagger_training import Options

COLORS, BRANDS = ("red", "blue", "green"), ("acme", "zeta", "Nordik")


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def shop() -> list[dict[str, Any]]:
    return [
        {
            "input": f"{brand} {color} mugs {number}",
            "category": "Mugs",
            "target_scores": {"Brand": {brand: 1}, "Color": {color: 1}, "Kind": {"mug": 1}, "Size": {"n/a": 1}},
        }
        for number, (color, brand) in enumerate((c, b) for c in COLORS for b in BRANDS)
    ]


@pytest.fixture(scope="module")
def model(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> AttributeModel:
    rows = read_rows(written(tmp_path_factory.mktemp("rows") / "train.jsonl", shop()), labels=True)
    options = Options(encoder=str(tiny_encoder), epochs=12, batch=4, rate=3e-3, head_rate=1e-2, patience=12, smooth=0.9)
    return fit(rows, options, dev=rows[:4])


def test_values_are_written_as_labels_write_them(model: AttributeModel) -> None:
    (answer,) = model.extract([Row("Mugs", {"input": "zeta red mugs 7"})])
    assert answer.plain() == {"Brand": "zeta", "Color": "red", "Kind": "mug", "Size": None}
    for value in answer.values.values():
        assert "zeta red mugs 7"[value.start : value.end] == value.value
        assert model.threshold <= value.confidence <= 1


def test_the_title_and_the_description_are_both_read(model: AttributeModel) -> None:
    (answer,) = model.extract([Row("Mugs", {"input_title": "zeta mugs", "input_description": "acme red mugs 7"})])
    assert answer.values["Color"].field == "input_description"


def test_a_saved_model_answers_the_same(model: AttributeModel, tmp_path: Path) -> None:
    rows = [Row("Mugs", {"input": "Nordik green mugs"}), Row("Mugs", {"input": "nothing known"})]
    model.save(tmp_path)
    assert AttributeModel.load(tmp_path).extract(rows) == model.extract(rows)
    (tmp_path / "attributes.json").unlink()
    with pytest.raises(SourceError, match="train the model again"):
        AttributeModel.load(tmp_path)


def test_confidence_is_told_by_attribute(model: AttributeModel, tmp_path: Path) -> None:
    told = model.reliability(read_rows(written(tmp_path / "dev.jsonl", shop()), labels=True))
    assert {"Brand", "Color", "Kind"} <= set(told)
    assert all(0 <= part.right <= 1 and part.count for parts in told.values() for part in parts)


def test_off_schema_values_are_neither_learned_nor_written(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = read_rows(written(tmp_path / "train.jsonl", shop()), labels=True)
    options = Options(encoder=str(tiny_encoder), epochs=1)
    fitted = fit(rows, options, schema={"Mugs": ("Color", "Weight")}, dev=rows[:3])
    (answer,) = fitted.extract(rows[:1])
    assert list(answer.plain()) == ["Color", "Weight"]
    assert answer.plain()["Weight"] is None


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no rows"):
        fit([], Options())


def test_labels_of_a_test_file_are_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "test.jsonl", [{"input": "x", "category": "C", "target_scores": "not even an object"}])
    (row,) = read_rows(path, labels=False)
    assert row.gold == {}
    with pytest.raises(SourceError, match=r"test\.jsonl:1: expected target_scores"):
        read_rows(path, labels=True)


def test_a_row_keeps_its_id_and_input(tmp_path: Path) -> None:
    offer = {"id": 7, "cluster_id": 3.0, "category": "C", "input_title": " t ", "input_description": None}
    (row,) = read_rows(written(tmp_path / "offers.jsonl", [offer]), labels=False)
    assert (row.own, row.texts, row.cluster) == ({"id": 7}, {"input_title": " t "}, "3.0")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"category": "C"}', r"1: expected a category and one of input"),
        ('{"input": "x"}', r"1: expected a category"),
        ("[1]", r"1: expected a JSON object, saw list"),
        ("not json", r"1: not JSON in UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "rows.jsonl").write_text(line, "utf-8")
    with pytest.raises(SourceError, match=message):
        read_rows(tmp_path / "rows.jsonl", labels=False)


def test_the_schema_of_labels() -> None:
    rows = [Row("C", {"input": "x"}, {"B": ("n/a",)}), Row("C", {"input": "y"}, {"A": ("1",)})]
    assert schema_of(rows) == {"C": ("A", "B")}


def test_a_cut_keeps_clusters_together() -> None:
    rows = [Row("C", {"input": f"offer {n}"}, cluster=str(n // 4)) for n in range(200)]
    learned, held = cut(rows, seed=1)
    assert len(learned) + len(held) == 200
    assert 20 <= len(held) < 30
    assert not {row.cluster for row in learned} & {row.cluster for row in held}
    assert cut(rows, seed=1) == (learned, held)


def test_each_member_holds_back_other_rows() -> None:
    rows = [Row("C", {"input": f"offer {n}"}, cluster=str(n // 4)) for n in range(400)]
    parts = cuts(rows, seed=1, count=3)
    held = [row.cluster for _, cut_rows in parts for row in {r.cluster: r for r in cut_rows}.values()]
    assert len(parts) == 3
    assert len(held) == len(set(held))
    assert all(len(learned) + len(cut_rows) == 400 for learned, cut_rows in parts)
    few = cuts(rows[:12], seed=1, count=3)
    assert all(learned and cut_rows for learned, cut_rows in few)


def test_findings_go_back_to_the_row_and_the_field_that_they_were_found_in() -> None:
    rows = [Row("C", {"input_title": "a", "input_description": "b"}), Row("C", {"input": "c"})]
    low, high, only = (Found("A", 0, 1, odds, odds) for odds in (0.2, 0.9, 0.5))
    made = by_row(rows, [[low], [high], [only]])
    assert made == [[("input_description", high), ("input_title", low)], [("input", only)]]


def test_members_learn_what_others_hold_back(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = read_rows(written(tmp_path / "train.jsonl", shop() * 3), labels=True)
    fitted = fit(rows, Options(encoder=str(tiny_encoder), epochs=1, members=2, soup=False))
    assert len(fitted.tagger.networks) == 2
    assert 0 < fitted.threshold < 1


def test_values_are_given_in_the_wanted_form_too(tiny_encoder: Path, tmp_path: Path) -> None:
    told = [row | {"id": number} for number, row in enumerate(shop())]
    forms = [row | {"target_scores": {"Color": {next(iter(row["target_scores"]["Color"])).upper(): 1}}} for row in told]
    rows = read_rows(written(tmp_path / "raw.jsonl", told), labels=True)
    wanted = read_rows(written(tmp_path / "wanted.jsonl", forms), labels=True)
    options = Options(encoder=str(tiny_encoder), epochs=12, batch=4, rate=3e-3, head_rate=1e-2, patience=12, smooth=0.9)
    fitted = fit(rows, options, dev=rows[:4], wanted=wanted)
    fitted.save(tmp_path / "model")
    for model in (fitted, AttributeModel.load(tmp_path / "model")):
        (answer,) = model.extract([Row("Mugs", {"input": "zeta red mugs 7"})])
        assert answer.plain()["Color"] == "red"
        assert answer.normalized == {"Color": "RED"}

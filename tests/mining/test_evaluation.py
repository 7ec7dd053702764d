"""The scores are those of the published tables, and count what a graph would write."""

import runpy
from pathlib import Path

import pytest

from kg.types import Evidence, Fact
from mining.evaluation import Label, Score, labels_of, lenient_attributes, relation_spans, strict_attributes
from mining.types import Extraction

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "extraction.py"


def test_lenient_forgives_attributes_that_gold_does_not_list() -> None:
    gold = {"Color": ["red", "crimson"], "Size": ["n/a"], "Weight": ["5 g"], "Brand": ["n/a", "Acme"]}
    said = {"Color": " crimson ", "Size": "XL", "Weight": None, "Brand": "Acme", "Style": "bold"}
    assert lenient_attributes([(gold, said)]) == Score(correct=1, predicted=3, gold=2)
    assert strict_attributes([(gold, said)]) == Score(correct=2, predicted=4, gold=3)


def test_nulls_are_not_predictions() -> None:
    said = {"a": "n/a", "b": "None", "c": None}
    assert lenient_attributes([({"a": ["1"], "b": ["2"], "c": ["n/a"]}, said)]) == Score(0, 0, 2)
    assert strict_attributes([({"a": ["1"]}, {**said, "d": " "})]) == Score(0, 0, 1)


def test_ratios_of_nothing_are_zero() -> None:
    assert (Score().precision, Score().recall, Score().f1) == (0.0, 0.0, 0.0)
    score = Score(1, 2, 4) + Score(1, 2, 0)
    assert (score.precision, score.recall, score.f1) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("gold", "predicted", "correct"),
    [
        ((0, 10), (0, 10), 1),
        ((0, 10), (5, 10), 1),  # exactly half
        ((0, 10), (6, 10), 0),
        ((0, 4), (2, 6), 0),
        ((0, 4), (4, 8), 0),
    ],
)
def test_a_span_is_right_from_half_overlap(gold: tuple[int, int], predicted: tuple[int, int], correct: int) -> None:
    scores = relation_spans([([Label("SUITS", *gold)], [Label("SUITS", *predicted)])])
    assert scores == {"SUITS": Score(correct, 1, 1)}


def test_a_gold_label_is_matched_once_and_by_its_own_relation() -> None:
    gold = [Label("SUITS", 0, 4), Label("USED_FOR", 10, 20)]
    predicted = [Label("SUITS", 0, 4), Label("SUITS", 0, 5), Label("SUITS", 10, 20), Label("SUITS", 0, 4)]
    scores = relation_spans([(gold, predicted)])
    assert scores == {"SUITS": Score(1, 3, 1), "USED_FOR": Score(0, 0, 1)}


def test_labels_are_the_first_statements_of_relations() -> None:
    def evidence(start: int) -> Evidence:
        return Evidence("doc:1", "rules", 0.9, quote="kids", start=start, end=start + 4)

    facts = (
        Fact("product:1", "SUITS", "audience:kids", (evidence(30), evidence(7))),
        Fact("product:1", "HAS_ATTRIBUTE", "value:*/color/red", (evidence(3),)),
        Fact("product:1", "BOUGHT_WITH", "product:2", (Evidence("log", "behavior", 0.5),)),
    )
    assert labels_of(Extraction("doc:1", facts=facts)) == [Label("SUITS", 7, 11)]


def test_published_predictions_score_as_published(data_dir: Path) -> None:
    fixtures = data_dir / "extraction" / "en_ae110k_public" / "scorer_fixtures"
    rows = runpy.run_path(str(BENCHMARK))["score_fixtures"](fixtures)
    assert len(rows) == 5
    for row in rows:
        assert row.lenient == row.expected_lenient
        assert row.strict == row.expected_strict

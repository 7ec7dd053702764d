"""Tagged texts are read as their authors meant them, and scored by exact entities."""

from pathlib import Path

import pytest

from mining.errors import SourceError
from mining.evaluation import Score
from mining.extraction.examples import Span
from mining.extraction.tagged_text import entities, exact_entities, read_tagged, types_of


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("O B-x I-x O", [(1, 2, "x")]),
        ("B-x B-x", [(0, 0, "x"), (1, 1, "x")]),
        ("O I-x I-x", [(1, 2, "x")]),  # an inside after outside opens one
        ("B-x I-y", [(0, 0, "x"), (1, 1, "y")]),
        ("B-x I-x E-x S-y O", [(0, 2, "x"), (3, 3, "y")]),
        ("E-x B-x", [(0, 0, "x"), (1, 1, "x")]),
        ("S-x S-x", [(0, 0, "x"), (1, 1, "x")]),
        ("", []),
    ],
)
def test_entities(tags: str, found: list[tuple[int, int, str]]) -> None:
    assert list(entities(tags.split())) == found


def test_a_file_of_characters(tmp_path: Path) -> None:
    path = tmp_path / "train"
    path.write_text("欧\tB-HP\n达\tI-HP\n \tO\n开\tB-HC\n关\tI-HC\n\n\n杯\tO\n", "utf-8")
    first, second = read_tagged(path)
    assert (first.text, first.spans) == ("欧达 开关", (Span(0, 2, "HP"), Span(3, 5, "HC")))
    assert (second.text, second.spans) == ("杯", ())
    assert types_of([first, second]) == ("HC", "HP")


def test_a_line_without_a_tag_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("欧\tB-HP\n达\n", "utf-8")
    with pytest.raises(SourceError, match="x:2: expected a character"):
        read_tagged(tmp_path / "x")
    with pytest.raises(SourceError, match="cannot be read"):
        read_tagged(tmp_path / "gone")


def test_scores_want_the_type_and_both_ends() -> None:
    gold = [Span(0, 2, "HP"), Span(3, 5, "HC")]
    said = [Span(0, 2, "HP"), Span(3, 4, "HC"), Span(3, 5, "HP")]
    assert exact_entities([(gold, said), ([], [])]) == Score(1, 3, 2)

"""The wanted form of values that were never seen, learned from pairs of a few that were."""

import pytest

from mining.extraction.normal_forms import NormalForms

CASES = [
    ("in capitals", [("Tacori", "TACORI"), ("Waterford", "WATERFORD"), ("CrownRing", "CROWNRING")], "Acme", "ACME"),
    ("without signs", [("375-016", "375016"), ("58-S21", "58S21"), ("4/5-B2", "45B2")], "9-Z.8", "9Z8"),
    (
        "part of a code",
        [("025932384141", "25932"), ("077511352508", "77511"), ("856924000974", "56924"), ("719098240037", "19098")],
        "043100172086",
        "43100",
    ),
    ("number", [('24"', "61.0"), ('30"', "76.2"), ("8-1/2", "21.6"), ("5", "12.7")], '11-3/4"', "29.8"),
    ("number", [("10K", "10000"), ("15K", "15000"), ("7.2K RPM", "7200")], "5.4K", "5400"),
    ("number", [("6/Pack", "6"), ("12/Carton", "12"), ("15/Box", "15")], "40/Box", "40"),
    ("written out", [("2MB", "2 Megabytes"), ("12 MB", "12 Megabytes"), ("1MB", "1 Megabytes")], "7MB", "7 Megabytes"),
    (
        "written out",
        [("G6", "Generation 6"), ("G3", "Generation 3"), ("G1", "Generation 1")],
        "G2-G4",
        "Generation 2-Generation 4",
    ),
    ("written apart", [("3-GB", "3 GB"), ("4-GB", "4 GB"), ("9-GB", "9 GB")], "72-GB", "72 GB"),
    (
        "likest",
        [("halo ring", "Rings"), ("wedding ring", "Rings"), ("wall clock", "Clocks"), ("desk clock", "Clocks")],
        "gold ring",
        "Rings",
    ),
    ("as said", [("S", "S"), ("blue & Red", "blue & Red")], "x-L", "x-L"),
]


@pytest.mark.parametrize(("name", "pairs", "said", "wanted"), CASES)
def test_a_rule_is_learned(name: str, pairs: list[tuple[str, str]], said: str, wanted: str) -> None:
    forms = NormalForms.of(("C", "A", *pair) for pair in pairs)
    assert forms.form("C", "A", said) == wanted
    if name != "written apart":  # "without hyphens" has more than one way of being right
        assert forms.chosen["C", "A"] == name


def test_what_was_seen_is_answered_as_it_was_seen_most() -> None:
    pairs = [("HP", "Hewlett-Packard"), ("HP", "Hewlett-Packard"), ("HP", "Horse power"), ("IBM", "IBM")]
    forms = NormalForms.of(("C", "A", *pair) for pair in pairs)
    assert forms.form("C", "A", "HP") == "Hewlett-Packard"
    assert forms.attributes == {"C": ("A",)}


def test_other_attributes_stay_as_they_are() -> None:
    forms = NormalForms.of([("C", "A", "x", "y")])
    assert forms.form("C", "B", "x") == "x"
    assert forms.form("D", "A", "x") == "x"


@pytest.mark.parametrize("said", ["", " ", "🧦", "1/0", "-", "kg", "三公斤", "9" * 400])
def test_any_value_has_a_form(said: str) -> None:
    for _, pairs, _, _ in CASES:
        assert isinstance(NormalForms.of(("C", "A", *pair) for pair in pairs).form("C", "A", said), str)

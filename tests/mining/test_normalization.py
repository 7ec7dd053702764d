"""Measures keep what was written and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.normalization import Quantity, find_quantities, normalise, parse
from mining.units import CANONICAL, to_canonical, unit_of


@pytest.mark.parametrize(
    ("surface", "forms"),
    [
        ("15 oz", ["425.2428469 g"]),
        ('5"', ["12.7 cm"]),
        ("5”", ["12.7 cm"]),
        ("3公斤", ["3000 g"]),
        ("半斤", ["250 g"]),
        ("55英寸", ["139.7 cm"]),
        ("1,5 l", ["1500 ml"]),
        ("1.75mm", ["0.175 cm"]),
        ("12V", ["12 V"]),
        ("2,200 mAh", ["2200 mAh"]),
        ("1,299.50 g", ["1299.5 g"]),
        ("30 ct", ["30 piece"]),
        ("二十支装", ["20 piece"]),
        ("20 fl. oz.", ["591.4705912 ml"]),
        ("3 x 500 ml", ["3 x 500 ml"]),
        ("500ml×3", ["3 x 500 ml"]),
        ("500ml*2盒", ["2 x 500 ml"]),
        ("10-12 in", ["25.4-30.48 cm"]),
        ("5 ft to 10 ft", ["152.4-304.8 cm"]),
        ("about 5 kg", ["about 5000 g"]),
        ("约3公斤", ["about 3000 g"]),
        ("up to 10 lbs", ["<= 4535.9237 g"]),
        ("5kg+", [">= 5000 g"]),
        ("7-1/4in x 5in", ["18.415 cm", "12.7 cm"]),
        ('14.25"W x 9.5"H x 3"D', ["36.195 cm", "24.13 cm", "7.62 cm"]),
        ("10L x 5W x 3H inches", ["25.4 cm", "12.7 cm", "7.62 cm"]),
        ("5½ in", ["13.97 cm"]),
        (".7 mm", ["0.07 cm"]),
    ],
)
def test_a_measure_is_read(surface: str, forms: list[str]) -> None:
    found = parse(surface)
    assert found is not None
    assert [quantity.form for quantity in found.quantities] == forms
    assert all(quantity.surface == surface for quantity in found.quantities) or surface.endswith(".")


@pytest.mark.parametrize(
    "surface", ["4K", "5G", "1.5升级", "3包邮", "2 x 4", "12", "USB 3.0", "", "kg", "3克拉", "5 0/0"]
)
def test_what_is_no_measure_is_not_read(surface: str) -> None:
    assert parse(surface) is None


@pytest.mark.parametrize(
    ("text", "surfaces"),
    [
        ("2 in 1 pen, 5 in wide, 12 in black", ["5 in"]),
        ('Say "Model 5" now, or a 5" tab', ['5"']),
        ("A 3-in-1 that weighs about 2.5 lbs.", ["about 2.5 lbs"]),
        ("Pack of 3 w/ lid, iPhone 5 in 64GB", ["64GB"]),
        ("适用12V、重约1.2公斤 2.4GHz", ["12V", "约1.2公斤"]),
        ("🎁 12.5-ounce", ["12.5-ounce"]),
        ("T124120-12V AB-500 ml $5 lb", []),
    ],
)
def test_measures_are_found_in_prose(text: str, surfaces: list[str]) -> None:
    assert [text[found.start : found.end] for found in find_quantities(text)] == surfaces


def test_ranges_and_bounds_keep_their_meaning() -> None:
    found = parse("10-12 kg")
    assert found is not None
    assert found.quantities == (Quantity(None, "g", 10000.0, 12000.0, False, "10-12 kg"),)


@pytest.mark.parametrize(
    ("attribute", "surface", "form", "number", "unit"),
    [
        ("weight", "3 kg", "3000 g", 3000.0, "g"),
        ("Height", '5"', "12.7 cm", 12.7, "cm"),
        ("pack", "30 ct", "30 piece", 30.0, "piece"),
        ("colour", "Grey", "gray", None, None),
        ("color", "灰色", "gray", None, None),
        ("size", "X-Large", "xl", None, None),
        ("size", "8 x 10 cm", "8 cm x 10 cm", None, "cm"),
        ("material", "不锈钢", "stainless steel", None, None),
    ],
)
def test_values_have_a_normal_form(
    attribute: str, surface: str, form: str, number: float | None, unit: str | None
) -> None:
    value = normalise(attribute, surface)
    assert value is not None
    assert (value.surface, value.form, value.number, value.unit) == (surface, form, number, unit)


@pytest.mark.parametrize(("attribute", "surface"), [("weight", "5 cm"), ("resolution", "4K"), ("color", "Zorp")])
def test_an_unknown_value_stays_as_written(attribute: str, surface: str) -> None:
    assert normalise(attribute, surface) is None


@given(
    number=st.floats(0.01, 9999, allow_nan=False).map(lambda x: round(x, 2)),
    unit=st.sampled_from(["oz", "lbs", "kg", "ml", "L", "inches", "ft", "mm", "V", "W", "mAh", "GB", "公斤", "毫升"]),
    gap=st.sampled_from(["", " ", "-"]),
)
def test_any_number_with_a_unit_reads_as_itself(number: float, unit: str, gap: str) -> None:
    known = unit_of(unit)
    found = parse(f"{number}{gap}{unit}")
    assert known is not None
    assert found is not None
    assert found.quantities[0].number == to_canonical(number, known)
    assert found.quantities[0].unit == CANONICAL[known.dimension]


@given(st.text(st.characters() | st.sampled_from("0123456789.,/½xX×\"' kgmlLinc-~约三十")))
def test_found_measures_lie_in_the_text_in_order(text: str) -> None:
    at = 0
    for found in find_quantities(text):
        assert at <= found.start < found.end <= len(text)
        assert {q.surface for q in found.quantities} == {text[found.start : found.end]}
        at = found.end

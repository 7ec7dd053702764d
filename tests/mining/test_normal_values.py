"""Values get the form that their attribute asks for, and keep their surface."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.schema import SHOP, Attribute
from mining.normal_values import NO_MEASURE, NOT_LISTED, RULES, in_form, refusal
from mining.normalization import normalise


@pytest.mark.parametrize(
    ("asks", "surface", "form"),
    [
        ({"unit": "kg"}, "500 g", "0.5 kg"),
        ({"unit": "kg"}, "约3公斤", "about 3 kg"),
        ({"unit": "kg"}, "up to 10 lbs", "<= 4.5359237 kg"),
        ({"unit": "kg"}, "2-3 kg", "2-3 kg"),
        ({"unit": "kg"}, "5 cm", None),
        ({"unit": "l"}, "3 x 500 ml", "3 x 0.5 l"),
        ({"unit": "l"}, "六百毫升", "0.6 l"),
        ({"unit": "inch"}, "8 x 10 in", "8 inch x 10 inch"),
        ({"unit": "inches"}, '5½"', "5.5 inch"),
        ({"unit": "°F"}, "37 °C", "98.6 °F"),
        ({"unit": "month"}, "2 years", "24 month"),
        ({"normalise": "pack"}, "Pack of 3", "3 piece"),
        ({"normalise": "pack"}, "6-pack", "6 piece"),
        ({"normalise": "pack"}, "Twin Pack", "2 piece"),
        ({"normalise": "pack"}, "3 packs of 20", "3 x 20 piece"),
        ({"normalise": "pack"}, "2盒*10片", "2 x 10 piece"),
        ({"normalise": "pack"}, "10片/盒", "10 piece"),
        ({"normalise": "pack"}, "二十支装", "20 piece"),
        ({"normalise": "pack"}, "3 x 500 ml", "3 x 500 ml"),
        ({"normalise": "pack"}, "Box of 1,000 sheets", "1000 piece"),
        ({"normalise": "pack"}, "a dozen", "12 piece"),
        ({"normalise": "pack"}, "12", "12 piece"),
        ({"normalise": "pack"}, "500 ml", None),
        ({"normalise": "size"}, "X-Large", "xl"),
        ({"normalise": "size"}, "2XL", "xxl"),
        ({"normalise": "size"}, "L码", "l"),
        ({"normalise": "size"}, "Size 9", "9"),
        ({"normalise": "size"}, "9.5 US", "us 9.5"),
        ({"normalise": "size"}, "EUR 42", "eu 42"),
        ({"normalise": "size"}, "8 x 10 in", "20.32 cm x 25.4 cm"),
        ({"normalise": "size"}, "One Size", "one size"),
        ({"normalise": "size"}, "roomy", None),
        ({"normalise": "color"}, "Black & White", "black/white"),
        ({"normalise": "color"}, "红色和白色", "red/white"),
        ({"normalise": "color"}, "Light Teal", "light teal"),
        ({"normalise": "color"}, "Grey", "gray"),
        ({"normalise": "color"}, "Black/Zorp", None),
        ({"normalise": "material"}, "60% Cotton, 40% Polyester", "60 % cotton/40 % polyester"),
        ({"normalise": "material"}, "不锈钢", "stainless steel"),
        ({"normalise": "material"}, "100% Unobtainium", None),
        ({"normalise": "measure"}, "5 GHz", "5000000000 Hz"),
        ({"normalise": "in capitals"}, "ab-12", "AB-12"),
        ({"normalise": "without signs"}, "AB-12/3", "AB123"),
        ({"normalise": "as said"}, "5 kg", "5 kg"),
        ({"abbreviations": {"HP": "Hewlett-Packard", "HPE": "Hewlett-Packard Enterprise"}}, "HP", "Hewlett-Packard"),
        ({"abbreviations": {"HP": "Hewlett-Packard"}}, "HP ProLiant", "Hewlett-Packard ProLiant"),
        ({"abbreviations": {"HP": "Hewlett-Packard"}}, "Chips hp", "Chips hp"),
        ({"abbreviations": {"惠普": "Hewlett-Packard"}}, "惠普", "Hewlett-Packard"),
        ({"values": ("Light", "Dark")}, "dark", "Dark"),
        ({"values": ("Light", "Dark"), "abbreviations": {"dk": "Dark"}}, "dk", "Dark"),
        ({"values": ("Light", "Dark")}, "darkest", None),
    ],
)
def test_a_value_in_the_form_of_its_schema(asks: dict[str, Any], surface: str, form: str | None) -> None:
    attribute = Attribute("A", **asks)
    read = in_form(attribute, surface)
    assert (None if read is None else read.form) == form
    if read is not None:
        assert (read.surface, read.attribute) == (surface, "A")
        again = in_form(attribute, read.form)
        assert again is not None
        assert again.form == form


@pytest.mark.parametrize(
    ("asks", "surface", "reason"),
    [
        ({"values": ("x",)}, "y", NOT_LISTED),
        ({"values": ("x",)}, " X ", None),
        ({"unit": "g"}, "heavy", NO_MEASURE),
        ({"unit": "g"}, "5 cm", NO_MEASURE),
        ({"unit": "g"}, "5 lb", None),
        ({"normalise": "color"}, "Zorp", None),
        ({}, "anything", None),
    ],
)
def test_why_a_value_is_off_the_schema(asks: dict[str, Any], surface: str, reason: str | None) -> None:
    assert refusal(Attribute("A", **asks), surface) == reason


@pytest.mark.parametrize(
    "surface", ["3 kg", "500 ml", "8 x 10 cm", "Grey", "不锈钢", "30 ct", "X-Large", "12 V", "Zorp"]
)
def test_the_default_schema_normalises_by_name(surface: str) -> None:
    for attribute in SHOP.attributes["*"]:
        assert in_form(attribute, surface) == normalise(attribute.name, surface)


@given(
    rule=st.sampled_from(sorted(RULES)),
    surface=st.text(
        st.characters(codec="utf-8") | st.sampled_from("0123 x×*/-%packofblackRED ,黑白色盒片"), max_size=20
    ),
)
def test_every_rule_keeps_the_surface_and_settles(rule: str, surface: str) -> None:
    attribute = Attribute("A", normalise=rule)
    read = in_form(attribute, surface)
    if read is not None:
        assert read.surface == surface
        again = in_form(attribute, read.form)
        assert again is not None
        assert again.form == read.form


@given(st.dictionaries(st.text("ABab ", min_size=1, max_size=3), st.text("ABab ", min_size=1, max_size=6), max_size=4),
       st.text("ABab ", max_size=12))  # fmt: skip
def test_abbreviations_are_whole_words_and_never_fail(abbreviations: dict[str, str], surface: str) -> None:
    read = in_form(Attribute("A", abbreviations=abbreviations), surface)
    assert (read is None) <= (not abbreviations)
    assert read is None or read.surface == surface

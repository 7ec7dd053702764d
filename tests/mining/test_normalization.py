"""Measures keep what was written and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.normalization import Quantity, find_quantities, normalise, parse
from mining.numbers import number_of, plainly
from mining.units import CANONICAL, NAMES, from_canonical, to_canonical, unit_of


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
        ("between 5 and 10 cm", ["5-10 cm"]),
        ("10 ± 0.5 mm", ["0.95-1.05 cm"]),
        ("10mm±0.5mm", ["0.95-1.05 cm"]),
        ("1000-1500W", ["1000-1500 W"]),
        ("5至10厘米", ["5-10 cm"]),
        ("approx. 5 kg", ["about 5000 g"]),
        ("circa 5 kg", ["about 5000 g"]),
        ("约 500 g", ["about 500 g"]),
        ("500克左右", ["about 500 g"]),
        ("近2公斤", ["about 2000 g"]),
        ("约5-10厘米", ["about 5-10 cm"]),
        ("under 5 kg", ["<= 5000 g"]),
        ("<5 kg", ["<= 5000 g"]),
        ("5 kg or less", ["<= 5000 g"]),
        ("5 kg max", ["<= 5000 g"]),
        ("3公斤以内", ["<= 3000 g"]),
        ("至少3公斤", [">= 3000 g"]),
        ("3公斤以上", [">= 3000 g"]),
        (">= 3 kg", [">= 3000 g"]),
        ("<= 3 x 500 ml", ["<= 3 x 500 ml"]),
        ("about 3 x 500 ml", ["about 3 x 500 ml"]),
        ("1.299,50 g", ["1299.5 g"]),
        ("1\u202f299,5 g", ["1299.5 g"]),
        ("0,75 l", ["750 ml"]),
        ("５００ｍｌ", ["500 ml"]),
        ("一百二十克", ["120 g"]),
        ("一百二克", ["120 g"]),
        ("一百零五克", ["105 g"]),
        ("两千三百克", ["2300 g"]),
        ("一点五升", ["1500 ml"]),
        ("2万mAh", ["20000 mAh"]),
        ("半升", ["500 ml"]),
        ("两斤半", ["1250 g"]),
        ("一斤二两", ["600 g"]),
        ("三两", ["150 g"]),
        ("5 ft 6 in", ["167.64 cm"]),
        ("5'6\"", ["167.64 cm"]),
        ("2 lbs 3 oz", ["992.2333094 g"]),
        ('12"x 9"', ["30.48 cm", "22.86 cm"]),
        ("100 °F", ["37.77777778 °C"]),
        ("2 pairs", ["4 piece"]),
        ("一打", ["12 piece"]),
        ("2.4 GHz", ["2400000000 Hz"]),
        ("8 hours", ["28800 s"]),
        ("20%", ["20 %"]),
    ],
)
def test_a_measure_is_read(surface: str, forms: list[str]) -> None:
    found = parse(surface)
    assert found is not None
    assert [quantity.form for quantity in found.quantities] == forms
    assert all(quantity.surface == surface for quantity in found.quantities) or surface.endswith(".")


@pytest.mark.parametrize(
    "surface",
    [
        "4K",
        "5G",
        "1.5升级",
        "3包邮",
        "2 x 4",
        "12",
        "USB 3.0",
        "",
        "kg",
        "3克拉",
        "5 0/0",
        "几十支装",
        "-20°C",
        "第三盒",
    ],
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
        ("Pens 5 and 10 cm long, made from 5 mm wire", ["10 cm", "5 mm"]),
        ("Ladder 6' 2\" tall, from 5 kg to 10 kg", ["6' 2\"", "5 kg to 10 kg"]),
        ("Model 5 s, 3 A, 20% off, 8 hours", []),
        ("每袋５００ｍｌ，第二件半价", ["５００ｍｌ"]),
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


@given(
    number=st.floats(0.001, 1e7, allow_nan=False),
    name=st.sampled_from(NAMES),
)
def test_there_and_back_is_the_same_number(number: float, name: str) -> None:
    unit = unit_of(name)
    assert unit is not None
    assert from_canonical(to_canonical(number, unit), unit) == pytest.approx(number, rel=1e-6, abs=1e-6)


SAID = st.one_of(
    st.floats(0.01, 1e6, allow_nan=False).map(lambda number: f"{number:.3g}"),
    st.integers(1, 99).map(lambda number: f"{number} x 500"),
    st.tuples(st.integers(1, 99), st.integers(100, 999)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.sampled_from(["1,5", "1.299,50", "2万", "½", "一百二十", "半", "两"]),
)


@given(
    before=st.sampled_from(["", "约", "about ", "up to ", "至少", "≤"]),
    said=SAID,
    unit=st.sampled_from(["ml", " oz", "公斤", "毫升", " g", "升"]),
    after=st.sampled_from(["", "左右", "+", " or more", "以内"]),
)
def test_a_form_is_its_own_form(before: str, said: str, unit: str, after: str) -> None:
    found = parse(f"{before}{said}{unit}{after}")
    if found is None:  # some of these combinations are no language
        return
    form = " x ".join(quantity.form for quantity in found.quantities)
    again = parse(form)
    assert again is not None
    assert " x ".join(quantity.form for quantity in again.quantities) == form


@given(st.integers(0, 99_999_999))
def test_chinese_numerals(number: int) -> None:
    def told(part: int) -> str:
        digits, out = "零一二三四五六七八九", ""
        for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
            digit, part = divmod(part, unit)
            if digit:
                out += digits[digit] + name
            elif out and part and not out.endswith("零"):
                out += "零"
        return out

    high, low = divmod(number, 10_000)
    gap = "零" if high and 0 < low < 1000 else ""
    assert number_of((f"{told(high)}万{gap}" if high else "") + told(low) or "零") == number


@given(st.floats(1e-12, 1e15, allow_nan=False))
def test_numbers_are_told_without_an_exponent(number: float) -> None:
    assert "e" not in plainly(number)
    assert float(plainly(number)) == float(f"{number:.10g}")


@given(st.text(st.characters() | st.sampled_from("0123456789.,/½xX×\"' kgmlLinc-~约三十百半两斤万５ｍ±左右")))
def test_found_measures_lie_in_the_text_in_order(text: str) -> None:
    at = 0
    for found in find_quantities(text):
        assert at <= found.start < found.end <= len(text)
        assert {q.surface for q in found.quantities} == {text[found.start : found.end]}
        at = found.end

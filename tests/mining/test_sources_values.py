"""Cells to values: text, ids, times, prices, actions, categories; each with its known answer."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.errors import EventError
from kg.types import ACTIONS
from mining.sources.text import inline_text, plain_text, safe, structured, title_text
from mining.sources.values import (
    BadRow,
    action_of,
    available_of,
    category_paths,
    id_of,
    number_of,
    optional_id,
    price_of,
    time_of,
)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        ("", ""),
        ("None", ""),
        (" nan ", ""),
        ("小米手机 📱 5.5″", "小米手机 📱 5.5″"),
        (
            "<p>Soft&nbsp;towel</p><ul><li>100&#37; cotton</li><li>60 x 90 cm</li></ul>",
            "Soft towel\n100% cotton\n60 x 90 cm",
        ),
        ("Black &amp; Decker &ndash; 20V", "Black & Decker – 20V"),
        ("AT&T &copy 2020 R&D &unknownentity;", "AT&T &copy 2020 R&D &unknownentity;"),
        ("5 < 10 and a<b, x>y", "5 < 10 and a<b, x>y"),
        ("keeps <angle> words <3", "keeps <angle> words <3"),
        ("a<br/>b<BR>c", "a\nb\nc"),
        ("a <!-- .css {x:<b>1</b>} --> b", "a b"),
        ("a <!-- never ends", "a <!-- never ends"),
        ("<b>bold</b>er and <i>never closed", "bolder and never closed"),
        ("x<script>if (a<b) { steal() }</script>y<style>p{}</style>z", "xyz"),
        ("<script>never ends", "<script>never ends"),
        ("<a href='x?a=1&para=2'>link</a>", "link"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("['first', \"it's second\", '']", "first\nit's second"),
        ('["a", null, "b"]', "a\nb"),
        (["a", None, ["b", 3]], "a\nb\n3"),
        ({"Color": "red", "Size": None, "Tags": ["x"]}, "Color: red\nTags: x"),
        ("[2 Pack] Filters", "[2 Pack] Filters"),
        ("[HOT]", "[HOT]"),
        ("[3]", "[3]"),
        ("['open", "['open"),
        ("['it's loose', 'and 5\\n wide']", "it's loose\nand 5\n wide"),
        ("['__import__(\"os\")']", '__import__("os")'),
        (12.0, "12"),
        (12.5, "12.5"),
        (True, "true"),
        ("zero\x00byte \ud800 surrogate", "zero byte \ufffd surrogate"),
        (b"bytes \xff", "bytes \ufffd"),
    ],
)
def test_text(cell: object, text: str) -> None:
    assert plain_text(cell) == text


def test_one_line_texts() -> None:
    assert inline_text(["a", "b"]) == "a, b"
    assert title_text("Two<br>lines") == "Two lines"


def test_a_bomb_of_brackets_is_text() -> None:
    for bomb in ("[" * 50_000 + "]" * 50_000, "{" * 200 + "}" * 200, "(" * 90 + "-" * 9000 + "1" + ")" * 90):
        assert plain_text(bomb) == bomb


def test_markup_bombs_end_soon() -> None:
    for piece in ("<!--", "<b", "</script", "<script>", "<p ", "&amp", "<![CDATA["):
        assert plain_text(piece * 100_000)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_text_is_always_safe_and_decoding_keeps_words(text: str) -> None:
    decoded = plain_text(text)
    decoded.encode("utf-8")
    assert decoded == safe(decoded)
    assert len(safe(text)) == len(text)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<>&[](){}\u2028"), max_size=100))
def test_text_without_markup_is_left_alone(text: str) -> None:
    if text.strip() not in {"nan", "NaN", "None", "null", "NULL", "NaT"}:
        assert plain_text(text) == safe(text).strip()


def test_structures_are_read_only_from_whole_cells() -> None:
    assert structured("{'a': 1}") == {"a": 1}
    assert structured("{}") == {}
    assert structured("{'a': open('x')}") == "{'a': open('x')}"
    assert structured("see ['a']") == "see ['a']"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [(123, "123"), (123.0, "123"), (" B00X ", "B00X"), ("123.0", "123.0"), ("007", "007"), ("手机-1", "手机-1")],
)
def test_ids(cell: object, expected: str) -> None:
    assert id_of(cell, "id") == expected


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, "id missing"),
        (float("nan"), "id missing"),
        ("  ", "id missing"),
        (1.5, "fraction"),
        (float("inf"), "fraction"),
        (True, "no text"),
        (["a"], "no text"),
        ("a\x00b", "control"),
        ("a\ud800b", "broken Unicode"),
        ("a\nb", "control"),
        ("x" * 513, "longer"),
    ],
)
def test_ids_that_are_none(cell: object, said: str) -> None:
    with pytest.raises(BadRow, match=said):
        id_of(cell, "id")


def test_an_optional_id_may_be_missing_and_not_broken() -> None:
    assert optional_id("", "user") is None
    with pytest.raises(BadRow):
        optional_id("\x00", "user")


NOON = 1_404_388_800  # 2014-07-03T12:00:00Z


@pytest.mark.parametrize(
    "cell",
    [
        NOON,
        float(NOON) + 0.9,
        str(NOON),
        f"{NOON}.0",
        NOON * 1000 + 999,
        str(NOON * 1000),
        NOON * 1_000_000,
        NOON * 1_000_000_000,
        "2014-07-03T12:00:00Z",
        "2014-07-03T12:00:00",
        "2014-07-03 12:00:00.5",
        "2014-07-03T20:00:00+08:00",
        "2014-07-03 12:00:00 UTC",
        "2014/07/03 12:00:00",
        datetime(2014, 7, 3, 12),
        datetime(2014, 7, 3, 20, tzinfo=timezone(timedelta(hours=8))),
        datetime(2014, 7, 3, 12, 0, 0, 5, tzinfo=UTC),
    ],
)
def test_times(cell: object) -> None:
    assert time_of(cell) == NOON


@pytest.mark.parametrize("cell", ["2014-07-03", date(2014, 7, 3), "07 3, 2014", "7 03, 2014", "2014/07/03"])
def test_days_are_their_first_second(cell: object) -> None:
    assert time_of(cell) == NOON - 12 * 3600


def test_times_before_1970_and_positions_stay() -> None:
    assert time_of("1969-12-31T23:59:59Z") == -1
    assert time_of(7) == 7


@pytest.mark.parametrize(
    "cell",
    ["", None, float("nan"), float("inf"), "yesterday", "07/03/2014", "2014-13-01", True, [1], 10**25, "1" * 30, "١٢٣"],
)
def test_times_that_are_none(cell: object) -> None:
    with pytest.raises(BadRow, match="time"):
        time_of(cell)


@given(st.datetimes(timezones=st.just(UTC)))
def test_iso_times_come_back(moment: datetime) -> None:
    assert time_of(moment.isoformat()) == int(moment.replace(microsecond=0).timestamp())


@pytest.mark.parametrize(
    ("cell", "price", "currency"),
    [
        (12.5, 12.5, None),
        (3, 3.0, None),
        (Decimal("9.99"), 9.99, None),
        ("12.99", 12.99, None),
        ("$12.99", 12.99, None),
        ("US$12.99", 12.99, "USD"),
        ("€ 1.234,56", 1234.56, "EUR"),
        ("1,299.50 USD", 1299.5, "USD"),
        ("1,299", 1299.0, None),
        ("12,99 €", 12.99, "EUR"),
        ("1 299,5 €", 1299.5, "EUR"),
        ("99元", 99.0, "CNY"),
        ("RMB 99", 99.0, "CNY"),
        ("¥99", 99.0, None),
        ("", None, None),
        ("None", None, None),
        (float("nan"), None, None),
    ],
)
def test_prices(cell: object, price: float | None, currency: str | None) -> None:
    assert price_of(cell) == (price, currency)


@pytest.mark.parametrize(
    "cell", ["$3 - $5", "free", "-1", -1.0, "inf", float("inf"), "1e400", "12 apples", "from 3.00", "1.2.3", True, [1]]
)
def test_prices_that_are_none(cell: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        price_of(cell)


def test_numbers_are_finite() -> None:
    assert number_of("4.5") == 4.5
    assert number_of("nan") is None
    for cell in ("inf", float("-inf"), 10**400, "five", "1_000"):
        with pytest.raises(ValueError, match=r"not"):
            number_of(cell)


@pytest.mark.parametrize(
    ("word", "action"),
    [
        *((action, action) for action in ACTIONS),
        ("buy", "purchase"),
        ("transaction", "purchase"),
        ("purchase-complete", "purchase"),
        ("addtocart", "cart"),
        ("add_to_cart", "cart"),
        ("Add-To-Cart", "cart"),
        ("pv", "view"),
        ("detail-page-view", "view"),
        ("购买", "purchase"),
        ("加购", "cart"),
    ],
)
def test_actions(word: str, action: str) -> None:
    assert action_of(word) == action


GOOGLE = (
    "add-to-cart category-page-view completion detail-page-view home-page-view promotion-offered "
    "promotion-not-offered purchase-complete search shopping-cart-page-view"
)


NO_PRODUCT = set(GOOGLE.split()) - {"add-to-cart", "detail-page-view", "purchase-complete"}


@pytest.mark.parametrize("word", sorted(NO_PRODUCT))
def test_googles_names_without_a_product_are_known_as_such(word: str) -> None:
    with pytest.raises(EventError, match=r"^action about no product"):
        action_of(word)


def test_an_unknown_action_names_the_known_ones() -> None:
    with pytest.raises(EventError, match="unknown action: 'teleport'; expected view, click, cart, purchase or rating"):
        action_of("teleport")


@pytest.mark.parametrize(
    ("cell", "paths"),
    [
        ("A > B > C", [["A", "B", "C"]]),
        ("家居 › 厨房", [["家居", "厨房"]]),
        ("A|B", [["A", "B"]]),
        ("Health & Personal Care", [["Health & Personal Care"]]),
        ("", []),
        (None, []),
        (["A", "B"], [["A", "B"]]),
        (["A > B"], [["A", "B"]]),
        ([["A", "B"], ["C"]], [["A", "B"], ["C"]]),
        ("[['A', 'B'], ['C']]", [["A", "B"], ["C"]]),
    ],
)
def test_category_paths(cell: object, paths: list[list[str]]) -> None:
    assert category_paths(cell) == paths


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (True, True),
        ("In Stock", True),
        ("out of stock", False),
        (0, False),
        ("3", True),
        ("https://schema.org/InStock", True),
        ("缺货", False),
    ],
)
def test_availability(cell: object, expected: bool) -> None:
    assert available_of(cell) is expected


def test_availability_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="not a number"):
        available_of("soon")

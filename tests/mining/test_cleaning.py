"""Each cleaning rule on planted dirt: what is found, what stays, and the sums."""

import json
import math
import random
from dataclasses import replace

import pyarrow as pa
import pytest

from kg.types import Interaction, Product
from mining.cleaning import (
    EVENT_RULES,
    PRODUCT_RULES,
    RELATION_RULES,
    REVIEW_RULES,
    BotConfig,
    CleaningConfig,
    CleaningReport,
    bots,
    clean_events,
    clean_products,
    clean_relations,
    clean_reviews,
    price_bounds,
)
from mining.types import CatalogRelation, Review

NOON = 1_700_049_600
DAY = 86_400
SHELF = [Product(f"p{i}", "Mug", brand="B", category=("Home", "Mugs"), price=8.0 + i % 5) for i in range(40)]


def cleaned_products(products: list[Product]) -> tuple[list[Product], CleaningReport]:
    report = CleaningReport()
    return list(clean_products(products, report)), report


def test_clean_products_are_left_alone() -> None:
    products, report = cleaned_products(SHELF)
    assert products == SHELF
    assert (report.seen, report.kept, report.set_aside, report.counts) == (40, 40, 0, {})


def test_of_two_products_with_one_id_the_first_stays() -> None:
    products, report = cleaned_products([*SHELF, replace(SHELF[3], title="Other")])
    assert products == SHELF
    assert (report.set_aside, dict(report.counts)) == (1, {"duplicate_product": 1})
    assert report.examples == {"duplicate_product": ["p3"]}


def test_missing_values_are_counted_and_kept() -> None:
    bare = Product("x", "")
    products, report = cleaned_products([bare])
    assert products == [bare]
    assert report.counts == {"missing_title": 1, "missing_brand": 1, "missing_category": 1, "missing_price": 1}


@pytest.mark.parametrize("brand", ["Unknown", "unknown", "N/A", "No Brand", "未知", "-"])
def test_placeholders_are_no_brands(brand: str) -> None:
    products, report = cleaned_products([replace(SHELF[0], brand=brand)])
    assert products[0].brand is None
    assert report.examples == {"placeholder_brand": [f"p0: {brand}"]}


def test_a_slipped_decimal_point_is_an_outlier_and_a_dear_mug_is_not() -> None:
    cheap, dear, slipped = (replace(SHELF[0], id=i, price=p) for i, p in (("c", 2.0), ("d", 60.0), ("s", 1299.0)))
    products, report = cleaned_products([*SHELF, cheap, dear, slipped])
    assert {p.id: p.price for p in products[40:]} == {"c": 2.0, "d": 60.0, "s": None}
    assert report.counts == {"price_outlier": 1}
    assert report.set_aside == 0


@pytest.mark.parametrize("price", [0.0, -3.0, math.inf, math.nan])
def test_a_price_of_nothing_is_none(price: float) -> None:
    products, report = cleaned_products([replace(SHELF[0], price=price)])
    assert products[0].price is None
    assert report.counts == {"price_not_positive": 1}


def test_a_small_category_is_judged_by_its_parent() -> None:
    bounds = price_bounds([*SHELF, Product("y", "Mug", category=("Home", "Cups"), price=9.0)])
    assert set(bounds.by_path) == {(), ("Home",), ("Home", "Mugs")}
    assert bounds.of(("Home", "Cups")) == bounds.by_path[("Home",)]
    assert bounds.of(("Garden",)) == bounds.by_path[()]
    assert price_bounds([]).of(("Home",)) == (0.0, math.inf)


def test_bounds_of_an_earlier_pass_give_the_same_answer() -> None:
    products = [*SHELF, replace(SHELF[0], id="s", price=1299.0)]
    report = CleaningReport()
    streamed = clean_products(iter(products), report, bounds=price_bounds(products))
    assert list(streamed) == cleaned_products(products)[0]


def event(number: int, at: int = NOON, **changes: object) -> Interaction:
    base = Interaction(f"e{number}", "p1", "view", at, "u1", "s1")
    return replace(base, **changes)  # type: ignore[arg-type]


def cleaned_events(events: list[Interaction], **options: object) -> tuple[list[str], CleaningReport]:
    report = CleaningReport()
    kept = [e.event_id for e in clean_events(events, report, **options)]  # type: ignore[arg-type]
    assert report.seen == report.kept + report.set_aside == len(events)
    return kept, report


def test_events_sent_twice_are_set_aside_by_two_rules() -> None:
    events = [
        event(1),
        event(1),  # word for word
        event(2, NOON + 2),  # again, under another id
        event(3, NOON + 6),  # four seconds later: a second look
        event(4, NOON + 6, product_id="p2"),
        event(5, NOON + 6, action="cart"),
        event(6, NOON + 6, user_id="u2", session_id="s2"),
    ]
    kept, report = cleaned_events(events)
    assert kept == ["e1", "e3", "e4", "e5", "e6"]
    assert report.counts == {"duplicate_event_id": 1, "resent_event": 1}


def test_strangers_and_positions_are_not_taken_for_repetitions() -> None:
    nobody = [event(i, user_id=None, session_id=None) for i in range(3)]
    positions = [event(10 + i, at=i) for i in range(3)]
    kept, report = cleaned_events([*nobody, *positions])
    assert (len(kept), report.counts) == (6, {})


def test_the_future_begins_after_as_of() -> None:
    kept, report = cleaned_events([event(1), event(2, NOON + 10), event(3, NOON + 11)], as_of=NOON + 10)
    assert kept == ["e1", "e2"]
    assert report.counts == {"future_event": 1}
    assert cleaned_events([event(1, NOON * 10)])[0] == ["e1"]


def test_ratings_out_of_range_lose_their_value() -> None:
    events = [event(i, NOON + 60 * i, action="rating", value=v) for i, v in enumerate((0.0, 5.0, 5.5, -1.0, None))]
    report = CleaningReport()
    values = [e.value for e in clean_events(events, report)]
    assert values == [0.0, 5.0, None, None, None]
    assert report.counts == {"rating_out_of_range": 2}
    ten = CleaningConfig(rating_high=10.0)
    assert [e.value for e in clean_events(events, CleaningReport(), config=ten)] == [0.0, 5.0, 5.5, None, None]


def test_events_of_bots_are_set_aside() -> None:
    kept, report = cleaned_events([event(1), event(2, user_id="bot")], bots={"bot"})
    assert kept == ["e1"]
    assert report.counts == {"bot_event": 1}


def test_reviews() -> None:
    first = Review("r1", "p", "Good soap", "", "u", 5.0, NOON)
    reviews = [
        first,
        first,
        replace(first, id="r2"),  # the same words by the same user
        replace(first, id="r3", user_id=None),
        replace(first, id="r4", user_id=None),  # nobody knows whether this is the same person
        replace(first, id="r5", text="Bad soap", rating=9.0),
        replace(first, id="r6", text="Late soap", at=NOON + 1),
    ]
    report = CleaningReport()
    kept = list(clean_reviews(reviews, report, as_of=NOON))
    assert [(r.id, r.rating) for r in kept] == [("r1", 5.0), ("r3", 5.0), ("r4", 5.0), ("r5", None)]
    assert report.counts == {
        "duplicate_review_id": 1,
        "duplicate_review": 1,
        "rating_out_of_range": 1,
        "future_review": 1,
    }


def test_relations() -> None:
    relation = CatalogRelation("a", "BOUGHT_WITH", "b", "also_bought")
    relations = [relation, replace(relation, tail="a"), relation, replace(relation, label="bought_together")]
    report = CleaningReport()
    assert list(clean_relations(relations, report)) == [relation, relations[3]]
    assert report.counts == {"self_relation": 1, "duplicate_relation": 1}


def test_every_rule_has_a_name_of_its_own_and_a_reason() -> None:
    for rules in (PRODUCT_RULES, EVENT_RULES, REVIEW_RULES, RELATION_RULES):
        assert len({rule.name for rule in rules}) == len(rules)
        assert all(rule.reason for rule in rules)


def test_the_report_is_plain_data_with_few_examples() -> None:
    _, report = cleaned_products([Product(f"x{i}", "", "d", "b", ("c",), 1.0) for i in range(9)])
    assert json.loads(json.dumps(report.as_dict())) == {
        "seen": 9,
        "kept": 9,
        "set_aside": 0,
        "rules": {"missing_title": {"count": 9, "examples": ["x0", "x1", "x2", "x3", "x4"]}},
    }


# ---- bots -----------------------------------------------------------------------------------------------------------

Rows = list[tuple[str | None, str | None, str, int]]


def table(rows: Rows) -> pa.Table:
    users, sessions, products, times = zip(*rows, strict=True)
    return pa.table(
        {
            "user": pa.array(users, pa.string()),
            "session": pa.array(sessions, pa.string()),
            "product": pa.array(products, pa.string()),
            "action": pa.array(["view"] * len(rows), pa.string()),
            "at": pa.array(times, pa.int64()),
        }
    )


def people(number: int = 200) -> Rows:
    """Some look at two products a day, some at twenty, in the evening."""
    draw = random.Random(7)
    rows: Rows = []
    for user in range(number):
        start = NOON + DAY * draw.randrange(30)
        looks = draw.choice((2, 3, 4, 5, 20))
        rows += [(f"u{user}", None, f"p{draw.randrange(500)}", start + 40 * i) for i in range(looks)]
    return rows


CRAWLER: Rows = [("crawler", None, f"p{i}", NOON + 170 * i) for i in range(150)]
SLEEPLESS: Rows = [("sleepless", None, f"p{h % 4}", NOON // DAY * DAY + 3600 * h) for h in range(20)]
FAST: Rows = [("fast", "s", f"p{i % 9}", NOON + i) for i in range(40)]


@pytest.mark.parametrize(("rows", "bot"), [(CRAWLER, "crawler"), (SLEEPLESS, "sleepless"), (FAST, "fast")])
def test_each_sign_finds_its_bot_and_no_person(rows: Rows, bot: str) -> None:
    assert bots(table([*people(), *rows])) == {bot}


def test_people_are_no_bots() -> None:
    assert bots(table(people())) == frozenset()


def test_the_line_rises_with_what_is_usual() -> None:
    draw = random.Random(3)
    eager: Rows = [
        (f"u{u}", None, f"p{i}", NOON + 60 * i) for u in range(40) for i in range(draw.choice((20, 60, 150)))
    ]
    assert bots(table(eager)) == frozenset()
    assert bots(table(eager), BotConfig(z=0.0)) != frozenset()


def test_positions_whole_days_guests_and_empty_logs_make_no_bots() -> None:
    positions: Rows = [("reader", None, f"p{i}", i) for i in range(500)]
    whole_days: Rows = [("fan", None, f"p{i}", NOON // DAY * DAY) for i in range(60)]
    guests: Rows = [(None, "s", f"p{i}", NOON + i) for i in range(300)]
    assert bots(table([*people(), *positions, *whole_days, *guests])) == frozenset()
    assert bots(table(people()).slice(0, 0)) == frozenset()


def test_just_below_each_line_is_a_person() -> None:
    rows: Rows = [
        *(("many", None, f"p{i}", NOON + 170 * i) for i in range(100)),
        *(("late", None, f"p{h % 4}", NOON // DAY * DAY + 3600 * h) for h in range(19)),
        *(("quick", "s", f"p{i % 9}", NOON + 2 * i) for i in range(40)),
        *(("short", "t", f"p{i % 9}", NOON + i) for i in range(29)),
    ]
    assert bots(table([*people(), *rows])) == frozenset()

"""Files to products, events, reviews and relations; what is set aside is counted, what is made is repeatable."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.types import Interaction, Product
from mining.errors import ColumnError, RejectError, SourceError
from mining.sources import (
    ReadReport,
    event_id_of,
    find_shop_files,
    read_events,
    read_products,
    read_relations,
    read_reviews,
    refuse,
)
from mining.types import CatalogRelation, Reject

Values = list[Any]


def csv_file(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


def jsonl_file(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def parquet_file(path: Path, rows: list[dict[str, object]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


FORMS: list[tuple[str, Callable[[Path, list[dict[str, object]]], Path]]] = [
    ("f.csv", csv_file),
    ("f.jsonl", jsonl_file),
    ("f.parquet", parquet_file),
]


def read(reader: Any, path: Path, **options: Any) -> tuple[Values, list[Reject], ReadReport]:
    """Values, rejects and the report, whose sums are checked here for every test."""
    rejects: list[Reject] = []
    report = ReadReport()
    values = list(reader(path, on_reject=rejects.append, report=report, **options))
    assert report.read == report.kept + report.set_aside
    assert report.set_aside == len(rejects)
    assert report.made == len(values)
    assert all(reject.file == str(path) and reject.row >= 1 for reject in rejects)
    return values, rejects, report


# ---- products -------------------------------------------------------------------------------------------------------


def test_a_product_is_decoded_whole(tmp_path: Path) -> None:
    path = jsonl_file(
        tmp_path / "catalog.jsonl",
        [
            {
                "product_id": 7,
                "title": "Tavrik &amp; Co. Kettle",
                "description": "['<p>Boils 1.7&nbsp;L.</p>', '']",
                "features": ["Auto off", "Steel"],
                "brand": "Tavrik",
                "categories": [["Kitchen"], ["Kitchen", "Kettles"]],
                "price": "€ 39,90",
                "image_url": "https://shop.example/7.jpg",
                "availability": "in stock",
                "attributes": {"power": "2200 W", "colors": ["black", "red"], "note": None, "EAN": "4006381333931"},
                "material": "steel",
            }
        ],
    )
    values, _, report = read(read_products, path)
    assert values == [
        Product(
            id="7",
            title="Tavrik & Co. Kettle",
            description="Boils 1.7 L.\nAuto off\nSteel",
            brand="Tavrik",
            category=("Kitchen", "Kettles"),
            price=39.9,
            currency="EUR",
            gtin="4006381333931",
            image_urls=("https://shop.example/7.jpg",),
            attributes={"power": "2200 W", "colors": "black, red", "EAN": "4006381333931", "material": "steel"},
        )
    ]
    assert report.notes == {"category: several paths, the longest kept": 1}


@pytest.mark.parametrize(("name", "write"), FORMS)
def test_every_form_gives_the_same_products(tmp_path: Path, name: str, write: Any) -> None:
    rows = [{"id": 1, "title": "小米手机 5.5″", "price": 9.5}, {"id": 2, "title": "Kettle, steel", "price": 12.0}]
    values, rejects, _ = read(read_products, write(tmp_path / name, rows))
    assert values == [Product("1", "小米手机 5.5″", price=9.5), Product("2", "Kettle, steel", price=12.0)]
    assert rejects == []


def test_float_columns_with_whole_ids_lose_their_point(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "f.parquet", [{"id": 1.0, "title": "a"}, {"id": None, "title": "b"}])
    values, rejects, _ = read(read_products, path)
    assert [p.id for p in values] == ["1"]
    assert [r.reason for r in rejects] == ["id missing"]


def test_only_rows_without_an_id_are_set_aside(tmp_path: Path) -> None:
    rows = [{"id": "1", "title": ""}, {"id": "", "title": "b"}, {"id": "3", "title": "c"}, {"id": "nan", "title": "d"}]
    values, rejects, report = read(read_products, csv_file(tmp_path / "f.csv", rows))
    assert [(p.id, p.title) for p in values] == [("1", ""), ("3", "c")]
    assert [(r.row, r.reason) for r in rejects] == [(2, "id missing"), (4, "id missing")]
    assert report.rejected == {"id missing": 2}
    assert json.loads(rejects[0].raw) == {"id": "", "title": "b"}


@pytest.mark.parametrize("price", ["inf", "NaN and more", "$3 - $5", "-4"])
def test_a_price_that_is_none_costs_the_price_and_not_the_row(tmp_path: Path, price: str) -> None:
    values, rejects, report = read(
        read_products, csv_file(tmp_path / "f.csv", [{"id": 1, "title": "a", "price": price}])
    )
    assert (values, rejects) == ([Product("1", "a")], [])
    assert [note.partition(":")[0] for note in report.notes] == ["price"]
    assert list(report.examples.values()) == [[1]]


def test_zero_bytes_and_lone_surrogates_in_text_are_replaced_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"id": "1", "title": "a\\u0000b \\ud800"}\n{"id": "\\u0000", "title": "c"}\n', encoding="utf-8")
    values, rejects, report = read(read_products, path)
    assert [p.title for p in values] == ["a b \ufffd"]
    assert [r.reason for r in rejects] == ["id with control characters or broken Unicode"]
    assert report.notes.total() == 1


def test_json_keys_that_come_late_are_found(tmp_path: Path) -> None:
    rows: list[object] = [{"id": str(i), "title": "t"} for i in range(1500)]
    rows[900] = {"id": "900", "title": "t", "price": 5}
    rows[1400] = {"id": "1400", "title": "t", "brand": "Acme", "sku": "ignored now"}
    values, _, report = read(read_products, jsonl_file(tmp_path / "f.jsonl", rows))
    assert values[900].price == 5.0
    assert values[1400].brand == "Acme"
    assert report.columns == {"id": "id", "title": "title", "price": "price", "brand": "brand"}
    assert report.unused == ("sku",)


def test_a_missing_required_column_is_an_error_and_a_map_settles_it(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "f.csv", [{"artikel": 1, "bezeichnung": "a"}])
    with pytest.raises(ColumnError, match="artikel, bezeichnung"):
        read(read_products, path)
    values, _, _ = read(read_products, path, columns={"id": "artikel", "title": "bezeichnung"})
    assert values == [Product("1", "a")]


def test_strict_stops_at_the_first_bad_row(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "f.csv", [{"id": 1, "title": "a"}, {"id": "", "title": "b"}])
    with pytest.raises(RejectError, match=r"f\.csv, row 2: id missing"):
        list(read_products(path, on_reject=refuse))


def test_a_reader_that_is_left_early_has_counted_what_it_gave(tmp_path: Path) -> None:
    report = ReadReport()
    products = read_products(
        csv_file(tmp_path / "f.csv", [{"id": i, "title": "a"} for i in range(9)]), on_reject=refuse, report=report
    )
    next(products)
    assert (report.read, report.kept, report.made) == (1, 1, 1)


def test_long_attributes_are_prose_and_noted(tmp_path: Path) -> None:
    row = {"id": 1, "title": "a", "attributes": {"care": "wash " * 100, "size": "M"}}
    values, _, report = read(read_products, jsonl_file(tmp_path / "f.jsonl", [row]))
    assert values[0].attributes == {"size": "M"}
    assert report.notes == {"attribute longer than 200 characters, left out": 1}


def test_amazon_layouts(tmp_path: Path) -> None:
    old = {"asin": "B1", "title": "Nail Polish", "price": 3.04, "imUrl": "http://x/1.jpg"}
    (tmp_path / "meta.json").write_text(f"{old | {'categories': [['Beauty', 'Nails']]}}\n", encoding="utf-8")
    values, _, _ = read(read_products, tmp_path / "meta.json", preset="amazon2014")
    assert values == [
        Product("B1", "Nail Polish", category=("Beauty", "Nails"), price=3.04, image_urls=("http://x/1.jpg",))
    ]
    new = {
        "main_category": "All Beauty",
        "title": "Hair Brush",
        "features": ["soft"],
        "description": ["For curls."],
        "price": "None",
        "images": [{"thumb": "t", "large": "l", "hi_res": None}],
        "store": "Brushy",
        "categories": ["Beauty", "Hair"],
        "details": {"UPC": "123456789012", "Color": "Red"},
        "parent_asin": "B2",
    }
    values, _, _ = read(read_products, jsonl_file(tmp_path / "new.jsonl", [new]), preset="amazon2023")
    assert values == [
        Product(
            "B2",
            "Hair Brush",
            "For curls.\nsoft",
            "Brushy",
            ("Beauty", "Hair"),
            gtin="123456789012",
            image_urls=("l",),
            attributes={"UPC": "123456789012", "Color": "Red"},
        )
    ]


# ---- events ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "write"), FORMS)
def test_every_form_gives_the_same_events_with_the_same_ids(tmp_path: Path, name: str, write: Any) -> None:
    rows = [
        {"user": 1, "item": 10, "timestamp": 100, "action": "view"},
        {"user": 1, "item": 10, "timestamp": 100, "action": "view"},
        {"user": 2, "item": 11, "timestamp": 50, "action": "buy"},
    ]
    values, _, _ = read(read_events, write(tmp_path / name, rows))
    assert values == [
        Interaction(event_id_of("1", None, "10", "view", 100), "10", "view", 100, "1"),
        Interaction(event_id_of("1", None, "10", "view", 100, 1), "10", "view", 100, "1"),
        Interaction(event_id_of("2", None, "11", "purchase", 50), "11", "purchase", 50, "2"),
    ]
    assert len({event.event_id for event in values}) == 3


def test_event_ids_are_pinned() -> None:
    """They lie in every user's log: another formula would load every event twice."""
    assert event_id_of("1", None, "10", "view", 100) == "175d3ca6df9d297c6bc15f57b01965e0"


def test_no_action_is_a_purchase_and_the_rating_its_value(tmp_path: Path) -> None:
    rows = [{"reviewerID": "A", "asin": "B1", "overall": 4.0, "unixReviewTime": 1_300_000_000}]
    values, _, _ = read(read_events, jsonl_file(tmp_path / "f.jsonl", rows))
    assert [(e.action, e.value, e.at) for e in values] == [("purchase", 4.0, 1_300_000_000)]


def test_bad_events_are_set_aside_by_reason(tmp_path: Path) -> None:
    rows = [
        {"user": "u", "item": "1", "time": "2024-01-01", "action": "view"},
        {"user": "u", "item": "", "time": "2024-01-01", "action": "view"},
        {"user": "u", "item": "1", "time": "soon", "action": "view"},
        {"user": "u", "item": "1", "time": "", "action": "view"},
        {"user": "u", "item": "1", "time": "2024-01-01", "action": "teleport"},
        {"user": "u", "item": "1", "time": "2024-01-01", "action": "search"},
        {"user": "u", "item": "1", "time": "2024-01-01", "action": ""},
        {"user": "", "item": "1", "time": "2024-01-01", "action": "view"},
    ]
    values, rejects, report = read(read_events, csv_file(tmp_path / "f.csv", rows))
    assert [event.user_id for event in values] == ["u", None]
    assert [reject.row for reject in rejects] == [2, 3, 4, 5, 6, 7]
    assert report.rejected == {
        "product id missing": 1,
        "time not recognised": 1,
        "time missing": 1,
        "unknown action": 1,
        "action about no product": 1,
        "action missing": 1,
    }
    assert report.notes == {"neither user nor session": 1}


def test_without_times_the_order_of_each_user_is_kept(tmp_path: Path) -> None:
    rows = [{"user": "a", "item": 5}, {"user": "b", "item": 6}, {"user": "a", "item": 7}, {"user": "a", "item": 5}]
    values, _, report = read(read_events, csv_file(tmp_path / "f.csv", rows))
    assert [(e.user_id, e.product_id, e.at) for e in values] == [
        ("a", "5", 1),
        ("b", "6", 1),
        ("a", "7", 2),
        ("a", "5", 3),
    ]
    assert report.synthetic_times
    assert report.derived == ["times: the file has none; the n-th event of a user is at second n"]


def test_histories_become_purchases_once_a_user(tmp_path: Path) -> None:
    rows = [
        {"user_id": "a", "history": [926], "target": 38, "split": "valid"},
        {"user_id": "b", "history": [7, 8, 8], "target": 9, "split": "valid"},
        {"user_id": "a", "history": [926, 38], "target": 206, "split": "test"},
        {"user_id": "a", "history": [926], "target": 38, "split": "test"},
        {"user_id": "", "history": [1], "target": 2, "split": "test"},
    ]
    values, rejects, report = read(read_events, parquet_file(tmp_path / "f.parquet", rows))
    assert [(e.user_id, e.product_id, e.at) for e in values] == [
        ("a", "926", 1),
        ("a", "38", 2),
        ("b", "7", 1),
        ("b", "8", 2),
        ("b", "9", 3),
        ("a", "206", 3),
    ]
    assert {event.action for event in values} == {"purchase"}
    assert [reject.reason for reject in rejects] == ["user id missing"]
    assert report.notes == {"history: every event already known from another window": 1}


def test_retailrocket(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n"
        "1433221999827,257597,addtocart,355908,\n"
        "1433222276276,257597,transaction,355908,4000\n",
        encoding="utf-8",
    )
    values, _, _ = read(read_events, path, preset="retailrocket")
    assert [(e.user_id, e.product_id, e.action, e.at) for e in values] == [
        ("257597", "355908", "view", 1_433_221_332),
        ("257597", "355908", "cart", 1_433_221_999),
        ("257597", "355908", "purchase", 1_433_222_276),
    ]
    assert values == read(read_events, path)[0]


@pytest.mark.parametrize(
    ("preset", "line"), [("amazon2014", "A1,B1,5.0,1300000000"), ("amazon2018", "B1,A1,5.0,1300000000")]
)
def test_amazons_ratings_without_a_header(tmp_path: Path, preset: str, line: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(f"{line}\n{line}\n", encoding="utf-8")
    values, _, report = read(read_events, path, preset=preset)
    assert [(e.user_id, e.product_id, e.value, e.at) for e in values] == [("A1", "B1", 5.0, 1_300_000_000)] * 2
    assert report.read == 2
    path.write_text("user,item,rating,timestamp\nA1,B1,5.0,1300000000\n", encoding="utf-8")
    assert len(read(read_events, path, preset=preset)[0]) == 1


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2"]),
        st.sampled_from(["p1", "p2"]),
        st.integers(0, 2),
        st.sampled_from(["view", "buy"]),
    ),
    max_size=20,
)


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_event_ids_are_distinct_and_do_not_change(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int, str]]
) -> None:
    names = ("user", "item", "time", "action")
    path = jsonl_file(tmp_path_factory.getbasetemp() / "events.jsonl", [dict(zip(names, r, strict=True)) for r in rows])
    if rows:
        first = [event.event_id for event in read(read_events, path)[0]]
        assert len(set(first)) == len(rows)
        assert [event.event_id for event in read(read_events, path)[0]] == first


# ---- reviews and relations ------------------------------------------------------------------------------------------


def test_reviews(tmp_path: Path) -> None:
    rows = [
        {"reviewerID": "A", "asin": "B1", "reviewText": "Great<br>soap", "summary": "Five &amp; more", "overall": 5},
        {"reviewerID": "A", "asin": "B1", "reviewText": "", "summary": "", "overall": 5},
        {"reviewerID": "A", "asin": "B1", "reviewText": "Great<br>soap", "summary": "Five &amp; more", "overall": "x"},
        {"reviewerID": None, "asin": "B2", "reviewText": "味道很好", "unixReviewTime": 1_300_000_000},
        {"asin": "B2", "reviewText": "when?", "unixReviewTime": "soon"},
    ]
    values, rejects, report = read(read_reviews, jsonl_file(tmp_path / "f.jsonl", rows))
    assert [(r.product_id, r.title, r.text, r.rating, r.at) for r in values] == [
        ("B1", "Five & more", "Great\nsoap", 5.0, None),
        ("B1", "Five & more", "Great\nsoap", None, None),
        ("B2", "", "味道很好", None, 1_300_000_000),
        ("B2", "", "when?", None, None),
    ]
    assert len({review.id for review in values}) == 4
    assert [review.id for review in values] == [review.id for review in read(read_reviews, tmp_path / "f.jsonl")[0]]
    assert [reject.reason for reject in rejects] == ["review without text"]
    assert report.notes == {"rating: not a number, left out": 1, "time: time not recognised, left out": 1}


def test_relations_by_label_name_and_map(tmp_path: Path) -> None:
    rows = [
        {"head": 1, "relation": "also_bought", "tail": 2, "count": 7},
        {"head": 1, "relation": "bought_together", "tail": 3, "count": ""},
        {"head": 1, "relation": "also_viewed", "tail": 4, "count": "many"},
        {"head": 1, "relation": "SUBSTITUTE_FOR", "tail": 5, "count": 1},
        {"head": 1, "relation": "0", "tail": 6, "count": 1},
        {"head": 1, "relation": "buy_after_viewing", "tail": 6, "count": 1},
        {"head": 1, "relation": "MADE_BY", "tail": 6, "count": 1},
        {"head": "", "relation": "also_viewed", "tail": 6, "count": 1},
    ]
    path = csv_file(tmp_path / "f.csv", rows)
    values, rejects, report = read(read_relations, path)
    assert [(r.relation, r.tail, r.label, dict(r.counts)) for r in values] == [
        ("BOUGHT_WITH", "2", "also_bought", {"support": 7.0}),
        ("BOUGHT_WITH", "3", "bought_together", {}),
        ("VIEWED_WITH", "4", "also_viewed", {}),
        ("SUBSTITUTE_FOR", "5", "SUBSTITUTE_FOR", {"support": 1.0}),
    ]
    assert report.rejected == {"unknown relation": 3, "head missing": 1}
    assert rejects[0].reason.startswith("unknown relation: '0' (map it to one of ")
    values, _, _ = read(read_relations, path, labels={"0": "VIEWED_WITH"})
    assert values[4] == CatalogRelation("1", "VIEWED_WITH", "6", "0", {"support": 1.0})


@pytest.mark.parametrize(
    ("preset", "lists"),
    [
        ("amazon2014", {"related": {"also_bought": ["B2"], "also_viewed": ["B3"]}}),
        ("amazon2018", {"also_buy": ["B2"], "also_view": "['B3']"}),
        (None, {"also_buy": "B2", "also_view": "B3"}),
    ],
)
def test_relations_beside_products(tmp_path: Path, preset: str | None, lists: dict[str, object]) -> None:
    rows = [{"asin": "B1", "title": "t", **lists}, {"asin": "B4"}]
    values, _, report = read(read_relations, jsonl_file(tmp_path / "meta.jsonl", rows), preset=preset)
    assert [(r.head, r.relation, r.tail) for r in values] == [("B1", "BOUGHT_WITH", "B2"), ("B1", "VIEWED_WITH", "B3")]
    assert (report.read, report.kept, report.made) == (2, 2, 2)


# ---- folders --------------------------------------------------------------------------------------------------------


def test_a_folder_is_known_by_its_file_names(tmp_path: Path) -> None:
    for name in ("meta_Beauty.json.gz", "reviews_Beauty_5.json.gz", "test.csv", "notes.md", "users.csv"):
        (tmp_path / name).write_bytes(gzip.compress(b"{}"))
    shop = find_shop_files(tmp_path)
    assert shop.catalog == tmp_path / "meta_Beauty.json.gz"
    assert shop.reviews == shop.events == tmp_path / "reviews_Beauty_5.json.gz"
    assert shop.relations is None
    assert shop.held_out == (tmp_path / "test.csv",)
    assert shop.ignored == (tmp_path / "users.csv",)


def test_two_files_for_one_thing_are_not_chosen_between(tmp_path: Path) -> None:
    for name in ("items.csv", "items.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match=r"more than one catalog file \(items\.csv, items\.parquet\)"):
        find_shop_files(tmp_path)


def test_a_folder_with_nothing_to_start_from_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no readable file"):
        find_shop_files(tmp_path)
    csv_file(tmp_path / "items.csv", [{"id": 1, "title": "a"}])
    with pytest.raises(SourceError, match="has no events file"):
        read_events(tmp_path, on_reject=refuse)


def test_a_catalogue_is_derived_from_events_where_there_is_none(tmp_path: Path) -> None:
    csv_file(tmp_path / "train.csv", [{"user": 1, "item": 5}, {"user": 1, "item": 5}, {"user": "", "item": ""}])
    csv_file(tmp_path / "test.csv", [{"user": 1, "item": 9}])
    rejects: list[Reject] = []
    report = ReadReport()
    assert list(read_products(tmp_path, on_reject=rejects.append, report=report)) == [
        Product("5", "5"),
        Product("9", "9"),
    ]
    assert (report.read, report.kept, report.set_aside, report.made) == (4, 3, 1, 2)
    assert report.derived == ["products: no catalogue; the ids in train.csv, test.csv, each its own title"]
    assert [event.product_id for event in read_events(tmp_path, on_reject=rejects.append)] == ["5", "5"]


def test_the_report_is_plain_data(tmp_path: Path) -> None:
    _, _, report = read(read_products, csv_file(tmp_path / "f.csv", [{"id": 1, "title": "a", "shelf": 3}]))
    assert json.loads(json.dumps(report.as_dict())) == {
        "file": str(tmp_path / "f.csv"),
        "read": 1,
        "kept": 1,
        "set_aside": 0,
        "made": 1,
        "rejected": {},
        "notes": {},
        "columns": {"id": "id", "title": "title"},
        "unused": ["shelf"],
        "derived": [],
    }

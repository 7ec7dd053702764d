"""Every shop folder of the real data loads with no map, with the counts that its README states."""

from collections import Counter
from pathlib import Path

import pytest

from mining.sources import ReadReport, find_shop_files, read_events, read_products, read_relations, refuse
from mining.types import Reject

PRODUCTS = {
    "beauty": 12_101,
    "office": 3_459,
    "industrial": 3_686,
    "demo_store": 2_465,
    "retailrocket": 30_113,
    "gowalla": 40_981,
}


@pytest.mark.parametrize("shop", sorted(PRODUCTS))
def test_catalogues(data_dir: Path, shop: str) -> None:
    report = ReadReport()
    products = list(read_products(data_dir / shop, on_reject=refuse, report=report))
    assert len({product.id for product in products}) == len(products) == PRODUCTS[shop]
    assert report.set_aside == 0
    assert bool(report.derived) == (shop in ("retailrocket", "gowalla"))


def test_beauty(data_dir: Path) -> None:
    products = {p.id: p for p in read_products(data_dir / "beauty", on_reject=refuse)}
    assert products["1"].title == "OPI Nail Lacquer, Simmer and Shimmer, 0.5-Fluid Ounce"
    assert products["1"].category == ("Beauty", "Makeup", "Nails", "Nail Polish")
    assert sum(p.title == "" for p in products.values()) == 7
    assert sum(p.brand is None for p in products.values()) == 2_098
    assert sum(p.brand == "Unknown" for p in products.values()) == 20
    assert sum(p.price is None for p in products.values()) == 585
    events = list(read_events(data_dir / "beauty", on_reject=refuse))
    assert len({event.event_id for event in events}) == len(events) == 198_502
    assert len({event.user_id for event in events}) == 22_363
    assert {event.action for event in events} == {"purchase"}
    assert (events[0].user_id, events[0].product_id, events[0].at) == ("1", "1", 1_318_896_000)


def test_beautys_relations(data_dir: Path) -> None:
    labels = Counter(relation.label for relation in read_relations(data_dir / "beauty", on_reject=refuse))
    assert labels == {"also_bought": 239_345, "also_viewed": 155_350, "bought_together": 9_021}


def test_retailrocket(data_dir: Path) -> None:
    actions = Counter(event.action for event in read_events(data_dir / "retailrocket", on_reject=refuse))
    assert actions == {"view": 75_374, "cart": 12_456, "purchase": 9_551}
    report = ReadReport()
    rejects: Counter[str] = Counter()

    def count(reject: Reject) -> None:
        rejects[reject.reason.partition(" (")[0]] += 1

    assert not list(read_relations(data_dir / "retailrocket", on_reject=count, report=report))
    assert rejects == {"unknown relation: '0'": 303_774, "unknown relation: '1'": 417, "unknown relation: '2'": 346}
    assert report.rejected == {"unknown relation": 304_537}


@pytest.mark.slow
def test_gowalla(data_dir: Path) -> None:
    report = ReadReport()
    assert sum(1 for _ in read_events(data_dir / "gowalla", on_reject=refuse, report=report)) == 810_128
    assert report.synthetic_times
    assert [path.name for path in find_shop_files(data_dir / "gowalla").held_out] == ["test.parquet"]


@pytest.mark.parametrize(("shop", "rows"), [("office", 9_732), ("industrial", 9_065)])
def test_histories(data_dir: Path, shop: str, rows: int) -> None:
    report = ReadReport()
    events = list(read_events(data_dir / shop, on_reject=refuse, report=report))
    assert (report.read, report.kept) == (rows, rows)
    pairs = {(event.user_id, event.product_id) for event in events}
    assert len(pairs) == len({event.event_id for event in events}) == len(events) == report.made
    known = {product.id for product in read_products(data_dir / shop, on_reject=refuse)}
    assert {product for _, product in pairs} <= known


@pytest.mark.parametrize("shop", ["office", "industrial"])
def test_prose_is_decoded(data_dir: Path, shop: str) -> None:
    products = list(read_products(data_dir / shop, on_reject=refuse))
    texts = [f"{p.title}\n{p.description}" for p in products]
    leftovers = ("['", "<br>", "<br />", "<p>", "</p>", "</b>", "&amp;", "&ndash;", "&nbsp;", "<!--")
    assert [mark for mark in leftovers for text in texts if mark in text] == []
    assert sum(not p.description for p in products) < 300

"""The health report of the small shop."""

import json
from dataclasses import asdict

from kg.quality import health
from kg.stores.memory import MemoryStore
from kg.types import Entity, Evidence, Fact


def test_the_report_of_the_small_shop(shop: MemoryStore) -> None:
    told = health(shop)
    assert told.entities == {"Brand": 2, "Category": 3, "Product": 5, "Thing": 1, "Use": 2, "Value": 2}
    assert told.facts["USED_FOR"] == {"rules": {"0.3-0.4": 1, "0.9-1.0": 1}}
    assert told.facts["SUBCATEGORY_OF"] == {"catalog": {"0.9-1.0": 2}}
    assert sum(n for methods in told.facts.values() for tenths in methods.values() for n in tenths.values()) == 18
    assert (told.quoted_facts, told.products) == (8, 5)
    assert (told.orphans, told.factless_products, told.silent_products) == (2, 1, 1)
    assert (told.same_names, told.several_brands) == (0, 0)
    assert told.coverage["MADE_BY"] == 0.4
    assert told.coverage["BOUGHT_WITH"] == 0.6  # whichever end it is
    assert "SUBCATEGORY_OF" not in told.coverage
    assert told.examples == {
        "orphans": ["product:sofa", "use:garden"],
        "factless_products": ["product:sofa"],
        "silent_products": ["product:sofa"],
    }
    assert json.loads(json.dumps(asdict(told))) == asdict(told)


def test_trouble_is_found(shop: MemoryStore) -> None:
    evidence = (Evidence("catalogue", "catalog", 0.05), Evidence("events", "mined", 0.0))
    shop.put(
        [Entity("brand:acme inc", "Brand", "ＡＣＭＥ"), Entity("use:acme", "Use", "Acme")],
        [Fact("product:kettle", "MADE_BY", "brand:acme inc", evidence)],
    )
    told = health(shop)
    assert (told.same_names, told.several_brands) == (1, 1)
    assert told.examples["same_names"] == ["brand:acme", "brand:acme inc"]
    assert told.examples["several_brands"] == ["product:kettle"]
    assert told.facts["MADE_BY"]["mined"] == {"0.0-0.1": 1}
    assert told.facts["MADE_BY"]["catalog"] == {"0.0-0.1": 1}


def test_an_empty_graph_is_healthy() -> None:
    told = health(MemoryStore())
    assert (told.products, told.orphans, told.coverage, told.examples) == (0, 0, {}, {})

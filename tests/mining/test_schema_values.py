"""A shop's own schema is what extraction looks for, and nothing else is written."""

from pathlib import Path

import pytest

from kg.events import EventLog
from kg.schema import SHOP, Attribute, Schema
from kg.stores import open_store
from kg.types import Entity, Evidence, Fact, Product
from mining.catalog import document_of
from mining.extraction.rules import RuleExtractor
from mining.extraction.schema_values import Keyed, keyed, schema_values
from mining.loading import load
from mining.progress import Silent
from mining.text_facts import TextMining
from mining.types import Extraction

COFFEE = (
    Attribute("Roast", values=("Light", "Medium", "Dark"), abbreviations={"深烘": "Dark"}),
    Attribute("Flavor", values=("Dark Chocolate", "Vanilla")),
    Attribute("Net weight", unit="kg"),
    Attribute("Origin"),
    Attribute("Colour", normalise="color"),
)
SCHEMA = Schema(SHOP.relations, {"Coffee": COFFEE})


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("Roast: Dark\nOrigin：哥伦比亚。\n", [("Roast", "Dark"), ("Origin", "哥伦比亚")]),
        ("- Net weight:  500 g; Origin: Peru.", [("Net weight", "500 g"), ("Origin", "Peru")]),
        ("See https://example.org: it is\nat 10:30", []),
        ("A sentence that says: nothing", [("A sentence that says", "nothing")]),
        ("Empty:\n\nNext: one", [("Next", "one")]),
        (f"Long: {'x' * 200}", []),
    ],
)
def test_keyed_pairs(text: str, pairs: list[tuple[str, str]]) -> None:
    found = list(keyed(text))
    assert [(pair.name, text[pair.start : pair.end]) for pair in found] == pairs
    assert all(isinstance(pair, Keyed) for pair in found)


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Beans, dark roast", [("Roast", "dark")]),
        ("Dark chocolate drink", [("Flavor", "Dark chocolate")]),
        ("Darkest beans", []),
        ("深烘咖啡豆", [("Roast", "深烘")]),
        ("DARK and Vanilla", [("Roast", "DARK"), ("Flavor", "Vanilla")]),
    ],
)
def test_listed_words_of_a_title(title: str, found: list[tuple[str, str]]) -> None:
    read = sorted(schema_values(title, len(title), COFFEE), key=lambda stated: stated.start)
    assert [(stated.attribute, title[stated.start : stated.end]) for stated in read] == found


def coffee() -> Product:
    return Product(
        "c1",
        "Beans, dark, Vanilla, 500 g, black",
        "Roast: burnt\nNet weight: 0,5 kg\nOrigin: Peru\nHardness: soft",
        category=("Food", "Coffee"),
    )


def test_rules_read_by_the_schema_of_the_category() -> None:
    (found,) = RuleExtractor(SCHEMA).extract([document_of(coffee())])
    told = {
        (entity.properties["attribute"], entity.properties["value"], entity.properties.get("unit"))
        for entity in found.entities
        if entity.type == "Value"
    }
    assert told == {
        ("Roast", "Dark", None),
        ("Flavor", "Vanilla", None),
        ("Net weight", "0.5 kg", "kg"),
        ("Origin", "Peru", None),
        ("Colour", "black", None),
    }
    aside = {(one.quote, one.reason) for one in found.set_aside}
    assert aside == {("burnt", "not in the list of values")}
    (other,) = RuleExtractor(SCHEMA).extract([document_of(Product("d1", "Beans, dark, 500 g", category=("Tea",)))])
    assert not [fact for fact in other.facts if fact.relation == "HAS_ATTRIBUTE"]


class Careless:
    """Writes an attribute that no schema has, and one that the schema has."""

    method = "careless"

    def extract(self, documents):
        for document in documents:
            facts, entities = [], []
            for name in ("Origin", "Secret"):
                start = document.text.index("Peru")
                evidence = Evidence(document.id, "careless", 0.5, quote="Peru", start=start, end=start + 4)
                entity = Entity(f"value:coffee/{name}/peru", "Value", "Peru", properties={"attribute": name})
                entities.append(entity)
                facts.append(Fact(document.about, "HAS_ATTRIBUTE", entity.id, (evidence,)))
            yield Extraction(document.id, tuple(entities), tuple(facts))


def test_what_is_off_the_schema_is_never_written(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.csv"
    catalog.write_text("id,title,category\nc1,Beans from Peru,Coffee\n", encoding="utf-8")
    with open_store(f"sqlite:///{tmp_path / 'graph.db'}") as store, EventLog(tmp_path / "events.db") as log:
        load(store, log, catalog=catalog)
        mining = TextMining(store, [Careless()], run_dir=tmp_path / "run", run=None, schema=SCHEMA)
        report = mining.run(until=None, allow_undated=True, progress=Silent())
        assert [fact.tail for fact in store.facts(relation="HAS_ATTRIBUTE")] == ["value:coffee/Origin/peru"]
    assert report.extractors["careless"].set_aside == {"off schema": 1}

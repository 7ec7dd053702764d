"""A small shop whose facts are known by heart."""

import pytest

from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, Evidence, Fact

TITLES = {
    "product:kettle": "Acme kettle 🫖 1.7 L",
    "product:pot": "Ajax tea pot 1.2 L",
    "product:cup": "茶杯 tea cup",
    "product:filter": "Filter for Acme kettle",
    "product:sofa": "Sofa",
}


def stated(head: str, relation: str, tail: str, quote: str, confidence: float = 0.9, at: int | None = 100) -> Fact:
    """A fact quoted from the title of its head."""
    start = TITLES[head].index(quote)
    found = Evidence(f"{head}/text", "rules", confidence, at, None, "title", quote, start, start + len(quote))
    return Fact(head, relation, tail, (found,))


def mined(head: str, relation: str, tail: str, lift: float, support: float = 3) -> Fact:
    counts = {"lift": lift, "support": support}
    return Fact(head, relation, tail, (Evidence("events", "cooccurrence", 0.5, 200, counts=counts),))


def crawled(head: str, relation: str, tail: str) -> Fact:
    return Fact(head, relation, tail, (Evidence("catalogue", "catalog", 1.0),))


@pytest.fixture
def shop() -> MemoryStore:
    """Five products; the sofa has no fact of its own, ``use:garden`` none at all."""
    names = {"brand:acme": "Acme", "brand:ajax": "Ajax", "use:tea": "tea", "use:garden": "garden", "thing:k-2": "K-2"}
    values = {"value:kettles/volume/1.7 l": ("1.7 L", 1700.0), "value:kettles/volume/1.2 l": ("1.2 L", 1200.0)}
    entities = [Entity(i, "Product", name) for i, name in TITLES.items()]
    entities += [Entity(i, i.partition(":")[0].capitalize(), name) for i, name in names.items()]
    entities += [
        Entity(i, "Value", name, properties={"attribute": "volume", "value": name, "number": number, "unit": "ml"})
        for i, (name, number) in values.items()
    ]
    paths = {"category:kitchen": "Kitchen", "category:kitchen > tea": "Tea", "category:kitchen > tea > pots": "Pots"}
    entities += [Entity(i, "Category", name) for i, name in paths.items()]
    facts = [
        stated("product:kettle", "MADE_BY", "brand:acme", "Acme"),
        stated("product:pot", "MADE_BY", "brand:ajax", "Ajax"),
        stated("product:kettle", "HAS_ATTRIBUTE", "value:kettles/volume/1.7 l", "1.7 L"),
        stated("product:pot", "HAS_ATTRIBUTE", "value:kettles/volume/1.2 l", "1.2 L"),
        stated("product:pot", "USED_FOR", "use:tea", "tea", confidence=0.3),
        stated("product:cup", "USED_FOR", "use:tea", "茶", at=None),
        stated("product:filter", "ACCESSORY_OF", "product:kettle", "for Acme kettle"),
        stated("product:filter", "COMPATIBLE_WITH", "thing:k-2", "kettle", confidence=0.6),
        crawled("product:kettle", "IN_CATEGORY", "category:kitchen > tea > pots"),
        crawled("product:pot", "IN_CATEGORY", "category:kitchen > tea > pots"),
        crawled("product:cup", "IN_CATEGORY", "category:kitchen > tea"),
        crawled("category:kitchen > tea > pots", "SUBCATEGORY_OF", "category:kitchen > tea"),
        crawled("category:kitchen > tea", "SUBCATEGORY_OF", "category:kitchen"),
        mined("product:cup", "BOUGHT_WITH", "product:kettle", 2.0),
        mined("product:cup", "BOUGHT_WITH", "product:pot", 4.0),
        mined("product:cup", "COMPLEMENTS", "product:pot", 4.0),
        mined("product:kettle", "SUBSTITUTE_FOR", "product:pot", 1.5),
        mined("product:kettle", "BOUGHT_AFTER", "product:filter", 9.0),
    ]
    store = MemoryStore()
    documents = [Document(f"{i}/text", i, "product", title, 100) for i, title in TITLES.items()]
    documents.append(Document("review:1", "product:pot", "review", "Pours well ☕\r\nkein Tropfen"))
    store.put(entities, facts, documents)
    return store

"""Products and reviews to documents and facts: every quote is where it says it is."""

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg import ids
from kg.schema import SHOP
from kg.stores.memory import MemoryStore
from kg.types import Counts, Document, Entity, Fact, FieldSpan, Product
from mining.catalog import (
    TAXONOMY,
    ProductGraph,
    category_of,
    document_of,
    document_of_review,
    facts_of_relations,
    graph_of,
)
from mining.sources import read_products, refuse
from mining.sources.text import safe
from mining.types import CatalogRelation, Reject, Review

KETTLE = Product(
    id="k-1",
    title="Tavrik Kettle",
    description="Boils 1.7 L.\nAuto off.",
    brand="Tavrik",
    category=("Kitchen", "Kettles"),
    price=39.9,
    currency="EUR",
    gtin="4006381333931",
    available=False,
    attributes={"power": "2200 W", "color": "black"},
)
TEXT = "Tavrik Kettle\nBoils 1.7 L.\nAuto off.\nTavrik\nKitchen > Kettles\ncolor: black\npower: 2200 W"


def assert_quotes_hold(graph: ProductGraph) -> None:
    types = {entity.id: entity.type for entity in graph.entities}
    for fact in graph.facts:
        SHOP.check(fact.relation, types[fact.head], types[fact.tail])
        for evidence in fact.evidence:
            if evidence.source == TAXONOMY:
                assert fact.relation == "SUBCATEGORY_OF"
                assert evidence.quote is None
                continue
            assert evidence.source == graph.document.id
            assert fact.head == graph.document.about
            assert evidence.quote
            assert graph.document.text[evidence.start : evidence.end] == evidence.quote
            assert graph.document.field_at(evidence.start or 0) == evidence.field


def test_a_document_joins_the_fields_title_first() -> None:
    document = document_of(KETTLE)
    assert (document.id, document.about, document.kind, document.at) == ("doc:k-1", "product:k-1", "product", None)
    assert document.text == TEXT
    assert {span.name: TEXT[span.start : span.end] for span in document.fields} == {
        "title": "Tavrik Kettle",
        "description": "Boils 1.7 L.\nAuto off.",
        "brand": "Tavrik",
        "category": "Kitchen > Kettles",
        "attributes.color": "color: black",
        "attributes.power": "power: 2200 W",
    }
    assert category_of(document) == "Kettles"


def test_a_product_becomes_these_entities_and_facts() -> None:
    graph = graph_of(KETTLE)
    assert_quotes_hold(graph)
    assert {entity.id: (entity.type, entity.name) for entity in graph.entities} == {
        "product:k-1": ("Product", "Tavrik Kettle"),
        "brand:tavrik": ("Brand", "Tavrik"),
        "category:kitchen": ("Category", "Kitchen"),
        "category:kitchen > kettles": ("Category", "Kettles"),
        "value:kettles/color/black": ("Value", "black"),
        "value:kettles/power/2200 w": ("Value", "2200 W"),
    }
    assert {fact.triple: fact.evidence[0].quote for fact in graph.facts} == {
        ("product:k-1", "MADE_BY", "brand:tavrik"): "Tavrik",
        ("product:k-1", "IN_CATEGORY", "category:kitchen > kettles"): "Kettles",
        ("category:kitchen > kettles", "SUBCATEGORY_OF", "category:kitchen"): None,
        ("product:k-1", "HAS_ATTRIBUTE", "value:kettles/color/black"): "black",
        ("product:k-1", "HAS_ATTRIBUTE", "value:kettles/power/2200 w"): "2200 W",
    }
    assert graph.entities[0].properties == {
        "sku": "k-1",
        "price": 39.9,
        "currency": "EUR",
        "gtin": "4006381333931",
        "available": False,
    }
    assert graph.entities[-1] == Entity(
        "value:kettles/power/2200 w", "Value", "2200 W", properties={"attribute": "power", "value": "2200 W"}
    )


def test_the_brand_is_quoted_from_its_own_field() -> None:
    evidence = graph_of(KETTLE).facts[0].evidence[0]
    assert (evidence.field, evidence.start, evidence.end) == ("brand", 37, 43)


def test_a_bare_product_still_has_a_name() -> None:
    graph = graph_of(Product("7", ""))
    assert graph.document == Document("doc:7", "product:7", "product", "", None, ())
    assert graph.entities == (Entity("product:7", "Product", "7", properties={"sku": "7", "available": True}),)
    assert graph.facts == ()
    assert category_of(graph.document) is None


def test_values_without_a_category_are_scoped_by_a_star() -> None:
    graph = graph_of(Product("7", "Mug", attributes={"Color": "Red"}))
    assert graph.facts[0].tail == ids.value("*", "Color", "Red") == "value:*/color/red"


def test_one_value_under_two_attributes_and_a_repeated_category_stay_apart() -> None:
    graph = graph_of(Product("7", "Mug", category=("Home", "Home"), attributes={"inside": "red", "outside": "red"}))
    assert_quotes_hold(graph)
    assert len(graph.entities) == len({entity.id for entity in graph.entities}) == 5


def test_a_review_is_a_document_about_its_product() -> None:
    document = document_of_review(Review("r1", "k-1", "很好用 👍", "Five stars", "u", 5.0, 1_700_000_000))
    assert document == Document(
        "review:r1",
        "product:k-1",
        "review",
        "Five stars\n很好用 👍",
        1_700_000_000,
        (FieldSpan("title", 0, 10), FieldSpan("text", 11, 16)),
    )


TEXTS = st.text(max_size=12)
PRODUCTS = st.builds(
    Product,
    id=st.just("p"),
    title=TEXTS,
    description=TEXTS,
    brand=st.none() | TEXTS,
    category=st.lists(TEXTS, max_size=3).map(tuple),
    attributes=st.dictionaries(TEXTS, TEXTS, max_size=3),
)


@given(PRODUCTS)
@settings(max_examples=300, deadline=None)
def test_quotes_hold_whatever_is_written(product: Product) -> None:
    graph = graph_of(product)
    assert_quotes_hold(graph)
    assert graph.document.text == safe(graph.document.text)
    graph.document.text.encode("utf-8")
    assert all(entity.name.strip() for entity in graph.entities)
    assert graph_of(product) == graph


@given(TEXTS, TEXTS)
@settings(max_examples=200, deadline=None)
def test_unsafe_characters_do_not_move_spans(title: str, text: str) -> None:
    document = document_of_review(Review("r", "p", text, title))
    for span in document.fields:
        raw = title if span.name == "title" else text
        assert document.text[span.start : span.end] == safe(raw).strip()


# ---- the shop's relations -------------------------------------------------------------------------------------------


def facts_and_rejects(relations: list[CatalogRelation]) -> tuple[list[Fact], list[Reject]]:
    rejects: list[Reject] = []
    return list(facts_of_relations(relations, {"a", "b"}, on_reject=rejects.append)), rejects


def test_relations_become_facts_of_their_label() -> None:
    facts, rejects = facts_and_rejects(
        [
            CatalogRelation("b", "BOUGHT_WITH", "a", "also_bought", {"support": 3.0}),
            CatalogRelation("b", "BOUGHT_WITH", "a", "bought_together"),
        ]
    )
    assert [fact.triple for fact in facts] == [("product:b", "BOUGHT_WITH", "product:a")] * 2
    assert [fact.evidence[0].source for fact in facts] == ["catalog:also_bought", "catalog:bought_together"]
    assert {fact.evidence[0].method for fact in facts} == {"catalog"}
    assert [dict(fact.counts) for fact in facts] == [{"support": 3.0}, {}]
    assert rejects == []


@pytest.mark.parametrize(
    ("relation", "reason"),
    [
        (CatalogRelation("a", "BOUGHT_WITH", "x", "also_bought"), "unknown product: 'x' is not in the catalogue"),
        (CatalogRelation("x", "BOUGHT_WITH", "a", "also_bought"), "unknown product: 'x' is not in the catalogue"),
        (CatalogRelation("a", "BOUGHT_WITH", "a", "also_bought"), "relation of a product with itself"),
        (CatalogRelation("a", "MADE_BY", "b", "maker"), "unknown relation: MADE_BY connects"),
        (CatalogRelation("a", "GOES_WITH", "b", "goes"), "unknown relation: relation 'GOES_WITH' is not in the schema"),
    ],
)
def test_relations_that_are_none_are_handed_back(relation: CatalogRelation, reason: str) -> None:
    facts, rejects = facts_and_rejects([CatalogRelation("a", "VIEWED_WITH", "b", "also_viewed"), relation])
    assert len(facts) == 1
    assert [(reject.file, reject.row) for reject in rejects] == [(f"catalog:{relation.label}", 2)]
    assert rejects[0].reason.startswith(reason)


@pytest.mark.parametrize("shop", ["beauty", "office", "industrial", "demo_store"])
def test_quotes_hold_in_real_catalogues(data_dir: Path, shop: str) -> None:
    facts = 0
    for product in read_products(data_dir / shop, on_reject=refuse):
        graph = graph_of(product)
        assert_quotes_hold(graph)
        facts += len(graph.facts)
    assert facts > 3000


@pytest.mark.parametrize("shop", ["demo_store", "office"])
def test_a_store_takes_every_product_and_forgets_one_whole(data_dir: Path, shop: str) -> None:
    products = list(islice(read_products(data_dir / shop, on_reject=refuse), 60))
    with MemoryStore() as store:
        for product in products[:-1]:
            put(store, graph_of(product))
        before = (list(store.entities()), list(store.facts()), list(store.documents()))
        last = graph_of(products[-1])
        assert put(store, last)
        assert not put(store, last)
        store.retract(last.document.id)
        assert (list(store.entities()), list(store.facts()), list(store.documents())) == before


def put(store: MemoryStore, graph: ProductGraph) -> Counts:
    return store.put(graph.entities, graph.facts, [graph.document])

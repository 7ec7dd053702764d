"""From products, reviews and the shop's own relations to documents, entities and facts. Pure functions.

Flow: ``graph_of(product)`` → one document whose text joins the product's fields, and facts that quote it exactly;
``document_of_review(review)``; ``facts_of_relations(relations, known_ids)``.

The confidence of what the shop itself states is ``STATED``: high, and below 1 so that more evidence still counts.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kg import ids
from kg.errors import SchemaError
from kg.schema import SHOP
from kg.types import Document, Entity, Evidence, Fact, FieldSpan, Product, Scalar
from mining.sources.text import safe
from mining.types import CatalogRelation, Reject, Review

METHOD = "catalog"
STATED = 0.99
TAXONOMY = "catalog:taxonomy"  # the source of what the category tree says; no document's product is its head
ANY_CATEGORY = "*"  # scopes the values of products without a category, as the schema names what all categories have
CATEGORY_SEPARATOR = " > "
ATTRIBUTE_FIELD = "attributes."  # before the attribute's name in the name of its field


class ProductGraph(NamedTuple):
    """What one product adds to the graph; put it in one call, or the facts quote a document nobody knows."""

    entities: tuple[Entity, ...]
    facts: tuple[Fact, ...]
    document: Document


def document_id(product_id: str) -> str:
    """The id of a product's document."""
    return f"doc:{product_id}"


def document_of(product: Product) -> Document:
    """The product's text: title, description, brand, category (``A > B``), attributes (``name: value``), a line each.

    Empty fields are left out; ``fields`` says where each one stands. An attribute's field is ``attributes.<name>``.
    """
    return _document(document_id(product.id), product.id, _fields(product))


def document_of_review(review: Review) -> Document:
    """The review's text: its title, then what it says. ``at`` is when it was written."""
    fields = [("title", review.title), ("text", review.text)]
    document = _document(f"review:{review.id}", review.product_id, fields)
    return Document(document.id, document.about, "review", document.text, review.at, document.fields)


def category_of(document: Document) -> str | None:
    """The most specific category that a product's document states, by its ``category`` field."""
    span = next((f for f in document.fields if f.name == "category"), None)
    return None if span is None else document.text[span.start : span.end].rsplit(CATEGORY_SEPARATOR, 1)[-1]


def graph_of(product: Product) -> ProductGraph:
    """The product as entities, facts and a document: ``MADE_BY``, ``IN_CATEGORY`` (the most specific one),
    ``SUBCATEGORY_OF`` up to the root, ``HAS_ATTRIBUTE`` for structured attributes.

    Each fact of the product quotes the very characters of the document that state it; the category tree cites
    ``TAXONOMY``, since a category is no document's product.
    """
    document = document_of(product)
    spans = {span.name: span for span in document.fields}
    stated = _Stated(ids.product(product.id), document)
    entities = [_product_entity(product)]
    facts: list[Fact] = []
    if "brand" in spans:
        brand = document.text[spans["brand"].start : spans["brand"].end]
        entities.append(Entity(ids.brand(brand), "Brand", _one_line(brand)))
        facts.append(stated.fact("MADE_BY", ids.brand(brand), spans["brand"], spans["brand"].start))
    path = _path(product)
    if path:
        entities += _categories(path)
        start = spans["category"].end - len(path[-1])
        facts.append(stated.fact("IN_CATEGORY", ids.category(path), spans["category"], start))
        facts += _taxonomy(path)
    for entity, fact in _attributes(product, path, stated, spans):
        entities.append(entity)
        facts.append(fact)
    return ProductGraph(tuple({e.id: e for e in entities}.values()), tuple(facts), document)


def facts_of_relations(
    relations: Iterable[CatalogRelation], known_ids: Container[str], *, on_reject: Callable[[Reject], None]
) -> Iterator[Fact]:
    """The shop's own product relations as facts of the source ``catalog:<label>``, in the direction the shop gives.

    ``known_ids`` are the shop's product ids. A relation between unknown products, of a product with itself, or that
    the schema does not have is handed to ``on_reject``; its row is its place among ``relations``.
    """
    for row, relation in enumerate(relations, 1):
        reason = _refusal(relation, known_ids)
        if reason:
            raw = f"{relation.head} {relation.label} {relation.tail}"
            on_reject(Reject(f"catalog:{relation.label}", row, reason, raw[:500]))
            continue
        evidence = Evidence(f"catalog:{relation.label}", METHOD, STATED, counts=relation.counts)
        yield Fact(ids.product(relation.head), relation.relation, ids.product(relation.tail), (evidence,))


def _refusal(relation: CatalogRelation, known_ids: Container[str]) -> str | None:
    for product_id in (relation.head, relation.tail):
        if product_id not in known_ids:
            return f"unknown product: {product_id[:60]!r} is not in the catalogue"
    if relation.head == relation.tail:
        return "relation of a product with itself"
    try:
        SHOP.check(relation.relation, "Product", "Product")
    except SchemaError as error:
        return f"unknown relation: {error}"
    return None


def _fields(product: Product) -> list[tuple[str, str]]:
    return [
        ("title", product.title),
        ("description", product.description),
        ("brand", (product.brand or "") if ids.normal_form(product.brand or "") else ""),
        ("category", CATEGORY_SEPARATOR.join(_path(product))),
        *((f"{ATTRIBUTE_FIELD}{name}", f"{name}: {value}") for name, value in _stated_attributes(product)),
    ]


def _path(product: Product) -> tuple[str, ...]:
    return tuple(part for part in (safe(raw).strip() for raw in product.category) if ids.normal_form(part))


def _stated_attributes(product: Product) -> list[tuple[str, str]]:
    """In the order of their names, so that the order of columns changes nothing."""
    stated: dict[str, str] = {}
    for raw_name, raw_value in sorted(product.attributes.items()):
        name, value = safe(raw_name).strip(), safe(raw_value).strip()
        if ids.normal_form(name) and ids.normal_form(value):
            stated.setdefault(name, value)
    return list(stated.items())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _document(document_id: str, product_id: str, fields: list[tuple[str, str]]) -> Document:
    parts: list[str] = []
    spans: list[FieldSpan] = []
    start = 0
    for name, raw in fields:
        text = safe(raw).strip()
        if text:
            parts.append(text)
            spans.append(FieldSpan(name, start, start + len(text)))
            start += len(text) + 1
    return Document(document_id, ids.product(product_id), "product", "\n".join(parts), None, tuple(spans))


def _product_entity(product: Product) -> Entity:
    known: dict[str, Scalar | None] = {
        "sku": product.id,
        "price": product.price,
        "currency": product.currency,
        "gtin": product.gtin,
        "mpn": product.mpn,
        "available": product.available,
    }
    properties: dict[str, Scalar] = {
        name: safe(value) if isinstance(value, str) else value for name, value in known.items() if value is not None
    }
    name = _one_line(safe(product.title)) or product.id
    return Entity(ids.product(product.id), "Product", name, properties=properties)


def _categories(path: tuple[str, ...]) -> list[Entity]:
    return [
        Entity(ids.category(path[:depth]), "Category", _one_line(path[depth - 1])) for depth in range(1, len(path) + 1)
    ]


def _taxonomy(path: tuple[str, ...]) -> list[Fact]:
    evidence = (Evidence(TAXONOMY, METHOD, STATED),)
    return [
        Fact(ids.category(path[:depth]), "SUBCATEGORY_OF", ids.category(path[: depth - 1]), evidence)
        for depth in range(len(path), 1, -1)
    ]


def _attributes(
    product: Product, path: tuple[str, ...], stated: "_Stated", spans: dict[str, FieldSpan]
) -> Iterator[tuple[Entity, Fact]]:
    scope = path[-1] if path else ANY_CATEGORY
    for name, value in _stated_attributes(product):
        span = spans[f"{ATTRIBUTE_FIELD}{name}"]
        entity_id = ids.value(scope, name, value)
        entity = Entity(entity_id, "Value", _one_line(value), properties={"attribute": name, "value": value})
        yield entity, stated.fact("HAS_ATTRIBUTE", entity_id, span, span.end - len(value))


@dataclass(frozen=True, slots=True)
class _Stated:
    """Makes facts of one product that quote its document from a place to the end of a field."""

    head: str
    document: Document

    def fact(self, relation: str, tail: str, span: FieldSpan, start: int) -> Fact:
        quote = self.document.text[start : span.end]
        evidence = Evidence(self.document.id, METHOD, STATED, field=span.name, quote=quote, start=start, end=span.end)
        return Fact(self.head, relation, tail, (evidence,))

"""What happens inside a reading transaction of the Neo4j store; it needs whatever can run Cypher, not the driver."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

from kg.errors import UnknownEntity
from kg.schema import LABELS
from kg.stores import cypher
from kg.stores.neo4j_rows import document_of, entity_of, fact_of
from kg.types import Document, Entity, Fact
from kg.validation import is_unicode

T = TypeVar("T")

BATCH = 1_000  # rows of one statement: small enough that packing one overlaps with writing another
PAGE = 5_000  # facts or entities read at once
_TEXTS = 500  # documents read at once
_ALL = 2**62


class Transaction(Protocol):
    """The part of the driver's transaction that is used here; what ``run`` returns yields mappings."""

    def run(self, query: str, parameters: dict[str, Any] | None = None, **kwparameters: Any) -> Any: ...


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def label_of(labels: Collection[str]) -> str:
    """The type among a node's labels; people may have added labels of their own."""
    return next(label for label in labels if label in LABELS)


def entities_by_id(tx: Transaction, ids: Iterable[str]) -> dict[str, Entity]:
    rows = (row for some in batches(ids) for row in tx.run(cypher.ENTITIES, ids=some))
    found = (entity_of(label_of(row["labels"]), row["p"]) for row in rows)
    return {entity.id: entity for entity in found}


def document_rows(tx: Transaction, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Documents as they are stored, by id."""
    return {row["p"]["id"]: row["p"] for some in batches(ids, _TEXTS) for row in tx.run(cypher.DOCUMENTS, ids=some)}


def types_of(tx: Transaction, ids: Iterable[str]) -> dict[str, str]:
    rows = (row for some in batches(ids) for row in tx.run(cypher.TYPES, ids=some))
    return {row["id"]: label_of(row["labels"]) for row in rows}


def entity_by_id(tx: Transaction, entity_id: str) -> Entity:
    found = entities_by_id(tx, [entity_id]) if is_unicode(entity_id) else {}
    if entity_id not in found:
        raise UnknownEntity(entity_id)
    return found[entity_id]


def documents_by_id(tx: Transaction, ids: Sequence[str]) -> list[Document]:
    rows = document_rows(tx, ids)
    return [document_of(rows[i]) for i in ids if i in rows]


def sorted_ids(tx: Transaction, query: str, size: int, **parameters: Any) -> list[list[str]]:
    """All ids in pages, in Python's order of strings: by code point."""
    return list(batches(sorted([row["id"] for row in tx.run(query, parameters)]), size))


def head_pages(tx: Transaction, query: str, tail: str | None) -> list[list[str]]:
    """The heads in order, in pages of about ``PAGE`` facts."""
    pages: list[list[str]] = []
    room = 0
    for head, facts in sorted([(row["id"], row["facts"]) for row in tx.run(query, tail=tail)]):
        if facts > room or not pages:
            pages.append([])
            room = PAGE
        pages[-1].append(head)
        room -= facts
    return pages


def facts_around(tx: Transaction, ids: Sequence[str], most: int | None) -> Mapping[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for row in tx.run(cypher.NEIGHBOURS, ids=list(ids), limit=_ALL if most is None else most):
        found.setdefault(row["id"], []).append(fact_of(row))
    return found


def candidates(tx: Transaction, tokens: Sequence[str], kind: str | None) -> list[Entity]:
    """The entities with all tokens or, where there is none, with any. Tokens are quoted: Lucene reads no operators."""
    terms = ['"' + token.replace("\\", "\\\\").replace('"', '\\"') + '"' for token in tokens]
    for operator in (" AND ", " OR "):
        rows = tx.run(cypher.CANDIDATES, {"query": operator.join(terms), "type": kind})
        found = [entity_of(label_of(row["labels"]), row["p"]) for row in rows]
        if found:
            return found
    return []

"""What mining passes between its stages."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kg.types import Document, Entity, Fact, Timestamp


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was set aside. ``row`` counts from 1 at the first data row; ``raw`` is cut to 500 characters."""

    file: str
    row: int
    reason: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """One review as the shop has it, decoded."""

    id: str
    product_id: str
    text: str
    title: str = ""
    user_id: str | None = None
    rating: float | None = None
    at: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class CatalogRelation:
    """One product-to-product row that the shop brings. ``relation`` is a relation of the schema, ``label`` the shop's
    own word for it (also_bought, ...)."""

    head: str
    relation: str
    tail: str
    label: str
    counts: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class SetAside:
    """Something an extractor proposed and that is not written, with the reason code that counts it."""

    document_id: str
    method: str
    relation: str
    quote: str
    reason: str


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one extractor found in one document: grounded facts with the entities they name, and what was set aside."""

    document_id: str
    entities: tuple[Entity, ...] = ()
    facts: tuple[Fact, ...] = ()
    set_aside: tuple[SetAside, ...] = ()


class Extractor(Protocol):
    """Streams documents in, one extraction a document out, in the same order. Deterministic.

    Laws (``tests/contracts/test_extractor.py``): every fact's head is the document's product; every evidence cites the
    document and quotes it exactly; every fact passes the schema; the entities of an extraction are those its facts
    name, the product excepted.
    """

    @property
    def method(self) -> str:
        """The ``method`` of the evidence it writes."""
        ...

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]: ...

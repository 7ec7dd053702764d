"""The protocols of the graph: what can be read, what can be written, and how a store is opened.

Every implementation keeps the laws of ``tests/contracts/test_store.py`` and answers as ``MemoryStore`` does, in the
same order: entities by id, documents by id, facts by (head, relation, tail), evidence by key.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from kg.types import Counts, Document, Entity, Fact, GraphPath, Timestamp


@runtime_checkable
class GraphReader(Protocol):
    """Read access. Safe to use from several threads."""

    @property
    def version(self) -> int:
        """Rises by one with each committed write that changed something; readers see whole batches."""
        ...

    def entity(self, entity_id: str) -> Entity:
        """Raises UnknownEntity."""
        ...

    def entities(self, *, type: str | None = None) -> Iterator[Entity]: ...

    def document(self, document_id: str) -> Document:
        """Raises UnknownDocument."""
        ...

    def documents(self, *, about: str | None = None) -> Iterator[Document]: ...

    def facts(
        self,
        *,
        head: str | None = None,
        relation: str | None = None,
        tail: str | None = None,
        until: Timestamp | None = None,
        allow_undated: bool = False,
    ) -> Iterator[Fact]:
        """Facts that match every given part, with only the evidence from before ``until`` (half-open).

        Evidence without a time passes ``until`` only by ``allow_undated``. A fact left without evidence is not told.
        """
        ...

    def paths(self, source: str, target: str, *, max_hops: int = 3, limit: int = 10) -> list[GraphPath]:
        """Simple paths between two entities, facts walked in either direction: shortest first, then most confident."""
        ...

    def search(self, text: str, *, type: str | None = None, limit: int = 20) -> list[tuple[Entity, float]]:
        """Entities whose name or aliases match, best first, score in (0, 1]."""
        ...


@runtime_checkable
class GraphStore(GraphReader, AbstractContextManager["GraphStore"], Protocol):
    """Read and write access; one writer at a time. Leaving the context closes the store."""

    def put(
        self, entities: Iterable[Entity] = (), facts: Iterable[Fact] = (), documents: Iterable[Document] = ()
    ) -> Counts:
        """Add in one transaction; idempotent. An entity or document is its last put; evidence accumulates.

        Every head and tail must be an entity of the store or of this call (UnknownEntity), every fact must bring
        evidence, and text evidence must quote its document exactly (EvidenceError). On error nothing is written.
        """
        ...

    def retract(self, source: str) -> Counts:
        """Forget one source: its document, its evidence, the facts that die with it, the entities that nothing
        mentions any more. ``retract`` after ``put`` of a fresh source restores the store. Returns what went."""
        ...

    def close(self) -> None: ...

"""Replacing what documents say, although a store can only retract and then put: a journal makes the two one.

journal written → documents retracted → everything put again → journal gone. Whoever finds a journal finishes the work.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from kg.errors import UnknownDocument, UnknownEntity
from kg.store import GraphStore
from kg.types import Counts, Document, Entity, Fact
from mining.entity_join import joined
from mining.extraction_cache import from_document, from_entity, from_fact, to_document, to_entity, to_fact


class Journal:
    """One file in the run folder; it must be the same folder when the command is typed again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, run_dir: Path) -> "Journal":
        """The one of everything that writes with this run folder."""
        return cls(run_dir / "replacing.json")

    def replace(
        self, store: GraphStore, documents: Sequence[Document], *, entities: Iterable[Entity], facts: Iterable[Fact]
    ) -> Counts:
        """Forgets all that cites these documents, then puts them with these entities and facts; safe to kill."""
        entities, facts = list(entities), list(facts)
        self._write(documents, entities, facts)
        for document in documents:
            store.retract(document.id)
        counts = store.put(entities, facts, documents)
        self.path.unlink()
        return counts

    def recover(self, store: GraphStore) -> int:
        """Finishes what a killed run began; how many documents came back.

        Documents that are there already were put again in the meantime, and newer words win over the journal's.
        """
        if not self.path.exists():
            return 0
        raw = json.loads(self.path.read_text(encoding="utf-8"))
        lost = [d for d in map(from_document, raw["documents"]) if not _holds(store, d)]
        ids = {d.id for d in lost}
        facts = [f for f in map(from_fact, raw["facts"]) if all(e.source in ids for e in f.evidence)]
        named = {d.about for d in lost} | {f.tail for f in facts}
        entities = [_current(store, e) for e in map(from_entity, raw["entities"]) if e.id in named]
        store.put(entities, facts, lost)
        self.path.unlink()
        return len(lost)

    def _write(self, documents: Sequence[Document], entities: Sequence[Entity], facts: Sequence[Fact]) -> None:
        value = {
            "documents": [to_document(d) for d in documents],
            "entities": [to_entity(e) for e in entities],
            "facts": [to_fact(f) for f in facts],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        with open(draft, "w", encoding="ascii") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.path)


def _current(store: GraphStore, entity: Entity) -> Entity:
    """A product as the store has it now; anything else with the surfaces of both."""
    try:
        held = store.entity(entity.id)
    except UnknownEntity:
        return entity
    return held if entity.type == "Product" else joined(held, entity)


def _holds(store: GraphStore, document: Document) -> bool:
    try:
        store.document(document.id)
    except UnknownDocument:
        return False
    return True

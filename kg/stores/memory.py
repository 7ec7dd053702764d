"""The reference store: a networkx.MultiDiGraph in memory that every other store is compared with.

A node is an entity, an edge under its relation is a fact. All reads answer from a copy made under one lock, so a reader
sees whole batches even while a put goes on.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from types import TracebackType
from typing import Any

import networkx as nx

from kg import search as searching
from kg.errors import UnknownDocument, UnknownEntity
from kg.pathfinding import find_paths
from kg.schema import SHOP, Schema
from kg.types import Counts, Document, Entity, Evidence, Fact, GraphPath, Timestamp, Triple, merge_evidence
from kg.validation import (
    check_about,
    check_still_quoted,
    check_type_kept,
    checked_documents,
    checked_entities,
    cited,
    endpoints,
    fresh_evidence,
    merged_facts,
)


class MemoryStore:
    """A graph that lives as long as the process. Safe to use from several threads."""

    def __init__(self, *, schema: Schema = SHOP) -> None:
        self._schema = schema
        self._lock = threading.RLock()
        self._graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self._documents: dict[str, Document] = {}
        self._about: defaultdict[str, set[str]] = defaultdict(set)
        self._cited: defaultdict[str, set[Triple]] = defaultdict(set)
        self._tokens: defaultdict[str, set[str]] = defaultdict(set)
        self._version = 0

    @property
    def version(self) -> int:
        return self._version

    def entity(self, entity_id: str) -> Entity:
        with self._lock:
            return self._entity(entity_id)

    def entities(self, *, type: str | None = None) -> Iterator[Entity]:
        with self._lock:
            found = [e for e in map(self._entity, sorted(self._graph)) if type is None or e.type == type]
        yield from found

    def document(self, document_id: str) -> Document:
        with self._lock:
            if document_id not in self._documents:
                raise UnknownDocument(document_id)
            return self._documents[document_id]

    def documents(self, *, about: str | None = None) -> Iterator[Document]:
        with self._lock:
            ids = self._documents.keys() if about is None else self._about.get(about, set())
            found = [self._documents[i] for i in sorted(ids)]
        yield from found

    def facts(
        self,
        *,
        head: str | None = None,
        relation: str | None = None,
        tail: str | None = None,
        until: Timestamp | None = None,
        allow_undated: bool = False,
    ) -> Iterator[Fact]:
        with self._lock:
            found = [f for f in self._touching(head, tail) if relation is None or f.relation == relation]
        for fact in sorted(found, key=lambda f: f.triple):
            told = fact if until is None else fact.before(until, allow_undated=allow_undated)
            if told is not None:
                yield told

    def paths(self, source: str, target: str, *, max_hops: int = 3, limit: int = 10) -> list[GraphPath]:
        with self._lock:
            self._entity(source), self._entity(target)
            return find_paths(source, target, self._neighbours, max_hops=max_hops, limit=limit)

    def search(self, text: str, *, type: str | None = None, limit: int = 20) -> list[tuple[Entity, float]]:
        with self._lock:
            holders = [
                {i for i in self._tokens.get(token, ()) if type is None or self._entity(i).type == type}
                for token in searching.query_tokens(text)
            ]
            if not holders:
                return []
            ids = set.intersection(*holders) or set.union(*holders)
            return searching.rank(text, map(self._entity, ids), limit)

    def put(
        self, entities: Iterable[Entity] = (), facts: Iterable[Fact] = (), documents: Iterable[Document] = ()
    ) -> Counts:
        new_entities, new_documents, new_facts = checked_entities(entities), checked_documents(documents), list(facts)
        with self._lock:
            evidence = self._checked(new_entities, new_documents, new_facts)
            counts = Counts(
                entities=sum([self._put_entity(e) for e in new_entities.values()]),
                documents=sum([self._put_document(d) for d in new_documents.values()]),
            )
            for triple, found in evidence.items():
                counts += self._put_evidence(triple, found)
            self._version += bool(counts)
        return counts

    def retract(self, source: str) -> Counts:
        with self._lock:
            touched: set[str] = set()
            facts = evidence = 0
            for head, relation, tail in self._cited.pop(source, set()):
                held = self._graph.edges[head, tail, relation]["fact"].evidence
                kept = tuple(e for e in held if e.source != source)
                evidence += len(held) - len(kept)
                if kept:
                    self._graph.edges[head, tail, relation]["fact"] = Fact(head, relation, tail, kept)
                else:
                    self._graph.remove_edge(head, tail, key=relation)
                    facts += 1
                    touched |= {head, tail}
            document = self._documents.pop(source, None)
            if document is not None:
                self._about[document.about].discard(source)
                touched.add(document.about)
            gone = [i for i in touched if not self._graph.degree(i) and not self._about.get(i)]
            for entity_id in gone:
                self._forget_entity(entity_id)
            counts = Counts(len(gone), facts, int(document is not None), evidence)
            self._version += bool(counts)
        return counts

    def close(self) -> None:
        """Nothing to release."""

    def __enter__(self) -> "MemoryStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _entity(self, entity_id: str) -> Entity:
        if entity_id not in self._graph:
            raise UnknownEntity(entity_id)
        found: Entity = self._graph.nodes[entity_id]["entity"]
        return found

    def _touching(self, head: str | None, tail: str | None) -> Iterator[Fact]:
        edges: Any
        if head is not None and tail is not None:
            edges = self._graph.get_edge_data(head, tail, default={}).values()
            return (data["fact"] for data in edges)
        if head is not None:
            edges = self._graph.out_edges(head, data="fact") if head in self._graph else ()
        elif tail is not None:
            edges = self._graph.in_edges(tail, data="fact") if tail in self._graph else ()
        else:
            edges = self._graph.edges(data="fact")
        return (fact for _, _, fact in edges)

    def _neighbours(self, ids: Sequence[str], limit: int | None) -> Mapping[str, list[Fact]]:
        return {i: list(islice(self._around(i), limit)) for i in ids}

    def _around(self, entity_id: str) -> Iterator[Fact]:
        backward = (fact for fact in self._touching(None, entity_id) if fact.head != entity_id)
        return chain(self._touching(entity_id, None), backward)

    def _checked(
        self, entities: Mapping[str, Entity], documents: Mapping[str, Document], facts: Sequence[Fact]
    ) -> dict[Triple, tuple[Evidence, ...]]:
        """Everything that can refuse the put, before anything is written."""
        for entity in entities.values():
            if entity.id in self._graph:
                check_type_kept(self._entity(entity.id), entity)
        check_about(documents.values(), entities.keys() | self._graph.nodes.keys())
        for document in documents.values():
            known = self._documents.get(document.id)
            if known is not None and known.text != document.text:
                for head, relation, tail in sorted(self._cited.get(document.id, ())):
                    check_still_quoted(document, self._graph.edges[head, tail, relation]["fact"])
        types = {i: self._entity(i).type for i in endpoints(facts) if i in self._graph}
        texts = {i: self._documents[i].text for i in cited(facts) if i in self._documents}
        types |= {e.id: e.type for e in entities.values()}
        texts |= {d.id: d.text for d in documents.values()}
        return merged_facts(facts, types, texts, self._schema)

    def _put_entity(self, entity: Entity) -> bool:
        if entity.id in self._graph:
            if self._entity(entity.id) == entity:
                return False
            self._forget_tokens(self._entity(entity.id))
        self._graph.add_node(entity.id, entity=entity)
        for token in searching.entity_tokens(entity):
            self._tokens[token].add(entity.id)
        return True

    def _put_document(self, document: Document) -> bool:
        known = self._documents.get(document.id)
        if known == document:
            return False
        if known is not None:
            self._about[known.about].discard(known.id)
        self._documents[document.id] = document
        self._about[document.about].add(document.id)
        return True

    def _put_evidence(self, triple: Triple, found: tuple[Evidence, ...]) -> Counts:
        head, relation, tail = triple
        fact: Fact | None = self._graph.get_edge_data(head, tail, key=relation, default={}).get("fact")
        known = {e.key: e for e in fact.evidence} if fact is not None else {}
        fresh = fresh_evidence(known, found)
        if fresh:
            merged = merge_evidence(known.values(), fresh)
            self._graph.add_edge(head, tail, key=relation, fact=Fact(head, relation, tail, merged))
            for evidence in fresh:
                self._cited[evidence.source].add(triple)
        return Counts(facts=int(fact is None), evidence=len(fresh))

    def _forget_entity(self, entity_id: str) -> None:
        self._forget_tokens(self._entity(entity_id))
        self._graph.remove_node(entity_id)
        self._about.pop(entity_id, None)

    def _forget_tokens(self, entity: Entity) -> None:
        for token in searching.entity_tokens(entity):
            self._tokens[token].discard(entity.id)
            if not self._tokens[token]:
                del self._tokens[token]

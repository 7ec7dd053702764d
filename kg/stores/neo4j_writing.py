"""What happens inside a writing transaction of the Neo4j store: look up, check everything, then write.

Flow of a put: ``checked`` asks the database a fixed number of set-wise questions and refuses what is wrong; ``write``
sends rows in batches without waiting for an answer to each, so that the server writes one batch while the next one is
packed. Both work on whatever can run Cypher; the driver stays in ``kg.stores.neo4j``.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from kg.errors import SchemaError, StoreUnavailable
from kg.schema import SHOP
from kg.stores import cypher
from kg.stores.neo4j_reading import Transaction, batches, document_rows, entities_by_id, types_of
from kg.stores.neo4j_rows import document_of, document_row, entity_row, evidence_of, fact_key, fact_of, fact_row, told
from kg.types import Counts, Document, Entity, Evidence, Fact, Triple, merge_evidence
from kg.validation import (
    check_about,
    check_still_quoted,
    check_type_kept,
    checked_documents,
    checked_entities,
    endpoints,
    is_unicode,
    merged_facts,
)

Evidences: TypeAlias = tuple[Evidence, ...]

_LONGEST_ID = 8_000  # bytes; what Neo4j's range index can hold is a little more


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction is asked to write."""

    entities: Mapping[str, Entity]
    facts: Sequence[Fact]
    documents: Mapping[str, Document]

    @classmethod
    def of(cls, entities: Iterable[Entity], facts: Iterable[Fact], documents: Iterable[Document]) -> "Batch":
        batch = cls(checked_entities(entities), list(facts), checked_documents(documents))
        for kind, ids in (("entity", batch.entities), ("document", batch.documents)):
            for found in ids:
                if len(found) > _LONGEST_ID // 4 and len(found.encode()) > _LONGEST_ID:
                    raise SchemaError(f"{kind} {found[:80]!r}…: the id has more than {_LONGEST_ID} bytes; shorten it")
        return batch

    @property
    def size(self) -> int:
        return len(self.entities) + len(self.documents) + len(self.facts)

    def parts(self, size: int) -> Iterator["Batch"]:
        """In an order in which each part rests only on those before it."""
        for entities in batches(self.entities.values(), size):
            yield Batch({e.id: e for e in entities}, (), {})
        for documents in batches(self.documents.values(), size):
            yield Batch({}, (), {d.id: d for d in documents})
        for facts in batches(self.facts, size):
            yield Batch({}, facts, {})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch changes, checked and ready to be written."""

    types: Mapping[str, str]  # of every entity that the batch names
    entities: Sequence[Entity]
    documents: Sequence[Document]
    moved: Sequence[str]  # documents that were about another entity so far
    evidence: Mapping[Triple, Evidences]
    heads: Mapping[str, Sequence[str]]  # document → entities beside its product whose facts cite it; of those written
    loose: frozenset[str]  # sources that are no documents


@dataclass(frozen=True, slots=True)
class _Known:
    """A document as the database or the batch has it."""

    text: str
    about: str
    heads: tuple[str, ...] = ()


@dataclass(slots=True)
class _Citations:
    """Where documents are cited from: what makes ``retract`` of a document a local matter."""

    heads: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    loose: set[str] = field(default_factory=set)

    def add(self, facts: Iterable[Fact], known: Mapping[str, _Known]) -> None:
        for fact in facts:
            for evidence in fact.evidence:
                document = known.get(evidence.source)
                if document is None:
                    self.loose.add(evidence.source)
                elif fact.head != document.about:
                    self.heads[evidence.source].add(fact.head)


def checked(tx: Transaction, batch: Batch, types: Mapping[str, str]) -> Plan:
    """Everything that can refuse the batch, before anything is written. ``types`` are known to be in the database."""
    entities, documents, facts = batch.entities, batch.documents, batch.facts
    stored = entities_by_id(tx, entities)
    for entity_id, entity in entities.items():
        if entity_id in stored:
            check_type_kept(stored[entity_id], entity)
    all_types = _all_types(tx, batch, types)
    check_about(documents.values(), all_types)
    sources = {e.source for fact in facts for e in fact.evidence if is_unicode(e.source)}
    rows = document_rows(tx, sources | documents.keys())
    old = {i: document_of(rows[i]) for i in documents if i in rows}
    for document_id, before in old.items():
        if before.text != documents[document_id].text:
            _check_quotes(tx, documents[document_id], rows[document_id])
    known = {i: _Known(row["text"], row["about"], tuple(row.get("heads", ()))) for i, row in rows.items()}
    now = known | {d.id: _Known(d.text, d.about) for d in documents.values()}
    evidence = merged_facts(facts, all_types, {i: found.text for i, found in now.items()}, SHOP)
    citations = _Citations()
    citations.add(facts, now)
    moved = [i for i, before in old.items() if before.about != documents[i].about]
    for document_id in moved:
        citations.heads[document_id].add(old[document_id].about)
    changed = [d for d in documents.values() if old.get(d.id) != d]
    return Plan(
        all_types,
        [e for e in entities.values() if stored.get(e.id) != e],
        changed,
        moved,
        evidence,
        _heads(citations.heads, {d.id for d in changed}, known),
        frozenset(citations.loose),
    )


def _all_types(tx: Transaction, batch: Batch, types: Mapping[str, str]) -> dict[str, str]:
    """The types of all entities that the batch brings or names."""
    named = endpoints(batch.facts) | {d.about for d in batch.documents.values()}
    found = {i: types[i] for i in named & types.keys()}
    found |= types_of(tx, filter(is_unicode, sorted(named - found.keys() - batch.entities.keys())))
    return found | {e.id: e.type for e in batch.entities.values()}


def _check_quotes(tx: Transaction, document: Document, row: Mapping[str, Any]) -> None:
    heads = [row["about"], *row.get("heads", ())]
    citing = map(fact_of, tx.run(cypher.CITING_FROM, heads=heads, source=document.id))
    for fact in sorted(citing, key=lambda found: found.triple):
        check_still_quoted(document, fact)


def _heads(
    cited: Mapping[str, set[str]], written: Collection[str], known: Mapping[str, _Known]
) -> dict[str, list[str]]:
    """The heads of every document that is written, or that is cited from somewhere new."""
    before = {i: set(known[i].heads) if i in known else set() for i in (*cited, *written)}
    after = {i: heads | cited.get(i, set()) for i, heads in before.items()}
    return {i: sorted(after[i]) for i in after if i in written or after[i] != before[i]}


def write(tx: Transaction, plan: Plan) -> Counts:
    """Write what ``checked`` allowed; returns what changed."""
    by_label: defaultdict[str, list[Entity]] = defaultdict(list)
    for entity in plan.entities:
        by_label[entity.type].append(entity)
    for label, some in by_label.items():
        for part in batches(some):
            tx.run(cypher.PUT_ENTITIES[label], rows=[entity_row(e) for e in part])
    _write_documents(tx, plan)
    facts = _write_facts(tx, plan)
    return Counts(entities=len(plan.entities), documents=len(plan.documents)) + facts


def _write_documents(tx: Transaction, plan: Plan) -> None:
    if plan.moved:
        tx.run(cypher.UNLINK_DOCUMENTS, ids=list(plan.moved))
    by_label: defaultdict[str, list[Document]] = defaultdict(list)
    for document in plan.documents:
        by_label[plan.types[document.about]].append(document)
    for label, some in by_label.items():
        for part in batches(some, 1_000):
            tx.run(cypher.PUT_DOCUMENTS[label], rows=[document_row(d, plan.heads[d.id]) for d in part])
    written = {d.id for d in plan.documents}
    for rows in batches([i, heads] for i, heads in plan.heads.items() if i not in written):
        tx.run(cypher.SET_HEADS, rows=rows)


def _write_facts(tx: Transaction, plan: Plan) -> Counts:
    types, groups = plan.types, defaultdict[cypher.GroupKey, list[Triple]](list)
    for triple in plan.evidence:
        groups[types[triple[0]], triple[1], types[triple[2]]].append(triple)
    sent: list[tuple[list[Triple], Any]] = []
    for key, triples in groups.items():
        for part in batches(triples):
            properties, numbers = _told([plan.evidence[t] for t in part])
            rows = [(t[0], t[2], fact_key(t), number) for t, number in zip(part, numbers, strict=True)]
            sent.append((part, tx.run(cypher.PUT_FACTS[key], rows=rows, told=properties)))
    counts = Counts()
    for part, result in sent:
        known = list(result)
        created: int = result.consume().counters.relationships_created
        if created + len(known) != len(part):
            raise StoreUnavailable("entities vanished from Neo4j during the put; nothing was written, put it again")
        met = {part[row["i"]]: row for row in known}
        new = sum([len(plan.evidence[t]) for t in part if t not in met])
        counts += Counts(facts=created, evidence=new + _add_evidence(tx, met, plan.evidence))
    return counts


def _told(evidence: Iterable[Evidences]) -> tuple[list[dict[str, Any]], list[int]]:
    """Properties and, for each fact, their number. A catalogue says the same of thousands of pairs; it is sent once."""
    properties: list[dict[str, Any]] = []
    numbers: list[int] = []
    same: dict[tuple[Evidences, tuple[str | None, ...]], int] = {}
    for pieces in evidence:
        plain = all(e.quote is None and not e.counts for e in pieces)  # quotes and counts hardly ever repeat
        number = len(properties)
        if plain:
            number = same.setdefault((pieces, tuple([e.run for e in pieces])), number)  # evidence is equal across runs
        if number == len(properties):
            properties.append(told(pieces))
        numbers.append(number)
    return properties, numbers


def _add_evidence(tx: Transaction, met: Mapping[Triple, Mapping[str, Any]], new: Mapping[Triple, Evidences]) -> int:
    """Facts that were there: only what is new or surer is written. Returns how many pieces of evidence changed."""
    changed, rows = 0, []
    for triple, row in met.items():
        held = evidence_of(row["p"])
        if held == new[triple]:
            continue
        known = {e.key: e for e in held}
        merged = merge_evidence(held, new[triple])
        fresh = sum(known.get(e.key) != e for e in merged)
        if fresh:
            changed += fresh
            rows.append((row["r"], fact_row(triple, merged)))
    if rows:
        tx.run(cypher.SET_FACTS, rows=rows)
    return changed


def retract(tx: Transaction, source: str, loose: Collection[str]) -> Counts:
    """Delete a source with everything that rests on it alone. ``loose`` are the sources that may be cited anywhere."""
    document = document_rows(tx, [source]).get(source)
    if document is None or source in loose:
        citing = tx.run(cypher.CITING, source=source)
    else:
        citing = tx.run(cypher.CITING_FROM, source=source, heads=[document["about"], *document.get("heads", ())])
    dead: list[str] = []
    kept: list[tuple[str, dict[str, Any]]] = []
    touched = set() if document is None else {document["about"]}
    evidence = 0
    for row in citing:
        held = evidence_of(row["p"])
        rest = tuple(e for e in held if e.source != source)
        evidence += len(held) - len(rest)
        if rest:
            kept.append((row["r"], fact_row((row["head"], row["relation"], row["tail"]), rest)))
        else:
            dead.append(row["r"])
            touched |= {row["head"], row["tail"]}
    for rows in batches(kept):
        tx.run(cypher.SET_FACTS, rows=rows)
    for ids in batches(dead):
        tx.run(cypher.DELETE_FACTS, ids=ids)
    tx.run(cypher.DELETE_DOCUMENT, id=source)
    gone = [tx.run(cypher.DELETE_UNMENTIONED, ids=ids) for ids in batches(sorted(touched))]
    entities = sum([result.consume().counters.nodes_deleted for result in gone])
    return Counts(entities, len(dead), int(document is not None), evidence)

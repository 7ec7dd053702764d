"""Documents through extractors into the graph: every document asked once, every fact checked, old findings replaced.

documents → (cache | extractors) → checked → quorum → what the store lacks is put, what changed is replaced

What a document says is compared with what the store holds from it, so a run that changes nothing writes nothing, and a
better extractor leaves no facts of the old one behind.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from functools import reduce
from hashlib import blake2b
from itertools import islice
from operator import xor
from pathlib import Path
from typing import Any, TypeAlias

from kg.errors import SchemaError
from kg.schema import SHOP, Schema
from kg.store import GraphStore
from kg.types import Counts, Document, Entity, Evidence, Fact, Timestamp, Triple, merge_evidence
from mining.catalog import category_of
from mining.decisions import DecisionLog
from mining.entity_join import Known
from mining.errors import BudgetExhausted, MiningError
from mining.extraction.cascade import Wanted, everywhere, merge
from mining.extraction.people import METHOD as PEOPLE
from mining.extraction_cache import ExtractionCache, key_of
from mining.progress import Progress, watched
from mining.replacement import Journal
from mining.types import Extraction, Extractor, SetAside

log = logging.getLogger("shopgraph.mining")

DOCUMENTS = 256  # a batch: asked, cached and put together

BEHAVIOURAL = frozenset({"BOUGHT_WITH", "VIEWED_WITH", "BOUGHT_AFTER"})  # no text states these
REJECTED = "rejected by a person"
UNANSWERED = frozenset({"model unavailable", "model refused", "budget", "no model"})  # whole documents nobody read

Found: TypeAlias = Mapping[Triple, tuple[Evidence, ...]]
Findings: TypeAlias = tuple[Document, Mapping[str, Extraction]]  # by method


@dataclass(slots=True)
class ExtractorReport:
    """What one extractor did. ``set_aside`` by reason; ``unread`` documents got no answer: what an earlier run found
    in them stays. ``not_asked``: documents in which others left nothing for it to do. ``usage`` is the extractor's own
    report, where it keeps one (calls, tokens, money)."""

    documents: int = 0
    cached: int = 0
    unread: int = 0
    not_asked: int = 0
    facts: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    usage: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "set_aside": dict(sorted(self.set_aside.items()))}


@dataclass(slots=True)
class TextReport:
    """What the documents gave: ``documents == unchanged + added + replaced + silent``; ``left_out`` was not read."""

    documents: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    added: int = 0
    replaced: int = 0
    silent: int = 0
    recovered: int = 0
    below_quorum: int = 0
    extractors: dict[str, ExtractorReport] = field(default_factory=dict)
    facts: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)  # relation → method → confidence → count
    written: Counts = field(default_factory=Counts)

    def as_dict(self) -> dict[str, Any]:
        """For ``report.json``: plain values, keys in a fixed order."""
        plain = {name: getattr(self, name) for name in ("documents", "unchanged", "added", "replaced", "silent")}
        return {
            **plain,
            "recovered": self.recovered,
            "below_quorum": self.below_quorum,
            "left_out": dict(sorted(self.left_out.items())),
            "extractors": {name: report.as_dict() for name, report in sorted(self.extractors.items())},
            "facts": {
                relation: {method: dict(sorted(counts.items())) for method, counts in sorted(methods.items())}
                for relation, methods in sorted(self.facts.items())
            },
            "written": asdict(self.written),
        }


def bucket(confidence: float) -> str:
    """The tenth in which a confidence lies: ``0.9-1.0`` holds 1.0 too."""
    tenth = min(int(confidence * 10), 9)
    return f"{tenth / 10:.1f}-{(tenth + 1) / 10:.1f}"


class TextMining:
    """One run over the documents of a store. ``run_dir`` is the same folder for every run of one workspace."""

    def __init__(
        self,
        store: GraphStore,
        extractors: Sequence[Extractor],
        *,
        run_dir: Path,
        run: str | None,
        schema: Schema = SHOP,
        decisions: DecisionLog | None = None,
    ) -> None:
        names = [extractor.method for extractor in extractors]
        if len(set(names)) < len(names):
            raise MiningError(f"extractors write the methods {', '.join(names)}; each must have a method of its own")
        self.store, self.extractors, self.schema, self.run_id = store, extractors, schema, run
        self.report = TextReport(extractors={name: ExtractorReport() for name in names})
        self._decisions = decisions
        self.quorum: dict[str, int] = {}
        for extractor in extractors:
            self.quorum.update(getattr(extractor, "quorum", {}))
        self._spent: set[str] = set()
        self._journal = Journal.of(run_dir)
        self._cache_path = run_dir / "extractions.db"

    def run(self, *, until: Timestamp | None, allow_undated: bool, progress: Progress) -> TextReport:
        """Mines every document before ``until``; undated ones only without ``until`` or where allowed."""
        self.report.recovered = self._journal.recover(self.store)
        known = Known(self.store)
        held = self._held()
        seconded = self._seconded(until, allow_undated, progress)
        documents = watched(
            progress, "text", self._chosen(until, allow_undated, self.report.left_out), len(known.documents)
        )
        with ExtractionCache(self._cache_path) as cache:
            for batch in _batches(documents, DOCUMENTS):
                findings = [self._checked(f, known) for f in self._ask(self.extractors, batch, cache, self.report)]
                self._write([self._supported(f, seconded) for f in findings], known, held)
        self._tell_usage()
        return self.report

    def _chosen(self, until: Timestamp | None, allow_undated: bool, left_out: Counter[str]) -> Iterator[Document]:
        for document in self.store.documents():
            if until is not None and document.at is None and not allow_undated:
                left_out["undated"] += 1
            elif until is not None and document.at is not None and document.at >= until:
                left_out["at or after until"] += 1
            else:
                yield document

    def _ask(
        self, extractors: Sequence[Extractor], batch: Sequence[Document], cache: ExtractionCache, report: TextReport
    ) -> Iterator[Findings]:
        findings: list[dict[str, Extraction]] = [{} for _ in batch]
        so_far = [Extraction(document.id) for document in batch]
        for extractor in extractors:
            told = report.extractors[extractor.method]
            found = self._routed(extractor, batch, so_far, cache, told)
            for i, extraction in enumerate(found):
                if extraction is not None:
                    findings[i][extractor.method] = extraction
                    so_far[i] = merge(so_far[i], extraction)
        yield from zip(batch, findings, strict=True)

    def _routed(
        self,
        extractor: Extractor,
        batch: Sequence[Document],
        so_far: Sequence[Extraction],
        cache: ExtractionCache,
        report: ExtractorReport,
    ) -> list[Extraction | None]:
        """What the extractor says of the documents it is wanted for; of the others, that there is nothing."""
        wanted: Wanted = getattr(extractor, "wanted", everywhere)
        chosen = [i for i, document in enumerate(batch) if wanted(document, so_far[i])]
        answers = dict(zip(chosen, self._asked(extractor, [batch[i] for i in chosen], cache, report), strict=True))
        report.not_asked += len(batch) - len(chosen)
        return [answers[i] if i in answers else Extraction(document.id) for i, document in enumerate(batch)]

    def _asked(
        self, extractor: Extractor, batch: Sequence[Document], cache: ExtractionCache, report: ExtractorReport
    ) -> list[Extraction | None]:
        """One extraction a document. Only an extractor with a ``version`` is remembered: without one, nobody could
        tell an old finding from a new one."""
        version = getattr(extractor, "version", None)
        keys = [key_of(extractor.method, version, d) for d in batch] if isinstance(version, str) else []
        known = cache.load(keys)
        missing = [i for i in range(len(batch)) if not keys or keys[i] not in known]
        made = self._extracted(extractor, [batch[i] for i in missing])
        fresh = dict(zip(missing, made, strict=False))
        if keys:
            cache.save({keys[i]: extraction for i, extraction in fresh.items() if not _unanswered(extraction)})
        report.documents += len(batch)
        report.cached += len(batch) - len(missing)
        report.unread += len(missing) - len(fresh) + sum(map(_unanswered, made))
        return [fresh.get(i) if i in fresh or not keys else known.get(keys[i]) for i in range(len(batch))]

    def _extracted(self, extractor: Extractor, documents: Sequence[Document]) -> list[Extraction]:
        """As many extractions as documents; fewer only where the extractor's budget ran out."""
        made: list[Extraction] = []
        if documents and extractor.method not in self._spent:
            try:
                for document, extraction in zip(documents, extractor.extract(iter(documents)), strict=True):
                    if extraction.document_id != document.id:
                        raise ValueError(f"{extraction.document_id!r} in the place of {document.id!r}")
                    made.append(extraction)
            except BudgetExhausted as spent:
                log.warning("%s: %s", extractor.method, spent)
                self._spent.add(extractor.method)
            except ValueError as error:
                raise MiningError(
                    f"the extractor {extractor.method!r} must give one extraction a document, in order; got {error}"
                ) from error
        return made

    def _checked(self, findings: Findings, known: Known) -> Findings:
        """Facts that would break the store's laws are set aside here, so that one of them cannot stop a run."""
        document, extractions = findings
        checked: dict[str, Extraction] = {}
        rejected = self._decisions.rejected(document.id) if self._decisions is not None else frozenset()
        for method, extraction in extractions.items():
            tails = {e.id: e for e in extraction.entities}
            kept: list[Fact] = []
            aside = list(extraction.set_aside)
            for fact in extraction.facts:
                reason = self._flaw(fact, document, tails, known) or _misquoted(fact, document, method)
                if method != PEOPLE and (fact.relation, fact.tail) in rejected:
                    reason = REJECTED
                if reason is None:
                    kept.append(fact)
                else:
                    quote = (fact.evidence[0].quote or "")[:200] if fact.evidence else ""
                    aside.append(SetAside(document.id, method, fact.relation, quote, reason))
            checked[method] = replace(extraction, facts=tuple(kept), set_aside=tuple(aside))
        return document, checked

    def _flaw(self, fact: Fact, document: Document, tails: Mapping[str, Entity], known: Known) -> str | None:
        if fact.head != document.about:
            return "head is not the document's product"
        value = tails.get(fact.tail)
        tail = value.type if value is not None else "Product" if fact.tail in known.products else None
        if tail is None:
            return "unknown tail"
        try:
            self.schema.check(fact.relation, "Product", tail)
        except SchemaError:
            return "off schema"
        if fact.relation == "HAS_ATTRIBUTE" and value is not None:
            name = value.properties.get("attribute")
            if not isinstance(name, str) or self.schema.attribute(category_of(document), name) is None:
                return "off schema"
        return None

    def _seconded(self, until: Timestamp | None, allow_undated: bool, progress: Progress) -> Counter[Triple] | None:
        """How many documents say each fact that needs more than one; a pass of its own, over reviews."""
        needing = [e for e in self.extractors if getattr(e, "quorum", None)]
        if not needing:
            return None
        counts: Counter[Triple] = Counter()
        aside = TextReport(extractors={e.method: ExtractorReport() for e in needing})
        reviews = (d for d in self._chosen(until, allow_undated, Counter()) if d.kind == "review")
        with ExtractionCache(self._cache_path) as cache:
            for batch in _batches(watched(progress, "reviews: what several say", reviews), DOCUMENTS):
                for _, extractions in self._ask(needing, batch, cache, aside):
                    facts = {f.triple for e in extractions.values() for f in e.facts if f.relation in self.quorum}
                    counts.update(facts)
        return counts

    def _supported(self, findings: Findings, seconded: Counter[Triple] | None) -> Findings:
        if seconded is None:
            return findings
        document, extractions = findings
        kept: dict[str, Extraction] = {}
        for method, extraction in extractions.items():
            facts = tuple(f for f in extraction.facts if seconded[f.triple] >= self.quorum.get(f.relation, 0))
            self.report.below_quorum += len(extraction.facts) - len(facts)
            kept[method] = replace(extraction, facts=facts)
        return document, kept

    def _held(self) -> dict[tuple[str, str], int]:
        """A fingerprint of what the store holds, by document and method."""
        held: dict[tuple[str, str], int] = {}
        for relation in sorted(self.schema.relations.keys() - BEHAVIOURAL):
            for fact in self.store.facts(relation=relation):
                for e in fact.evidence:
                    if e.method in self.report.extractors:
                        place = (e.source, e.method)
                        held[place] = held.get(place, 0) ^ _fingerprint(fact.triple, e)
        return held

    def _write(self, findings: Sequence[Findings], known: Known, held: Mapping[tuple[str, str], int]) -> None:
        fresh: list[Fact] = []
        entities: dict[str, Entity] = {}
        changed: list[_Change] = []
        for document, extractions in findings:
            self.report.documents += 1
            self._count_aside(extractions.values())
            answered = {m: e for m, e in extractions.items() if not _unanswered(e)}
            found = self._merged(f for e in answered.values() for f in e.facts)
            self._count(found)
            before = reduce(xor, (held.get((document.id, method), 0) for method in answered), 0)
            if before == _total(found):
                self.report.unchanged += bool(found)
                self.report.silent += not found
                continue
            tails = {tail for _, _, tail in found}
            named = known.join(x for e in answered.values() for x in e.entities if x.id in tails)
            told = [Fact(*triple, evidence) for triple, evidence in found.items()]
            if before:
                changed.append(_Change(document, frozenset(answered), told, named))
            else:
                self.report.added += 1
                fresh += told
                entities.update(named)
        if changed:
            self._replace(changed)
        if fresh:
            self.report.written += self.store.put(entities.values(), fresh)

    def _replace(self, changed: Sequence["_Change"]) -> None:
        """The documents again, with what others found in them and the new findings in the place of the old."""
        entities: dict[str, Entity] = {}
        facts: list[Fact] = []
        for change in changed:
            document = change.document
            for fact in self.store.facts(head=document.about):
                mine = [e for e in fact.evidence if e.source == document.id]
                others = tuple(e for e in mine if e.method not in change.answered)
                if others:
                    facts.append(replace(fact, evidence=others))
                    entities.setdefault(fact.tail, self.store.entity(fact.tail))
            facts += change.facts
            entities[document.about] = self.store.entity(document.about)
            entities.update(change.entities)
        documents = [change.document for change in changed]
        self.report.replaced += len(documents)
        self.report.written += self._journal.replace(self.store, documents, entities=entities.values(), facts=facts)

    def _merged(self, facts: Iterable[Fact]) -> Found:
        merged: dict[Triple, tuple[Evidence, ...]] = {}
        for fact in facts:
            stamped = tuple(replace(e, run=e.run or self.run_id) for e in fact.evidence)
            merged[fact.triple] = merge_evidence(merged.get(fact.triple, ()), stamped)
        return {triple: merged[triple] for triple in sorted(merged)}

    def _count(self, found: Found) -> None:
        for (_, relation, _), evidence in found.items():
            for e in evidence:
                self.report.facts.setdefault(relation, {}).setdefault(e.method, Counter())[bucket(e.confidence)] += 1
                self.report.extractors[e.method].facts += 1

    def _count_aside(self, extractions: Iterable[Extraction]) -> None:
        for extraction in extractions:
            for aside in extraction.set_aside:
                report = self.report.extractors.setdefault(aside.method, ExtractorReport())
                report.set_aside[aside.reason.partition(":")[0]] += 1

    def _tell_usage(self) -> None:
        for extractor in self.extractors:
            usage = getattr(extractor, "report", None) or getattr(extractor, "usage", None)
            if is_dataclass(usage) and not isinstance(usage, type):
                self.report.extractors[extractor.method].usage = asdict(usage)


@dataclass(frozen=True, slots=True)
class _Change:
    """A document from which the store holds other findings of the same methods."""

    document: Document
    answered: frozenset[str]
    facts: list[Fact]
    entities: Mapping[str, Entity]


def _unanswered(extraction: Extraction) -> bool:
    return any(aside.reason in UNANSWERED for aside in extraction.set_aside)


def _misquoted(fact: Fact, document: Document, method: str) -> str | None:
    if not fact.evidence:
        return "no evidence"
    for e in fact.evidence:
        if e.method != method or not 0 <= e.confidence <= 1:
            return "evidence of another method, or a confidence outside [0, 1]"
        if e.source != document.id or e.start is None or e.end is None or not 0 <= e.start < e.end:
            return "not quoted from the document"
        if document.text[e.start : e.end] != e.quote:
            return "not quoted from the document"
    return None


def _fingerprint(triple: Triple, evidence: Evidence) -> int:
    """128 bits of what a fact says; the exclusive or of several does not depend on their order."""
    said = (triple, evidence.key, float(evidence.confidence), evidence.at, evidence.quote)
    counts = sorted((name, float(value)) for name, value in evidence.counts.items())
    return int.from_bytes(
        blake2b(repr((said, counts)).encode("utf-8", "surrogatepass"), digest_size=16).digest(), "big"
    )


def _total(found: Found) -> int:
    total = 0
    for triple, evidence in found.items():
        for e in evidence:
            total ^= _fingerprint(triple, e)
    return total


def _batches(items: Iterable[Document], size: int) -> Iterator[list[Document]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch

"""From the shop's files into the graph and the event log; what is already there is known and skipped.

catalogue → entities, facts, documents · relations → facts · reviews → documents · events → log

Every write is idempotent and every batch is one transaction, so a killed load is finished by the same command.
"""

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, TypeVar

from kg import ids
from kg.errors import EventError
from kg.events import EventLog
from kg.store import GraphStore
from kg.types import Counts, Document, Entity, Fact, Interaction, Timestamp, Triple
from mining import catalog as cataloguing
from mining import cleaning, sources
from mining.entity_join import Known
from mining.progress import Progress, Silent, watched
from mining.types import CatalogRelation, Reject, Review

T = TypeVar("T")

PRODUCTS = 500  # a batch; each is a transaction
ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How the files are read. ``columns`` by kind of file (catalog, relations, reviews, events): our name → theirs.

    ``labels``: the shop's words for relations → relations of the schema. ``as_of``: nothing in the files can be later.
    ``strict``: the first bad row raises RejectError.
    """

    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    preset: str | None = None
    encoding: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    as_of: Timestamp | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """One file: what reading, cleaning and loading did with its rows.

    ``read`` and ``cleaned`` are those stages' own reports. ``set_aside`` counts by reason what came through both and
    is not loaded, ``unchanged`` what the store held just so, ``rewritten`` texts that took an old one's place;
    ``written`` what the store or log says changed.
    """

    read: Mapping[str, Any]
    cleaned: Mapping[str, Any]
    set_aside: Mapping[str, int]
    written: Mapping[str, int]
    unchanged: int = 0
    rewritten: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """One report a file; None where there was no such file."""

    catalog: FileReport
    relations: FileReport | None = None
    reviews: FileReport | None = None
    events: FileReport | None = None


class Rejects(AbstractContextManager["Rejects"]):
    """The rows of one file that were set aside, as JSON lines: file, row, reason, raw.

    The file takes the place of an older one when the stage is done; a killed stage leaves ``*.part``.
    """

    def __init__(self, folder: Path | None, kind: str, path: Path, *, strict: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.report = sources.ReadReport()
        self._path, self._strict = path, strict
        self._target = None if folder is None else folder / f"{kind}.jsonl"
        self._file: TextIO | None = None
        if self._target is not None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._target.with_suffix(".part"), "w", encoding="utf-8")  # noqa: SIM115

    def read(self, reject: Reject) -> None:
        """A row that reading set aside; reading counts it."""
        if self._strict:
            sources.refuse(reject)
        if self._file is not None:
            row = {"file": reject.file, "row": reject.row, "reason": reject.reason, "raw": reject.raw}
            text = json.dumps(row, ensure_ascii=False)
            self._file.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")

    def loaded(self, reject: Reject) -> None:
        """A row that loading set aside, counted here by what stands before the colon of its reason.

        Rows are streamed one by one, so the row last read is the row in hand.
        """
        self.counts[reject.reason.partition(":")[0]] += 1
        self.read(Reject(str(self._path), self.report.read, reject.reason, reject.raw))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None and self._target is not None:
            self._file.close()
            if error is None:
                self._target.with_suffix(".part").replace(self._target)


def load(
    store: GraphStore,
    log: EventLog,
    *,
    catalog: Path,
    events: Path | None = None,
    reviews: Path | None = None,
    relations: Path | None = None,
    options: LoadOptions | None = None,
    rejects_dir: Path | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Loads a shop's files. Loading twice changes nothing; a new text of a known id takes the old one's place.

    A row on a product that the catalogue does not know is set aside: the graph could not say what it is. What a new
    file no longer mentions stays, since a shop may have several files; ``store.retract`` forgets a source.

    Raises SourceError, ColumnError, RejectError (strict), and what the store and the log raise.
    """
    stage = _Loading(store, log, options or LoadOptions(), rejects_dir, progress or Silent())
    known = Known(store)
    loaded = stage.catalog(catalog, known)
    shop = {key for key in map(ids.product_id, known.products) if key is not None}
    return LoadReport(
        catalog=loaded,
        relations=None if relations is None else stage.relations(relations, shop),
        reviews=None if reviews is None else stage.reviews(reviews, shop, known),
        events=None if events is None else stage.events(events, shop),
    )


@dataclass(frozen=True, slots=True)
class _Loading:
    """The collaborators of one load."""

    store: GraphStore
    log: EventLog
    options: LoadOptions
    rejects_dir: Path | None
    progress: Progress

    def reading(self, kind: str, rejects: Rejects) -> dict[str, Any]:
        return {
            "on_reject": rejects.read,
            "columns": self.options.columns.get(kind),
            "preset": self.options.preset,
            "encoding": self.options.encoding,
            "report": rejects.report,
        }

    def rejects(self, kind: str, path: Path) -> Rejects:
        return Rejects(self.rejects_dir, kind, path, strict=self.options.strict)

    def catalog(self, path: Path, known: Known) -> FileReport:
        cleaned = cleaning.CleaningReport()
        with self.rejects("catalog", path) as rejects:
            first = Rejects(None, "catalog", path, strict=self.options.strict)
            prices = sources.read_products(path, **self.reading("catalog", first))
            bounds = cleaning.price_bounds(watched(self.progress, "catalogue: prices", prices))
            rows = sources.read_products(path, **self.reading("catalog", rejects))
            products = cleaning.clean_products(rows, cleaned, bounds=bounds)
            tree = _Taxonomy(known)
            written, unchanged, rewritten = Counts(), 0, 0
            for batch in _batches(watched(self.progress, "catalogue", products), PRODUCTS):
                graphs = [cataloguing.graph_of(product) for product in batch]
                tree.take(graphs)
                fresh = [g for g in graphs if not known.has(g.document, g.entities[0])]
                counts, replaced = self._put_products(fresh, known)
                written, unchanged, rewritten = (
                    written + counts,
                    unchanged + len(graphs) - len(fresh),
                    rewritten + replaced,
                )
            written += tree.settle(self.store)
        return _report(cleaned, rejects, written, unchanged=unchanged, rewritten=rewritten)

    def _put_products(self, graphs: list[cataloguing.ProductGraph], known: Known) -> tuple[Counts, int]:
        documents = [g.document for g in graphs]
        rewritten = self._forget_rewritten(documents, known)
        entities = known.join(entity for graph in graphs for entity in graph.entities)
        facts = [fact for graph in graphs for fact in graph.facts]
        return (self.store.put(entities.values(), facts, documents) if documents else Counts()), rewritten

    def _forget_rewritten(self, documents: list[Document], known: Known) -> int:
        """Quotes of an old text must go before the new text can come; a kill in between is healed by loading again."""
        rewritten = [d.id for d in documents if known.rewritten(d)]
        for document_id in rewritten:
            self.store.retract(document_id)
        for document in documents:
            known.add(document)
        return len(rewritten)

    def relations(self, path: Path, shop: Container[str]) -> FileReport:
        cleaned = cleaning.CleaningReport()
        with self.rejects("relations", path) as rejects:
            options = self.reading("relations", rejects)
            rows = sources.read_relations(path, labels=self.options.labels, **options)
            clean: Iterator[CatalogRelation] = cleaning.clean_relations(rows, cleaned)
            facts = cataloguing.facts_of_relations(clean, shop, on_reject=rejects.loaded)
            written = Counts()
            for batch in _batches(watched(self.progress, "relations", facts), ROWS):
                written += self.store.put(facts=batch)
        return _report(cleaned, rejects, written)

    def reviews(self, path: Path, shop: Container[str], known: Known) -> FileReport:
        cleaned = cleaning.CleaningReport()
        with self.rejects("reviews", path) as rejects:
            rows = sources.read_reviews(path, **self.reading("reviews", rejects))
            clean: Iterator[Review] = cleaning.clean_reviews(rows, cleaned, as_of=self.options.as_of)
            named = _kept(clean, lambda r: _stranger(r.product_id, shop), lambda r: r.id, rejects)
            written, unchanged, rewritten = Counts(), 0, 0
            for batch in _batches(watched(self.progress, "reviews", named), ROWS):
                documents = list(map(cataloguing.document_of_review, batch))
                fresh = [d for d in documents if not known.has(d)]
                rewritten += self._forget_rewritten(fresh, known)
                written, unchanged = written + self.store.put(documents=fresh), unchanged + len(batch) - len(fresh)
        return _report(cleaned, rejects, written, unchanged=unchanged, rewritten=rewritten)

    def events(self, path: Path, shop: Container[str]) -> FileReport:
        cleaned = cleaning.CleaningReport()
        with self.rejects("events", path) as rejects:
            rows = sources.read_events(path, **self.reading("events", rejects))
            clean: Iterator[Interaction] = cleaning.clean_events(rows, cleaned, as_of=self.options.as_of)
            named = _kept(clean, lambda e: _nobody(e) or _stranger(e.product_id, shop), lambda e: e.event_id, rejects)
            added = kept = 0
            for batch in _batches(watched(self.progress, "events", named), ROWS):
                taken, refused = self._append(batch, rejects)
                added, kept = added + taken, kept + len(batch) - refused
        return _report(cleaned, rejects, {"events": added}, unchanged=kept - added)

    def _append(self, batch: list[Interaction], rejects: Rejects) -> tuple[int, int]:
        """(added, refused). Where the log refuses a batch, each event is judged by itself."""
        try:
            return self.log.append(batch).added, 0
        except EventError:
            added = refused = 0
            for event in batch:
                try:
                    added += self.log.append([event]).added
                except EventError as error:
                    refused += 1
                    rejects.loaded(Reject("", 0, f"refused by the event log: {error}", event.event_id[:500]))
            return added, refused


def _kept(
    rows: Iterable[T], flaw: Callable[[T], str | None], name: Callable[[T], str], rejects: Rejects
) -> Iterator[T]:
    for row in rows:
        reason = flaw(row)
        if reason is None:
            yield row
        else:
            rejects.loaded(Reject("", 0, reason, name(row)[:500]))


def _stranger(product: str, shop: Container[str]) -> str | None:
    return None if product in shop else f"unknown product: {product[:60]!r} is not in the catalogue"


def _nobody(event: Interaction) -> str | None:
    return "neither user nor session" if event.user_id is None and event.session_id is None else None


class _Taxonomy:
    """The category tree of the catalogue that is being loaded: put whole at the end, old branches pruned."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.facts: dict[Triple, Fact] = {}
        self.entities: dict[str, Entity] = {}

    def take(self, graphs: Iterable[cataloguing.ProductGraph]) -> None:
        for graph in graphs:
            self.facts.update({f.triple: f for f in graph.facts if f.relation == "SUBCATEGORY_OF"})
            self.entities.update(self.known.join(e for e in graph.entities if e.type == "Category"))

    def settle(self, store: GraphStore) -> Counts:
        """Puts the tree; forgets what it says of categories that no product lies under any more.

        A product that moved leaves its old branch behind, and a graph built from scratch would not have it.
        """
        counts = store.put(self.entities.values(), self.facts.values())
        tree = [f for f in store.facts(relation="SUBCATEGORY_OF") if any(map(_is_taxonomy, f.evidence))]
        parents: dict[str, list[str]] = {}
        for fact in tree:
            parents.setdefault(fact.head, []).append(fact.tail)
        live: set[str] = set()
        ahead = [fact.tail for fact in store.facts(relation="IN_CATEGORY")]
        while ahead:
            category = ahead.pop()
            if category not in live:
                live.add(category)
                ahead += parents.get(category, ())
        if all(fact.head in live for fact in tree):
            return counts
        kept = [Fact(*f.triple, tuple(filter(_is_taxonomy, f.evidence))) for f in tree if f.head in live]
        entities = [store.entity(entity_id) for entity_id in sorted({i for f in kept for i in (f.head, f.tail)})]
        store.retract(cataloguing.TAXONOMY)
        store.put(entities, kept)
        return counts


def _is_taxonomy(evidence: Any) -> bool:
    return bool(evidence.source == cataloguing.TAXONOMY)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _report(
    cleaned: cleaning.CleaningReport,
    rejects: Rejects,
    written: Counts | Mapping[str, int],
    *,
    unchanged: int = 0,
    rewritten: int = 0,
) -> FileReport:
    if isinstance(written, Counts):
        names = ("entities", "facts", "documents", "evidence")
        written = {name: getattr(written, name) for name in names}
    return FileReport(
        read=rejects.report.as_dict(),
        cleaned=cleaned.as_dict(),
        set_aside=dict(sorted(rejects.counts.items())),
        written=written,
        unchanged=unchanged,
        rewritten=rewritten,
    )

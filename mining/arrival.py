"""One product, as it arrives: what ``load`` and ``mine`` would make of it, in one write, while the shop is open.

values → read and cleaned as a row of the catalogue → document, entities, the shop's own facts → extractors → checked →
joined with what the store holds of these entities → one put, or the old text's place is taken.

Nothing is read whole: the store is asked for what the product mentions. Two things are left to the next load, which
sees the whole catalogue: whether the price is an outlier, and the branches of the category tree that nothing lies under
any more.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kg.errors import UnknownDocument, UnknownEntity
from kg.schema import SHOP, Schema
from kg.store import GraphReader, GraphStore
from kg.types import Counts, Document, Entity, Fact, Product
from mining import catalog, cleaning
from mining.cleaning import CleaningReport, PriceBounds
from mining.decisions import DecisionLog
from mining.entity_join import Known
from mining.replacement import Journal
from mining.sources import ReadReport, product_of
from mining.text_facts import TextMining
from mining.types import Extraction, Extractor


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a product. ``product`` is its entity as it was put. ``facts`` are those that its text states now,
    of every method; ``set_aside`` counts by reason what extractors found and nobody believes; ``notes`` say what
    reading and cleaning changed or left out. Between the versions ``since`` and ``until`` of the graph nothing else was
    written."""

    status: Literal["created", "changed", "unchanged"]
    product: Entity
    written: Counts
    facts: tuple[Fact, ...]
    set_aside: Mapping[str, int]
    notes: tuple[str, ...]
    since: int
    until: int


class Arrivals:
    """Takes products into a store, one at a time and one writer at a time. ``run_dir`` is that of ``mine``."""

    def __init__(
        self,
        store: GraphStore,
        extractors: Sequence[Extractor],
        *,
        run_dir: Path,
        schema: Schema = SHOP,
        decisions: DecisionLog | None = None,
    ) -> None:
        self._store = store
        self._extractors = extractors
        self._run_dir = run_dir
        self._schema = schema
        self._decisions = decisions

    def take(self, values: Mapping[str, object]) -> Arrival:
        """Puts the product in, or in the place of what the store knows under its id. Idempotent, and safe to kill.

        ``values`` by role: ``id``, ``title``, ``description``, ``brand``, ``category``, ``price``, ``currency``,
        ``gtin``, ``mpn``, ``available``, ``attributes``. A text that changed takes everything with it that only the old
        one said. Between its going and the new one's coming, a reader may miss the product for a moment. Raises BadRow
        where there is no id, and what the store raises.
        """
        product, notes = _read(values)
        graph = catalog.graph_of(product)
        reading = _OneText(
            self._store, self._extractors, run_dir=self._run_dir, run=None, schema=self._schema,
            decisions=self._decisions,
        )  # fmt: skip
        said = reading.said(graph.document)
        reading.journal.recover(self._store)
        since = self._store.version
        known = _Nearby(self._store, _mentioned(graph, said), graph.document.id)
        facts, named, set_aside = reading.believed(graph.document, said, known)
        new = graph.entities[0].id not in known.products
        rewritten = known.rewritten(graph.document)
        entities = known.join([*graph.entities, *named])
        facts = [*graph.facts, *facts]
        if rewritten:
            written = reading.journal.replace(self._store, [graph.document], entities=entities.values(), facts=facts)
        else:
            written = self._store.put(entities.values(), facts, [graph.document])
        status: Literal["created", "changed", "unchanged"] = "created" if new else "changed" if written else "unchanged"
        until = self._store.version
        return Arrival(
            status, entities[graph.entities[0].id], written, tuple(facts), set_aside, notes, since, until
        )  # fmt: skip


def _read(values: Mapping[str, object]) -> tuple[Product, tuple[str, ...]]:
    report, cleaned = ReadReport(), CleaningReport()
    product = product_of(values, report)
    (product,) = cleaning.clean_products([product], cleaned, bounds=PriceBounds({}))
    return product, (*report.notes, *(name.replace("_", " ") for name in cleaned.counts))


def _mentioned(graph: catalog.ProductGraph, said: Mapping[str, Extraction]) -> set[str]:
    tails = {fact.tail for extraction in said.values() for fact in extraction.facts}
    return {entity.id for entity in graph.entities} | tails


class _OneText(TextMining):
    """What ``TextMining`` does with each document of a store, for one that need not be in the store yet."""

    @property
    def journal(self) -> Journal:
        """The one of ``mine``: whoever writes next finishes what a killed arrival began."""
        return self._journal

    def said(self, document: Document) -> dict[str, Extraction]:
        """By method; an extractor whose budget ran out is not there."""
        made = {extractor.method: self._extracted(extractor, [document]) for extractor in self.extractors}
        return {method: extractions[0] for method, extractions in made.items() if extractions}

    def believed(
        self, document: Document, said: Mapping[str, Extraction], known: Known
    ) -> tuple[list[Fact], list[Entity], dict[str, int]]:
        """The facts that may be written, the entities that they name, and what was set aside, by reason."""
        _, checked = self._checked((document, said), known)
        found = self._merged(fact for extraction in checked.values() for fact in extraction.facts)
        tails = {tail for _, _, tail in found}
        named = [e for extraction in checked.values() for e in extraction.entities if e.id in tails]
        aside = Counter(a.reason.partition(":")[0] for extraction in checked.values() for a in extraction.set_aside)
        return [Fact(*triple, evidence) for triple, evidence in found.items()], named, dict(sorted(aside.items()))


class _Nearby(Known):
    """``Known`` of a few things, each asked for by its id."""

    def __init__(self, reader: GraphReader, entity_ids: Iterable[str], document_id: str) -> None:
        self.entities: dict[str, Entity] = {}
        self.products: dict[str, bytes] = {}
        self.documents: dict[str, tuple[bytes, bytes]] = {}
        for entity_id in sorted(entity_ids):
            with suppress(UnknownEntity):
                self.join([reader.entity(entity_id)])
        with suppress(UnknownDocument):
            self.add(reader.document(document_id))

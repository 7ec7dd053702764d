"""The stages in order: files into the store and the log, then texts and behaviour into facts.

``load``: files → entities, documents, the shop's own facts, events · ``mine``: documents → quoted facts; events → bots
left out → sessions and baskets → counted facts. Both are idempotent: killed or interrupted, the same command ends in
the same graph. No clock, no environment, no global: collaborators come in as arguments.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from kg import ids
from kg.events import EventLog
from kg.schema import SHOP, Schema
from kg.store import GraphStore
from kg.types import Counts, Evidence, Fact, Timestamp, Triple
from mining.behavior.config import BehaviorConfig
from mining.behavior.miner import BehaviorReport, MinedBehavior, mine_behavior
from mining.behavior.relations import RELATIONS, source
from mining.bots import BotConfig, bots
from mining.decisions import DecisionLog
from mining.loading import FileReport, LoadOptions, LoadReport, load
from mining.progress import Progress, Silent, watched
from mining.text_facts import TextMining, TextReport, bucket
from mining.types import Extractor

__all__ = ["FileReport", "LoadOptions", "LoadReport", "MineReport", "as_dict", "load", "mine"]

FACTS = 5_000  # a batch; each is a transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class MineReport:
    """What mining found. ``facts``: relation → method → tenth of confidence → count, of this run, texts and behaviour.

    ``bots`` counts the users left out; ``behavior_written`` by relation what the store says changed, and a relation
    that was counted as before is not there.
    """

    until: Timestamp | None
    text: TextReport
    behavior: BehaviorReport
    bots: int
    behavior_written: dict[str, dict[str, int]]
    facts: dict[str, dict[str, dict[str, int]]]


def as_dict(report: LoadReport | MineReport) -> dict[str, Any]:
    """A report as plain values for ``report.json``."""
    plain = asdict(report)
    if isinstance(report, MineReport):
        plain["text"] = report.text.as_dict()
    return plain


def mine(
    store: GraphStore,
    log: EventLog,
    *,
    extractors: Sequence[Extractor],
    until: Timestamp | None = None,
    allow_undated: bool = False,
    run_dir: Path,
    run: str | None = None,
    behavior: BehaviorConfig | None = None,
    bot_rules: BotConfig | None = None,
    progress: Progress | None = None,
    schema: Schema = SHOP,
    decisions: DecisionLog | None = None,
) -> MineReport:
    """Mines every document and every event before ``until``; what the same methods found earlier is replaced.

    ``run_dir`` keeps the extraction cache and the journal of a replacement under way: the same folder for all runs of
    one workspace. ``schema`` says which facts of texts may be written; it is the one that ``extractors`` read by.
    What people rejected in ``decisions`` is not written. ``run`` is written into fresh evidence as its provenance.
    With ``until``, undated documents and facts (a catalogue crawl) count only by ``allow_undated``: they may say what
    was not yet known. Then typed relations lack their categories too.

    Raises MiningError where an extractor breaks its protocol or DuckDB cannot do the work, and what the store and the
    log raise.
    """
    progress = progress or Silent()
    text = TextMining(store, extractors, run_dir=run_dir, run=run, schema=schema, decisions=decisions)
    text_report = text.run(until=until, allow_undated=allow_undated, progress=progress)
    stage = _Behavior(store, until, allow_undated, run)
    progress.start("behaviour: counting")
    try:
        mined, flagged = stage.mine(log, behavior, bot_rules, run_dir / "spill")
    finally:
        progress.finish()
    written = {name: asdict(counts) for name, counts in stage.replace(mined, progress).items() if counts}
    facts = {r: {m: dict(sorted(c.items())) for m, c in sorted(by.items())} for r, by in text_report.facts.items()}
    for relation, counts in stage.told.items():
        facts.setdefault(relation, {})["behavior"] = dict(sorted(counts.items()))
    return MineReport(
        until=until,
        text=text_report,
        behavior=mined.report,
        bots=flagged,
        behavior_written=written,
        facts=dict(sorted(facts.items())),
    )


class _Behavior:
    """Behaviour between the log and the store."""

    def __init__(self, store: GraphStore, until: Timestamp | None, allow_undated: bool, run: str | None) -> None:
        self.store, self.until, self.run = store, until, run
        self.allow_undated = allow_undated
        self.told: dict[str, dict[str, int]] = {}

    def mine(
        self, log: EventLog, config: BehaviorConfig | None, bot_rules: BotConfig | None, spill: Path
    ) -> tuple[MinedBehavior, int]:
        events = log.table(until=self.until)
        excluded = bots(events, bot_rules) if len(events) else frozenset()
        mined = mine_behavior(
            events,
            products=[key for e in self.store.entities(type="Product") if (key := ids.product_id(e.id)) is not None],
            leaves=[(key, fact.tail) for key, fact in self._of_products("IN_CATEGORY")],
            compatible=list(self._compatible()),
            excluded=excluded,
            until=self.until,
            config=config,
            spill_dir=spill,
        )
        return mined, len(excluded)

    def replace(self, mined: MinedBehavior, progress: Progress) -> dict[str, Counts]:
        """Puts each relation's facts in the place of the old ones; equal ones are left alone.

        A kill between retract and put is healed by the next run, which counts again.
        """
        written: dict[str, Counts] = {}
        for relation in RELATIONS:
            facts = watched(
                progress, f"behaviour: {relation}", self._seen(mined, relation), mined.report.facts.get(relation)
            )
            if self._holds(relation, mined.facts(relation)):
                for _ in facts:
                    pass
                continue
            self.store.retract(source(relation))
            written[relation] = Counts()
            for batch in _batches(facts, FACTS):
                written[relation] += self.store.put(facts=batch)
        return written

    def _seen(self, mined: MinedBehavior, relation: str) -> Iterator[Fact]:
        counts = self.told[relation] = {}
        for fact in mined.facts(relation, run=self.run):
            name = bucket(fact.confidence)
            counts[name] = counts.get(name, 0) + 1
            yield fact
        if not counts:
            del self.told[relation]

    def _holds(self, relation: str, facts: Iterator[Fact]) -> bool:
        new = ((fact.triple, fact.evidence[0]) for fact in facts)
        return all(old == fresh for old, fresh in zip_longest(self._held(relation), new))

    def _held(self, relation: str) -> Iterator[tuple[Triple, Evidence]]:
        for fact in self.store.facts(relation=relation):
            for evidence in fact.evidence:
                if evidence.source == source(relation):
                    yield fact.triple, evidence

    def _of_products(self, relation: str) -> Iterator[tuple[str, Fact]]:
        for fact in self.store.facts(relation=relation, until=self.until, allow_undated=self.allow_undated):
            key = ids.product_id(fact.head)
            if key is not None:
                yield key, fact

    def _compatible(self) -> Iterator[tuple[str, str]]:
        for relation in ("COMPATIBLE_WITH", "ACCESSORY_OF"):
            for key, fact in self._of_products(relation):
                other = ids.product_id(fact.tail)
                if other is not None:
                    yield key, other


def _batches(facts: Iterator[Fact], size: int) -> Iterator[list[Fact]]:
    batch: list[Fact] = []
    for fact in facts:
        batch.append(fact)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch

"""The queue of what people should look at: facts that texts state, the least sure first."""

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from api.errors import FrontDoorError
from kg.store import GraphReader
from kg.types import Entity, Evidence, Fact
from mining import json_lines
from mining.catalog import METHOD as CATALOG
from mining.decisions import Decision, DecisionLog, Judged, Verdict
from mining.extraction.people import METHOD as PEOPLE
from mining.grounding import ground

RELATIONS = ("HAS_ATTRIBUTE", "COMPATIBLE_WITH", "ACCESSORY_OF", "USED_FOR", "SUITS")
MOST = 500  # that wait in the queue at a time


@dataclass(frozen=True, slots=True)
class Proposal:
    """A fact of one text that a person may judge."""

    fact: Fact
    evidence: Evidence
    head: Entity
    attribute: str | None

    @property
    def judged(self) -> Judged:
        """What a decision about it is about."""
        return (self.evidence.source, self.fact.relation, self.fact.tail)

    @property
    def said(self) -> str:
        """What the fact says, before its quote."""
        return self.attribute or self.fact.relation.replace("_", " ").lower()


class Queue:
    """What waits for a decision, and where decisions go. ``who`` takes them."""

    def __init__(self, reader: GraphReader, log: DecisionLog, who: str) -> None:
        self.reader, self.log, self.who = reader, log, who
        self.decided = 0

    def waiting(self, most: int = MOST) -> list[Proposal]:
        """The undecided facts, the least sure first; equals in the order of the graph. One pass over the graph."""
        done = {decision.judged for decision in self.log.holding()}
        places = count()
        found = (
            (evidence.confidence, next(places), fact, evidence)
            for fact, evidence in self._stated()
            if (evidence.source, fact.relation, fact.tail) not in done
        )
        return [self._proposal(fact, evidence) for _, _, fact, evidence in heapq.nsmallest(most, found)]

    def decide(self, proposal: Proposal, verdict: Verdict, right: str = "") -> Decision:
        """Keep a decision. ``right``: for ``correct``, words of the text. Raises FrontDoorError where it lacks them."""
        fact, e = proposal.fact, proposal.evidence
        assert e.quote is not None
        assert e.start is not None
        assert e.end is not None
        if verdict == "correct":
            right = right.strip()
            found = ground(right, self.reader.document(e.source).text) if right else None
            if found is None or found.how != "exact":
                raise FrontDoorError(f"“{right}” does not stand in the text, letter by letter; quote what it says")
        decision = Decision(
            e.source, fact.relation, fact.tail, proposal.attribute, e.quote, e.start, e.end, e.method, e.confidence,
            verdict, {"accept": e.quote, "correct": right, "reject": ""}[verdict], self.who, int(time.time()),
        )  # fmt: skip
        self.log.record(decision)
        self.decided += 1
        return decision

    def _stated(self) -> Iterator[tuple[Fact, Evidence]]:
        for relation in RELATIONS:
            for fact in self.reader.facts(relation=relation):
                by_source: dict[str, Evidence] = {}
                for e in fact.evidence:
                    if e.quote is not None and e.method not in (CATALOG, PEOPLE):
                        held = by_source.get(e.source)
                        if held is None or held.confidence < e.confidence:
                            by_source[e.source] = e
                for evidence in by_source.values():
                    yield fact, evidence

    def _proposal(self, fact: Fact, evidence: Evidence) -> Proposal:
        head, tail = self.reader.entity(fact.head), self.reader.entity(fact.tail)
        name = tail.properties.get("attribute")
        attribute = name if fact.relation == "HAS_ATTRIBUTE" and isinstance(name, str) else None
        return Proposal(fact, evidence, head, attribute)


def write_lessons(reader: GraphReader, log: DecisionLog, out: Path) -> dict[str, Any]:
    """Write what decisions teach as rows that ``extract --more`` reads; returns counts for the user."""
    from mining.extraction.teaching import lessons

    taught = lessons(reader, log)
    json_lines.write(out, (_row(row.category, row.texts, row.gold, row.own) for row in taught.rows))
    return {"products": len(taught.rows), "waiting": taught.waiting, "gone": taught.gone, "out": str(out)}


def _row(category: str, texts: Any, gold: Any, own: Any) -> dict[str, Any]:
    scores = {name: dict.fromkeys(values, 1) if values else {"n/a": 1} for name, values in gold.items()}
    return {**own, **texts, "category": category, "target_scores": scores}

"""What the routes are given: the open graph, the log and the model that is served now."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Depends, Request

from api.errors import NotTrained, ReadOnly
from api.feedback import Feedback
from api.intake import Intake
from api.metrics import Metrics
from api.nouns import iso
from api.rulebook import Rulebook
from api.serving import ModelHolder, Served
from api.workspace import Workspace
from kg import ids
from kg.errors import UnknownEntity
from kg.events import EventLog
from kg.store import GraphReader
from kg.types import Entity, Fact, Timestamp
from recommender.diversity import Diversity
from recommender.rules import Rule
from recommender.thresholds import NO_THRESHOLDS, Thresholds

if TYPE_CHECKING:
    from api.labelling import Queue


logger = logging.getLogger("shopgraph.api.deps")


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request may use. Built once, by ``api.bootstrap``. ``queue``: where people label, if they may.
    ``rival``: the model that shares lists with the one in service, where the shop compares two; ``failed``: the rivals
    that failed, by name."""

    reader: GraphReader
    log: EventLog
    models: ModelHolder
    workspace: Workspace
    metrics: Metrics
    rules: Rulebook = field(default_factory=Rulebook)
    feedback: Feedback = field(default_factory=Feedback)
    intake: Intake | None = None
    queue: "Queue | None" = None
    rival: Served | None = None
    failed: set[str] = field(default_factory=set)

    def taking(self) -> Intake:
        """What takes products in. Raises ReadOnly."""
        if self.intake is None:
            raise ReadOnly("this service only reads; `shopgraph load` takes products in")
        return self.intake

    def served(self) -> Served:
        """The model to answer with. Raises NotTrained."""
        served = self.models.current
        if served is None:
            raise NotTrained(f"{self.workspace.root} holds no model yet: run `shopgraph train` first")
        return served

    def beside(
        self, served: Served, diversity: Diversity, thresholds: Thresholds, rules: Sequence[Rule]
    ) -> Served | None:
        """The rival that drafts this answer together with ``served``; None where it speaks alone.

        At most so many of a category is a promise about the whole list, which two halves would not keep. Scores of two
        models are of different scales, and facts speak in the one and not in the other: the same least score or
        confidence would cut one list short, and what is not shown wins nothing.
        """
        rival = self.rival
        if rival is None or not served.drafts_with(rival):
            return None
        if (diversity and diversity.kind == "rule-based-diversity") or thresholds != NO_THRESHOLDS:
            return None
        return None if any(rule.below is not None for rule in rules) else rival

    def rival_failed(self, rival: Served) -> None:
        """Count the error that is being handled, and log it: the first of this rival, not each request's."""
        self.metrics.feedback("rival failed")
        if rival.name not in self.failed:
            self.failed.add(rival.name)
            logger.exception("the rival %s fails; the model in service answers alone", rival.name)

    def stamp(self, served: Served | None = None, as_of: Timestamp | None = None) -> dict[str, Any]:
        """The three things that every answer names.

        Taken before anything is read, so that an answer knows at least what its stamp says, but for newcomers that
        ``Recommender`` reads meanwhile. ``served`` is the model
        that speaks, which may be replaced while it does; the current one where none is given. What is answered
        ``as_of`` an earlier moment knows events from before it alone.
        """
        speaks = served or self.models.current
        return {
            "model": speaks.name if speaks else None,
            "graph_version": self.reader.version,
            "as_of": iso(self.log.last_at if as_of is None else self.log.last_before(as_of)),
        }

    def resolve(self, product_or_entity: str) -> Entity:
        """A product by its shop key, which may hold a colon, or else an entity by its id. Raises UnknownEntity."""
        try:
            return self.reader.entity(ids.product(product_or_entity))
        except UnknownEntity:
            return self.reader.entity(product_or_entity)

    def entities(self, facts: Iterable[Fact], extra: Iterable[str] = ()) -> dict[str, Entity]:
        """The entities that these facts touch, and ``extra`` ids, as far as they exist; one look-up each.

        Callers bound their facts first: some hundred entities are a page, not a graph.
        """
        found: dict[str, Entity] = {}
        for entity_id in {i for f in facts for i in (f.head, f.tail)}.union(extra):
            try:
                found[entity_id] = self.reader.entity(entity_id)
            except UnknownEntity:
                continue
        return found

    def names(self, facts: Iterable[Fact], extra: Iterable[str] = ()) -> dict[str, str]:
        """The names of ``entities``."""
        return {entity_id: entity.name for entity_id, entity in self.entities(facts, extra).items()}

    def reports(self) -> dict[str, Mapping[str, Any]]:
        """The report of each stage that has run, by the name of its run folder, oldest first.

        One that is being replaced or is no report is passed over: a page is not the place to fail about it.
        """
        found: dict[str, Mapping[str, Any]] = {}
        paths = self.workspace.runs.glob("*/report.json")
        for path in sorted(paths, key=lambda p: (p.stat().st_mtime_ns, p.as_posix())):
            try:
                report = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(report, dict):
                found[path.parent.name] = report
        return found


def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(services)]

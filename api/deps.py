"""What the routes are given: the open graph, the log and the model that is served now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from api.metrics import Metrics
from api.serving import ModelHolder
from api.workspace import Workspace
from kg.errors import UnknownEntity
from kg.events import EventLog
from kg.store import GraphReader
from kg.types import Fact


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request may use. Built once, by ``api.bootstrap``."""

    reader: GraphReader
    log: EventLog
    models: ModelHolder
    workspace: Workspace
    metrics: Metrics

    def stamp(self) -> dict[str, Any]:
        """The three things that every answer names."""
        from api.schemas import iso

        current = self.models.current
        return {
            "model": current.name if current else None,
            "graph_version": self.reader.version,
            "as_of": iso(self.log.last_at),
        }

    def names(self, facts: "list[Fact] | tuple[Fact, ...]", extra: tuple[str, ...] = ()) -> dict[str, str]:
        """The names of all entities that these facts touch."""
        wanted = {i for f in facts for i in (f.head, f.tail)}.union(extra)
        found: dict[str, str] = {}
        for entity_id in wanted:
            try:
                found[entity_id] = self.reader.entity(entity_id).name
            except UnknownEntity:
                continue
        return found

    def last_report(self) -> Mapping[str, Any] | None:
        return self.workspace.last_report()


def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(services)]

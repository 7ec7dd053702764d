"""Products come in here while the service runs: one at a time, under the writer's lock of the workspace."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from api.errors import WorkspaceLocked
from api.extras import need
from api.workspace import Workspace
from kg.schema import SHOP, Schema
from kg.store import GraphStore

if TYPE_CHECKING:
    from mining.arrival import Arrival, Arrivals


class Intake:
    """Takes products into the store of one workspace. What reads their texts is made once, when it is first needed: it
    is heavy, and a service that only answers does without."""

    def __init__(self, store: GraphStore, workspace: Workspace, schema: Schema = SHOP) -> None:
        self._store = store
        self._workspace = workspace
        self._schema = schema
        self._made: Arrivals | None = None
        self._lock = threading.Lock()

    def take(self, values: Mapping[str, object]) -> "Arrival":
        """``values`` as of ``mining.arrival.Arrivals.take``. Waits for the product before it in this process; raises
        WorkspaceLocked where another process writes, MissingExtra without the extra ``nlp``."""
        with self._lock:
            arrivals = self._arrivals()
            with self._workspace.writing():
                return arrivals.take(values)

    def warm(self) -> threading.Thread:
        """Bring back what a killed writer took out, and make what reads texts, beside whatever else happens: so no
        product is missing until the next write, and the first that comes need not wait.

        While another process writes, nothing is brought back here: ``mine`` does that itself, and after a ``load`` it
        waits for the next product, ``mine`` or start. Between the start and its end a reader misses the product.
        """
        started = threading.Thread(target=self._warm, name="reading", daemon=True)
        started.start()
        return started

    def _warm(self) -> None:
        with self._lock:
            self._recover()
            self._arrivals()

    def _recover(self) -> None:
        from mining.replacement import Journal

        journal = Journal.of(self._run_dir)
        if journal.path.exists():  # without one the lock is left to whoever wants it
            with suppress(WorkspaceLocked), self._workspace.writing():
                journal.recover(self._store)

    @property
    def _run_dir(self) -> Path:
        return self._workspace.runs / "mine"

    def _arrivals(self) -> "Arrivals":
        if self._made is None:
            need("spacy", "nlp")
            from mining.arrival import Arrivals
            from mining.decisions import DecisionLog
            from mining.extraction.judged import JudgedExtractor
            from mining.extraction.orders import Guarded
            from mining.extraction.people import PeopleExtractor
            from mining.types import Extractor

            decisions = DecisionLog(self._workspace.decisions)
            rules = Guarded(JudgedExtractor(self._schema, overrules=False))
            readers: list[Extractor] = [rules, PeopleExtractor(decisions, self._schema)]
            self._made = Arrivals(self._store, readers, run_dir=self._run_dir, schema=self._schema, decisions=decisions)
        return self._made

"""The one folder that every command shares: graph, events, models, rejects, cache and run reports.

::

    DIR/workspace.json      format version
    DIR/lock                the pid of the one writer, held by the operating system, so that a killed writer frees it
    DIR/graph.db            the graph, unless --store names another
    DIR/events.db           the event log
    DIR/impressions.db      what was shown with which propensity, where answers are logged
    DIR/decisions.db        what people decided about facts that texts state
    DIR/models/<id>/        artifacts; models/current names the one that is served
    DIR/rules.json          business rules, where the shop has any
    DIR/rejects/            rows that were set aside
    DIR/cache/              replies and extractions, disposable
    DIR/runs/<id>/report.json
    DIR/evaluation/         the newest evaluation: report.json, metrics.csv, pictures
"""

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from api.errors import WorkspaceError, WorkspaceLocked

FORMAT = 1
PATIENCE = 10.0
"""Seconds that a command waits for the lock: a product that comes in holds it for less than one, a command for longer
than anybody waits."""
_AGAIN = 0.05  # seconds from one try to the next


class Workspace:
    """Paths and the writer's lock. Nothing is created before it is needed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.root / 'graph.db'}"

    @property
    def events(self) -> Path:
        return self.root / "events.db"

    @property
    def impressions(self) -> Path:
        return self.root / "impressions.db"

    @property
    def decisions(self) -> Path:
        return self.root / "decisions.db"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def rules(self) -> Path:
        return self.root / "rules.json"

    @property
    def rejects(self) -> Path:
        return self.root / "rejects"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def checkpoints(self) -> Path:
        return self.cache / "checkpoints"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def evaluation(self) -> Path:
        return self.root / "evaluation"

    def existing(self) -> None:
        """Check that there is one, and create nothing. Raises WorkspaceError."""
        if not (self.root / "workspace.json").exists():
            raise WorkspaceError(f"{self.root} is no workspace; give the --workspace of `shopgraph serve`")
        self.open()

    def open(self) -> None:
        """Create the folder, or check that it is one of ours. Raises WorkspaceError."""
        marker = self.root / "workspace.json"
        if marker.exists():
            found = json.loads(marker.read_text(encoding="utf-8")).get("format")
            if found != FORMAT:
                raise WorkspaceError(
                    f"{self.root} has workspace format {found}, this version reads {FORMAT}; "
                    "export it with the version that wrote it, or choose another --workspace"
                )
            return
        if self.root.is_file():
            raise WorkspaceError(f"{self.root} is a file; --workspace wants a folder")
        self.root.mkdir(parents=True, exist_ok=True)
        write_json(marker, {"format": FORMAT})

    @contextmanager
    def writing(self, *, patience: float = 0.0) -> Iterator[None]:
        """Hold the writer's lock, waiting ``patience`` seconds for it. Raises WorkspaceLocked that names the pid which
        holds it."""
        self.open()
        with open(self.root / "lock", "a+", encoding="utf-8") as lock:
            if not _locked(lock, patience):
                lock.seek(0)
                raise WorkspaceLocked(
                    f"{self.root} is being written by process {lock.read().strip() or 'unknown'}; "
                    "wait for it, stop it, or choose another --workspace"
                )
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def report(self, run: str) -> Path:
        return self.runs / run / "report.json"

    def last_report(self) -> Mapping[str, Any] | None:
        """The newest report that a run left, or None."""
        reports = sorted(self.runs.glob("*/report.json"), key=lambda p: (p.stat().st_mtime_ns, p.as_posix()))
        return json.loads(reports[-1].read_text(encoding="utf-8")) if reports else None


def _locked(file: TextIO, patience: float) -> bool:
    """Whether the file could be locked within so many seconds; it is tried at least once."""
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_AGAIN)
        else:
            return True


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1, sort_keys=True)
        file.write("\n")
    os.replace(name, path)

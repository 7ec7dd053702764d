"""The model that is served now, swapped without dropping a request when ``models/current`` changes."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from api.errors import FrontDoorError
from recommender.artifact import MANIFEST
from recommender.recommender import Recommender

log = logging.getLogger("shopgraph.api.serving")

LOOK_EVERY = 1.0  # seconds between looks at models/current
TRY_AGAIN = 30.0  # seconds before a model that could not be loaded is tried again: its store may have been away


@dataclass(frozen=True, slots=True)
class Served:
    """One loaded model. ``name`` is the artifact's id."""

    name: str
    recommender: Recommender

    def drafts_with(self, other: "Served") -> bool:
        """A model is no rival of itself, nor of one that takes other events for having had a product."""
        return self.name != other.name and self.recommender.artifact.taking == other.recommender.artifact.taking


class ModelHolder:
    """Holds the current model; loads a newer one in the request that first sees it, never half-way.

    While one request loads, the others are answered by the model before. One that cannot be loaded leaves the old one
    in place and is logged once.
    """

    def __init__(self, models: Path, load: Callable[[Path], Recommender], *, look_every: float = LOOK_EVERY) -> None:
        self._models = models
        self._load = load
        self._look_every = look_every
        self._current: Served | None = None
        self._refused: tuple[str, float] = ("", 0.0)
        self._looked = float("-inf")
        self._lock = threading.Lock()

    @property
    def current(self) -> Served | None:
        """The model to answer with, or None where none could be loaded yet."""
        if time.monotonic() - self._looked < self._look_every:
            return self._current
        if self._lock.acquire(blocking=self._current is None):  # the first model is waited for
            try:
                self._refresh()
                self._looked = time.monotonic()
            finally:
                self._lock.release()
        return self._current

    def _refresh(self) -> None:
        stays = self._current.name if self._current else None
        name: str | None = None
        try:
            name = current_model(self._models)
            refused, until = self._refused
            if name in (None, stays) or (name == refused and time.monotonic() < until):
                return
            self._current = Served(str(name), self._load(self._models / str(name)))
            self._refused = ("", 0.0)
            log.info("serving %s instead of %s", name, stays)
        except Exception:  # whatever is wrong with the new model, the old one goes on answering
            wrong = name or "models/current"
            if wrong != self._refused[0]:
                log.exception("model %s cannot be loaded; %s stays", wrong, stays or "none")
            self._refused = (wrong, time.monotonic() + TRY_AGAIN)


def folder_of(models: Path, model: str) -> Path:
    """The folder of a model by its id, by ``current`` for the one in service, or by a path. Raises FrontDoorError."""
    name = current_model(models) if model == "current" else model
    for folder in [] if name is None else [models / name, Path(name)]:
        if (folder / MANIFEST).is_file():
            return folder.resolve()
    known = sorted(path.parent.name for path in models.glob(f"*/{MANIFEST}"))
    raise FrontDoorError(f"there is no model {model!r}; {models} holds {', '.join(known) or 'none'}")


def current_model(models: Path) -> str | None:
    """The id in ``models/current``, or None where nothing was promoted yet."""
    try:
        return (models / "current").read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None

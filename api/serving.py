"""The model that is served now, swapped without dropping a request when ``models/current`` changes."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recommender.recommender import Recommender

log = logging.getLogger("shopgraph.api.serving")

LOOK_EVERY = 1.0  # seconds between looks at models/current


@dataclass(frozen=True, slots=True)
class Served:
    """One loaded model. ``name`` is the artifact's id."""

    name: str
    recommender: Recommender


class ModelHolder:
    """Holds the current model; loads a newer one in the request that first sees it, never half-way.

    A model that cannot be loaded leaves the old one in place and is logged once.
    """

    def __init__(self, models: Path, load: Callable[[Path], Recommender]) -> None:
        self._pointer = models / "current"
        self._models = models
        self._load = load
        self._current: Served | None = None
        self._refused: str | None = None
        self._looked = float("-inf")
        self._lock = threading.Lock()

    @property
    def current(self) -> Served | None:
        """The model to answer with, or None where nothing has been trained."""
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY and self._lock.acquire(blocking=self._current is None):
            try:
                self._looked = now
                self._refresh()
            finally:
                self._lock.release()
        return self._current

    def _refresh(self) -> None:
        name = current_model(self._pointer)
        if name is None or name == self._refused or (self._current and self._current.name == name):
            return
        try:
            self._current = Served(name, self._load(self._models / name))
        except Exception:  # whatever is wrong with the new model, the old one goes on answering
            self._refused = name
            log.exception("model %s cannot be loaded; %s stays", name, self._current.name if self._current else "none")


def current_model(pointer: Path) -> str | None:
    """The id in ``models/current``, or None where nothing was promoted yet."""
    try:
        return pointer.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None

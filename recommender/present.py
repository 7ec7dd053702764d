"""What holds for the graph as it is now: its products, newcomers among them, and the model over all of them.

Products that the graph has and the model does not are newcomers, read from the graph whenever it has changed: by the
request that first sees the change. Those that come while it reads answer from what was known before; the first reading
of all is waited for.
"""

import threading
from typing import NamedTuple

from kg.errors import UnknownEntity
from kg.store import GraphReader
from kg.types import Timestamp
from recommender.artifact import Artifact
from recommender.filters import Shelf
from recommender.newcomers import Arrived, Change, Newcomers
from recommender.widening import Widened, spoken_for, widen


class Now(NamedTuple):
    """What holds for one version of the graph: its products, and the model over all of them."""

    shelf: Shelf
    arrived: Arrived
    wide: Widened


class Present:
    """Keeps up with the graph for one artifact. Safe to use from several threads."""

    def __init__(self, artifact: Artifact, reader: GraphReader) -> None:
        self._artifact = artifact
        self._reader = reader
        self._known: Now | None = None
        self._alone: Now | None = None
        self._newcomers = Newcomers(reader, artifact.items, spoken_for(artifact.chain))
        self._changes: dict[int, Change] = {}  # by the version that they began with
        self._lock = threading.Lock()

    def refresh(self, change: Change | None = None) -> None:
        """Read the graph as it is now, whoever else is reading an older one; of what only ``change`` has written, that
        alone."""
        if change is not None and change.since < change.until:
            self._changes[change.since] = change
        self.now(wait=True)

    def now(self, *, wait: bool = False) -> Now:
        """What holds for the graph as it is now; while someone else reads it and we need not ``wait``, what held
        before."""
        now = self._known
        if now is not None and now.shelf.version == self._reader.version:
            return now
        if now is None or wait:
            self._lock.acquire()
        elif not self._lock.acquire(blocking=False):
            return now
        try:
            return self._read()
        finally:
            self._lock.release()

    def at(self, as_of: Timestamp | None) -> Now:
        """What holds now; without newcomers for an earlier moment: their facts would tell it of what came later."""
        now = self.now()
        if as_of is None or len(now.wide.items) == len(self._artifact.items):
            return now
        alone = self._alone
        if alone is None or alone.shelf.version != now.shelf.version:
            arrived = Arrived(self._artifact.items)
            shelf = Shelf(self._reader, arrived.items, now.shelf.version)
            alone = self._alone = Now(shelf, arrived, widen(self._artifact.chain, arrived))
        return alone

    def _read(self) -> Now:
        """Under the lock."""
        now = self._known
        version = self._reader.version  # before the reading: what is read is at least as new
        while now is not None and now.shelf.version != version and now.shelf.version in self._changes:
            now = self._followed(now, self._changes.pop(now.shelf.version))
        if now is None or now.shelf.version != version:
            products = list(self._reader.entities(type="Product"))
            arrived = self._newcomers.read(products)
            wide = self._widened(self._known, arrived)
            now = Now(Shelf(self._reader, wide.items, version, products), arrived, wide)
        for since in list(self._changes):
            if since < now.shelf.version:
                del self._changes[since]
        self._known = now
        return now

    def _followed(self, now: Now, change: Change) -> Now | None:
        """What holds after one product changed; None where it is gone again."""
        try:
            product = self._reader.entity(change.product)
        except UnknownEntity:
            return None
        arrived = self._newcomers.again(product)
        wide = self._widened(now, arrived)
        return Now(now.shelf.after(product, wide.items, change.until), arrived, wide)

    def _widened(self, now: Now | None, arrived: Arrived) -> Widened:
        return now.wide if now is not None and now.arrived == arrived else widen(self._artifact.chain, arrived)

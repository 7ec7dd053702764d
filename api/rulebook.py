"""The business rules that hold now, read anew when their file changes; a file that is wrong leaves those before it."""

import logging
import threading
import time
from pathlib import Path

from recommender.errors import RuleError
from recommender.rules import Rule, read_rules

log = logging.getLogger("shopgraph.api.rules")

Stamp = tuple[int, int] | None


class Rulebook:
    """The rules of one file, or none where there is no file. Safe to use from several threads."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises RuleError that names the rule: what is wrong from the start is not served around."""
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._rules: tuple[Rule, ...] = () if path is None or self._seen is None else read_rules(path)

    def holding(self, at: int | None = None) -> tuple[Rule, ...]:
        """The rules whose window holds ``at``, Unix seconds, now where it is None; in the order of the file."""
        self._refresh()
        moment = int(time.time()) if at is None else at
        return tuple(rule for rule in self._rules if rule.holds(moment))

    def _refresh(self) -> None:
        stamp = self._stamp()
        if self._path is None or stamp == self._seen:
            return
        with self._lock:
            self._seen = stamp
            try:
                self._rules = () if stamp is None else read_rules(self._path)
            except RuleError as error:
                log.error("%s; the rules before it stay", error)

    def _stamp(self) -> Stamp:
        try:
            about = self._path.stat() if self._path else None
        except FileNotFoundError:
            return None
        return (about.st_mtime_ns, about.st_size) if about else None

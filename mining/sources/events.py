"""Interactions from logs, from ratings and from histories, each with an id that loading twice gives twice.

Three layouts: one event a row; one history a row (``user, history, target``: sliding windows without times); either of
them without times. Without a time column the n-th event of a user is at second n: an order, not a clock, and the report
says so. Events come in file order; order in the log is (time, row).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from kg.errors import EventError
from kg.types import Action, Interaction
from mining.sources.columns import squash
from mining.sources.reading import Fields, Request, read_typed
from mining.sources.rows import OnReject, ReadReport
from mining.sources.shop import file_of
from mining.sources.text import is_missing, structured
from mining.sources.values import BadRow, action_of, id_of, optional_id, time_of

NO_TIMES = "times: the file has none; the n-th event of a user is at second n"
HISTORIES = "events: purchases from sliding windows, history then target, each product once a user"


def read_events(
    path: Path | str,
    *,
    on_reject: OnReject,
    columns: Mapping[str, str] | None = None,
    preset: str | None = None,
    encoding: str | None = None,
    report: ReadReport | None = None,
) -> Iterator[Interaction]:
    """The events of a file, or of a shop folder, in file order.

    ``product`` is the only column that must be there; no action column means ``purchase``, and a rating then is its
    value. Ids not in the file are made from (user, session, product, action, time, how many the same before), so that
    the same rows have the same ids in every file form. Memory: about 100 bytes an event, to tell repeated rows apart.
    Raises SourceError, ColumnError.
    """
    request = Request(
        file_of(Path(path), "events"),
        "events",
        on_reject,
        columns,
        preset,
        encoding,
        ReadReport() if report is None else report,
    )
    return read_typed(request, _Events().read, lambda seen: ("product",) if _has_histories(seen, columns) else ())


def event_id_of(user: str | None, session: str | None, product: str, action: str, at: int, repeat: int = 0) -> str:
    """The id of an event that brings none: 32 hexadecimal digits made of what it says."""
    return blake2b(_content(user, session, product, action, at, repeat), digest_size=16).hexdigest()


def _content(user: str | None, session: str | None, product: str, action: str, at: int, repeat: int) -> bytes:
    return f"{user or ''}\x1f{session or ''}\x1f{product}\x1f{action}\x1f{at}\x1f{repeat}".encode()


def _has_histories(seen: list[str], columns: Mapping[str, str] | None) -> bool:
    mapped = columns or {}
    return "history" in mapped or any(squash(name) in ("history", "itemhistory", "sequence") for name in seen)


@dataclass(slots=True)
class _Events:
    """What must be remembered from row to row."""

    repeats: dict[int, int] = field(default_factory=dict)  # 64 bits of the content → how often it came
    position: defaultdict[str | None, int] = field(default_factory=lambda: defaultdict(int))
    owned: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def read(self, fields: Fields) -> Iterable[Interaction]:
        if fields.has("history") and not fields.has("product"):
            return self._history(fields)
        return (self._event(fields),)

    def _event(self, fields: Fields) -> Interaction:
        product = id_of(fields.get("product"), "product id")
        user = optional_id(fields.get("user"), "user id")
        session = optional_id(fields.get("session"), "session id")
        if user is None and session is None:
            fields.note("neither user nor session")
        action = _action(fields)
        value = fields.number("value") if fields.has("value") else None
        at = time_of(fields.get("time")) if fields.has("time") else self._next(fields, user or session)
        given = optional_id(fields.get("event_id"), "event id") if fields.has("event_id") else None
        event_id = given or self._id(user, session, product, action, at)
        return Interaction(event_id, product, action, at, user, session, value)

    def _history(self, fields: Fields) -> Iterator[Interaction]:
        fields.report.derive(HISTORIES)
        user = id_of(fields.get("user"), "user id")
        items = structured(fields.get("history"))
        if not isinstance(items, list | tuple):
            items = [] if is_missing(items) else str(items).replace(",", " ").split()
        ids = [id_of(item, "product id") for item in items]
        target = optional_id(fields.get("target"), "product id")
        new = [p for p in dict.fromkeys([*ids, *([target] if target is not None else [])]) if p not in self.owned[user]]
        if not new:
            fields.note("history: every event already known from another window")
        self.owned[user].update(new)
        for product in new:
            at = self._next(fields, user)
            yield Interaction(self._id(user, None, product, "purchase", at), product, "purchase", at, user)

    def _next(self, fields: Fields, owner: str | None) -> int:
        fields.report.synthetic_times = True
        fields.report.derive(NO_TIMES)
        self.position[owner] += 1
        return self.position[owner]

    def _id(self, user: str | None, session: str | None, product: str, action: Action, at: int) -> str:
        digest = blake2b(_content(user, session, product, action, at, 0), digest_size=16).digest()
        key = int.from_bytes(digest[:8], "big")
        repeat = self.repeats.get(key, 0)
        self.repeats[key] = repeat + 1
        return event_id_of(user, session, product, action, at, repeat) if repeat else digest.hex()


def _action(fields: Fields) -> Action:
    if not fields.has("action"):
        return "purchase"
    word = fields.get("action")
    if not isinstance(word, str) or is_missing(word):
        raise BadRow("action missing" if is_missing(word) else "unknown action: expected a word")
    try:
        return action_of(word)
    except EventError as error:
        raise BadRow(str(error)) from None

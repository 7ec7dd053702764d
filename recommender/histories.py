"""What users did, as arrays: id maps, ragged histories, and how a history becomes a weighted vector."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kg.types import ACTIONS, Interaction
from recommender.arrays import Bools, Floats, Ints, Sparse, group_starts, sparse

ACTION_CODES: Mapping[str, int] = {action: code for code, action in enumerate(ACTIONS)}
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Ids:
    """Names in a fixed order, and each name's place in it."""

    names: tuple[str, ...]
    places: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", {name: place for place, name in enumerate(self.names)})

    @classmethod
    def sorted(cls, names: Iterable[str]) -> "Ids":
        return cls(tuple(sorted(set(names))))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> str:
        return self.names[place]

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def get(self, name: str | None) -> int:
        """The place of a name, or -1 where it is unknown or None."""
        return NOBODY if name is None else self.places.get(name, NOBODY)


NO_IDS = Ids(())


@dataclass(frozen=True, slots=True)
class UserState:
    """Someone to recommend for: a known user, a session, or just what was done, oldest first."""

    user_id: str | None = None
    history: tuple[Interaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Histories:
    """The events of n users, row after row, oldest first.

    Shapes: ``users`` (n,) place of a known user or -1; ``indptr`` (n+1,) row u is ``[indptr[u], indptr[u+1])``;
    ``items`` (e,) places of products; ``actions`` (e,) codes of ``kg.types.ACTIONS``; ``at`` (e,) Unix seconds.
    """

    users: Ints
    indptr: Ints
    items: Ints
    actions: NDArray[np.int8]
    at: Ints

    @classmethod
    def build(cls, users: Ints, lengths: Ints, items: Ints, actions: NDArray[np.int8], at: Ints) -> "Histories":
        indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        return cls(users.astype(np.int64), indptr, items.astype(np.int64), actions, at.astype(np.int64))

    @classmethod
    def of(cls, states: Sequence[UserState], items: Ids, users: Ids) -> "Histories":
        """Products that are not among ``items`` are left out: no model can use them."""
        rows = [[(items.get(e.product_id), ACTION_CODES[e.action], e.at) for e in s.history] for s in states]
        kept = [[event for event in row if event[0] != NOBODY] for row in rows]
        flat = [event for row in kept for event in row]
        return cls.build(
            np.array([users.get(s.user_id) for s in states], np.int64),
            np.array([len(row) for row in kept], np.int64),
            np.array([e[0] for e in flat], np.int64),
            np.array([e[1] for e in flat], np.int8),
            np.array([e[2] for e in flat], np.int64),
        )

    def __len__(self) -> int:
        return len(self.users)

    @property
    def lengths(self) -> Ints:
        """Events a row, (n,)."""
        return np.diff(self.indptr)

    @property
    def owners(self) -> Ints:
        """The row of each event, (e,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    @property
    def last_at(self) -> Ints:
        """The time of each row's newest event, (n,); the smallest integer where the row is empty."""
        newest = np.full(len(self), np.iinfo(np.int64).min, np.int64)
        busy = self.lengths > 0
        newest[busy] = self.at[self.indptr[1:][busy] - 1]
        return newest

    def rows(self, start: int, stop: int) -> "Histories":
        """Rows ``[start, stop)`` as views."""
        begin, end = self.indptr[start], self.indptr[min(stop, len(self))]
        return Histories(
            self.users[start:stop],
            self.indptr[start : stop + 1] - begin,
            self.items[begin:end],
            self.actions[begin:end],
            self.at[begin:end],
        )

    def keep(self, events: Bools) -> "Histories":
        """The same rows with only the events marked in ``events`` (e,)."""
        lengths = np.bincount(self.owners[events], minlength=len(self)).astype(np.int64)
        return Histories.build(self.users, lengths, self.items[events], self.actions[events], self.at[events])

    def take(self, rows: Ints) -> "Histories":
        """The rows at these places, in this order."""
        lengths = self.lengths[rows]
        firsts = np.repeat(self.indptr[:-1][rows], lengths)
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        events = firsts + offsets
        return Histories.build(self.users[rows], lengths, self.items[events], self.actions[events], self.at[events])


def _default_actions() -> Mapping[str, float]:
    return {"view": 0.2, "click": 0.2, "cart": 0.5, "purchase": 1.0, "rating": 1.0}


@dataclass(frozen=True, slots=True)
class HistoryWeights:
    """How a history becomes a vector x over the items.

    ``x_i`` is the weight of the strongest action on item i, times ``decay ** age`` where age counts the distinct items
    touched after it (0 = the newest). With ``decay=1`` and purchases only, x is the binary history.
    """

    decay: float = 1.0
    actions: Mapping[str, float] = field(default_factory=_default_actions, hash=False)

    def matrix(self, histories: Histories, n_items: int) -> Sparse:
        """Shape (n, n_items)."""
        newest, values = self.distinct(histories, n_items)
        rows, columns = histories.owners[newest], histories.items[newest]
        if self.decay != 1.0:
            values = values * np.float32(self.decay) ** _ages(rows, newest, len(histories)).astype(np.float32)
        return sparse(rows[values != 0], columns[values != 0], values[values != 0], (len(histories), n_items))

    def distinct(self, histories: Histories, n_items: int) -> tuple[Ints, Floats]:
        """Of each item of each row the position of its newest event and its weight before decay, (d,), (d,), by row and
        item."""
        strength = np.array([self.actions.get(action, 0.0) for action in ACTIONS], np.float32)
        keys = histories.owners * n_items + histories.items
        order = np.argsort(keys, kind="stable")  # equal keys stay in time order
        starts = group_starts(keys[order])
        if len(starts) == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        newest = order[np.concatenate((starts[1:], [len(order)])) - 1]
        return newest, np.maximum.reduceat(strength[histories.actions[order]], starts)


DEFAULT_WEIGHTS = HistoryWeights()


def _ages(rows: Ints, positions: Ints, n_rows: int) -> Floats:
    """How many of the positions in the same row come later, for each of them."""
    order = np.argsort(positions)
    counts = np.bincount(rows, minlength=n_rows)
    ends = np.cumsum(counts)
    ages = np.empty(len(rows), np.float32)
    ages[order] = ends[rows[order]] - 1 - np.arange(len(rows))
    return ages

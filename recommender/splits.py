"""Questions with known answers: whom to recommend for, from what history, and which items they took next."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kg.types import ACTIONS, Action, Timestamp
from recommender.arrays import Bools, Ints, group_starts
from recommender.dataset import Dataset
from recommender.errors import DatasetError, LeakageError
from recommender.histories import ACTION_CODES, Histories

TAKING: tuple[Action, ...] = ("purchase", "rating")


@dataclass(frozen=True, slots=True)
class Cases:
    """n users to recommend for, and what they took next.

    ``histories`` has n rows; ``owners`` and ``targets`` (t,) say which row took which item; each pair occurs once.
    ``taking`` names the actions that take an item: what was taken before is no target and is not shown again, what
    was only looked at may be both. Rows without a target are allowed and are not counted.
    """

    histories: Histories
    owners: Ints
    targets: Ints
    taking: tuple[Action, ...] = ACTIONS

    def __len__(self) -> int:
        return len(self.histories)

    def first(self, count: int) -> "Cases":
        """The cases of at most ``count`` rows, spread evenly: for choosing, never for reporting."""
        if count >= len(self):
            return self
        rows = np.linspace(0, len(self) - 1, count).astype(np.int64)
        chosen = np.isin(self.owners, rows)
        owners = np.searchsorted(rows, self.owners[chosen])
        return Cases(self.histories.take(rows), owners, self.targets[chosen], self.taking)


@dataclass(frozen=True, slots=True)
class Cut:
    """What may be learned from, and the cases that measure it."""

    train: Dataset
    cases: Cases


def taking_actions(histories: Histories) -> tuple[Action, ...]:
    """What counts as taking an item: purchases and ratings, or any action where a log knows neither."""
    return TAKING if taken(histories, TAKING).any() else ACTIONS


def taken(histories: Histories, taking: Collection[Action]) -> Bools:
    """Which events take their item, (e,)."""
    codes = [ACTION_CODES[action] for action in taking]
    return np.isin(histories.actions, codes)


def first_takes(histories: Histories, n_items: int, taking: Collection[Action]) -> Ints:
    """The positions of the events in which a row takes an item for the first time, in row order."""
    events = np.flatnonzero(taken(histories, taking))
    keys = histories.owners[events] * n_items + histories.items[events]
    order = np.argsort(keys, kind="stable")
    return np.sort(events[order[group_starts(keys[order])]])


def leave_last_out(data: Dataset) -> Cut:
    """The item that each user took for the first time last is the target, everything before that event the history.

    What the user did to the target itself before taking it is left out: looking at what one is about to buy foretells
    it too well. Later events are dropped. Users with no such item, or nothing before it, stay in training whole and
    are no case. Not a cut in time: others' later events stay in training, and so would edges mined from the whole log,
    which is why edges dated after the first event are refused. Apply it to ``cut.train`` for the validation item.
    """
    for name, edges in {**data.links, **data.attributes}.items():
        newest = int(edges.at.max(initial=np.iinfo(np.int64).min))
        if len(data.histories.at) and newest > int(data.histories.at.min()):
            raise LeakageError(
                f"{name} rests on evidence up to {newest}, which may hold the very items that are left out; "
                "use a cut in time, or mine it without them"
            )
    takes = first_takes(data.histories, len(data.items), taking_actions(data.histories))
    last = np.full(len(data.users), -1, np.int64)
    np.maximum.at(last, data.histories.owners[takes], takes)
    return _leave_out(data, last)


def leave_random_out(data: Dataset, takes: Ints, random: np.random.Generator) -> Cut:
    """The same for one of each user's first takes by chance: what a model trained on whole histories is asked in turn.

    ``takes`` (d,) are the positions that ``first_takes`` gives, found once for many draws.
    """
    owners = data.histories.owners[takes]
    starts = group_starts(owners)
    counts = np.diff(np.concatenate((starts, [len(takes)])))
    drawn = starts + (random.random(len(starts)) * counts).astype(np.int64)
    chosen = np.full(len(data.users), -1, np.int64)
    chosen[owners[drawn]] = takes[drawn]
    return _leave_out(data, chosen)


def _leave_out(data: Dataset, chosen: Ints) -> Cut:
    """The event at ``chosen`` (n_users,) is each user's target, -1 where there is none."""
    histories = data.histories
    target = np.where(chosen >= 0, histories.items[chosen], -1)
    positions, owners = np.arange(len(histories.items)), histories.owners
    earlier = (positions < chosen[owners]) & (histories.items != target[owners])
    cased = np.bincount(owners[earlier], minlength=len(histories)) > 0
    train = histories.keep(earlier | ~cased[owners])
    rows = np.flatnonzero(cased)
    cases = Cases(train.take(rows), np.arange(len(rows)), target[rows], taking_actions(histories))
    return Cut(data.with_histories(train), cases)


def time_cut(train: Dataset, later: pa.Table, *, before: Timestamp | None = None) -> Cut:
    """Everyone's new items of a later stretch of the log, asked of a dataset that ends before it.

    ``later`` is an event table that starts at or after ``train.until``; ``before`` ends the stretch (half-open). Only
    users and items that ``train`` knows are asked for: others have no history or no row to be ranked in.
    """
    if train.until is None:
        raise DatasetError("the training set was not cut in time; read it with until=…")
    early = int((later["at"].to_numpy() < train.until).sum()) if len(later) else 0
    if early:
        raise LeakageError(f"{early} of the later events lie before until={train.until}: cases must not be trained on")
    taking = taking_actions(train.histories)
    n_items = len(train.items)
    pairs: set[int] = set()
    columns = (later[name].to_pylist() for name in ("user", "session", "product", "action", "at"))
    for user, session, product, action, at in zip(*columns, strict=True):
        owner = train.users.get(user if user is not None else f"session:{session}")
        item = train.items.get(product)
        if owner >= 0 and item >= 0 and action in taking and (before is None or at < before):
            pairs.add(owner * n_items + item)
    had = taken(train.histories, taking)
    seen = train.histories.owners[had] * n_items + train.histories.items[had]
    keys = np.setdiff1d(np.array(sorted(pairs), np.int64), seen)
    rows, owners = np.unique(keys // n_items, return_inverse=True)
    return Cut(train, Cases(train.histories.take(rows), owners.astype(np.int64), keys % n_items, taking))


def validation_time(events: pa.Table, share: float = 0.1) -> Timestamp:
    """The moment after which ``share`` of the purchases and ratings (or of all events, without those) happened."""
    if not 0 < share < 1 or not len(events):
        raise DatasetError(f"cannot take the last {share} of {len(events)} events; expected 0 < share < 1 and events")
    at, actions = events["at"].to_numpy(), events["action"].to_numpy(zero_copy_only=False)
    strong = at[np.isin(actions, TAKING)]
    times = np.sort(strong if len(strong) else at)
    return int(times[int(len(times) * (1 - share))])

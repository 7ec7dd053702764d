"""Questions with known answers: whom to recommend for, from what history, and which items they took next."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kg.types import ACTIONS, Action, Timestamp
from recommender.arrays import Ints
from recommender.dataset import Dataset, first_touches
from recommender.errors import DatasetError, LeakageError
from recommender.histories import ACTION_CODES, Histories

STRONG: tuple[Action, ...] = ("purchase", "rating")


@dataclass(frozen=True, slots=True)
class Cases:
    """n users to recommend for, and what they took next.

    ``histories`` has n rows; ``owners`` and ``targets`` (t,) say which row took which item; each pair occurs once and
    no target is in its row's history. Rows without a target are allowed and are not counted.
    """

    histories: Histories
    owners: Ints
    targets: Ints

    def __len__(self) -> int:
        return len(self.histories)


@dataclass(frozen=True, slots=True)
class Cut:
    """What may be learned from, and the cases that measure it."""

    train: Dataset
    cases: Cases


def target_actions(data: Dataset) -> tuple[Action, ...]:
    """What counts as taking an item: purchases and ratings, or any action where a log knows neither."""
    codes = [ACTION_CODES[action] for action in STRONG]
    return STRONG if np.isin(data.histories.actions, codes).any() else ACTIONS


def leave_last_out(data: Dataset, actions: Collection[Action] | None = None) -> Cut:
    """Each user's last new item is the target, everything before it the history; later events are dropped.

    Users with no such item, or nothing before it, stay in training whole and are no case. Not a cut in time: others'
    later events stay in training, and so do edges mined from the whole log, which is why dated edges are refused.
    Apply it to ``cut.train`` again for the validation item.
    """
    for name, edges in {**data.links, **data.attributes}.items():
        newest = int(edges.at.max(initial=np.iinfo(np.int64).min))
        if len(data.histories.at) and newest > int(data.histories.at.min()):
            raise LeakageError(
                f"{name} rests on evidence up to {newest}, which may hold the very items that are left out; "
                "use a cut in time, or mine it without them"
            )
    codes = [ACTION_CODES[action] for action in (actions or target_actions(data))]
    histories, n_users = data.histories, len(data.users)
    touches = first_touches(histories, len(data.items))
    touches = touches[np.isin(histories.actions[touches], codes)]
    last = np.full(n_users, -1, np.int64)
    np.maximum.at(last, histories.owners[touches], touches)
    cased = last > histories.indptr[:-1]
    ends = np.where(cased, last, histories.indptr[1:])
    train = histories.keep(np.arange(len(histories.items)) < ends[histories.owners])
    rows = np.flatnonzero(cased)
    cases = Cases(train.take(rows), np.arange(len(rows)), histories.items[last[rows]])
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
    actions = target_actions(train)
    n_items = len(train.items)
    pairs: set[int] = set()
    columns = (later[name].to_pylist() for name in ("user", "session", "product", "action", "at"))
    for user, session, product, action, at in zip(*columns, strict=True):
        owner = train.users.get(user if user is not None else f"session:{session}")
        item = train.items.get(product)
        if owner >= 0 and item >= 0 and action in actions and (before is None or at < before):
            pairs.add(owner * n_items + item)
    seen = train.histories.owners * n_items + train.histories.items
    keys = np.setdiff1d(np.array(sorted(pairs), np.int64), seen)
    rows, owners = np.unique(keys // n_items, return_inverse=True)
    return Cut(train, Cases(train.histories.take(rows), owners.astype(np.int64), keys % n_items))


def validation_time(events: pa.Table, share: float = 0.1) -> Timestamp:
    """The moment after which ``share`` of the purchases and ratings (or of all events, without those) happened."""
    if not 0 < share < 1 or not len(events):
        raise DatasetError(f"cannot take the last {share} of {len(events)} events; expected 0 < share < 1 and events")
    at, actions = events["at"].to_numpy(), events["action"].to_numpy(zero_copy_only=False)
    strong = at[np.isin(actions, STRONG)]
    times = np.sort(strong if len(strong) else at)
    return int(times[int(len(times) * (1 - share))])

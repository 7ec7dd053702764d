"""What the ranker learns from: lists that retrieval gave before a moment, and what happened to their products after it.

Flow: a cut in time (or held-out events) → whose list it is, and what they did later (``Outcomes``) → the lists of a
scorer that has not seen it → which task each product of a list fulfils (``Lessons``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recommender.arrays import Bools, Floats, Ints
from recommender.dataset import Dataset
from recommender.evaluation import blocks
from recommender.histories import ACTION_CODES, Histories
from recommender.model import Scorer
from recommender.ranking.ranker import TASKS, candidates, carried
from recommender.ranking.view import Told, View, tell
from recommender.splits import Cases

LIKED = 4.0
"""Stars from which on a rating is one that the ranker should bring about; one without stars counts too."""
TASK_OF = {"view": "click", "click": "click", "cart": "cart", "purchase": "purchase", "rating": "rating"}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """n histories, and what came after them: ``owners``, ``items`` and ``tasks`` (e,) by their place in ``TASKS``.
    ``wanted`` are the pairs that measure a list: rows and items, (t,) each, as in ``Cases``."""

    histories: Histories
    owners: Ints
    items: Ints
    tasks: Ints
    wanted: tuple[Ints, Ints]
    taking: tuple[str, ...]

    def take(self, rows: Ints) -> "Outcomes":
        """Some rows, in rising order."""
        kept, wanted = np.isin(self.owners, rows), np.isin(self.wanted[0], rows)
        return Outcomes(
            self.histories.take(rows),
            np.searchsorted(rows, self.owners[kept]),
            self.items[kept],
            self.tasks[kept],
            (np.searchsorted(rows, self.wanted[0][wanted]), self.wanted[1][wanted]),
            self.taking,
        )

    def first(self, count: int) -> "Outcomes":
        """At most ``count`` rows, spread evenly."""
        if count >= len(self.histories):
            return self
        return self.take(np.unique(np.linspace(0, len(self.histories) - 1, count).astype(np.int64)))


def outcomes(train: Dataset, cases: Cases, later: pa.Table) -> Outcomes:
    """Of everyone whom ``train`` knows and who did something in ``later``, an event table from after its end.

    ``cases`` are those of the same cut in time: what they ask for is what measures.
    """
    columns = [later[name].to_pylist() for name in ("user", "session", "product", "action")]
    stars = later["value"].to_pylist() if "value" in later.column_names else [None] * len(later)
    found: list[tuple[int, int, int]] = []
    for user, session, product, action, value in zip(*columns, stars, strict=True):
        owner = train.users.get(user if user is not None else f"session:{session}")
        item = train.items.get(product)
        well = action != "rating" or value is None or value >= LIKED
        if owner >= 0 and item >= 0 and action in TASK_OF and well:
            found.append((owner, item, TASKS.index(TASK_OF[action])))
    events = np.unique(np.array(found, np.int64).reshape(-1, 3), axis=0)
    asked = cases.histories.users
    users = np.union1d(events[:, 0], asked)
    row_of = np.searchsorted(users, asked)
    return Outcomes(
        train.histories.take(users),
        np.searchsorted(users, events[:, 0]),
        events[:, 1],
        events[:, 2],
        (row_of[cases.owners], cases.targets),
        cases.taking,
    )


def held_out(cases: Cases, whole: Histories | None = None) -> Outcomes:
    """Where single items were held out and not a stretch of time: they are bought, and what else ``whole``, the
    histories of all users, says was done to them happened too."""
    owners, items = cases.owners, cases.targets
    tasks = np.full(len(owners), TASKS.index("purchase"), np.int64)
    if whole is not None:
        rows = whole.take(cases.histories.users)
        most = int(max(rows.items.max(initial=0), items.max(initial=0))) + 1
        theirs = np.isin(rows.owners * most + rows.items, owners * most + items)
        names = {ACTION_CODES[action]: TASKS.index(task) for action, task in TASK_OF.items()}
        done = np.array([names[int(code)] for code in rows.actions[theirs]], np.int64)
        owners, items = np.append(owners, rows.owners[theirs]), np.append(items, rows.items[theirs])
        tasks = np.append(tasks, done)
        owners, items, tasks = np.unique(np.stack([owners, items, tasks]), axis=1)
    return Outcomes(cases.histories, owners, items, tasks, (cases.owners, cases.targets), tuple(cases.taking))


@dataclass(frozen=True, slots=True)
class Lessons:
    """The lists of n rows and their labels: ``pools`` (n, p) items, −1 for none; ``labels`` (n, p, t); ``free`` (n, p)
    whose score facts carry; what is told of them in half precision, for it is the largest of all."""

    pools: Ints
    labels: Bools
    free: Bools
    told: Told
    outcomes: Outcomes

    def __len__(self) -> int:
        return len(self.pools)

    def ranks(self, order: Ints | None = None) -> Ints:
        """The rank of each ``wanted`` pair, as retrieved or in the order (n, p) of places; far away outside a list."""
        pools = self.pools if order is None else np.take_along_axis(self.pools, order, axis=1)
        owners, items = self.outcomes.wanted
        found = pools[owners] == items[:, None]
        return np.where(found.any(axis=1), found.argmax(axis=1) + 1, np.iinfo(np.int64).max)

    def part(self, rows: Ints, columns: Ints | None = None) -> Told:
        """What is told of some rows; of some of their candidates, (len(rows), c)."""
        told = self.told
        at = (rows,) if columns is None else (rows[:, None], columns)
        return Told(
            told.beside[at].astype(np.float32), told.past[rows], told.alone[at].astype(np.float32), told.shown[at]
        )


def lessons(
    base: Scorer, view: View, names: tuple[Sequence[str], Sequence[str]], asked: Outcomes, *, pool: int, most: int
) -> Lessons:
    """The lists of ``base``, with everything told of them. Memory: 2 bytes · n · pool · most · features."""
    nobody = Cases(asked.histories, np.zeros(0, np.int64), np.zeros(0, np.int64))
    pools, free, parts = [], [], []
    for histories, *_ in blocks(nobody, len(base.items)):
        for start in range(0, len(histories), 64):
            some = histories.rows(start, start + 64)
            found, scores = candidates(base.scores_batch(some), some, asked.taking, pool)
            told = tell(view, names, some, found, scores, most)
            pools.append(found)
            free.append(np.take_along_axis(carried(base, some), np.maximum(found, 0), axis=1))
            parts.append((told.beside.astype(np.float16), told.past, told.alone.astype(np.float16), told.shown))
    whole = Told(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    everyone = np.concatenate(pools)
    return Lessons(everyone, _labels(everyone, asked), np.concatenate(free), whole, asked)


def _labels(pools: Ints, asked: Outcomes) -> Bools:
    labels = np.zeros((*pools.shape, len(TASKS)), bool)
    rows, places = np.nonzero(pools[asked.owners] == asked.items[:, None])
    labels[asked.owners[rows], places, asked.tasks[rows]] = True
    return labels


def means_and_scales(values: Floats) -> tuple[Floats, Floats]:
    """Of each feature (…, f): its mean and its standard deviation, 1 where it never changes."""
    flat = values.reshape(-1, values.shape[-1]).astype(np.float32)
    spread = flat.std(axis=0)
    return flat.mean(axis=0), np.where(spread > 1e-4, spread, 1).astype(np.float32)

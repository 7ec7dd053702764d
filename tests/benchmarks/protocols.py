"""How published splits are asked: from Parquet files to a cut that chooses and a cut that is reported.

Every protocol gives the same thing, a ``Task``. The choosing cut is made from training rows alone and looks like the
reported one: the newest item where it was the newest; where the split was by chance, pairs by chance, as many of those
that are left as the test has of all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from split_files import SplitError, attributes, events, item_texts, kind, links, names, only, read, with_rivals

from recommender.arrays import Bools, Ints, group_starts
from recommender.dataset import Dataset
from recommender.histories import ACTION_CODES, NO_IDS, Histories, Ids
from recommender.splits import Cases, Cut


@dataclass(frozen=True, slots=True)
class Task:
    """``k`` and ``shown``: where lists end and which metrics are told. ``scale`` 100 tells them in percent.
    ``negatives`` (n_cases, m): the only rivals of a row's target, where a protocol names them; a row with fewer than m
    is filled up with the target, which is no rival of its own. ``choosing_k`` is the length of list by which settings
    are chosen. ``users`` (n_cases,) names those asked, ``ids`` are the files' types of
    user and item."""

    chooses: Cut
    asks: Cut
    users: tuple[str, ...]
    k: int
    shown: tuple[str, ...]
    choosing_k: int
    scale: float = 1.0
    negatives: Ints | None = None
    ids: tuple[pa.DataType, pa.DataType] = (pa.string(), pa.string())


@dataclass(frozen=True, slots=True)
class Files:
    """What the flags name."""

    train: Path
    test: Path
    relations: Path | None = None
    items: Path | None = None


def lightgcn(files: Files) -> Task:
    """Pairs without times; of each user's training pairs the share chooses that the test has of all."""
    train, test = _both(files)
    world = _World.of(files, train, test)
    chooses = _random_cut(world.data, share=_share(train, test))
    return Task(chooses, *world.asked(test), 20, ("recall", "ndcg"), 20, ids=world.ids)


def loo(files: Files) -> Task:
    """The item of ``split_loo == test`` is asked from all that came before by ``pos``, ``valid`` chooses."""
    table, test = _both(files)
    train, valid = (only(table, "split_loo", name, files.train) for name in ("train", "valid"))
    test = only(test, "split_loo", "test", files.test)
    whole = _World.of(files, pa.concat_tables([train, valid]), test)
    early = _World.of(files, train, test, others=names(valid["item"]))
    return Task(early.asked(valid)[0], *whole.asked(test), 10, ("recall", "ndcg"), 10, ids=whole.ids)


def pgpr(files: Files) -> Task:
    """``split_pgpr`` train and test pairs; the test's share of each user's training pairs chooses. In percent."""
    train, test = _both(files)
    train = only(train, "split_pgpr", "train", files.train)
    test = only(test, "split_pgpr", "test", files.test)
    world = _World.of(files, train, test)
    shown = ("ndcg", "recall", "hit_rate", "precision")
    chooses = _random_cut(world.data, share=_share(train, test))
    return Task(chooses, *world.asked(test), 10, shown, 10, 100.0, ids=world.ids)


def retailrocket(files: Files) -> Task:
    """One bought item a user, no action on it in train; a bought item of each user, without its actions, chooses."""
    train, test = _both(files)
    world = _World.of(files, train, test, taking=("purchase",))
    return Task(_bought_cut(world.data), *world.asked(test), 10, ("hit_rate", "ndcg"), 10, ids=world.ids)


def sampled99(files: Files) -> Task:
    """Each test row is ranked among its own ``neg_items`` only. Chosen by lists that hold a twentieth of all items."""
    train, test = read(files.train, "user", "item"), read(files.test, "user", "item", "neg_items")
    test, rivals = with_rivals(test, files.test)
    world = _World.of(files, train, test, others=(item for row in rivals for item in row))
    by_time = "timestamp" in train.column_names
    chooses = _newest_cut(world.data) if by_time else _random_cut(world.data, share=_share(train, test))
    asks, users = world.asked(test, apart=True)
    negatives = _padded(rivals, asks.cases.targets, world.data.items)
    wide = max(5, len(world.data.items) // 20)
    return Task(chooses, asks, users, 5, ("hit_rate", "ndcg"), wide, negatives=negatives, ids=world.ids)


def _both(files: Files) -> tuple[pa.Table, pa.Table]:
    """Training and test rows; a file that holds both is read once."""
    train = read(files.train, "user", "item")
    return train, train if files.test == files.train else read(files.test, "user", "item")


def _padded(rivals: Sequence[Sequence[str]], targets: Ints, items: Ids) -> Ints:
    """One row a target, filled up with the target where others name more."""
    rows = np.repeat(targets[:, None], max(map(len, rivals)), axis=1)
    for row, named in zip(rows, rivals, strict=True):
        row[: len(named)] = [items.places[item] for item in named]
    return rows


PROTOCOLS: Mapping[str, Callable[[Files], Task]] = {
    "lightgcn": lightgcn,
    "loo": loo,
    "pgpr": pgpr,
    "sampled99": sampled99,
    "retailrocket": retailrocket,
}


@dataclass(frozen=True, slots=True)
class _World:
    """A training set over every item that any file names, and what counts as taking one."""

    data: Dataset
    taking: tuple[str, ...]
    ids: tuple[pa.DataType, pa.DataType]

    @classmethod
    def of(
        cls,
        files: Files,
        train: pa.Table,
        test: pa.Table,
        *,
        others: Iterable[str] = (),
        taking: tuple[str, ...] = (),
    ) -> "_World":
        """``others`` are items that neither table names."""
        for table, path in ((train, files.train), (test, files.test)):
            if not len(table):
                raise SplitError(f"{path} has no row to {'learn from' if table is train else 'ask about'}; add some")
        about = read(files.items, "item") if files.items else None
        columns = [train["item"], test["item"], *([] if about is None else [about["item"]])]
        items = Ids.sorted(name for column in (*map(names, columns), others) for name in column)
        log = events(train, files.train)
        related = links(files.relations, items) if files.relations else {}
        entities, shared = attributes(about, items) if about is not None and files.relations else (NO_IDS, {})
        texts = {} if about is None else item_texts(about)
        data = Dataset.build(log, items=items, links=related, entities=entities, attributes=shared, texts=texts)
        known = tuple(taking) or tuple(sorted(set(log["action"].to_pylist())))
        return cls(data, known, (kind(train["user"], test["user"]), kind(*columns[:2])))

    def asked(self, test: pa.Table, *, apart: bool = False) -> tuple[Cut, tuple[str, ...]]:
        """Cases of the test rows, and whose; users without a history are asked too. ``apart``: one case a test row;
        else a pair that stands there twice is one target."""
        pairs = list(zip(names(test["user"]), names(test["item"]), strict=True))
        if not apart and len(distinct := list(dict.fromkeys(pairs))) < len(pairs):
            print(f"{len(pairs) - len(distinct):,} test rows that repeat a user and an item are left out", flush=True)
            pairs = distinct
        whose, items = [user for user, _ in pairs], [item for _, item in pairs]
        users = whose if apart else sorted(set(whose))
        rows = np.array([self.data.users.get(name) for name in users], np.int64)
        place = {name: row for row, name in enumerate(users)}
        owners = np.arange(len(whose)) if apart else np.array([place[name] for name in whose], np.int64)
        targets = np.array([self.data.items.places[item] for item in items], np.int64)
        cases = Cases(_histories(self.data, rows), owners, targets, self.taking)  # type: ignore[arg-type]
        return Cut(self.data, cases), tuple(users)


def _histories(data: Dataset, rows: Ints) -> Histories:
    """The histories of these users, empty where a place is -1."""
    known = rows >= 0
    found = data.histories.take(rows[known])
    lengths = np.zeros(len(rows), np.int64)
    lengths[known] = found.lengths
    return Histories.build(rows, lengths, found.items, found.actions, found.at)


def _share(train: pa.Table, test: pa.Table) -> float:
    """What the test has of all rows: what is learned from at the choice is then as thin beside what is asked, so that
    settings that need many pairs are not preferred to those that do with few."""
    return len(test) / max(1, len(train) + len(test))


def _random_cut(data: Dataset, *, share: float, seed: int = 0) -> Cut:
    """A share of each user's distinct items by chance, at least one where the user has two."""
    h, n = data.histories, len(data.items)
    keys = np.unique(h.owners * n + h.items)
    random = np.random.default_rng(seed).random(len(keys))
    order = np.lexsort((random, keys // n))
    owners = keys[order] // n
    starts = group_starts(owners)
    counts = np.diff(np.concatenate((starts, [len(owners)])))
    held = np.where(counts >= 2, np.maximum(1, np.round(counts * share)), 0).astype(np.int64)
    place = np.arange(len(owners)) - np.repeat(starts, counts)
    return _held_out(data, keys[order][place < np.repeat(held, counts)], tuple(ACTION_CODES))


def _bought_cut(data: Dataset, seed: int = 0) -> Cut:
    """One bought item by chance of each user who bought two, with every action on it."""
    h, n = data.histories, len(data.items)
    bought = h.actions == ACTION_CODES["purchase"]
    keys = np.unique(h.owners[bought] * n + h.items[bought])
    order = np.lexsort((np.random.default_rng(seed).random(len(keys)), keys // n))
    owners = keys[order] // n
    starts = group_starts(owners)
    counts = np.diff(np.concatenate((starts, [len(owners)])))
    return _held_out(data, keys[order][starts[counts >= 2]], ("purchase",))


def _newest_cut(data: Dataset) -> Cut:
    """The item that each user took last, where there is one before it."""
    h, n = data.histories, len(data.items)
    last = h.indptr[1:][h.lengths > 1] - 1
    return _held_out(data, h.owners[last] * n + h.items[last], tuple(ACTION_CODES))


def _held_out(data: Dataset, keys: Ints, taking: tuple[str, ...]) -> Cut:
    h, n = data.histories, len(data.items)
    kept: Bools = ~np.isin(h.owners * n + h.items, keys)
    train = data.with_histories(h.keep(kept))
    rows, owners = np.unique(keys // n, return_inverse=True)
    return Cut(train, Cases(train.histories.take(rows), owners.astype(np.int64), keys % n, taking))  # type: ignore[arg-type]


def beauty(folder: Path, protocol: str, *, entities: bool = False) -> Task:
    """The folder of Beauty with its relations between items; ``entities`` adds brand and category."""
    rows = folder / "interactions.parquet"
    return PROTOCOLS[protocol](
        Files(rows, rows, folder / "relations.parquet", folder / "items.parquet" if entities else None)
    )

"""How published splits are asked: from Parquet files to a cut that chooses and a cut that is reported.

Every protocol gives the same thing, a ``Task``. The choosing cut is made from training rows alone and looks like the
reported one: the newest item where it was the newest; where the split was by chance, pairs by chance, as many of those
that are left as the test has of all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommender.arrays import Bools, Ints, group_starts
from recommender.dataset import Dataset, Edges
from recommender.histories import ACTION_CODES, NO_IDS, Histories, Ids
from recommender.splits import Cases, Cut

TEXTS = ("title", "description", "brand", "categories", "category")
ACTIONS = {"buy": "purchase", "transaction": "purchase", "addtocart": "cart"}


@dataclass(frozen=True, slots=True)
class Task:
    """``k`` and ``shown``: where lists end and which metrics are told. ``scale`` 100 tells them in percent.
    ``negatives`` (n_cases, m): the only rivals of a row's target, where a protocol names them; ``choosing_k`` is the
    length of list by which settings are chosen. ``users`` (n_cases,) names those asked, ``ids`` are the files' types of
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
    train, test = pq.read_table(files.train), pq.read_table(files.test)
    world = _World.of(files, train)
    chooses = _random_cut(world.data, share=_share(train, test))
    return Task(chooses, *world.asked(test), 20, ("recall", "ndcg"), 20, ids=world.ids)


def loo(files: Files) -> Task:
    """The item of ``split_loo == test`` is asked from all that came before by ``pos``, ``valid`` chooses."""
    table = pq.read_table(files.train)
    train, valid = (table.filter(pc.equal(table["split_loo"], name)) for name in ("train", "valid"))
    test = pq.read_table(files.test)
    test = test.filter(pc.equal(test["split_loo"], "test"))
    whole = _World.of(files, pa.concat_tables([train, valid]), asked=test)
    early = _World.of(files, train, asked=pa.concat_tables([valid, test]))
    return Task(early.asked(valid)[0], *whole.asked(test), 10, ("recall", "ndcg"), 10, ids=whole.ids)


def pgpr(files: Files) -> Task:
    """``split_pgpr`` train and test pairs; the test's share of each user's training pairs chooses. In percent."""
    table, test = pq.read_table(files.train), pq.read_table(files.test)
    train = table.filter(pc.equal(table["split_pgpr"], "train"))
    test = test.filter(pc.equal(test["split_pgpr"], "test"))
    world = _World.of(files, train, asked=test)
    shown = ("ndcg", "recall", "hit_rate", "precision")
    chooses = _random_cut(world.data, share=_share(train, test))
    return Task(chooses, *world.asked(test), 10, shown, 10, 100.0, ids=world.ids)


def retailrocket(files: Files) -> Task:
    """One bought item a user, no action on it in train; a bought item of each user, without its actions, chooses."""
    train, test = pq.read_table(files.train), pq.read_table(files.test)
    world = _World.of(files, train, asked=test, taking=("purchase",))
    return Task(_bought_cut(world.data), *world.asked(test), 10, ("hit_rate", "ndcg"), 10, ids=world.ids)


def sampled99(files: Files) -> Task:
    """Each test row is ranked among its own ``neg_items`` only. Chosen by lists that hold a twentieth of all items."""
    train, test = pq.read_table(files.train), pq.read_table(files.test)
    negatives = pa.table({"item": pa.chunked_array(pc.list_flatten(test["neg_items"]))})
    world = _World.of(files, train, asked=pa.concat_tables([test.select(["item"]), negatives.cast(_only_item(test))]))
    by_time = "timestamp" in train.column_names
    chooses = _newest_cut(world.data) if by_time else _random_cut(world.data, share=_share(train, test))
    rivals = [[world.data.items.places[str(i)] for i in row] for row in test["neg_items"].to_pylist()]
    asks, users = world.asked(test, apart=True)
    wide = max(5, len(world.data.items) // 20)
    return Task(
        chooses, asks, users, 5, ("hit_rate", "ndcg"), wide, negatives=np.array(rivals, np.int64), ids=world.ids
    )


def _only_item(table: pa.Table) -> pa.Schema:
    return pa.schema([table.schema.field("item")])


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
        cls, files: Files, train: pa.Table, *, asked: pa.Table | None = None, taking: tuple[str, ...] = ()
    ) -> "_World":
        asked = pq.read_table(files.test) if asked is None else asked
        named = [train["item"], asked["item"]]
        if files.items:
            named.append(pq.read_table(files.items, columns=["item"])["item"])
        items = Ids.sorted(name for column in named for name in _names(column))
        events = _events(train)
        links = _links(files.relations, items) if files.relations else {}
        entities, attributes = _attributes(files.items, items) if files.items and files.relations else (NO_IDS, {})
        texts = item_texts(files.items) if files.items else {}
        data = Dataset.build(events, items=items, links=links, entities=entities, attributes=attributes, texts=texts)
        known = tuple(taking) or tuple(sorted(set(events["action"].to_pylist())))
        return cls(data, known, (train.schema.field("user").type, train.schema.field("item").type))

    def asked(self, test: pa.Table, *, apart: bool = False) -> tuple[Cut, tuple[str, ...]]:
        """Cases of the test rows, and whose; users without a history are asked too. ``apart``: one case a test row."""
        names, items = _names(test["user"]), _names(test["item"])
        users = names if apart else sorted(set(names))
        rows = np.array([self.data.users.get(name) for name in users], np.int64)
        place = {name: row for row, name in enumerate(users)}
        owners = np.arange(len(names)) if apart else np.array([place[name] for name in names], np.int64)
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


def _names(column: pa.ChunkedArray) -> list[str]:
    return list(pc.cast(column, pa.string()).to_pylist())


def _events(table: pa.Table) -> pa.Table:
    """In the order of time, then ``pos``, then the file."""
    order = [name for name in ("timestamp", "pos") if name in table.column_names]
    place = pa.array(np.arange(len(table)))
    table = table.append_column("place", place).sort_by([(name, "ascending") for name in (*order, "place")])
    actions = table["action"].to_pylist() if "action" in table.column_names else ["purchase"] * len(table)
    at = table["timestamp"] if "timestamp" in table.column_names else pa.array(np.zeros(len(table), np.int64))
    return pa.table(
        {
            "user": pc.cast(table["user"], pa.string()),
            "session": pa.nulls(len(table), pa.string()),
            "product": pc.cast(table["item"], pa.string()),
            "action": pa.array([ACTIONS.get(action, action) for action in actions]),
            "at": pc.cast(at, pa.int64()),
        }
    )


def _links(path: Path, items: Ids) -> dict[str, Edges]:
    """Relations between items; what names an unknown item is left out."""
    table = pq.read_table(path)
    links = {}
    for name in sorted(set(_names(table["relation"]))):
        rows = table.filter(pc.equal(pc.cast(table["relation"], pa.string()), name))
        heads, tails = (np.array([items.get(i) for i in _names(rows[end])], np.int64) for end in ("head", "tail"))
        known = (heads >= 0) & (tails >= 0)
        links[name] = Edges.of(heads[known], tails[known])
    return links


def _attributes(path: Path, items: Ids) -> tuple[Ids, dict[str, Edges]]:
    """Brand and category of each item, where the file has them."""
    table = pq.read_table(path)
    pairs: dict[str, list[tuple[str, str]]] = {}
    for column, relation in (("brand", "MADE_BY"), ("categories", "IN_CATEGORY"), ("category", "IN_CATEGORY")):
        if column in table.column_names:
            rows = zip(_names(table["item"]), table[column].to_pylist(), strict=True)
            pairs.setdefault(relation, []).extend((item, f"{column}:{value}") for item, value in rows if value)
    names = Ids.sorted(entity for found in pairs.values() for _, entity in found)
    edges = {
        relation: Edges.of(
            np.array([items.places[item] for item, _ in found], np.int64),
            np.array([names.places[entity] for _, entity in found], np.int64),
        )
        for relation, found in pairs.items()
        if found
    }
    return names, edges


def item_texts(path: Path) -> dict[str, str]:
    """What the file says of each item, a line a column; nothing where it has no title and no description."""
    table = pq.read_table(path)
    columns = [name for name in TEXTS if name in table.column_names]
    if not {"title", "description"} & set(columns):
        return {}
    rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
    return {
        item: "\n".join(str(value) for value in row if value)
        for item, row in zip(_names(table["item"]), rows, strict=True)
    }


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

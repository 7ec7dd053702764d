"""Shared by the benchmarks of this room: Beauty as a Dataset, its two splits, and ranks of all items."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommender.dataset import Dataset, Edges
from recommender.histories import Ids
from recommender.splits import Cases, Cut, leave_last_out

RELATIONS = ("also_bought", "also_viewed", "bought_together")


def beauty(data: Path, *, entities: bool = False) -> Dataset:
    """Amazon Beauty 2014 5-core: every interaction a purchase, in the published order of each user's history.

    ``entities`` adds brand and leaf category to the relations between items.
    """
    names, attributes = _attributes(data) if entities else (Ids(()), {})
    return Dataset.build(_events(data), items=_items(data), links=_links(data), entities=names, attributes=attributes)


def split_a(data: Path, *, entities: bool = False) -> tuple[Cut, Cut]:
    """Leave-one-out: (the cut that chooses, asked for the second-last item; the cut that is reported, the last)."""
    test = leave_last_out(beauty(data, entities=entities))
    return leave_last_out(test.train), test


def split_b(data: Path) -> Cut:
    """The published 70/30 pairs of every user."""
    events = _events(data)
    chosen = pc.equal(events["split"], "train")
    train = Dataset.build(events.filter(chosen), items=_items(data), links=_links(data))
    later = events.filter(pc.invert(chosen))
    owners = np.array([train.users.places[name] for name in later["user"].to_pylist()], np.int64)
    targets = np.array([train.items.places[name] for name in later["product"].to_pylist()], np.int64)
    return Cut(train, Cases(train.histories, owners, targets))


def _items(data: Path) -> Ids:
    return Ids.sorted(map(str, pq.read_table(data / "items.parquet", columns=["item"])["item"].to_pylist()))


def _events(data: Path) -> pa.Table:
    table = pq.read_table(data / "interactions.parquet").sort_by([("timestamp", "ascending"), ("pos", "ascending")])
    count = len(table)
    return pa.table(
        {
            "user": pc.cast(table["user"], pa.string()),
            "session": pa.nulls(count, pa.string()),
            "product": pc.cast(table["item"], pa.string()),
            "action": pa.array(["purchase"] * count),
            "at": table["timestamp"],
            "split": pc.cast(table["split_pgpr"], pa.string()),
        }
    )


def _links(data: Path) -> dict[str, Edges]:
    items, table = _items(data), pq.read_table(data / "relations.parquet")
    links = {}
    for name in RELATIONS:
        rows = table.filter(pc.equal(table["relation"], name))
        heads = np.array([items.places[str(item)] for item in rows["head"].to_pylist()], np.int64)
        tails = np.array([items.places[str(item)] for item in rows["tail"].to_pylist()], np.int64)
        links[name] = Edges.of(heads, tails)
    return links


def _attributes(data: Path) -> tuple[Ids, dict[str, Edges]]:
    items, rows = _items(data), pq.read_table(data / "items.parquet").to_pylist()
    pairs = {
        "MADE_BY": [(str(row["item"]), f"brand:{row['brand']}") for row in rows if row["brand"]],
        "IN_CATEGORY": [(str(row["item"]), f"category:{row['categories']}") for row in rows if row["categories"]],
    }
    names = Ids.sorted(entity for found in pairs.values() for _, entity in found)
    edges = {
        relation: Edges.of(
            np.array([items.places[item] for item, _ in found], np.int64),
            np.array([names.places[entity] for _, entity in found], np.int64),
        )
        for relation, found in pairs.items()
    }
    return names, edges

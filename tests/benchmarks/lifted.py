"""A larger shop of the same kind: users, items and what joins them, several-fold, by a stated model.

    python tests/benchmarks/lifted.py --data ../shared/data/beauty --times 10 --out FOLDER [--apart 0.9] [--seed 0]

Writes ``interactions.parquet``, ``relations.parquet`` and ``items.parquet`` with the columns of the originals.

The model is a random k-lift (Amit, Linial: "Random graph coverings I", Combinatorica 2002). Each user, item, brand and
category becomes k, one in each of k worlds. Each edge, whether someone took something or a relation holds between two
items, becomes k edges: from (u, w) to (i, π(w)), where π is a permutation of the worlds, drawn for each edge by itself:
with the chance ``apart`` it is the identity, else uniform among all. Brands and categories stay in their world. Times,
actions, ratings and the place in the history are those of the original edge.

Hence, exactly: k times the users, items, edges and relations; every copy of a user, and of an item, has the degree of
its original, so all degree distributions are equal. In expectation: two items that n users have in common have n · a²
in common in a world, a = apart + (1 − apart) / k, and the rest spreads over other worlds, so co-occurrence thins out by
a² and keeps its order; a relation joins items of one world with the chance a. One connected graph, where k copies side
by side (apart = 1) would be k. What it does not do: new kinds of taste. k worlds know the same tastes k times.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommender.arrays import Ints


def lifted(folder: Path, out: Path, times: int, *, apart: float = 0.9, seed: int = 0) -> None:
    """Write the shop of ``folder`` ``times``-fold into ``out``. Ids are integers; world w adds w times their number."""
    random = np.random.default_rng(seed)
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in ("interactions", "relations", "items")}
    users, items = (_number(tables["interactions"]["user"]), _number(tables["items"]["item"]))
    out.mkdir(parents=True, exist_ok=True)
    lifts = {
        "interactions": _edges(tables["interactions"], ("user", users), ("item", items), times, apart, random),
        "relations": _edges(tables["relations"], ("head", items), ("tail", items), times, apart, random),
        "items": _things(tables["items"], items, times),
    }
    for name, table in lifts.items():
        pq.write_table(table, out / f"{name}.parquet")


def _number(ids: pa.ChunkedArray) -> int:
    """How far apart worlds must lie for ids never to meet."""
    return int(pc.max(ids).as_py()) + 1


def _edges(
    table: pa.Table,
    source: tuple[str, int],
    target: tuple[str, int],
    times: int,
    apart: float,
    random: np.random.Generator,
) -> pa.Table:
    """The edges of world 0, then those of world 1, …"""
    worlds = permutations(len(table), times, apart, random)
    parts = []
    for world in range(times):
        columns = dict(zip(table.column_names, table.columns, strict=True))
        columns[source[0]] = _moved(table[source[0]], source[1], np.full(len(table), world))
        columns[target[0]] = _moved(table[target[0]], target[1], worlds[:, world])
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def permutations(edges: int, times: int, apart: float, random: np.random.Generator) -> Ints:
    """π of each edge, (edges, times): the identity with the chance ``apart``, else any."""
    worlds = np.tile(np.arange(times), (edges, 1))
    mixed = random.random(edges) >= apart
    worlds[mixed] = random.permuted(worlds[mixed], axis=1)
    return worlds


def _moved(ids: pa.ChunkedArray, number: int, worlds: Ints) -> pa.Array:
    return pa.array(ids.to_numpy().astype(np.int64) + number * worlds)


def _things(table: pa.Table, number: int, times: int) -> pa.Table:
    """Every world has items, brands and categories of its own; the rest of a row is copied."""
    parts = []
    for world in range(times):
        columns = dict(zip(table.column_names, table.columns, strict=True))
        columns["item"] = _moved(table["item"], number, np.full(len(table), world))
        for name in {"asin", "brand", "categories"} & set(columns):
            own = pc.cast(columns[name], pa.string())
            columns[name] = pc.binary_join_element_wise(own, str(world), " ~ ") if world else own
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--times", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--apart", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lifted(options.data, options.out, options.times, apart=options.apart, seed=options.seed)


if __name__ == "__main__":
    main()

"""The larger shop of the scaling benchmark is what its model says."""

import runpy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

COMMAND = Path(__file__).parents[1] / "benchmarks" / "lifted.py"
TIMES, USERS, ITEMS = 3, 12, 8


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    pairs = sorted({(int(u), int(i)) for u, i in random.integers((1, 1), (USERS, ITEMS), (60, 2))})
    rows = [{"user": u, "item": i, "timestamp": 1000 + n, "pos": n} for n, (u, i) in enumerate(pairs)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "interactions.parquet")
    links = [{"head": i, "relation": "also_bought", "tail": i % ITEMS + 1} for i in range(1, ITEMS + 1)]
    pq.write_table(pa.Table.from_pylist(links), tmp_path / "relations.parquet")
    items = [{"item": i, "asin": f"A{i}", "brand": None if i == 3 else "Leaf"} for i in range(1, ITEMS + 1)]
    pq.write_table(pa.Table.from_pylist(items), tmp_path / "items.parquet")
    return tmp_path


def lift(folder, **how):
    out = folder / "lifted"
    runpy.run_path(str(COMMAND))["lifted"](folder, out, TIMES, **how)
    return {path.stem: pq.read_table(path).to_pandas() for path in sorted(out.glob("*.parquet"))}


def original(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pandas()


def test_every_copy_has_the_degree_of_its_original(folder):
    made = lift(folder, apart=0.5)
    for name, columns in (("interactions", ("user", "item")), ("relations", ("head", "tail"))):
        before, after = original(folder, name), made[name]
        assert len(after) == TIMES * len(before)
        for column in columns:
            counts = np.sort(before.groupby(column).size())
            assert np.sort(after.groupby(column).size()).tolist() == np.sort(np.tile(counts, TIMES)).tolist()
    assert not made["interactions"].duplicated(["user", "item"]).any()
    assert sorted(made["interactions"]["timestamp"].unique()) == sorted(original(folder, "interactions")["timestamp"])


def test_worlds_are_copies_where_nothing_is_mixed_and_one_graph_where_all_is(folder):
    number = ITEMS + 1
    copies, mixed = (lift(folder, apart=apart)["relations"] for apart in (1.0, 0.0))
    assert (copies["head"] // number == copies["tail"] // number).all()
    assert (mixed["head"] // number != mixed["tail"] // number).any()


def test_brands_stay_in_their_world_and_nothing_stays_nothing(folder):
    items = lift(folder)["items"]
    assert items["item"].is_unique
    assert items["brand"].dropna().value_counts().to_dict() == {"Leaf": 7, "Leaf ~ 1": 7, "Leaf ~ 2": 7}
    assert items["brand"].isna().sum() == TIMES


def test_the_seed_decides(folder):
    one, two, other = (lift(folder, seed=seed)["interactions"] for seed in (0, 0, 1))
    assert one.equals(two)
    assert not one.equals(other)

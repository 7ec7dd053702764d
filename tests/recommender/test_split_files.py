"""Files of a published split that are not as they should be: what can be read is, the rest is one sentence."""

import importlib
import runpy
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PAIRS = [{"user": f"u{user}", "item": f"i{(user + step) % 5}"} for user in range(4) for step in range(3)]
ASKED = [{"user": f"u{user}", "item": f"i{(user + 3) % 5}"} for user in range(4)]


@pytest.fixture
def write(tmp_path):
    def at(name, rows):
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
        pq.write_table(table, tmp_path / f"{name}.parquet")
        return tmp_path / f"{name}.parquet"

    return at


@pytest.fixture
def task(monkeypatch):
    """What a protocol makes of files."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    protocols = importlib.import_module("protocols")
    return lambda name, *files: protocols.PROTOCOLS[name](protocols.Files(*files))


@pytest.fixture
def refused(monkeypatch, capsys):
    """What the command says of files that it refuses."""

    def run(protocol, train, test, *flags):
        command = BENCHMARKS / "ranking.py"
        named = ["--protocol", protocol, "--train", train, "--test", test, *flags]
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        monkeypatch.setattr("sys.argv", [str(command), *map(str, named)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(command), run_name="__main__")
        told = capsys.readouterr().err
        assert ended.value.code == 2
        assert told.count("\n") == 1
        return told

    return run


def taken(task):
    """(user, item) of training, by name."""
    h, data = task.asks.train.histories, task.asks.train
    return sorted((data.users[user], data.items[item]) for user, item in zip(h.owners, h.items, strict=True))


def test_rows_without_an_id_are_left_out_and_counted(task, write, capsys):
    whole = task("lightgcn", write("train", PAIRS), write("test", ASKED))
    train = write("train", [{"user": None, "item": "i1"}, *PAIRS, {"user": "u1", "item": None}])
    test = write("test", [{"user": "u1", "item": None}, *ASKED])
    edges = [{"head": h, "relation": "also_bought", "tail": t} for h, t in (("i0", "i1"), (None, "i2"), ("i3", None))]
    about = [{"item": "i0", "brand": "a"}, {"item": None, "brand": "b"}, {"item": "i1", "brand": None}]
    relations, items = write("relations", edges), write("items", about)
    found = task("lightgcn", train, test, relations, items)
    assert capsys.readouterr().out.splitlines() == [
        f"{train}: 2 rows without user or item are left out",
        f"{test}: 1 rows without user or item are left out",
        f"{items}: 1 rows without item are left out",
        f"{relations}: 2 rows without head or relation or tail are left out",
    ]
    assert taken(found) == taken(whole)
    assert found.asks.cases.targets.tolist() == whole.asks.cases.targets.tolist()
    assert {name: len(links) for name, links in found.asks.train.links.items()} == {"also_bought": 1}
    assert found.asks.train.entities.names == ("brand:a",)


def test_numbers_that_a_data_frame_made_floats_are_the_same_ids(task, write, refused, capsys):
    far = 10_000_000_000  # as a text, a float of this size is 1e+10
    users, items = ([far + float(row[key][1:]) for row in PAIRS] for key in ("user", "item"))
    train = write("train", pa.table({"user": [*users, float("nan")], "item": [*items, far + 1.0]}))
    test = write("test", [{key: far + int(row[key][1:]) for key in row} for row in ASKED])
    found = task("lightgcn", train, test)
    assert "1 rows without user or item are left out" in capsys.readouterr().out
    assert found.asks.train.items.names == tuple(str(far + n) for n in range(5))
    assert (found.asks.cases.histories.lengths == 3).all()
    assert found.ids == (pa.int64(), pa.int64())
    odd = write("odd", pa.table({"user": users, "item": [*items[1:], 1.5]}))
    assert "the column item holds ids that are no whole numbers" in refused("lightgcn", odd, test)


def test_rivals_may_be_of_unequal_number(task, write, capsys):
    named = [["i0"], ["i0", "i1", None], ["i2", "i1", "i4"], []]
    rows = [{**row, "neg_items": rivals} for row, rivals in zip(ASKED, named, strict=True)]
    test = write("test", rows)
    found = task("sampled99", write("train", PAIRS), test)
    assert capsys.readouterr().out == f"{test}: 1 rows whose neg_items are empty are left out\n"
    items, asked = found.asks.train.items, found.asks.cases
    assert found.users == ("u0", "u1", "u2")
    for row, target, rivals in zip(found.negatives, asked.targets, named, strict=False):
        assert {items[place] for place in row} - {items[target]} == set(rivals) - {None}


def test_unknown_items_of_the_test_are_asked_and_are_cold(task, write):
    found = task("lightgcn", write("train", PAIRS), write("test", [*ASKED, {"user": "u0", "item": "never seen"}]))
    place = found.asks.train.items.get("never seen")
    assert place in found.asks.cases.targets
    assert place not in found.asks.train.histories.items


def test_times_of_arrow_and_whole_floats_are_seconds(task, write):
    train = pa.Table.from_pylist(PAIRS).append_column("timestamp", pa.array([float(n) for n in range(12)]))
    at = task("lightgcn", write("train", train), write("test", ASKED)).asks.train.histories.at
    arrow = train.set_column(2, "timestamp", pa.array([n * 10**6 + 5 for n in range(12)], pa.timestamp("us")))
    same = task("lightgcn", write("train", arrow), write("test", ASKED)).asks.train.histories.at
    assert sorted(at) == sorted(same) == list(range(12))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([*range(11), 11.5], "train.parquet, row 12 has the timestamp 11.5; write whole Unix seconds"),
        ([*map(str, range(12))], "the column timestamp holds string; write whole Unix seconds"),
        ([0, None, *range(2, 12)], "train.parquet, row 2 has no timestamp; give it one"),
    ],
)
def test_timestamps_that_are_no_seconds_are_refused(refused, write, values, told):
    train = pa.Table.from_pylist(PAIRS).append_column("timestamp", pa.array(values))
    assert told in refused("lightgcn", write("train", train), write("test", ASKED))


def test_an_unknown_action_is_refused_where_it_stands_in_the_file(refused, write):
    rows = [{"user": None, "item": "i0", "action": "view"}, *({**row, "action": "buy"} for row in PAIRS)]
    rows[5]["action"] = "wishlist"
    told = refused("retailrocket", write("train", rows), write("test", ASKED))
    assert "train.parquet, row 6 has the action 'wishlist'; known are view, click, cart, purchase, rating, buy" in told


@pytest.mark.parametrize(
    ("protocol", "file", "column"),
    [
        ("lightgcn", "train", "user"),
        ("lightgcn", "test", "item"),
        ("loo", "train", "split_loo"),
        ("pgpr", "train", "split_pgpr"),
        ("sampled99", "test", "neg_items"),
        ("lightgcn", "relations", "head"),
        ("lightgcn", "items", "item"),
    ],
)
def test_a_missing_column_is_named(refused, write, protocol, file, column):
    parts = {"split_loo": "train", "split_pgpr": "train"}
    files = {
        "train": [{**row, **parts} for row in PAIRS],
        "test": [{**row, "neg_items": ["i0"]} for row in ASKED],
        "relations": [{"head": "i0", "relation": "r", "tail": "i1"}],
        "items": [{"item": "i0", "brand": "b"}],
    }
    files[file] = [{key: value for key, value in row.items() if key != column} for row in files[file]]
    paths = {name: write(name, rows) for name, rows in files.items()}
    told = refused(
        protocol, paths["train"], paths["test"], "--relations", paths["relations"], "--items", paths["items"]
    )
    assert f"{paths[file]} has no column {column}; it has {', '.join(files[file][0])}" in told


def test_no_user_with_two_items_leaves_nothing_to_choose_by(refused, write):
    train = write("train", [{**PAIRS[0]}, {"user": "u1", "item": "i1"}])
    for protocol in ("lightgcn", "retailrocket"):
        assert "train.parquet: no user has two items" in refused(protocol, train, write("test", ASKED))


def test_what_is_empty_or_no_table_is_named(refused, write, tmp_path):
    train, test = write("train", PAIRS), write("test", ASKED)
    nothing = write("nothing", pa.Table.from_pylist(PAIRS)[:0])
    assert "nothing.parquet has no row to ask about" in refused("lightgcn", train, nothing)
    assert "nothing.parquet has no row to learn from" in refused("lightgcn", nothing, test)
    assert "cannot be read as Parquet" in refused("lightgcn", tmp_path / "absent.parquet", test)
    (tmp_path / "text.parquet").write_text("user,item")
    assert "text.parquet cannot be read as Parquet" in refused("lightgcn", train, tmp_path / "text.parquet")
    marked = write("marked", [{**row, "split_loo": "train"} for row in PAIRS])
    assert "marked.parquet: no row has 'valid' in the column split_loo" in refused("loo", marked, marked)
    plain = write("plain", [{**row, "neg_items": "i0"} for row in ASKED])
    assert "the column neg_items holds string; write a list of items" in refused("sampled99", train, plain)


def test_a_line_that_is_no_model_is_refused(refused, write):
    told = refused("lightgcn", write("train", PAIRS), write("test", ASKED), "--model", "Oracle()")
    assert "is no configuration of a model" in told

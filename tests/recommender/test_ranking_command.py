"""The ranking benchmark on small files of every layout: what it prints is what its own lists score."""

import re
import runpy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

COMMAND = Path(__file__).parents[1] / "benchmarks" / "ranking.py"
USERS, ITEMS = 60, 24


def taken_rows():
    """Two tastes: everyone takes seven of the twelve items of theirs, in an order of their own."""
    random = np.random.default_rng(0)
    for user in range(USERS):
        for pos, item in enumerate(random.permutation(12)[:7] + 12 * (user % 2)):
            split = {"split_loo": {6: "test", 5: "valid"}.get(pos, "train")}
            split["split_pgpr"] = "test" if pos in (2, 4) else "train"
            yield {"user": user, "item": int(item), "timestamp": 1000 + 10 * user + pos, "pos": pos, **split}


def table(rows):
    return pa.Table.from_pylist(list(rows))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path, all_rows = tmp_path_factory.mktemp("ranking"), list(taken_rows())
    last = [row for row in all_rows if row["pos"] == 6]
    early = [row for row in all_rows if row["pos"] < 6]
    pq.write_table(table(all_rows), path / "all.parquet")
    pq.write_table(table(early).select(["user", "item"]), path / "pairs.parquet")
    pq.write_table(table(early).select(["user", "item", "timestamp"]), path / "dated.parquet")
    pq.write_table(table(last).select(["user", "item"]), path / "last.parquet")
    acts = [{**row, "action": "buy" if row["pos"] % 2 else "view"} for row in early]
    pq.write_table(table(acts).select(["user", "item", "timestamp", "action"]), path / "acts.parquet")
    other = [{**row, "neg_items": [(row["item"] + 12 + n) % 24 for n in range(9)]} for row in last]
    pq.write_table(table(other).select(["user", "item", "neg_items"]), path / "sampled.parquet")
    related = [{"head": i, "relation": "also_bought", "tail": i - i % 12 + (i + 1) % 12} for i in range(ITEMS)]
    pq.write_table(table(related), path / "relations.parquet")
    return path


@pytest.fixture
def ask(folder, monkeypatch, capsys):
    """What the command prints, and its lists; ``ask.told`` is what it said of its progress."""

    def run(protocol, train, test, *flags):
        out = folder / f"{protocol}.out.parquet"
        named = ["--protocol", protocol, "--train", folder / train, "--test", folder / test, "--out", out, *flags]
        monkeypatch.syspath_prepend(COMMAND.parent)
        monkeypatch.setattr("sys.argv", [str(COMMAND), *map(str, named)])
        runpy.run_path(str(COMMAND), run_name="__main__")
        printed, run.told = capsys.readouterr()
        return printed, pq.read_table(out)

    return run


def targets(folder, test, split=None):
    found = pq.read_table(folder / test).to_pylist()
    return {(row["user"], row["item"]) for row in found if split is None or row[split] == "test"}


def test_a_test_row_that_stands_there_twice_is_one_target(folder, ask):
    last = pq.read_table(folder / "last.parquet")
    pq.write_table(pa.concat_tables([last, last.slice(0, 5)]), folder / "twice.parquet")
    printed, lists = ask("lightgcn", "pairs.parquet", "twice.parquet", "--only-served")
    assert "5 test rows that repeat a user and an item are left out" in printed
    once, same = ask("lightgcn", "pairs.parquet", "last.parquet", "--only-served")
    assert lists.equals(same)
    scores = [[line.split()[:3] for line in told.splitlines() if line.startswith("served")] for told in (printed, once)]
    assert scores[0] == scores[1] != []


@pytest.mark.parametrize(
    ("protocol", "train", "test", "split", "metric", "k"),
    [
        ("lightgcn", "pairs.parquet", "last.parquet", None, "recall", 20),
        ("loo", "all.parquet", "all.parquet", "split_loo", "recall", 10),
        ("pgpr", "all.parquet", "all.parquet", "split_pgpr", "recall", 10),
        ("retailrocket", "acts.parquet", "last.parquet", None, "hit_rate", 10),
        ("sampled99", "dated.parquet", "sampled.parquet", None, "hit_rate", 5),
    ],
)
def test_what_is_printed_is_what_the_lists_score(folder, ask, protocol, train, test, split, metric, k):
    printed, lists = ask(protocol, train, test)
    assert lists.schema.names == ["user", "item", "rank", "model"]
    assert lists.schema.field("user").type == pa.int64()
    wanted = targets(folder, test, split)
    served = [row for row in lists.to_pylist() if row["model"] == "served"]
    hits = {(row["user"], row["item"]) for row in served if row["rank"] <= k} & wanted
    users = {user for user, _ in wanted}
    share = np.mean([sum(u == user for u, _ in hits) / sum(u == user for u, _ in wanted) for user in users])
    told = re.search(rf"^served +@{k} .*?{metric} ([\d.]+)", printed, re.MULTILINE)
    scale = 100.0 if protocol == "pgpr" else 1.0
    assert float(told[1]) / scale == pytest.approx(share, abs=6e-5)
    assert {row["rank"] for row in served} >= set(range(1, 11))
    tried = set(re.findall(r"^  tried  (.+?) +decay [\d.]+  [\d.]+  ", printed, re.MULTILINE))
    assert tried >= {"popularity", "itemknn", "lae", "randomwalk"}
    assert {row["model"] for row in lists.to_pylist()} == {*tried, "served"}
    assert set(re.findall(rf"^(\w.*?) +@{k}  ", printed, re.MULTILINE)) - {"served"} >= tried


def test_lists_hold_nothing_that_was_taken_in_training(folder, ask):
    flags = ("--relations", folder / "relations.parquet", "--only-served")
    printed, lists = ask("loo", "all.parquet", "all.parquet", *flags)
    lists = lists.to_pylist()
    before = {(r["user"], r["item"]) for r in pq.read_table(folder / "all.parquet").to_pylist() if r["pos"] < 6}
    assert not before & {(row["user"], row["item"]) for row in lists}
    parts = set(re.findall(r"^  chosen (.+?)  weights", printed, re.MULTILINE)[-1].split(" + "))
    assert {row["model"] for row in lists} == {"served", "popularity", "itemknn", "ease", *parts}


def test_differences_and_slices_are_those_of_the_lists(folder, ask):
    """A quarter of the items is unknown to training; the printed figures are recomputed from the lists."""
    early = pq.read_table(folder / "pairs.parquet").to_pylist()
    pq.write_table(table(row for row in early if row["item"] % 12 > 2), folder / "known.parquet")
    printed, lists = ask("lightgcn", "known.parquet", "last.parquet")
    wanted = targets(folder, "last.parquet")
    cold = {(user, item) for user, item in wanted if item % 12 <= 2}
    assert f"cold item: {len(cold)} of {len(wanted)} targets" in printed
    assert f"warm: {len(wanted - cold)} of {len(wanted)} targets" in printed

    def hits(model, among):
        rows = (row for row in lists.to_pylist() if row["model"] == model and row["rank"] <= 20)
        return sum((row["user"], row["item"]) in among for row in rows)

    warm = printed.split("warm:")[1].split("cold")[0]
    told = dict(re.findall(r"^  (\w+) +@20  recall ([\d.]+)", warm, re.MULTILINE))
    assert set(told) >= {"served", "popularity", "itemknn", "ease"}
    for model, recall in told.items():
        assert float(recall) == pytest.approx(hits(model, wanted - cold) / len(wanted - cold), abs=6e-5)
    for name in ("popularity", "itemknn", "ease"):
        interval = r"hit_rate ([-+.\d]+) \[([-+.\d]+), ([-+.\d]+)\] .* 60 users, 2000 resamples$"
        found = re.search(rf"^served − {name} @20  .*{interval}", printed, re.MULTILINE)
        gain, low, high = map(float, found.groups()[:3])
        assert gain == pytest.approx((hits("served", wanted) - hits(name, wanted)) / len(wanted), abs=6e-5)
        assert low <= gain <= high


def test_what_was_only_looked_at_leaves_the_lists_where_validation_says_so(folder, ask):
    """No target was looked at before, so that lists without what was are better; every model is asked alike."""
    printed, lists = ask("retailrocket", "acts.parquet", "last.parquet")
    told = re.search(r"is not shown again: itemknn NDCG@10 (.+), without it (.+)", printed)
    shown, hidden = map(float, told.groups())
    assert shown < hidden
    before = {(row["user"], row["item"]) for row in pq.read_table(folder / "acts.parquet").to_pylist()}
    assert not before & {(row["user"], row["item"]) for row in lists.to_pylist()}


def test_a_choice_can_be_ranked_later(folder, ask, monkeypatch, capsys):
    """What validation chose in a run that ranks nothing gives the figures of the run that does both."""
    whole = ask("loo", "all.parquet", "all.parquet")[0]
    flags = ["--protocol", "loo", "--train", folder / "all.parquet", "--test", folder / "all.parquet"]
    monkeypatch.setattr("sys.argv", [str(COMMAND), *map(str, flags), "--validation-only"])
    runpy.run_path(str(COMMAND), run_name="__main__")
    chosen = capsys.readouterr().out
    assert "served" not in chosen
    line = chosen.split("  chosen ")[-1].splitlines()[1].strip()
    later = ask("loo", "all.parquet", "all.parquet", "--model", line)[0]
    figures = [re.search(r"^served +@10  (.+)  users", text, re.MULTILINE)[1] for text in (whole, later)]
    assert figures[0] == figures[1]


def test_a_stranger_is_served_what_sells(folder, ask):
    """And the printed figures are those of the lists, so that who has no history counts as the product answers."""
    last = pq.read_table(folder / "last.parquet").to_pylist()
    strangers = [{"user": 1000 + n, "item": n} for n in range(20)]
    pq.write_table(table([*last, *strangers]), folder / "strangers.parquet")
    printed, lists = ask("lightgcn", "pairs.parquet", "strangers.parquet", "--model", "ItemKNN()")
    sold = np.bincount([row["item"] for row in pq.read_table(folder / "pairs.parquet").to_pylist()], minlength=ITEMS)
    wanted = sorted(range(ITEMS), key=lambda item: (-sold[item], str(item)))[:20]
    served = [row for row in lists.to_pylist() if row["model"] == "served"]
    for user in (1000, 1019):
        assert [row["item"] for row in served if row["user"] == user] == wanted
    behind = [int(np.count_nonzero(sold >= sold[row["item"]])) for row in strangers]  # ties count against the target
    known = {(row["user"], row["item"]) for row in served} & {(row["user"], row["item"]) for row in last}
    recall = (len(known) + sum(rank <= 20 for rank in behind)) / (len(last) + len(strangers))
    assert float(re.search(r"^served +@20  recall ([\d.]+)", printed, re.MULTILINE)[1]) == pytest.approx(
        recall, abs=6e-5
    )


def test_fewer_rivals_are_ranked_among_themselves(folder, ask):
    rows = pq.read_table(folder / "sampled.parquet").to_pylist()
    fewer = [{**row, "neg_items": row["neg_items"][: 1 + place % 9]} for place, row in enumerate(rows)]
    pq.write_table(table(fewer), folder / "fewer.parquet")
    lists = ask("sampled99", "dated.parquet", "fewer.parquet", "--model", "Popularity()")[1].to_pylist()
    for row in fewer:
        listed = [one["item"] for one in lists if one["user"] == row["user"] and one["model"] == "served"]
        assert sorted(listed) == sorted({row["item"], *row["neg_items"]})


def test_a_network_tells_of_its_epochs_and_is_ranked_although_it_was_not_chosen(ask, monkeypatch):
    from recommender import competing
    from recommender.models.itemknn import ItemKNN
    from recommender.models.lightgcn import LightGCN

    weak = LightGCN(dimensions=2, epochs=2, every=1, learning_rate=1e-9)
    monkeypatch.setattr(competing, "_closed_forms", lambda *_, **__: [ItemKNN()])
    monkeypatch.setattr(competing, "_larger", lambda *_: [])
    monkeypatch.setattr(competing, "_network", lambda *_: weak)
    printed, lists = ask("lightgcn", "pairs.parquet", "last.parquet", "--networks", "lightgcn")
    assert re.search(r"^  chosen itemknn  weights 1 ", printed, re.MULTILINE)
    epochs = re.findall(r"CPU s: lightgcn, epoch (\d) of at most \d, loss [\d.]+(, NDCG@10)?", ask.told)
    assert epochs[:2] == [("1", ", NDCG@10"), ("2", ", NDCG@10")]
    assert {judged for _, judged in epochs[2:]} == {""}, "it is fitted once more, with nobody to judge it"
    assert {row["model"] for row in lists.to_pylist()} == {"served", "itemknn", "lightgcn"}
    again = ask("lightgcn", "pairs.parquet", "last.parquet", "--model", "LightGCN(dimensions=2, epochs=1)")
    assert "lightgcn, epoch 1 of at most 1" in ask.told
    assert {row["model"] for row in again[1].to_pylist()} == {"served", "lightgcn"}

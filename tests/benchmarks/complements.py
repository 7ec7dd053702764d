"""Planted complements of the sample shop: does the relational network use facts, true ones?

The shop is loaded and mined from its own texts and simulated events, all cut where the held-out complements begin.
Whoever owned an anchor by then and takes its complement later is a case; the network ranks all products for them, with
the mined relations, without any, and with the same relations shuffled.

Run as: python tests/benchmarks/complements.py [--seeds 3]     (about 3 minutes on one core)
"""

import argparse
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Timestamp
from mining.bots import bots
from mining.extraction.rules import RuleExtractor
from mining.pipeline import load, mine
from mining.samples import sample_products, sample_shop
from mining.samples.simulator import simulate, write_events
from mining.samples.truth import Truth, load_truth
from recommender.comparing import SHUFFLED, WITH, WITHOUT
from recommender.evaluation import measure
from recommender.model import Model, Scorer
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.popularity import Popularity
from recommender.models.relational import Relational
from recommender.models.relations import Relations
from recommender.reading import read_dataset
from recommender.splits import Cases, Cut, taken, taking_actions, time_cut


def cut_of_the_shop(folder: Path, truth: Truth) -> Cut:
    """The shop before the held-out complements begin, and everything that is taken after."""
    until = int(datetime.fromisoformat(truth["held_out_from"]).replace(tzinfo=UTC).timestamp())
    shop, events = sample_shop(), folder / "events.csv"
    write_events(events, simulate(sample_products(), truth))
    with MemoryStore() as store, EventLog(folder / "events.db") as log:
        load(store, log, catalog=shop.catalog, reviews=shop.reviews, events=events, rejects_dir=folder / "rejects")
        mine(store, log, extractors=[RuleExtractor()], until=until, allow_undated=True, run_dir=folder)
        robots = bots(log.table(until=until))
        data = read_dataset(store, log, until=until, allow_undated=True, excluded=robots)
        return time_cut(data, _later(log, until))


def _later(log: EventLog, until: Timestamp):
    table = log.table()
    return table.filter(pc.greater_equal(table["at"], until))


def planted(cut: Cut, truth: Truth, *, held_out: bool) -> Cases:
    """Only the cases in which an owner of an anchor takes its complement; ``held_out`` ones, or the others."""
    data, cases = cut.train, cut.cases
    anchors: dict[int, set[int]] = {}
    for pair in truth["complements"]:
        if pair["held_out"] == held_out:
            anchors.setdefault(data.items.get(pair["complement"]), set()).add(data.items.get(pair["anchor"]))
    had = taken(cases.histories, taking_actions(cases.histories))
    owned = set(zip(cases.histories.owners[had].tolist(), cases.histories.items[had].tolist(), strict=True))
    kept = np.array(
        [
            any((owner, anchor) in owned for anchor in anchors.get(target, ()))
            for owner, target in zip(cases.owners.tolist(), cases.targets.tolist(), strict=True)
        ],
        bool,
    )
    return replace(cases, owners=cases.owners[kept], targets=cases.targets[kept])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    truth = load_truth()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        cut = cut_of_the_shop(Path(folder), truth)
    questions = {"held-out": planted(cut, truth, held_out=True), "other": planted(cut, truth, held_out=False)}
    relations = {name: len(edges) for name, edges in {**cut.train.links, **cut.train.attributes}.items()}
    print(f"{len(cut.train.users)} users, {len(cut.train.items)} products, {len(cut.train.histories.items)} events")
    print(f"relations: {relations}")
    sizes = ", ".join(f"{len(c.targets)} {name} complements" for name, c in questions.items())
    print(f"asked for: {sizes}, {len(cut.cases.targets)} purchases in all; shop ready after {_since(begun)}\n")
    print(f"{'model':12s} {'relations':10s} {'seed':>4s}   R@10 held-out complements | other complements | all")
    variants = {WITH: cut.train, WITHOUT: cut.train.without_relations(), SHUFFLED: cut.train.shuffled(0)}
    for model in (Popularity(), ItemKNN(), Ease(10.0)):
        _row(model, WITHOUT, None, model.fit(cut.train), questions, cut.cases)
    for name in (WITH, SHUFFLED):
        _row(Relations(), name, None, Relations().fit(variants[name]), questions, cut.cases)
    means: dict[str, list[float]] = {}
    for name, data in variants.items():
        for seed in range(options.seeds):
            model = Relational(seed=seed)
            found = _row(model, name, seed, model.fit(data), questions, cut.cases)
            means.setdefault(name, []).append(found)
    order = [float(np.mean(means[name])) for name in (WITH, WITHOUT, SHUFFLED)]
    good = order[0] > order[1] > order[2]
    told = " ".join(f"{name} {value:.4f}" for name, value in zip((WITH, WITHOUT, SHUFFLED), order, strict=True))
    print(f"\nall planted complements, mean of {options.seeds} seeds: {told}; with > without > shuffled: {good}")
    print(f"{_since(begun)}")
    raise SystemExit(0 if good else 1)


def _row(
    model: Model, relations: str, seed: int | None, scorer: Scorer, questions: dict[str, Cases], every: Cases
) -> float:
    """R@10 over all planted complements."""
    both = replace(
        every,
        owners=np.concatenate([c.owners for c in questions.values()]),
        targets=np.concatenate([c.targets for c in questions.values()]),
    )
    held, other = (measure(scorer, cases, 10).recall for cases in questions.values())
    found, whole = measure(scorer, both, 10).recall, measure(scorer, every, 10).recall
    shown = "" if seed is None else str(seed)
    print(
        f"{model.name:12s} {relations:10s} {shown:>4s}   {held:.4f} | {other:.4f} | both {found:.4f} | {whole:.4f}",
        flush=True,
    )
    return found


def _since(begun: float) -> str:
    return f"{time.perf_counter() - begun:.0f} s"


if __name__ == "__main__":
    main()

"""The relational network on Beauty, leave-one-out: with its relations, without, and with shuffled ones, beside EASE.

Its length is chosen on the validation item (the second-last of each user), then it is trained on everything before the
last item with that length, and asked for the last item once. Its settings were chosen on the validation item too; see
recommender/EXPERIMENTS.md.

Run as: python tests/benchmarks/gnn_beauty.py --data ../shared/data/beauty --seeds 3     (about an hour on one core)
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from protocols import beauty

from recommender.comparing import SHUFFLED, WITH, WITHOUT
from recommender.dataset import Dataset
from recommender.evaluation import measure
from recommender.metrics import Metrics
from recommender.model import Scorer
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.relational import Relational
from recommender.models.relations import Relations
from recommender.scorers import WeightedSumScorer
from recommender.splits import Cut
from recommender.training import Epoch, Run

SETTINGS = Relational(decay=0.6, bias=True, epochs=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--relations", choices=(WITH, WITHOUT, SHUFFLED), nargs="*", default=(WITH, WITHOUT, SHUFFLED))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, help="a JSON file for the rows")
    options = parser.parse_args()
    task = beauty(options.data, "loo", entities=True)
    chooses, asks = task.chooses, task.asks
    print(f"{len(asks.cases):,} users, all {len(asks.train.items):,} items; {SETTINGS!r}")
    print(f"{'model':44s} {'seed':>4s} {'R@10':>7s} {'N@10':>7s}  epochs  seconds")
    rows = _baselines(asks) if WITH in options.relations else []
    for name in options.relations:
        found = []
        for seed in range(options.seeds):
            model = replace(SETTINGS, seed=seed, run=Run(options.device, options.threads, on_epoch=_told))
            found.append(_trained(model, name, chooses, asks))
        rows += found
        spread = [np.array([row[key] for row in found]) for key in ("recall", "ndcg")]
        mean = "  ".join(f"{values.mean():.4f} ± {values.std():.4f}" for values in spread)
        print(f"relational, {name} relations, mean of {options.seeds}: R@10, N@10 = {mean}", flush=True)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _baselines(asks: Cut) -> list[dict[str, object]]:
    """EASE as in baselines.py, with ages and relations: closed forms on the same cases."""
    ease, items = Ease(100.0).fit(asks.train), Relations(through="items").fit(asks.train)
    aged = [replace(s, weights=replace(s.weights, decay=0.6)) for s in (ease, items)]
    mixed = WeightedSumScorer(((1.0, aged[0]), (0.3, aged[1])))
    scorers: dict[str, Scorer] = {
        "itemknn": ItemKNN().fit(asks.train),
        "ease 100": ease,
        "ease 100, 0.6^age": aged[0],
        "ease 100, 0.6^age + 0.3 relations": mixed,
    }
    return [_row(name, None, measure(scorer, asks.cases), 0, 0.0) for name, scorer in scorers.items()]


def _trained(model: Relational, relations: str, chooses: Cut, asks: Cut) -> dict[str, object]:
    begun = time.perf_counter()
    tuned = model.tune(Cut(_variant(chooses.train, relations), chooses.cases))[1]
    scorer = tuned.fit(_variant(asks.train, relations))
    seconds = time.perf_counter() - begun
    return _row(f"relational, {relations} relations", model.seed, measure(scorer, asks.cases), tuned.epochs, seconds)


def _variant(data: Dataset, relations: str) -> Dataset:
    return {WITH: data, WITHOUT: data.without_relations(), SHUFFLED: data.shuffled(0)}[relations]


def _told(epoch: Epoch) -> None:
    if epoch.ndcg is not None:
        print(
            f"  epoch {epoch.number:3d} of {epoch.of}: loss {epoch.loss:.3f}, validation N@10 {epoch.ndcg:.4f}",
            flush=True,
        )


def _row(name: str, seed: int | None, found: Metrics, epochs: int, seconds: float) -> dict[str, object]:
    shown = "" if seed is None else str(seed)
    cost = f"{epochs:7d} {seconds:8.0f}" if epochs else ""
    print(f"{name:44s} {shown:>4s} {found.recall:7.4f} {found.ndcg:7.4f} {cost}", flush=True)
    return {
        "model": name,
        "seed": seed,
        "recall": found.recall,
        "ndcg": found.ndcg,
        "epochs": epochs,
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()

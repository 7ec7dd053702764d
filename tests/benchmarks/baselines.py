"""Reproduce the known rows of Beauty with closed-form models: measured beside expected.

Run as: python tests/benchmarks/baselines.py --data ../shared/data/beauty     (about 3 minutes on one core)
"""

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from protocols import beauty

from recommender.evaluation import measure
from recommender.histories import HistoryWeights
from recommender.model import Scorer
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.popularity import Popularity
from recommender.models.relations import Relations
from recommender.scorers import ItemItemScorer, RelationScorer, WeightedSumScorer
from recommender.splits import Cut

# name -> (R@10, N@10) of leave-one-out; name -> (NDCG, Recall, HR, Prec) in percent of the 70/30 split.
# The second column is the tolerance in units of the last digit: ties decide the last two of the counting models.
EXPECTED_A: dict[str, tuple[tuple[str, ...], int]] = {
    "Pop": ((".0114", ".0054"), 99),
    "relations only": ((".0687", ".0372"), 99),
    "EASE 100": ((".0781", ".0434"), 0),
    "EASE 100, 0.6^age": ((".0875", ".0531"), 0),
    "EASE 100 + 0.3 relations": ((".0959", ".0514"), 0),
    "EASE 100, 0.6^age + 0.3 relations": ((".1139", ".0664"), 0),
}
EXPECTED_B: dict[str, tuple[tuple[str, ...], int]] = {
    "Pop": (("1.194", "2.091", "3.568", "0.375"), 99),
    "ItemKNN": (("5.636", "7.825", "13.464", "1.862"), 99),
    "relations only": (("5.137", "8.028", "13.813", "1.688"), 99),
    "EASE 50": (("7.767", "10.773", "18.159", "2.523"), 0),
    "EASE 200": (("7.567", "10.605", "17.994", "2.487"), 0),
    "EASE 200 + 0.1 relations": (("8.800", "12.773", "20.865", "2.828"), 0),
    "EASE 50 + 0.4 relations": (("9.139", "13.328", "21.576", "2.938"), 0),
}


def aged(scorer: ItemItemScorer | RelationScorer) -> Scorer:
    return replace(scorer, weights=HistoryWeights(decay=0.6))


def mix(first: Scorer, weight: float, second: Scorer) -> Scorer:
    return WeightedSumScorer(((1.0, first), (weight, second)))


def report_a(chooses: Cut, cut: Cut) -> list[bool]:
    """``chooses`` holds the train items only: the counts of the published Pop row."""
    relations, ease = Relations().fit(cut.train), Ease(100.0).fit(cut.train)
    scorers: dict[str, Scorer] = {
        "Pop": Popularity().fit(chooses.train),
        "relations only": relations,
        "EASE 100": ease,
        "EASE 100, 0.6^age": aged(ease),
        "EASE 100 + 0.3 relations": mix(ease, 0.3, relations),
        "EASE 100, 0.6^age + 0.3 relations": mix(aged(ease), 0.3, aged(relations)),
    }
    print(f"\nsplit A, leave-one-out, {len(cut.cases):,} users, all {len(cut.train.items):,} items: R@10 N@10")
    return [_row(name, _cells_a(scorer, cut), *EXPECTED_A[name]) for name, scorer in scorers.items()]


def report_b(cut: Cut) -> list[bool]:
    print(f"\nsplit B, 70/30 pairs, {len(cut.cases):,} users: NDCG Recall HR Prec, top-10, in %")
    relations = Relations().fit(cut.train)
    first: dict[str, Scorer] = {
        "Pop": Popularity().fit(cut.train),
        "ItemKNN": ItemKNN().fit(cut.train),
        "relations only": relations,
    }
    good = [_row(name, _cells_b(scorer, cut), *EXPECTED_B[name]) for name, scorer in first.items()]
    for regularisation, weight in ((50, 0.4), (200, 0.1)):
        ease = Ease(float(regularisation)).fit(cut.train)
        rows = {
            f"EASE {regularisation}": ease,
            f"EASE {regularisation} + {weight} relations": mix(ease, weight, relations),
        }
        good += [_row(name, _cells_b(scorer, cut), *EXPECTED_B[name]) for name, scorer in rows.items()]
    return good


def _cells_a(scorer: Scorer, cut: Cut) -> tuple[str, ...]:
    found = measure(scorer, cut.cases)
    return tuple(f"{value:.4f}".lstrip("0") for value in (found.recall, found.ndcg))


def _cells_b(scorer: Scorer, cut: Cut) -> tuple[str, ...]:
    found = measure(scorer, cut.cases)
    return tuple(f"{100 * value:.3f}" for value in (found.ndcg, found.recall, found.hit_rate, found.precision))


def _row(name: str, measured: Sequence[str], expected: Sequence[str], tolerance: int) -> bool:
    off = max(
        abs(round((float(m) - float(e)) * 10 ** len(e.split(".")[1]))) for m, e in zip(measured, expected, strict=True)
    )
    verdict = "equal" if off == 0 else ("within the last two digits" if off <= tolerance else "DIFFERS")
    print(f"  {name:36s} measured {' '.join(measured):28s} expected {' '.join(expected):28s} {verdict}", flush=True)
    return off <= tolerance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder beauty with its four Parquet files")
    parser.add_argument("--split", choices=("A", "B"), help="only one of the two splits")
    options = parser.parse_args()
    begun, good = time.perf_counter(), []
    if options.split != "B":
        task = beauty(options.data, "loo")
        good += report_a(task.chooses, task.asks)
    if options.split != "A":
        good += report_b(beauty(options.data, "pgpr").asks)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    wall, cpu = time.perf_counter() - begun, usage.ru_utime + usage.ru_stime
    cost = f"{wall:.0f} s, {cpu:.0f} CPU s, {usage.ru_maxrss / 2**20:.1f} GB at most"
    print(f"\n{sum(good)} of {len(good)} rows as expected; {cost}")
    raise SystemExit(0 if all(good) else 1)


if __name__ == "__main__":
    main()

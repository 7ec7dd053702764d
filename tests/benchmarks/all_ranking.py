"""CPU time and memory of ranking every item for every user: no sampled candidates, random factors, one thread.

    python tests/benchmarks/all_ranking.py --train ../shared/data/gowalla/train.parquet
        --test ../shared/data/gowalla/test.parquet [--dimensions 64] [--users 3000]

Nothing is learned: what it costs does not depend on what the numbers of a factor model are. ``--users`` takes so
many, spread evenly, and also tells what all would take in proportion.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from protocols import Files, lightgcn
from threadpoolctl import threadpool_limits

from recommender.evaluation import measure
from recommender.scorers import FactorScorer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="Parquet with the columns user and item")
    parser.add_argument("--test", type=Path, required=True, help="the same of what is asked")
    for name, default in (("dimensions", 64), ("k", 20), ("users", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    cut = lightgcn(Files(options.train, options.test)).asks
    items, rng = cut.train.items, np.random.default_rng(0)
    scorer = FactorScorer(
        items,
        rng.standard_normal((len(items), options.dimensions), np.float32),
        rng.standard_normal((len(items), options.dimensions), np.float32),
    )
    cases = cut.cases.first(options.users or len(cut.cases))
    before = _peak()
    with threadpool_limits(1):
        begun = time.process_time()
        metrics = measure(scorer, cases, options.k)
        seconds = time.process_time() - begun
    print(f"{metrics.users:,} users × {len(items):,} items, {len(cases.targets):,} targets, d = {options.dimensions}")
    print(f"CPU s {seconds:.1f}; peak memory {_peak():.2f} GB, {before:.2f} GB of it before")
    if len(cases) < len(cut.cases):
        share = len(cases.targets) / len(cut.cases.targets)
        print(f"of all {len(cut.cases):,} users, in proportion to their targets: CPU s {seconds / share:.1f}")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()

"""How long one thread takes, from data in memory, until a model ranks as well as is asked.

    python tests/benchmarks/time_to_quality.py --train ../shared/data/gowalla/train.parquet
        --test ../shared/data/gowalla/test.parquet [--dimensions 256 …] [--recall .183] [--ndcg .154]
        [--validation-only]

A closed form reaches what it reaches at once, so the time is that of its fit; what ranking all users for the figures
takes is told beside it. ``--validation-only`` asks the training pairs that ``ranking.py`` chooses by.
"""

import argparse
import time
from pathlib import Path

from protocols import Files, lightgcn
from threadpoolctl import threadpool_limits

from recommender.evaluation import measure
from recommender.models.lae import Lae


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="Parquet with the columns user and item")
    parser.add_argument("--test", type=Path, required=True, help="the same of what is asked")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[256])
    parser.add_argument("--k", type=int, default=20)
    for name, default in (("recall", 0.183), ("ndcg", 0.154)):
        parser.add_argument(f"--{name}", type=float, default=default, help="to be reached")
    parser.add_argument("--validation-only", action="store_true")
    options = parser.parse_args()
    task = lightgcn(Files(options.train, options.test))
    cut = task.chooses if options.validation_only else task.asks
    for dimensions in options.dimensions:
        model = Lae(dimensions)
        with threadpool_limits(1):
            begun = time.process_time()
            scorer = model.fit(cut.train)
            fitted = time.process_time()
            found = measure(scorer, cut.cases, options.k)
            ranked = time.process_time()
        reached = found.recall >= options.recall and found.ndcg >= options.ndcg
        print(f"{model!r}: fit {fitted - begun:.1f} CPU s, ranking {found.users:,} users {ranked - fitted:.1f} CPU s")
        told = "" if options.validation_only else ", reached" if reached else ", not reached"
        print(f"  recall@{found.k} {found.recall:.4f}  ndcg@{found.k} {found.ndcg:.4f}{told}", flush=True)


if __name__ == "__main__":
    main()

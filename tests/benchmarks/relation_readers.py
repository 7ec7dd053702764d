"""How far two readers agree who labelled the same texts: the score of the second's labels against the first's.

    python tests/benchmarks/relation_readers.py FIRST SECOND [--without ID …]

It is the score that an extractor would have that read like the second reader.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mining.evaluation import Score, relation_spans
from mining.extraction.relation_texts import read_labelled


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--without", nargs="*", default=[], metavar="ID", help="texts that are left out")
    asked = parser.parse_args(argv)
    first = {row.id: row.labels for row in read_labelled(asked.first) if row.id not in asked.without}
    second = {row.id: row.labels for row in read_labelled(asked.second) if row.id not in asked.without}
    if first.keys() != second.keys():
        parser.error(f"{asked.first} and {asked.second} hold other texts: {len(first.keys() ^ second.keys())} differ")
    scores = relation_spans([(first[name], second[name]) for name in first])
    for relation, score in [*scores.items(), ("micro", sum(scores.values(), Score()))]:
        told = f"P/R/F1 {score.precision:.3f} {score.recall:.3f} {score.f1:.3f}"
        print(f"{relation:16} {told}  {score.gold} and {score.predicted} labels")


if __name__ == "__main__":
    main()

"""Trains the encoder that has learned relations and ships with the package, from ids and spans of labels.

``--train LABELS … --data DIR --out FILE`` writes what is added to the installed encoder. ``--checkpoint DIR``: a folder
from which a killed training goes on. ``relation_context.py --tuned FILE --score LABELS`` says what it is worth.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from stated_relations import texts_of

from mining.extraction.encoders import load_encoder
from mining.extraction.judge import shipped
from mining.extraction.judge_training import each_example
from mining.extraction.judge_tuned import save
from mining.extraction.judge_tuned_training import TunedOptions, tune
from mining.extraction.relation_texts import read_labelled


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = TunedOptions()
    parser.add_argument("--train", type=Path, nargs="+", required=True, metavar="LABELS")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2")
    parser.add_argument("--checkpoint", type=Path, metavar="DIR")
    parser.add_argument("--epochs", type=int, default=usual.epochs)
    parser.add_argument("--rank", type=int, default=usual.rank)
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)  # the same sums in the same order everywhere
    started = time.process_time()
    judge = shipped()  # which chunks and words a text has does not depend on what it has learned
    rows = [row for path in asked.train for row in read_labelled(path)]
    texts = [text.text for text in texts_of(rows, asked.data)]
    given = each_example(texts, [row.labels for row in rows], judge.classes, judge.vectors)

    def tell(line: str) -> None:
        print(f"  {time.process_time() - started:.0f} CPU seconds: {line}", flush=True)

    tell(f"{len(rows)} texts, {sum(len(row.labels) for row in rows)} labels")
    options = replace(usual, epochs=asked.epochs, rank=asked.rank)
    save(tune(given, load_encoder(asked.encoder), options, asked.checkpoint, tell), asked.out)
    print(f"{asked.out}: {asked.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

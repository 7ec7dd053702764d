"""Trains the contextual judge of relations that ships with the package, from ids and spans of labels and catalogues.

``--train LABELS … --data DIR --out FILE`` writes the weights. ``--score LABELS …`` holds these out, of the judge below
too, and prints precision, recall and F1 with and without the contextual judge at thresholds; ``--tuned FILE`` with what
``relation_tuned.py`` made of other labels than these beside it. ``--unseen LABELS …``: texts that the vectors of words
may not know either.
"""

import argparse
import ctypes
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from relation_judge import vectors_of
from stated_relations import texts_of

from mining.evaluation import Label, Score, relation_spans
from mining.extraction import judge_tuned
from mining.extraction.candidates import readings
from mining.extraction.encoders import load_encoder
from mining.extraction.judge import Judge
from mining.extraction.judge_context import ContextJudge, Weights, load, save
from mining.extraction.judge_context_training import ContextOptions, train_context
from mining.extraction.judge_features import Sight
from mining.extraction.judge_network import Floats
from mining.extraction.judge_training import examples, train_twice
from mining.extraction.judged import JudgedExtractor
from mining.extraction.kinds import Words
from mining.extraction.relation_texts import Labelled, Text, read_labelled, stated
from mining.extraction.word_classes import word_classes

SHARES = (1.0, 0.5, 0.3, 0.0)
THRESHOLDS = (0.48, 0.54, 0.6, 0.64, 0.68, 0.72, 0.76, 0.8)


def print_scores(
    judge: Judge, weights: Weights, rows: Sequence[Labelled], texts: Sequence[Text], tuned: Path | None = None
) -> None:
    """Micro scores of texts that neither judge has seen, at each share of the judge and each threshold."""
    with tempfile.TemporaryDirectory() as folder:  # rounded as those that ship
        save(weights, Path(folder) / "context.npz")
        weights = load(Path(folder) / "context.npz")
    encoder = load_encoder(weights.encoder)
    beside = judge_tuned.load(tuned) if tuned else None
    for share in SHARES:
        print(f" {'judge alone' if share == 1 else f'share of the judge {share}'}")
        reader = None if share == 1 else ContextJudge(encoder, replace(weights, share=share), beside)
        weighing = _Remembering(reader)
        extractor = JudgedExtractor(judge=judge, context=weighing)
        for threshold in THRESHOLDS:
            weighing.threshold = threshold
            print(f"  {threshold:.2f} {_micro(rows, list(stated(extractor, texts)))}", flush=True)


class _Remembering:
    """Weighs each text once, for all thresholds; without a contextual judge, the judge's own opinion stands."""

    def __init__(self, context: ContextJudge | None) -> None:
        self.threshold = 1.0
        self._context = context
        self._seen: dict[Words, tuple[Floats, dict[int, Floats]]] = {}

    def weigh(self, sight: Sight, first: Floats, second: Floats) -> tuple[Floats, dict[int, Floats]]:
        if sight.words not in self._seen:
            weighed = self._context.weigh(sight, first, second) if self._context else (second, _unscored(sight))
            self._seen[sight.words] = weighed
        return self._seen[sight.words]


def _unscored(sight: Sight) -> dict[int, Floats]:
    """Every chunk as looked at, so that it is held to the threshold that is tried, with nothing to say of its cut."""
    return {at: np.zeros(len(readings(sight.words, sight.chunks, at)), np.float32) for at in range(len(sight.chunks))}


def _micro(rows: Sequence[Labelled], found: Sequence[list[Label]]) -> str:
    records = [(row.labels, labels) for row, labels in zip(rows, found, strict=True)]
    score = sum(relation_spans(records).values(), Score())
    return f"P/R/F1 {score.precision:.3f} {score.recall:.3f} {score.f1:.3f}"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = ContextOptions()
    parser.add_argument("--train", type=Path, nargs="+", required=True, metavar="LABELS")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--score", type=Path, nargs="*", default=[], metavar="LABELS")
    parser.add_argument("--unseen", type=Path, nargs="*", default=[], metavar="LABELS")
    parser.add_argument("--tuned", type=Path, metavar="FILE")
    parser.add_argument("--members", type=int, default=usual.members)
    parser.add_argument("--threshold", type=float, default=usual.threshold)
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)  # the same sums in the same order everywhere
    started = time.process_time()
    vectors = vectors_of(asked.data, [*asked.score, *asked.unseen])
    classes = word_classes(vectors)
    rows = [row for path in asked.train for row in read_labelled(path)]
    given = examples([text.text for text in texts_of(rows, asked.data)], [row.labels for row in rows], classes, vectors)
    judge, opinions = train_twice(given, classes, vectors)
    given = [replace(one, features=(), cuts=(), seen=one.seen[:0]) for one in given]  # what only the judge looks at
    ctypes.CDLL(None).malloc_trim(0)  # glibc keeps for itself what a million small arrays leave

    def tell(line: str) -> None:
        print(f"  {time.process_time() - started:.0f} CPU seconds: {line}", flush=True)

    tell(f"{len(rows)} texts, {sum(len(row.labels) for row in rows)} labels")
    options = replace(usual, members=asked.members, threshold=asked.threshold)
    weights = train_context(given, opinions, load_encoder(asked.encoder), options, tell)
    if asked.out:
        save(weights, asked.out)
        print(f"{asked.out}: {asked.out.stat().st_size:,} bytes")
    for path in asked.score:
        held = read_labelled(path)
        print(f"{path.name}: {len(held)} texts, {sum(len(row.labels) for row in held)} labels")
        print_scores(judge, weights, held, texts_of(held, asked.data), asked.tuned)
    print(f"{time.process_time() - started:.0f} CPU seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

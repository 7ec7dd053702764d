"""Trains the judge of relations that ships with the package, from ids and spans of labels and the catalogues.

``--train LABELS … --data DIR --out FILE`` writes the weights; ``--folds N`` instead holds out each Nth of the texts in
turn and prints precision, recall and F1 at thresholds. Vectors of words are learned from the texts of the catalogues;
those that LABELS of ``--unseen`` name are left out of that.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stated_relations import CATALOGUES, prose, texts_of

from mining.evaluation import Label, Score, relation_spans
from mining.extraction.judge import Judge
from mining.extraction.judge_network import Vectors
from mining.extraction.judge_training import Example, Options, examples, save, train
from mining.extraction.judged import JudgedExtractor
from mining.extraction.relation_texts import Labelled, Text, read_labelled, stated
from mining.extraction.word_classes import word_classes, word_vectors

THRESHOLDS = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)


def vectors_of(data: Path, unseen: Sequence[Path]) -> Vectors:
    """Vectors of the words of the catalogues under ``data``, without the texts that the files of ``unseen`` name."""
    hidden = {str(row.id) for path in unseen for row in read_labelled(path)}
    texts = {f"{source}:{key}": text for source in CATALOGUES for key, text in prose(source, data).items()}
    return word_vectors(text for key, text in texts.items() if key not in hidden)


def print_folds(
    rows: Sequence[Labelled], texts: Sequence[Text], given: Sequence[Example], vectors: Vectors, folds: int
) -> None:
    """Micro scores of every text by a judge that has not seen it, at each threshold."""
    fold = [int(hashlib.sha256(str(row.id).encode()).hexdigest(), 16) % folds for row in rows]
    classes = word_classes(vectors)
    judges = [
        train([one for one, its in zip(given, fold, strict=True) if its != held], classes, vectors)
        for held in range(folds)
    ]
    for threshold in THRESHOLDS:
        records = []
        for held, judge in enumerate(judges):
            ours = [at for at, its in enumerate(fold) if its == held]
            found = judged(replace(judge, threshold=threshold), [texts[at] for at in ours])
            records += [(rows[at].labels, labels) for at, labels in zip(ours, found, strict=True)]
        score = sum(relation_spans(records).values(), Score())
        print(f"  {threshold:.2f} P/R/F1 {score.precision:.3f} {score.recall:.3f} {score.f1:.3f}", flush=True)


def judged(judge: Judge, texts: Sequence[Text]) -> list[list[Label]]:
    return list(stated(JudgedExtractor(judge=judge), texts))


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, nargs="+", required=True, metavar="LABELS")
    parser.add_argument("--unseen", type=Path, nargs="*", default=[], metavar="LABELS")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="FILE")
    what.add_argument("--folds", type=int, metavar="N")
    parser.add_argument("--threshold", type=float, default=Options().threshold)
    asked = parser.parse_args(argv)
    started = time.process_time()
    vectors = vectors_of(asked.data, asked.unseen)
    classes = word_classes(vectors)
    rows = [row for path in asked.train for row in read_labelled(path)]
    texts = texts_of(rows, asked.data)
    given = examples([text.text for text in texts], [row.labels for row in rows], classes, vectors)
    labels = sum(len(row.labels) for row in rows)
    print(f"{len(rows)} texts, {labels} labels, {sum(len(one.chunks) for one in given)} chunks, {len(classes)} words")
    if asked.folds:
        print_folds(rows, texts, given, vectors, asked.folds)
    else:
        save(train(given, classes, vectors, Options(threshold=asked.threshold)), asked.out)
        print(f"{asked.out}: {asked.out.stat().st_size:,} bytes")
    print(f"{time.process_time() - started:.0f} CPU seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

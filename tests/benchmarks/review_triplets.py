"""Opinions of reviews: trains the small model on a labelled file and scores it on another.

Called by ``extraction.py --set en_reviews_…`` and ``--set zh_reviews_…``.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mining.evaluation import Score
from mining.language import sentences
from mining.reviews.triplet_files import QuadRow, TripletLine, read_quads, read_triplet_lines
from mining.reviews.triplets import LabelledReview, Opinion, exact

if TYPE_CHECKING:
    from mining.reviews.triplet_training import TripletOptions

ENGLISH, CHINESE = "en_reviews", "zh_reviews"
Row = TripletLine | QuadRow


def print_reviews(asked: argparse.Namespace) -> None:
    """Prints exact micro precision, recall and F1; money is none, since no language model is asked."""
    from mining.reviews.triplet_training import train_opinions  # PyTorch: seconds that other sets need not wait for

    read: Callable[[Path], Sequence[Row]] = read_quads if asked.set.startswith(CHINESE) else read_triplet_lines
    rows, tests = read(asked.train), read(asked.test)
    print(f"{asked.set}: {len(rows)} texts of {asked.train.name}, {len(tests)} of {asked.test.name}; no other data")
    learned = [row.review for row in rows]
    with _spent("training"):
        model = train_opinions(
            learned,
            _options(asked, learned),
            dev=[row.review for row in read(asked.dev)] if asked.dev else (),
            checkpoint=asked.model / "checkpoint" if asked.model else None,
            on_epoch=lambda epoch: print(f"  {epoch.told()}", flush=True),
        )
    if asked.model:
        model.save(asked.model)
    texts = [test.review.text for test in tests]
    with _spent("reading", texts):
        found = model.read(texts)
    print(f"  small model, {len(model.networks)} averaged, {model.choice}")
    _print_scores(tests, found)
    if asked.out:
        lines = (test.told(one) for test, one in zip(tests, found, strict=True))
        asked.out.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _options(asked: argparse.Namespace, learned: Sequence[LabelledReview]) -> "TripletOptions":
    from mining.reviews.triplet_training import options_for

    return options_for(
        "zh" if asked.set.startswith(CHINESE) else "en",
        learned,
        encoder=asked.encoder,
        encoders=asked.encoders,
        epochs=asked.epochs,
        members=asked.members,
        device=asked.device,
        seed=asked.seed,
    )


def _print_scores(tests: Sequence[Row], found: Sequence[Sequence[Opinion]]) -> None:
    def score(key: Callable[[Row, Opinion], object]) -> Score:
        return exact(
            ([key(row, one) for one in row.review.opinions], [key(row, one) for one in said])
            for row, said in zip(tests, found, strict=True)
        )

    name = "quads" if isinstance(tests[0], QuadRow) else "triplets"
    told = {
        name: score(lambda row, one: row.key(one)),
        "aspects": score(lambda row, one: row.key(one)[0]),
        "opinions": score(lambda row, one: row.key(one)[1]),
        "pairs": score(lambda row, one: row.key(one)[:2]),
    }
    for what, one in told.items():
        figures = " ".join(f"{100 * value:6.2f}" for value in (one.precision, one.recall, one.f1))
        print(f"    {what:10} P/R/F1  {figures}   ({one.correct} right of {one.predicted}, {one.gold} labelled)")


@contextmanager
def _spent(what: str, texts: Sequence[str] = ()) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    told = f"  {what}: {wall:.0f} s by the clock, {cpu:.0f} CPU seconds; money 0"
    if texts:
        many = sum(max(1, len(list(sentences(text)))) for text in texts)
        told += f"; {many / wall:.0f} sentences/s by the clock, {many / cpu:.0f} a CPU second ({len(texts)} texts)"
    print(told, flush=True)

"""What compressing a small model costs and gains: the same labelled products read by both, turn by turn."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from mining.evaluation import Score, lenient_attributes, strict_attributes
from mining.extraction.attribute_model import Answer, AttributeModel
from mining.extraction.attribute_rows import Row


@dataclass(frozen=True, slots=True)
class Side:
    """One model: its scores, and products read a second (medians over the runs), by the processor and by the clock."""

    lenient: Score
    strict: Score
    by_processor: float
    by_clock: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models on the same rows. ``changed``: rows where some value differs; ``values``: values that the full model
    said, ``values_changed`` those said otherwise, no longer or newly."""

    full: Side
    small: Side
    rows: int
    changed: int
    values: int
    values_changed: int


def compare(full: AttributeModel, small: AttributeModel, rows: Sequence[Row], *, runs: int = 3) -> Comparison:
    """``rows`` are labelled. The models take turns, so that whatever else the machine does meets both alike."""
    answers: list[list[Answer]] = [[], []]
    spent: list[list[tuple[float, float]]] = [[], []]
    for run in range(runs + 1):  # the first warms up
        for number, model in enumerate((full, small)):
            clock, processor = time.perf_counter(), time.process_time()
            answers[number] = model.extract(rows)
            if run:
                spent[number].append((time.process_time() - processor, time.perf_counter() - clock))
    one, other = (_side(rows, said, times) for said, times in zip(answers, spent, strict=True))
    pairs = [(a.plain(), b.plain()) for a, b in zip(*answers, strict=True)]
    changed = [sum(a[name] != b.get(name) for name in a) for a, b in pairs]
    said = sum(value is not None for a, _ in pairs for value in a.values())
    return Comparison(one, other, len(rows), sum(map(bool, changed)), said, sum(changed))


def _side(rows: Sequence[Row], answers: Sequence[Answer], spent: Sequence[tuple[float, float]]) -> Side:
    said = [(row.gold, answer.plain()) for row, answer in zip(rows, answers, strict=True)]
    processor, clock = (len(rows) / max(1e-9, median(times)) for times in zip(*spent, strict=True))
    return Side(lenient_attributes(said), strict_attributes(said), processor, clock)

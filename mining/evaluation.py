"""How good is what was mined: attribute values, and relations with their spans, against labels made by people.

Two ways of scoring attribute values are kept apart. The lenient one looks only at the attributes that a gold record
lists, as published results do; the strict one counts every value that was predicted, as a graph has to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mining.types import Extraction

Gold: TypeAlias = Mapping[str, Sequence[str]]
"""Attribute → its accepted values in the order of the labels; ``n/a`` says that it has none."""
Prediction: TypeAlias = Mapping[str, str | None]

RELATIONS = ("COMPATIBLE_WITH", "ACCESSORY_OF", "USED_FOR", "SUITS")
NOT_APPLICABLE = "n/a"
_NULLS = (NOT_APPLICABLE, "None")


@dataclass(frozen=True, slots=True)
class Score:
    """Counts that add up over records; the ratios are 0 where there is nothing to divide by."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    @property
    def precision(self) -> float:
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        both = self.predicted + self.gold
        return 2 * self.correct / both if both else 0.0

    def __add__(self, other: "Score") -> "Score":
        return Score(self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold)


@dataclass(frozen=True, slots=True)
class Label:
    """A relation of the product to the tail that stands at ``[start, end)`` of its text."""

    relation: str
    start: int
    end: int


def lenient_attributes(records: Iterable[tuple[Gold, Prediction]]) -> Score:
    """The published micro score over (gold, prediction) of each title; attributes that gold does not list are free.

    A gold attribute is null if its first value is ``n/a``. Values are equal if they are after stripping.
    """
    return sum((_lenient(gold, prediction) for gold, prediction in records), Score())


def strict_attributes(records: Iterable[tuple[Gold, Prediction]]) -> Score:
    """The micro score of a graph over (gold, prediction) of each title: every predicted value is right or wrong."""
    return sum((_strict(gold, prediction) for gold, prediction in records), Score())


def relation_spans(
    records: Iterable[tuple[Iterable[Label], Iterable[Label]]], overlap: float = 0.5
) -> dict[str, Score]:
    """Scores by relation over (gold, predicted) labels of each text; their sum is the micro score.

    A predicted label is right if a gold label of its relation overlaps it with intersection over union of at least
    ``overlap`` in code points. Each gold label is matched once, the closest pair first.
    """
    scores: dict[str, Score] = {}
    for gold, predicted in records:
        for relation, score in _spans(set(gold), set(predicted), overlap).items():
            scores[relation] = scores.get(relation, Score()) + score
    return dict(sorted(scores.items()))


def labels_of(extraction: Extraction) -> list[Label]:
    """The relation labels of an extraction: of each fact, the first place where it is stated."""
    labels = []
    for fact in extraction.facts:
        spans = [(e.start, e.end) for e in fact.evidence if e.start is not None and e.end is not None]
        if fact.relation in RELATIONS and spans:
            labels.append(Label(fact.relation, *min(spans)))
    return labels


def _value(raw: object) -> str | None:
    if raw is None:
        return None
    value = str(raw).strip()
    return None if value in _NULLS else value


def _lenient(gold: Gold, prediction: Prediction) -> Score:
    score = Score()
    for attribute, listed in gold.items():
        targets = [value.strip() for value in listed]
        known = bool(targets) and targets[0] != NOT_APPLICABLE
        said = _value(prediction.get(attribute))
        score += Score(int(known and said in targets), int(said is not None), int(known))
    return score


def _strict(gold: Gold, prediction: Prediction) -> Score:
    targets = {a: {v.strip() for v in listed} - {NOT_APPLICABLE} for a, listed in gold.items()}
    said = {a: value for a, raw in prediction.items() if (value := _value(raw))}
    correct = sum(value in targets.get(attribute, ()) for attribute, value in said.items())
    return Score(correct, len(said), sum(bool(values) for values in targets.values()))


def _spans(gold: set[Label], predicted: set[Label], overlap: float) -> dict[str, Score]:
    pairs = [(_iou(p, g), p, g) for p in predicted for g in gold if p.relation == g.relation]
    pairs = [pair for pair in pairs if pair[0] >= overlap]
    pairs.sort(key=lambda pair: (-pair[0], pair[1].start, pair[1].end, pair[2].start, pair[2].end))
    used: set[Label] = set()
    matched: set[Label] = set()
    for _, guess, target in pairs:
        if guess not in used and target not in matched:
            used.add(guess)
            matched.add(target)
    return {
        relation: Score(
            sum(label.relation == relation for label in used),
            sum(label.relation == relation for label in predicted),
            sum(label.relation == relation for label in gold),
        )
        for relation in {label.relation for label in gold | predicted}
    }


def _iou(one: Label, other: Label) -> float:
    shared = min(one.end, other.end) - max(one.start, other.start)
    union = max(one.end, other.end) - min(one.start, other.start)
    return shared / union if shared > 0 else 0.0

"""The cost–F1 curve of a labelled sample: what asking a language model about the least sure products gains."""

from collections.abc import Sequence
from dataclasses import dataclass

from mining.evaluation import Gold, Prediction, Score, lenient_attributes, strict_attributes
from mining.extraction.attribute_model import Answer
from mining.extraction.attribute_routing import Read
from mining.language_model import Price

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
MOST = 1000  # products that money and time are told for


@dataclass(frozen=True, slots=True)
class Costs:
    """What the plan assumes. ``price``: of the language model, USD a million tokens; ``core_hour``: USD;
    ``per_second``: products that the small model reads a second of one core; ``call_seconds``: of one call,
    ``at_once`` under way."""

    price: Price
    core_hour: float
    per_second: float
    call_seconds: float = 2.0
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking about one product takes and gives. ``answer``: what the model said; None where it was not asked, or
    gave none: then it is right as often as ``Plan.llm_f1`` says."""

    prompt_tokens: int
    answer_tokens: int
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold: products less sure than ``route_below`` are asked. Money and time are of 1,000 products."""

    route_below: float
    share: float
    lenient_f1: float
    strict_f1: float
    usd: float
    seconds: float


def curve(reads: Sequence[Read], asked: Sequence[Asked], llm_f1: tuple[float, float], costs: Costs) -> list[Point]:
    """A point for each of ``SHARES``, from nobody asked to everybody; thresholds that ask the same products once.

    ``llm_f1``: (lenient, strict) F1 of the language model where it has not answered; precision and recall are taken to
    be equal, and its errors to lie as often on the products asked as on all.
    """
    order = sorted(range(len(reads)), key=lambda number: reads[number].sure)
    points: dict[float, Point] = {}
    for share in SHARES:
        count = round(share * len(reads))
        # Ties are asked together: a threshold cannot tell them apart.
        below = 1.0 if count == len(reads) else reads[order[count]].sure
        chosen = {number for number in order if reads[number].sure < below or count == len(reads)}
        points.setdefault(below, _point(reads, asked, chosen, below, llm_f1, costs))
    return list(points.values())


def _point(
    reads: Sequence[Read],
    asked: Sequence[Asked],
    chosen: set[int],
    below: float,
    llm_f1: tuple[float, float],
    costs: Costs,
) -> Point:
    f1 = []
    for scored, assumed in zip((lenient_attributes, strict_attributes), llm_f1, strict=True):
        correct = both = 0.0
        for number, one in enumerate(reads):
            answer = asked[number].answer if number in chosen else one.answer
            said: list[tuple[Gold, Prediction]] = [(one.row.gold, answer.plain() if answer else {})]
            score: Score = scored(said)
            correct += score.correct if answer else assumed * score.gold
            both += score.predicted + score.gold if answer else 2 * score.gold
        f1.append(2 * correct / both if both else 0.0)
    scale = MOST / max(1, len(reads))
    money = sum(costs.price.of(asked[number].prompt_tokens, asked[number].answer_tokens) for number in chosen) * scale
    reading = MOST / costs.per_second
    seconds = reading + len(chosen) * scale * costs.call_seconds / costs.at_once
    return Point(
        below, len(chosen) / max(1, len(reads)), f1[0], f1[1], money + reading / 3600 * costs.core_hour, seconds
    )


def measured(reads: Sequence[Read], asked: Sequence[Asked]) -> tuple[float, float] | None:
    """(lenient, strict) F1 of the language model on the products that it has answered; None where it answered none."""
    said = [(one.row.gold, a.answer.plain()) for one, a in zip(reads, asked, strict=True) if a.answer is not None]
    return (lenient_attributes(said).f1, strict_attributes(said).f1) if said else None

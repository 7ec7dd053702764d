"""Labels that are read together, any number of spans or one value each, against a sum over all readings."""

import math
from collections import defaultdict
from collections.abc import Iterator

import pytest
import torch

from mining.extraction import entity_spans, rival_values
from mining.extraction.span_sums import NEVER

WORDS, LABELS = 4, 2
Span = tuple[int, int, int]
"""(label, first word, last word)."""
Reading = tuple[Span, ...]


def readings(words: int, labels: tuple[int, ...], start: int = 0) -> Iterator[Reading]:
    """All sets of spans of these labels that do not overlap."""
    yield ()
    for first in range(start, words):
        for last in range(first, words):
            for label in labels:
                yield from (((label, first, last), *rest) for rest in readings(words, labels, last + 1))


def shares(scores: torch.Tensor, *labels: int) -> dict[Reading, float]:
    """How probable each reading is, of one text's scores [words, labels, 3]."""

    def weight(reading: Reading) -> float:
        told = (scores[f, k, 0] + scores[f + 1 : e + 1, k, 1].sum() + scores[e, k, 2] for k, f, e in reading)
        return math.exp(sum(float(one) for one in told))

    weights = {reading: weight(reading) for reading in readings(len(scores), labels)}
    return {reading: one / sum(weights.values()) for reading, one in weights.items()}


def together(scores: torch.Tensor, *, rivals: bool) -> list[dict[Reading, float]]:
    """The distributions that a text's reading is drawn from: one of all labels, or one a label."""
    return [shares(scores, *range(LABELS))] if rivals else [shares(scores, label) for label in range(LABELS)]


def target_of(*spans: Span) -> torch.Tensor:
    made = torch.zeros(1, WORDS, LABELS, dtype=torch.long)
    for label, first, last in spans:
        made[0, first : last + 1, label] = 2
        made[0, first, label] = 1
    return made


@pytest.fixture
def scores() -> torch.Tensor:
    """Of two texts, the second a word shorter."""
    drawn = torch.randn(2, WORDS, LABELS, 3, generator=torch.Generator().manual_seed(1))
    drawn[1, -1] = NEVER
    return drawn


@pytest.mark.parametrize("rivals", [True, False])
def test_probabilities_sum_over_all_readings(scores: torch.Tensor, rivals: bool) -> None:
    told = entity_spans.log_probabilities(scores, rivals=rivals).exp()
    for text, words in ((0, WORDS), (1, WORDS - 1)):
        share: dict[Span, float] = defaultdict(float)
        for distribution in together(scores[text, :words], rivals=rivals):
            for reading, one in distribution.items():
                for span in reading:
                    share[span] += one
        for (label, first, last), one in share.items():
            assert float(told[text, first, label, last - first]) == pytest.approx(one, rel=1e-4)
        assert float(told[text].sum()) == pytest.approx(sum(share.values()), rel=1e-4)


@pytest.mark.parametrize("spans", [(), ((0, 1, 2),), ((0, 0, 0), (0, 1, 1), (1, 2, 3)), ((1, 0, 3),)])
def test_the_loss_is_that_of_what_is_labelled(scores: torch.Tensor, spans: Reading) -> None:
    (all_labels,), each = together(scores[0], rivals=True), together(scores[0], rivals=False)
    told = entity_spans.loss(scores[:1], target_of(*spans), rivals=True)
    assert float(told.sum()) == pytest.approx(-math.log(all_labels[spans]), rel=1e-4)
    for label in range(LABELS):
        own = tuple(span for span in spans if span[0] == label)
        one = entity_spans.loss(scores[:1], target_of(*spans), rivals=False)[0, label]
        assert float(one) == pytest.approx(-math.log(each[label][own]), rel=1e-4)


def test_rivals_that_are_labelled_at_one_word_are_learned_as_a_reading(scores: torch.Tensor) -> None:
    (all_labels,) = together(scores[0], rivals=True)
    told = entity_spans.loss(scores[:1], target_of((0, 0, 1), (1, 1, 3)), rivals=True)
    assert float(told.sum()) == pytest.approx(-math.log(all_labels[(0, 0, 1), (1, 2, 3)]), rel=1e-4)


@pytest.mark.parametrize("rivals", [True, False])
def test_disagreement_is_the_mean_of_both_divergences(scores: torch.Tensor, rivals: bool) -> None:
    one, other = scores[:1], torch.randn(1, WORDS, LABELS, 3, generator=torch.Generator().manual_seed(2))
    pairs = zip(together(one[0], rivals=rivals), together(other[0], rivals=rivals), strict=True)
    expected = sum((p[r] - q[r]) * math.log(p[r] / q[r]) for p, q in pairs for r in p) / 2
    assert float(entity_spans.disagreement(one, other, rivals=rivals).sum()) == pytest.approx(expected, rel=1e-4)
    assert float(entity_spans.disagreement(one, one, rivals=rivals).sum()) == 0.0


@pytest.mark.parametrize("rivals", [True, False])
def test_labels_that_a_context_does_not_have_cost_nothing(rivals: bool) -> None:
    never = torch.full((2, WORDS, LABELS, 3), NEVER)
    assert float(entity_spans.loss(never, torch.zeros(2, WORDS, LABELS, dtype=torch.long), rivals=rivals).sum()) == 0.0
    assert bool((entity_spans.log_probabilities(never, rivals=rivals) < NEVER / 2).all())


Places = list[tuple[int, int]]
"""(first word, last word) of each place of a label's value, the labelled one first."""


def last_of(reading: Reading, label: int) -> Span | None:
    return next((span for span in reversed(reading) if span[0] == label), None)


def places_of(*labels: Places) -> torch.Tensor:
    most = max(1, max(len(places) for places in labels))
    return torch.tensor([[[*places, *[(-1, -1)] * (most - len(places))] for places in labels]])


def test_probabilities_are_those_of_being_the_last(scores: torch.Tensor) -> None:
    told = rival_values.log_probabilities(scores).exp()
    for text, words in ((0, WORDS), (1, WORDS - 1)):
        share: dict[Span, float] = defaultdict(float)
        for reading, one in shares(scores[text, :words], *range(LABELS)).items():
            for span in {last_of(reading, label) for label in range(LABELS)} - {None}:
                share[span] += one  # type: ignore[index]
        for (label, first, last), one in share.items():
            assert float(told[text, first, label, last - first]) == pytest.approx(one, rel=1e-4)
        assert float(told[text].sum()) == pytest.approx(sum(share.values()), rel=1e-4)


@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([(1, 2)], []), ([(2, 3)], [(0, 0)]), ([(1, 1)], [(3, 3)]), ([(0, 3)], [])]
)
def test_labels_that_name_the_last_leave_open_what_stands_before(
    scores: torch.Tensor, first: Places, second: Places
) -> None:
    kept = 0.0
    for reading, one in shares(scores[0], 0, 1).items():
        said = [last_of(reading, label) for label in range(LABELS)]
        kept += one * (said == [(k, *places[0]) if places else None for k, places in enumerate((first, second))])
    told = rival_values.loss(scores[:1], places_of(first, second), last=True)
    assert float(told.sum()) == pytest.approx(-math.log(kept), rel=1e-4)


def test_labels_that_name_the_only_value_leave_nothing_open(scores: torch.Tensor) -> None:
    share = shares(scores[0], 0, 1)
    told = rival_values.loss(scores[:1], places_of([(1, 2)], [(3, 3)]), last=False)
    assert float(told.sum()) == pytest.approx(-math.log(share[(0, 1, 2), (1, 3, 3)]), rel=1e-4)


def test_further_places_of_a_value_may_hold_it_or_not(scores: torch.Tensor) -> None:
    share = shares(scores[0], 0, 1)
    told = rival_values.loss(scores[:1], places_of([(0, 0), (2, 2)], []), last=False)
    kept = share[((0, 0, 0),)] + share[(0, 0, 0), (0, 2, 2)]
    assert float(told.sum()) == pytest.approx(-math.log(kept), rel=1e-4)


def test_of_two_values_at_one_word_the_first_counts(scores: torch.Tensor) -> None:
    share = shares(scores[0], 0, 1)
    told = rival_values.loss(scores[:1], places_of([(0, 1)], [(1, 2)]), last=False)
    assert float(told.sum()) == pytest.approx(-math.log(share[((0, 0, 1),)]), rel=1e-4)


def test_values_that_a_context_does_not_have_cost_nothing() -> None:
    never = torch.full((2, WORDS, LABELS, 3), NEVER)
    assert float(rival_values.loss(never, torch.full((2, LABELS, 1, 2), -1), last=True).sum()) == 0.0
    assert bool((rival_values.log_probabilities(never) < NEVER / 2).all())

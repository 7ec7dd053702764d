"""Probabilities of values against a sum over all readings, written out."""

import math
from collections import defaultdict
from collections.abc import Iterator

import pytest
import torch

from mining.extraction.span_sums import NEVER
from mining.extraction.value_spans import log_probabilities, loss

WORDS, LABELS = 4, 2
Spans = list[tuple[int, int]]


def readings(words: int, start: int = 0) -> Iterator[Spans]:
    """All sets of spans that do not overlap."""
    yield []
    for first in range(start, words):
        for last in range(first, words):
            yield from ([(first, last), *rest] for rest in readings(words, last + 1))


def score(scores: torch.Tensor, first: int, last: int) -> float:
    return float(scores[first, 0] + scores[first + 1 : last + 1, 1].sum() + scores[last, 2])


def weights(scores: torch.Tensor, *, last: bool) -> dict[tuple[int, int] | None, float]:
    """The share of each last span, None for no span, of one label's scores [words, 3]."""
    found: dict[tuple[int, int] | None, float] = defaultdict(float)
    for spans in readings(len(scores)):
        if last or len(spans) < 2:
            found[spans[-1] if spans else None] += math.exp(sum(score(scores, *span) for span in spans))
    return {span: weight / sum(found.values()) for span, weight in found.items()}


@pytest.fixture
def scores() -> torch.Tensor:
    """Of two texts, the second a word shorter."""
    drawn = torch.randn(2, WORDS, LABELS, 3, generator=torch.Generator().manual_seed(1))
    drawn[1, -1] = NEVER
    return drawn


@pytest.mark.parametrize("last", [True, False])
def test_probabilities_sum_over_all_readings(scores: torch.Tensor, last: bool) -> None:
    told = log_probabilities(scores, last=last).exp()
    for text, words in ((0, WORDS), (1, WORDS - 1)):
        for label in range(LABELS):
            share = weights(scores[text, :words, label], last=last)
            none = share.pop(None)
            for (first, final), one in ((span, share[span]) for span in share if span):
                assert float(told[text, first, label, final - first]) == pytest.approx(one, rel=1e-4)
            assert float(told[text, :, label].sum()) == pytest.approx(1 - none, rel=1e-4)


def test_the_loss_is_that_of_the_labelled_place_or_of_none(scores: torch.Tensor) -> None:
    target = torch.tensor([[[[1, 2], [3, 3]], [[-1, -1], [-1, -1]]]])
    told = loss(scores[:1], target, last=False)
    share = [weights(scores[0, :, label], last=False) for label in range(LABELS)]
    assert float(told[0, 0]) == pytest.approx(-math.log(share[0][1, 2] + share[0][3, 3]), rel=1e-4)
    assert float(told[0, 1]) == pytest.approx(-math.log(share[1][None]), rel=1e-4)


def test_each_place_of_a_value_may_be_the_last_and_does_not_deny_the_others(scores: torch.Tensor) -> None:
    target = torch.tensor([[[[0, 0], [2, 2]], [[-1, -1], [-1, -1]]]])
    share = weights(scores[0, :, 0], last=True)
    told = loss(scores[:1], target, last=True)
    assert float(told[0, 0]) == pytest.approx(-math.log(share[0, 0] + share[2, 2]), rel=1e-4)


def test_what_stands_before_the_last_value_is_left_open_but_for_the_values_of_others(scores: torch.Tensor) -> None:
    target = torch.tensor([[[[2, 3]], [[0, 0]]]])
    one = scores[0, :, 0]
    kept = total = 0.0
    for spans in readings(WORDS):
        weight = math.exp(sum(score(one, *span) for span in spans))
        total += weight
        if spans[-1:] == [(2, 3)] and (0, 0) not in spans and (0, 1) not in spans:  # word 0 is the other label's
            kept += weight
    assert float(loss(scores[:1], target, last=True)[0, 0]) == pytest.approx(-math.log(kept / total), rel=1e-4)


def test_labels_that_a_context_does_not_have_cost_nothing(scores: torch.Tensor) -> None:
    never = torch.full_like(scores, NEVER)
    assert float(loss(never, torch.full((2, LABELS, 1, 2), -1), last=True).sum()) == 0.0
    assert bool((log_probabilities(never, last=True) < NEVER / 2).all())

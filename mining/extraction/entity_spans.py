"""Any number of spans a text: the probability of every span to be one, summed over all ways to read the text."""

import torch
from torch.nn.functional import pad

from mining.extraction.span_sums import ahead, behind, expected, of_spans


def log_probabilities(scores: torch.Tensor, *, rivals: bool) -> torch.Tensor:
    """[B, W, L, M]: the log probability that a span of the label begins at a word and has m further ones.

    ``scores``: [B, W, L, 3] of a begin, a further word and an end, ``NEVER`` where there is no word or no label.
    """
    before, total = ahead(scores, rivals=rivals)
    return of_spans(scores, before, behind(scores, rivals=rivals), total)


def loss(scores: torch.Tensor, target: torch.Tensor, *, rivals: bool) -> torch.Tensor:
    """[B, L], of rivals [B, 1]: minus the log probability of the labelled spans.

    ``target``: [B, W, L] 0 outside, 1 a span begins, 2 it goes on. Of rivals that share a word the first label has it.
    """
    labelled = target > 0
    if rivals:
        labelled = labelled & (labelled.cumsum(-1) == 1)
    begins = labelled & ((target == 1) | ~pad(labelled, (0, 0, 1, 0))[:, :-1])
    goes_on = labelled & ~begins
    ends = labelled & ~pad(goes_on, (0, 0, 0, 1))[:, 1:]
    told = (scores * torch.stack([begins, goes_on, ends], -1)).sum((1, 3))
    _, total = ahead(scores, rivals=rivals)
    return total[:, :1] - told.sum(-1, keepdim=True) if rivals else total - told


def disagreement(one: torch.Tensor, other: torch.Tensor, *, rivals: bool) -> torch.Tensor:
    """[B, L]: the mean of both Kullback-Leibler divergences between the readings that two scores make likely; of rivals
    the sum over the labels is that of the text.

    Of two distributions of one exponential family it is half the product of what differs: expected counts and scores.
    """
    counts = [expected(log_probabilities(scores, rivals=rivals)) for scores in (one, other)]
    return ((counts[0] - counts[1]) * (one - other)).sum((1, 3)) / 2

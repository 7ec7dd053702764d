"""Any number of spans a text: the probability of every span to be one, summed over all ways to read the text.

A span scores its begin, its further words and its end; a reading of a text scores the sum of its spans, which do not
overlap, and nothing scores 0: a semi-Markov CRF (Sarawagi and Cohen, 2004). ``rivals``: a word is in one span of all
labels, so that they are read together; else each label is read on its own.
"""

import torch
from torch.nn.functional import pad

from mining.extraction.value_spans import NEVER, ends_of, of_spans


def log_probabilities(scores: torch.Tensor, *, rivals: bool) -> torch.Tensor:
    """[B, W, L, M]: the log probability that a span of the label begins at a word and has m further ones.

    ``scores``: [B, W, L, 3] of a begin, a further word and an end, ``NEVER`` where there is no word or no label.
    """
    before, total = _ahead(scores, rivals=rivals)
    return of_spans(scores, before, _behind(scores, rivals=rivals), total)


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
    _, total = _ahead(scores, rivals=rivals)
    return total[:, :1] - told.sum(-1, keepdim=True) if rivals else total - told


def disagreement(one: torch.Tensor, other: torch.Tensor, *, rivals: bool) -> torch.Tensor:
    """[B, L]: the mean of both Kullback-Leibler divergences between the readings that two scores make likely; of rivals
    the sum over the labels is that of the text.

    Of two distributions of one exponential family it is half the product of what differs: expected counts and scores.
    """
    counts = _expected(one, rivals=rivals) - _expected(other, rivals=rivals)
    return (counts * (one - other)).sum((1, 3)) / 2


def _expected(scores: torch.Tensor, *, rivals: bool) -> torch.Tensor:
    """[B, W, L, 3]: how probable it is that a span begins at a word, goes on with it, ends there."""
    begins, ends = ends_of(log_probabilities(scores, rivals=rivals).exp())
    inside = begins.cumsum(1) - ends.cumsum(1) + ends - begins
    return torch.stack([begins, inside, ends], -1)


def _ahead(scores: torch.Tensor, *, rivals: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """([B, W, L], [B, L]): log sums over what may stand before each word, and over all readings of the text."""
    begin, inside, end = scores.unbind(-1)
    total = torch.zeros_like(begin[:, 0])
    within = torch.full_like(total, NEVER)
    before = []
    for word in range(scores.shape[1]):
        before.append(total)
        within = torch.logaddexp(within + inside[:, word], total + begin[:, word])
        total = torch.logaddexp(total, _any(within + end[:, word], rivals))
    return torch.stack(before, 1), total


def _behind(scores: torch.Tensor, *, rivals: bool) -> torch.Tensor:
    """[B, W, L]: log sums over what may stand behind each word."""
    begin, inside, end = scores.unbind(-1)
    total = torch.zeros_like(begin[:, 0])
    going_on = torch.full_like(total, NEVER)
    behind = []
    for word in reversed(range(scores.shape[1])):
        behind.append(total)
        from_here = torch.logaddexp(end[:, word] + total, going_on)
        going_on = inside[:, word] + from_here
        total = torch.logaddexp(total, _any(begin[:, word] + from_here, rivals))
    return torch.stack(behind[::-1], 1)


def _any(each: torch.Tensor, rivals: bool) -> torch.Tensor:
    """[B, L]: each label on its own, or of rivals any of them."""
    return each.logsumexp(-1, keepdim=True).expand_as(each) if rivals else each

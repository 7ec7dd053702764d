"""At most one value a label, each label read on its own: the probability of every span to be it.

P(span) = exp(score) / (1 + sum of all exp(score)). Where labels name the last of several, a reading has any number of
spans, and P(span) is that of being the last, which leaves open what stands before it. ``rival_values`` reads all labels
together, where no word is in the values of two.
"""

import torch

from mining.extraction.span_sums import NEVER, ahead, of_spans


def log_probabilities(scores: torch.Tensor, *, last: bool) -> torch.Tensor:
    """[B, W, L, M]: the log probability of each span of m + 1 words that begins at a word to be its label's value.

    ``scores``: [B, W, L, 3] of a begin, a further word and an end, ``NEVER`` behind the last word of a text.
    """
    return of_spans(scores, *_readings(scores, last=last))


def disagreement(one: torch.Tensor, other: torch.Tensor, *, last: bool) -> torch.Tensor:
    """[B, L]: the mean of both Kullback-Leibler divergences between what two scores make of a label: where its value
    is, or that it has none."""
    log, others = _whole(one, last=last), _whole(other, last=last)
    return ((log.exp() - others.exp()) * (log - others)).sum(-1) / 2  # no term of which is negative


def _whole(scores: torch.Tensor, *, last: bool) -> torch.Tensor:
    """[B, L, W M + 1]: the log probabilities of all spans of a label, and at last of none."""
    before, after, total = _readings(scores, last=last)
    spans = of_spans(scores, before, after, total).transpose(1, 2).flatten(2)
    return torch.cat([spans, -total[..., None]], dim=-1)


def loss(scores: torch.Tensor, target: torch.Tensor, *, last: bool) -> torch.Tensor:
    """[B, L]: minus the log probability that the value of a label is at one of its places, or that it has none.

    ``target``: [B, L, K, 2] the first and the last words of the places, -1 where there is none.
    """
    before, _, total = _readings(scores, last=last)
    first, final = target.unbind(-1)
    if last:  # what is left open before a value takes no word of another label's
        words = torch.arange(scores.shape[1], device=scores.device)
        own = ((first[..., None] <= words) & (words <= final[..., None])).any(2)
        others = own.sum(1, keepdim=True) - own.long() > 0
        before, _ = ahead(scores.masked_fill(others.transpose(1, 2)[..., None], NEVER), rivals=False)
    begin, inside, end = scores.unbind(-1)
    summed = inside.cumsum(1)
    told = _at(before + begin - summed, first) + _at(summed + end, final)
    none = (first < 0).all(-1)
    return total - told.masked_fill(first < 0, NEVER).logsumexp(-1).masked_fill(none, 0.0)


def _readings(scores: torch.Tensor, *, last: bool) -> tuple[torch.Tensor, float, torch.Tensor]:
    """Log sums over what may stand before a value ([B, W, L]) and behind it (nothing), and over all readings
    ([B, L])."""
    if last:
        before, total = ahead(scores, rivals=False)
        return before, 0.0, total
    begin, inside, end = scores.unbind(-1)
    nothing = torch.zeros_like(begin)
    within, total = torch.full_like(begin[:, 0], NEVER), nothing[:, 0]
    for word in range(scores.shape[1]):
        within = torch.logaddexp(within + inside[:, word], begin[:, word])
        total = torch.logaddexp(total, within + end[:, word])
    return nothing, 0.0, total


def _at(values: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """[B, L, K]: of ``values`` [B, W, L] those at each of ``words`` [B, L, K]; any where it is -1."""
    return values.transpose(1, 2).gather(2, words.clamp(min=0))

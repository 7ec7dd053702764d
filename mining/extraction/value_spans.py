"""At most one value a label: the probability of every span to be it, summed over all ways to read the text.

A span scores its begin, its further words and its end; a reading of a text scores the sum of its spans, and nothing
scores 0. Where a label has one span at most, P(span) = exp(score) / (1 + sum of all exp(score)). Where labels name the
last of several, a reading has any number of spans, and P(span) is that of being the last: a semi-Markov CRF (Sarawagi
and Cohen, 2004) that leaves open what stands before the value. ``entity_spans`` counts all spans of a reading.
"""

import torch

LONGEST = 24  # words of a value that is looked at
NEVER = -1e4  # the score of what cannot be


def log_probabilities(scores: torch.Tensor, *, last: bool) -> torch.Tensor:
    """[B, W, L, M]: the log probability of each span of m + 1 words that begins at a word to be its label's value.

    ``scores``: [B, W, L, 3] of a begin, a further word and an end, ``NEVER`` behind the last word of a text.
    """
    before, total = _readings(scores, last=last)
    return of_spans(scores, before, torch.zeros_like(before), total)


def disagreement(one: torch.Tensor, other: torch.Tensor, *, last: bool) -> torch.Tensor:
    """[B, L]: the mean of both Kullback-Leibler divergences between what two scores make of a label: where its value
    is, or that it has none."""
    return apart(_whole(one, last=last), _whole(other, last=last))


def apart(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Over the last dimension, of log probabilities: Σ (p - q) (log p - log q) / 2, no term of which is negative."""
    return ((one.exp() - other.exp()) * (one - other)).sum(-1) / 2


def _whole(scores: torch.Tensor, *, last: bool) -> torch.Tensor:
    """[B, L, W M + 1]: the log probabilities of all spans of a label, and at last of none."""
    before, total = _readings(scores, last=last)
    spans = of_spans(scores, before, torch.zeros_like(before), total)
    return torch.cat([spans.transpose(1, 2).flatten(2), -total[..., None]], dim=-1)


def of_spans(scores: torch.Tensor, before: torch.Tensor, behind: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """[B, W, L, M]: log probabilities of spans by first and further words, from log sums over what may stand
    ``before`` and ``behind`` a word ([B, W, L]) and over all readings ([B, L])."""
    begin, inside, end = scores.unbind(-1)
    words, summed = scores.shape[1], inside.cumsum(1)
    ends = torch.arange(words)[:, None] + torch.arange(min(LONGEST, words))
    closed = (summed + end + behind)[:, ends.clamp(max=words - 1)].transpose(2, 3)
    opened = before + begin - summed - total[:, None]
    outside = (ends >= words).to(scores.device)
    return (closed + opened[..., None]).masked_fill(outside[:, None], NEVER)


def among_rivals(log: torch.Tensor) -> torch.Tensor:
    """[B, W, L, M]: the same where values of two labels do not overlap: each probability times that of no other label's
    value lying over the span, one step of mean field."""
    share = log.exp()
    words, long = share.shape[1], share.shape[3]
    begins, ends = ends_of(share)
    before, behind = ends.cumsum(1) - ends, begins.sum(1, keepdim=True) - begins.cumsum(1)
    final = (torch.arange(words)[:, None] + torch.arange(long)).clamp(max=words - 1)
    over = begins.sum(1)[:, None, :, None] - before[..., None] - behind[:, final].transpose(2, 3)
    free = torch.log1p(-over.clamp(0, 0.999))
    weight = log + free.sum(2, keepdim=True) - free
    none = torch.log1p(-begins.sum(1).clamp(max=1 - 1e-9))
    total = torch.logaddexp(none, weight.logsumexp(3).logsumexp(1))
    return weight - total[:, None, :, None]


def ends_of(share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """([B, W, L], [B, W, L]): the shares of all spans [B, W, L, M] that begin at a word, and that end there."""
    words, long = share.shape[1], share.shape[3]
    begins = share.sum(3)
    ends = torch.zeros_like(begins)
    for more in range(long):
        ends[:, more:] += share[:, : words - more, :, more]
    return begins, ends


def loss(scores: torch.Tensor, target: torch.Tensor, *, last: bool) -> torch.Tensor:
    """[B, L]: minus the log probability that the value of a label is at one of its places, or that it has none.

    ``target``: [B, L, K, 2] the first and the last words of the places, -1 where there is none.
    """
    before, total = _readings(scores, last=last)
    first, final = target.unbind(-1)
    if last:  # what is left open before a value takes no word of another label's
        words = torch.arange(scores.shape[1], device=scores.device)
        own = ((first[..., None] <= words) & (words <= final[..., None])).any(2)
        others = own.sum(1, keepdim=True) - own.long() > 0
        before, _ = _readings(scores.masked_fill(others.transpose(1, 2)[..., None], NEVER), last=True)
    begin, inside, end = scores.unbind(-1)
    summed = inside.cumsum(1)
    told = _at(before + begin - summed, first) + _at(summed + end, final)
    none = (first < 0).all(-1)
    return total - told.masked_fill(first < 0, NEVER).logsumexp(-1).masked_fill(none, 0.0)


def _readings(scores: torch.Tensor, *, last: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """([B, W, L], [B, L]): log sums over what may stand before each word, and over all readings of the text."""
    begin, inside, end = scores.unbind(-1)
    nothing = torch.zeros_like(begin[:, 0])
    within, total = torch.full_like(nothing, NEVER), nothing
    before = []
    for word in range(scores.shape[1]):
        before.append(total if last else nothing)
        within = torch.logaddexp(within + inside[:, word], before[-1] + begin[:, word])
        total = torch.logaddexp(total, within + end[:, word])
    return torch.stack(before, 1), total


def _at(values: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """[B, L, K]: of ``values`` [B, W, L] those at each of ``words`` [B, L, K]; any where it is -1."""
    return values.transpose(1, 2).gather(2, words.clamp(min=0))

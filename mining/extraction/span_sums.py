"""Sums over all ways to read a text as spans: what ``value_spans``, ``rival_values`` and ``entity_spans`` count with.

A span scores its begin, its further words and its end; a reading of a text scores the sum of its spans, which do not
overlap, and nothing scores 0: a semi-Markov CRF (Sarawagi and Cohen, 2004). Of ``rivals`` no word is in spans of two
labels, so that all are read together; else each label is read on its own. B texts, W words, L labels, M words a span.
"""

import torch

LONGEST = 24  # words of a span that is looked at
NEVER = -1e4  # the score of what cannot be


def ahead(
    scores: torch.Tensor, *, rivals: bool, outside: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """([B, W, L], [B, L]): log sums over what may stand before each word, and over all readings of the text.

    ``scores``: [B, W, L, 3] of a begin, a further word and an end; ``outside``: [B, W] of a word in no span.
    """
    begin, inside, end = scores.unbind(-1)
    total = torch.zeros_like(begin[:, 0])
    within = torch.full_like(total, NEVER)
    before = []
    for word in range(scores.shape[1]):
        before.append(total)
        within = torch.logaddexp(within + inside[:, word], total + begin[:, word])
        passed = total if outside is None else total + outside[:, word, None]
        total = torch.logaddexp(passed, _any(within + end[:, word], rivals))
    return torch.stack(before, 1), total


def behind(scores: torch.Tensor, *, rivals: bool) -> torch.Tensor:
    """[B, W, L]: log sums over what may stand behind each word."""
    begin, inside, end = scores.unbind(-1)
    total = torch.zeros_like(begin[:, 0])
    going_on = torch.full_like(total, NEVER)
    found = []
    for word in reversed(range(scores.shape[1])):
        found.append(total)
        from_here = torch.logaddexp(end[:, word] + total, going_on)
        going_on = inside[:, word] + from_here
        total = torch.logaddexp(total, _any(begin[:, word] + from_here, rivals))
    return torch.stack(found[::-1], 1)


def of_spans(
    scores: torch.Tensor, before: torch.Tensor, after: torch.Tensor | float, total: torch.Tensor
) -> torch.Tensor:
    """[B, W, L, M]: log probabilities of spans by their first word and how many more they have, from log sums over what
    may stand before and after a word ([B, W, L]) and over all readings ([B, L])."""
    begin, inside, end = scores.unbind(-1)
    words, summed = scores.shape[1], inside.cumsum(1)
    ends = torch.arange(words)[:, None] + torch.arange(min(LONGEST, words))
    closed = (summed + end + after)[:, ends.clamp(max=words - 1)].transpose(2, 3)
    opened = before + begin - summed - total[:, None]
    beyond = (ends >= words).to(scores.device)
    return (closed + opened[..., None]).masked_fill(beyond[:, None], NEVER)


def expected(log: torch.Tensor) -> torch.Tensor:
    """[B, W, L, 3]: how probable it is that a span begins at a word, goes on with it, ends there; ``log`` as from
    ``of_spans``."""
    share = log.exp()
    words, long = share.shape[1], share.shape[3]
    begins = share.sum(3)
    ends = torch.zeros_like(begins)
    for more in range(long):
        ends[:, more:] += share[:, : words - more, :, more]
    inside = begins.cumsum(1) - ends.cumsum(1) + ends - begins
    return torch.stack([begins, inside, ends], -1)


def _any(each: torch.Tensor, rivals: bool) -> torch.Tensor:
    """[B, L]: each label on its own, or of rivals any of them."""
    return each.logsumexp(-1, keepdim=True).expand_as(each) if rivals else each

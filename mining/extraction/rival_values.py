"""At most one value a label, and no word in the values of two labels: all labels of a text are read together.

A reading has any number of spans (``span_sums``). Labels tell one value each, the last of several or the only one;
what they leave open is summed over.
"""

import torch
from torch.nn.functional import pad

from mining.extraction.span_sums import NEVER, ahead, of_spans


def log_probabilities(scores: torch.Tensor) -> torch.Tensor:
    """[B, W, L, M]: the log probability of each span of m + 1 words that begins at a word to be its label's last."""
    before, total = ahead(scores, rivals=True)
    return of_spans(scores, before, _behind_without(scores), total)


def loss(scores: torch.Tensor, target: torch.Tensor, *, last: bool) -> torch.Tensor:
    """[B, 1]: minus the log probability of the readings that hold the labelled values and nothing that labels deny.

    ``target``: [B, L, K, 2] the first and the last words of the places where a value stands, the labelled one first,
    -1 where there is none. Open is what stands at further places of the value and, where labels tell the ``last`` of
    several, before it. Of two values at one word the first label's counts.
    """
    allowed, taken = _open(target, scores.shape[1], last=last)
    _, told = ahead(scores.masked_fill(~allowed, NEVER), rivals=True, outside=taken * NEVER)
    _, total = ahead(scores, rivals=True)
    return total[:, :1] - told[:, :1]


def _open(target: torch.Tensor, words: int, *, last: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """([B, W, L, 3] whether a span may begin at a word, go on with it, end there, [B, W] 1.0 where it must be in
    one)."""
    first, final = target.unbind(-1)
    at = torch.arange(words, device=target.device)
    places = (first[..., None] >= 0) & (first[..., None] <= at) & (at <= final[..., None])  # [B, L, K, W]
    own = places[:, :, 0]
    own = own & ~(own & (own.cumsum(1) > 1)).any(-1, keepdim=True)
    begins, ends = own & (at == first[:, :, :1]), own & (at == final[:, :, :1])
    free = places.any(2) | (at < first[:, :, :1]) if last else places.any(2)
    free = free & own.any(-1, keepdim=True) & ~own.any(1, keepdim=True)
    behind = pad(ends, (1, 0))[..., :-1]
    inside = (free & ~behind) | (own & ~begins)
    return torch.stack([free | begins, inside, free | ends], -1).transpose(1, 2), own.any(1).float()


def _behind_without(scores: torch.Tensor) -> torch.Tensor:
    """[B, W, L]: log sums over what may stand behind each word, without a span of the label."""
    own = torch.eye(scores.shape[2], dtype=torch.bool, device=scores.device)
    begin, inside, end = scores[:, :, None].masked_fill(own[..., None], NEVER).unbind(-1)  # [B, W, without, L]
    total = torch.zeros_like(begin[:, 0, :, :1])
    going_on = torch.full_like(begin[:, 0], NEVER)
    found = []
    for word in reversed(range(scores.shape[1])):
        found.append(total[..., 0])
        from_here = torch.logaddexp(end[:, word] + total, going_on)
        going_on = inside[:, word] + from_here
        total = torch.logaddexp(total, (begin[:, word] + from_here).logsumexp(-1, keepdim=True))
    return torch.stack(found[::-1], 1)

"""The network that reads opinions: which spans are aspects and opinions, and which of them belong together, and how.

encoder → mean of a word's tokens, with its shape → BiLSTM → a score of every span as aspect and as opinion → the best
few of each, and "implied", in pairs → no, or a polarity; and a category. After Span-ASTE (Xu, Chia and Bing, ACL 2021);
spans are scored by a biaffine form of their ends (Yu, Bohnet and Poesio, ACL 2020).
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mining.extraction.encoders import Encoder
from mining.extraction.tagger_network import SHAPES, SIZES, SPACES, Batch

ASPECT, OPINION = 0, 1
NEAR = 6  # buckets of the distance between aspect and opinion, on either side; then one for "implied"
_IMPOSSIBLE = -1e4


@dataclass(frozen=True, slots=True)
class TripletShape:
    """``longest``: words of an aspect and of an opinion; ``implied``: whether labels have texts that imply them;
    ``share``: candidates of a role a word of the text, beside ``few``, up to
    ``most``."""

    polarities: int
    categories: int
    longest: tuple[int, int]
    implied: tuple[bool, bool]
    hidden: int = 160
    ends: int = 128
    span: int = 192
    features: int = 32
    dropout: float = 0.3
    share: float = 0.3
    few: int = 5
    most: int = 40


@dataclass(frozen=True, slots=True)
class Candidates:
    """The best spans of a role. B texts, K spans; the first is "implied", with the ends (-1, -1)."""

    first: torch.Tensor
    """[B, K] first word."""
    last: torch.Tensor
    """[B, K] last word."""
    real: torch.Tensor
    """[B, K] False for padding, and for "implied" where labels never have it."""
    log: torch.Tensor
    """[B, K] log probability of the span; 0 for "implied"."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every aspect candidate with every opinion candidate."""

    aspects: Candidates
    opinions: Candidates
    polarity: torch.Tensor
    """[B, A, O, 1 + P] logits; 0 for no pair."""
    category: torch.Tensor
    """[B, A, O, C] logits."""
    real: torch.Tensor
    """[B, A, O] whether the pair can be."""


@dataclass(frozen=True, slots=True)
class Targets:
    """``spans``: [B, 2, W, W] 1 where a labelled span has its first and last word; ``triplets``: [B, G, 6] first and
    last word of aspect and of opinion (-1 if implied), polarity from 1, category from 0; -9 as padding."""

    spans: torch.Tensor
    triplets: torch.Tensor

    def to(self, device: torch.device) -> "Targets":
        return Targets(self.spans.to(device), self.triplets.to(device))


class TripletNetwork(nn.Module):
    """Reads a ``Batch`` of ``tagger_batches.Reader``; only its words are used, not its labels."""

    def __init__(self, encoder: Encoder, shape: TripletShape) -> None:
        super().__init__()
        self.encoder, self.shape = encoder.model, shape
        self.halved = False
        """The encoder learns in bfloat16. It reads in float32, alike on every machine."""
        self.case = nn.Embedding(SHAPES, shape.features)
        self.space = nn.Embedding(SPACES, shape.features)
        self.size = nn.Embedding(SIZES, shape.features)
        self.dropout = nn.Dropout(shape.dropout)
        self.lstm = nn.LSTM(encoder.width + shape.features, shape.hidden, batch_first=True, bidirectional=True)
        wide = 2 * shape.hidden + encoder.width
        self.heads = nn.ModuleList(_mlp(wide, 2 * shape.ends, shape.dropout) for _ in (ASPECT, OPINION))
        self.forms = nn.Parameter(torch.randn(2, shape.ends + 1, shape.ends + 1) * 0.02)
        self.lengths = nn.Embedding(max(shape.longest) + 1, shape.features)
        self.length_scores = nn.Parameter(torch.zeros(2, max(shape.longest) + 1))
        self.spans = nn.ModuleList(
            _mlp(2 * wide + shape.features, shape.span, shape.dropout) for _ in (ASPECT, OPINION)
        )
        self.implied = nn.Parameter(torch.randn(2, shape.span) * 0.1)
        self.whole = nn.Linear(wide, 2 * shape.span)
        self.between = nn.Linear(wide, shape.span)
        self.near = nn.Embedding(2 * NEAR + 1, shape.span)
        self.joined = nn.ModuleList(nn.Linear(shape.span, shape.span) for _ in range(3))
        self.said = nn.Linear(shape.span, 1 + shape.polarities)
        self.of = nn.Linear(shape.span, max(1, shape.categories))
        with torch.no_grad():
            self.forms[:, -1, -1] = -3.0  # most spans are none

    def words(self, batch: Batch) -> torch.Tensor:
        """[B, W, H] what is known of each word."""
        with torch.autocast(batch.tokens.device.type, torch.bfloat16, enabled=self.halved and self.training):
            tokens = self.encoder(input_ids=batch.tokens, attention_mask=batch.mask).last_hidden_state
        tokens = tokens.float()
        width = tokens.shape[-1]
        ends = [tokens.gather(1, at[..., None].expand(*at.shape, width)) for at in (batch.first, batch.last)]
        words = (ends[0] + ends[1]) / 2
        shapes = self.case(batch.shapes[..., 0]) + self.space(batch.shapes[..., 1]) + self.size(batch.shapes[..., 2])
        read = self._in_both_directions(self.dropout(torch.cat([words, shapes], dim=-1)), batch.words)
        return torch.cat([self.dropout(read), self.dropout(words)], dim=-1)

    def _in_both_directions(self, words: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Packed, so that the way back begins at a text's last word and not in its padding."""
        lengths = real.sum(-1).clamp(min=1).cpu()
        packed = pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        read, _ = self.lstm(packed)
        return pad_packed_sequence(read, batch_first=True, total_length=words.shape[1])[0]

    def span_scores(self, words: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """[B, 2, W, W] logits of the span from a first to a last word as aspect and as opinion."""
        wide = words.shape[1]
        away = torch.arange(wide, device=words.device)
        length = away[None, :] - away[:, None]  # [first, last]
        scores = []
        for role in (ASPECT, OPINION):
            first, last = self.heads[role](words).chunk(2, dim=-1)
            one = torch.ones_like(first[..., :1])
            first, last = torch.cat([first, one], dim=-1), torch.cat([last, one], dim=-1)
            score = torch.einsum("bie,ef,bjf->bij", first, self.forms[role], last)
            longest = self.shape.longest[role]
            score = score + self.length_scores[role][length.clamp(0, longest)]
            fits = (length >= 0) & (length < longest) & real[:, :, None] & real[:, None, :]
            scores.append(score.masked_fill(~fits, _IMPOSSIBLE))
        return torch.stack(scores, dim=1)

    def candidates(
        self, scores: torch.Tensor, real: torch.Tensor, role: int, labelled: torch.Tensor | None
    ) -> Candidates:
        """``scores``: [B, W, W] of a role; ``labelled``: spans [B, W, W] that are taken whatever their score."""
        size, wide, _ = scores.shape
        flat = scores.flatten(1)
        ranked = flat.detach()
        many = (self.shape.few + self.shape.share * real.sum(-1)).long().clamp(max=self.shape.most)
        if labelled is not None:
            ranked = torch.where(labelled.flatten(1) > 0, ranked + 1e3, ranked)
            many = torch.maximum(many, labelled.flatten(1).sum(-1).long())
        top = ranked.topk(min(int(many.max()), wide * wide), dim=-1).indices
        log = nn.functional.logsigmoid(flat.gather(1, top))
        rank = torch.arange(top.shape[1], device=top.device)
        kept = (rank[None, :] < many[:, None]) & (flat.gather(1, top) > _IMPOSSIBLE / 2)
        implied = top.new_full((size, 1), -1)
        return Candidates(
            torch.cat([implied, top // wide], dim=1),
            torch.cat([implied, top % wide], dim=1),
            torch.cat([torch.full_like(kept[:, :1], self.shape.implied[role]), kept], dim=1),
            torch.cat([torch.zeros_like(log[:, :1]), log], dim=1),
        )

    def pairs(self, words: torch.Tensor, real: torch.Tensor, found: tuple[Candidates, Candidates]) -> Pairs:
        aspects, opinions = found
        share = real.float() / real.sum(-1, keepdim=True).clamp(min=1)
        whole = self.whole(torch.einsum("bw,bwh->bh", share, words)).chunk(2, dim=-1)
        spans = [self._of_spans(words, held, role, whole[role]) for role, held in enumerate(found)]
        aspect, opinion = spans[0][:, :, None], spans[1][:, None]
        hidden = self.joined[0](spans[0])[:, :, None] + self.joined[1](spans[1])[:, None]
        hidden = hidden + self.joined[2](aspect * opinion) + self.near(distance(aspects, opinions))
        hidden = hidden + self._of_gap(words, aspects, opinions)
        hidden = self.dropout(nn.functional.gelu(hidden))
        can = aspects.real[:, :, None] & opinions.real[:, None, :]
        can = can & ~((aspects.first < 0)[:, :, None] & (opinions.first < 0)[:, None, :])
        return Pairs(aspects, opinions, self.said(hidden), self.of(hidden), can)

    def _of_spans(self, words: torch.Tensor, held: Candidates, role: int, whole: torch.Tensor) -> torch.Tensor:
        """[B, K, S] of each candidate."""
        ends = [_at(words, at.clamp(min=0)) for at in (held.first, held.last)]
        length = self.lengths((held.last - held.first).clamp(0, self.shape.longest[role]))
        spans: torch.Tensor = self.spans[role](torch.cat([*ends, length], dim=-1))
        implied = (self.implied[role] + whole)[:, None].expand_as(spans)
        return torch.where((held.first < 0)[..., None], implied, spans)

    def _of_gap(self, words: torch.Tensor, aspects: Candidates, opinions: Candidates) -> torch.Tensor:
        """[B, A, O, S] mean over the words between the two; 0 where there are none."""
        one = self.between(words)
        sums = torch.cat([torch.zeros_like(one[:, :1]), one.cumsum(1)], dim=1)  # [B, W + 1, S]
        a_first, a_last = aspects.first[:, :, None], aspects.last[:, :, None]
        o_first, o_last = opinions.first[:, None, :], opinions.last[:, None, :]
        after = o_first > a_last
        start = torch.where(after, a_last + 1, o_last + 1)
        end = torch.where(after, o_first, a_first)
        gap = (end - start).clamp(min=0) * ((a_first >= 0) & (o_first >= 0))
        start, end = start.clamp(0, words.shape[1]), end.clamp(0, words.shape[1])
        size, many = gap.shape[0], gap[0].numel()
        low = _at(sums, start.reshape(size, many)).view(*gap.shape, -1)
        high = _at(sums, end.reshape(size, many)).view(*gap.shape, -1)
        return (high - low) * (gap > 0)[..., None] / gap.clamp(min=1)[..., None]

    def forward(self, batch: Batch, labelled: torch.Tensor | None = None) -> tuple[torch.Tensor, Pairs]:
        """Span scores [B, 2, W, W] and pairs. ``labelled``: ``Targets.spans``, in training."""
        words = self.words(batch)
        scores = self.span_scores(words, batch.words)
        found = [
            self.candidates(scores[:, role], batch.words, role, None if labelled is None else labelled[:, role])
            for role in (ASPECT, OPINION)
        ]
        return scores, self.pairs(words, batch.words, (found[0], found[1]))

    def loss(self, batch: Batch, targets: Targets) -> torch.Tensor:
        """Negative log likelihood of spans, pairs and categories, a word of the batch."""
        scores, pairs = self(batch, targets.spans)
        possible = scores > _IMPOSSIBLE / 2
        spans = nn.functional.binary_cross_entropy_with_logits(
            scores[possible], targets.spans[possible], reduction="sum"
        )
        polarity, category = _wanted(pairs, targets.triplets)
        told = nn.functional.cross_entropy(pairs.polarity[pairs.real], polarity[pairs.real], reduction="sum")
        true = pairs.real & (polarity > 0)
        about = nn.functional.cross_entropy(pairs.category[true], category[true], reduction="sum")
        return (spans + told + about) / batch.words.sum().clamp(min=1)


def distance(aspects: Candidates, opinions: Candidates) -> torch.Tensor:
    """[B, A, O] bucket of the words between: 0..NEAR-1 opinion after aspect, then before it, last "implied"."""
    after = opinions.first[:, None, :] - aspects.last[:, :, None]
    before = aspects.first[:, :, None] - opinions.last[:, None, :]
    gap = torch.where(after > 0, after, before).clamp(min=1)  # 1 where they touch or overlap
    bucket = (gap >= 2).long() + (gap >= 3) + (gap >= 5) + (gap >= 9) + (gap >= 17)
    bucket = torch.where(after > 0, bucket, bucket + NEAR)
    implied = (aspects.first < 0)[:, :, None] | (opinions.first < 0)[:, None, :]
    return torch.where(implied, 2 * NEAR, bucket)


def _wanted(pairs: Pairs, triplets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, A, O] polarity from 1, 0 for no pair; and category."""
    ends = [triplets[:, None, :, number] for number in range(4)]  # [B, 1, G]
    aspect = (pairs.aspects.first[..., None] == ends[0]) & (pairs.aspects.last[..., None] == ends[1])
    opinion = (pairs.opinions.first[..., None] == ends[2]) & (pairs.opinions.last[..., None] == ends[3])
    both = (aspect[:, :, None, :] & opinion[:, None, :, :]).long()  # [B, A, O, G]
    polarity, category = ((both * triplets[:, None, None, :, number].clamp(min=0)).amax(-1) for number in (4, 5))
    return polarity, category


def _mlp(given: int, made: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(given, made), nn.GELU(), nn.Dropout(dropout))


def _at(rows: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    return rows.gather(1, at[..., None].expand(*at.shape, rows.shape[-1]))

"""The network of the small model: words of a text in, scores of every label of its context at every word out.

encoder → mean of a word's tokens, with its shape and what the lexicon knows of it → per label the scores of a begin, a
further word and an end, of which ``value_spans`` or, where labels are rivals, ``rival_values`` makes one value a label,
``entity_spans`` any number; where ``Shape.hidden`` asks for one, a BiLSTM reads the words before they are scored.
A label's weights are shared by all contexts; each context may bend them a little.
"""

from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mining.extraction import entity_spans, rival_values, value_spans
from mining.extraction.encoders import Encoder
from mining.extraction.lexicon import PLANES
from mining.extraction.span_sums import NEVER

SHAPES, SPACES, SIZES = 8, 4, 6
PARTS = 3  # begin, inside, end


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of one step, padded. B texts, S tokens, W words, L labels of a context."""

    tokens: torch.Tensor
    """[B, S] token ids."""
    mask: torch.Tensor
    """[B, S] 1 where there is a token."""
    segments: torch.Tensor
    """[B, S] 0 for the context, 1 for the text."""
    first: torch.Tensor
    """[B, W] first token of a word."""
    last: torch.Tensor
    """[B, W] last token of a word."""
    shapes: torch.Tensor
    """[B, W, 3] case, space around, length."""
    words: torch.Tensor
    """[B, W] True where there is a word."""
    labels: torch.Tensor
    """[B, L] label ids, 0 as padding."""
    contextual: torch.Tensor
    """[B, L] ids of (context, label), 0 where it was never seen."""
    known: torch.Tensor
    """[B, L] True where there is a label."""
    lexicon: torch.Tensor
    """[B, W, L, PLANES] strengths."""

    def to(self, device: torch.device) -> "Batch":
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, slots=True)
class Shape:
    """What the network is built from. ``labels`` and ``contextual`` count from 1; 0 is padding.

    ``exclusive``: labels are rivals for a word. ``once``: a text has at most one span a label, and ``last`` says that
    it is the last of several (``value_spans``); else any number.
    """

    labels: int
    contextual: int
    exclusive: bool = False
    once: bool = False
    last: bool = False
    hidden: int = 0
    known: int = 48
    dropout: float = 0.2


class TaggerNetwork(nn.Module):
    """Scores [B, W, L, 3] (begin, inside, end) against an outside of 0."""

    def __init__(self, encoder: Encoder, shape: Shape) -> None:
        super().__init__()
        self.encoder = encoder.model
        self.halved = False
        self.shape = shape
        self.segmented = int(getattr(encoder.config, "type_vocab_size", 1) or 1) > 1
        features = 32
        self.case = nn.Embedding(SHAPES, features)
        self.space = nn.Embedding(SPACES, features)
        self.size = nn.Embedding(SIZES, features)
        self.lexical = nn.Parameter(torch.randn(shape.labels + 1, PLANES, shape.known) * 0.1)
        width = encoder.width + features + shape.known
        self.dropout = nn.Dropout(shape.dropout)
        if shape.hidden:
            self.lstm = nn.LSTM(width, shape.hidden, batch_first=True, bidirectional=True)
        out = 2 * shape.hidden + encoder.width if shape.hidden else width
        self.weights = nn.Parameter(torch.randn(shape.labels + 1, PARTS, out) * out**-0.5)
        self.bias = nn.Parameter(torch.tensor([-3.0, 0.0, 0.0]).repeat(shape.labels + 1, 1))
        self.bent = nn.Parameter(torch.zeros(shape.contextual + 1, PARTS, out))
        self.bent_bias = nn.Parameter(torch.zeros(shape.contextual + 1, PARTS))
        self.trust = nn.Parameter(torch.zeros(PLANES, PARTS))

    def forward(self, batch: Batch) -> torch.Tensor:
        given = {"input_ids": batch.tokens, "attention_mask": batch.mask}
        if self.segmented:
            given["token_type_ids"] = batch.segments
        with torch.autocast(batch.tokens.device.type, torch.bfloat16, enabled=self.halved and self.training):
            tokens = self.encoder(**given).last_hidden_state
        tokens = tokens.float()  # a compressed encoder computes in 16 bits
        words = (_pick(tokens, batch.first) + _pick(tokens, batch.last)) / 2
        shapes = self.case(batch.shapes[..., 0]) + self.space(batch.shapes[..., 1]) + self.size(batch.shapes[..., 2])
        lexical = torch.einsum("bwlp,blpk->bwk", batch.lexicon, self.lexical[batch.labels])
        entered = self.dropout(torch.cat([words, shapes, lexical], dim=-1))
        if self.shape.hidden:
            read = self._in_both_directions(entered, batch.words)
            state = self.dropout(torch.cat([read, words], dim=-1))
        else:
            state = entered
        weights = self.weights[batch.labels] + self.bent[batch.contextual]
        bias = self.bias[batch.labels] + self.bent_bias[batch.contextual]
        scores = torch.einsum("bwh,blch->bwlc", state, weights) + bias[:, None]
        scores = scores + torch.einsum("bwlp,pc->bwlc", batch.lexicon, self.trust)
        return scores.masked_fill(~(batch.words[:, :, None] & batch.known[:, None])[..., None], NEVER)

    def _in_both_directions(self, words: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Packed, so that the way back begins at a text's last word and not in its padding."""
        lengths = real.sum(-1).clamp(min=1).cpu()
        packed = pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        read, _ = self.lstm(packed)
        return pad_packed_sequence(read, batch_first=True, total_length=words.shape[1])[0]

    def loss(
        self, scores: torch.Tensor, target: torch.Tensor, known: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mean negative log likelihood of a label, of a text where labels are rivals. ``target`` is what
        ``entity_spans.loss`` takes; where a label has one span at most, what ``value_spans.loss`` does.

        ``weights``: [B, L] how much a value of each label counts, where no value counts 1.
        """
        each = self._each(scores, target)
        if weights is not None:
            each = each * self._weighed(target, weights)
        return each.sum() / self.counted(known).clamp(min=1)

    def _each(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if self.shape.once and self.shape.exclusive:
            return rival_values.loss(scores, target, last=self.shape.last)
        if self.shape.once:
            return value_spans.loss(scores, target, last=self.shape.last)
        return entity_spans.loss(scores, target, rivals=self.shape.exclusive)

    def _weighed(self, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """How much each part of the loss counts; a text of rivals as its labels do on average."""
        stated = (target[..., 0] >= 0).any(-1) if self.shape.once else (target > 0).any(1)
        if not self.shape.exclusive:
            return torch.where(stated, weights, 1.0)
        many = stated.sum(-1, keepdim=True)
        return torch.where(many > 0, (weights * stated).sum(-1, keepdim=True) / many.clamp(min=1), 1.0)

    def counted(self, known: torch.Tensor) -> torch.Tensor:
        """How many labels, or texts, the loss is the mean of. ``known``: [B, L]."""
        return known.any(-1).sum() if self.shape.exclusive else known.sum()

    def disagreement(self, one: torch.Tensor, other: torch.Tensor, batch: Batch) -> torch.Tensor:
        """How far two scores of a batch are from each other, 0 where they agree: the mean over labels, or texts, as in
        ``loss``, of the symmetric Kullback-Leibler divergence."""
        if self.shape.once and not self.shape.exclusive:
            each = value_spans.disagreement(one, other, last=self.shape.last)
        else:
            each = entity_spans.disagreement(one, other, rivals=self.shape.exclusive)
        return each.sum() / self.counted(batch.known).clamp(min=1)

    def log_probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """[B, W, L, M]: log probability that a span of the label has its first word here and m further ones."""
        if self.shape.once and self.shape.exclusive:
            return rival_values.log_probabilities(scores)
        if self.shape.once:
            return value_spans.log_probabilities(scores, last=self.shape.last)
        return entity_spans.log_probabilities(scores, rivals=self.shape.exclusive)


def _pick(tokens: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    return tokens.gather(1, at[..., None].expand(*at.shape, tokens.shape[-1]))

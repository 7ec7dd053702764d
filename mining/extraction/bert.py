"""BERT for reading alone: the forward pass over the weights that were trained, under the names that they have there.

Devlin et al., 2019. A saved model is read without the library that trained it: that takes seconds and 200 MB to import.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from mining.extraction.encoders import Encoder, new_encoder, tokenizer_of
from mining.extraction.plain_bert import can_read


def encoder_to_read(config: dict[str, Any], tokenizer: str, *, name: str, lowercase: bool) -> Encoder:
    """An encoder without weights, as ``new_encoder``, that is not to be trained: this BERT where the shape is its."""
    if not can_read(config):
        return new_encoder(config, tokenizer, name=name, lowercase=lowercase)
    return Encoder(name, Bert(config), tokenizer_of(tokenizer), lowercase)


class Bert(nn.Module):
    """Token ids, mask and segments [B, S] in, ``last_hidden_state`` [B, S, hidden] out, as transformers' ``BertModel``.

    Its weights are empty until a state is loaded with ``assign=True``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config = SimpleNamespace(**{"type_vocab_size": 2, "layer_norm_eps": 1e-12, **config})
        self.embeddings = _Embeddings(self.config)
        self.encoder = _Layers(self.config)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> SimpleNamespace:
        state = self.embeddings(input_ids, token_type_ids)
        state = self.encoder(state, attention_mask.bool()[:, None, None, :])
        return SimpleNamespace(last_hidden_state=state)

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings.word_embeddings


class _Linear(nn.Linear):
    """Empty: no random numbers for weights that are to be loaded, and no memory until they are."""

    def reset_parameters(self) -> None:
        pass


class _Embedding(nn.Embedding):
    """Empty, as ``_Linear``."""

    def reset_parameters(self) -> None:
        pass


class _Embeddings(nn.Module):
    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = _Embedding(config.vocab_size, width)
        self.position_embeddings = _Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = _Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, ids: torch.Tensor, segments: torch.Tensor | None) -> torch.Tensor:
        places = self.position_embeddings.weight[: ids.shape[1]]
        kinds = self.token_type_embeddings(torch.zeros_like(ids) if segments is None else segments)
        embedded: torch.Tensor = self.LayerNorm(self.word_embeddings(ids) + kinds + places)
        return embedded


class _Layers(nn.Module):
    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, state: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        for layer in self.layer:
            state = layer(state, seen)
        return state


class _Layer(nn.Module):
    """Attention to all tokens of the text, then each token by itself; both are added to what came in, and normed."""

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        width, wide = config.hidden_size, config.intermediate_size
        self.heads = config.num_attention_heads
        names = ("query", "key", "value")
        attention = nn.ModuleDict({name: _Linear(width, width) for name in names})
        self.attention = nn.ModuleDict({"self": attention, "output": _Added(width, width, config)})
        self.intermediate = nn.ModuleDict({"dense": _Linear(width, wide)})
        self.output = _Added(wide, width, config)

    def forward(self, state: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        one: Any = self.attention["self"]
        query, key, value = (self._by_head(one[name](state)) for name in ("query", "key", "value"))
        read = scaled_dot_product_attention(query, key, value, attn_mask=seen)
        state = self.attention["output"](read.transpose(1, 2).flatten(2), state)
        added: torch.Tensor = self.output(gelu(self.intermediate["dense"](state)), state)
        return added

    def _by_head(self, state: torch.Tensor) -> torch.Tensor:
        """[B, S, hidden] → [B, heads, S, hidden / heads]."""
        texts, tokens, width = state.shape
        return state.view(texts, tokens, self.heads, width // self.heads).transpose(1, 2)


class _Added(nn.Module):
    def __init__(self, width: int, out: int, config: SimpleNamespace) -> None:
        super().__init__()
        self.dense = _Linear(width, out)
        self.LayerNorm = nn.LayerNorm(out, eps=config.layer_norm_eps)

    def forward(self, state: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        normed: torch.Tensor = self.LayerNorm(self.dense(state) + before)
        return normed

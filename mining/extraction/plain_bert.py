"""BERT for reading alone, in NumPy: what an encoder says of each word piece, layer by layer, without torch.

Devlin et al., 2019. Loading torch takes seconds and, built with CUDA, 640 MB. The weights stay in their file
(safetensors: a length, a header of JSON, the arrays) and take memory where they are used.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
from scipy.special import erf

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

MODEL_TYPE = "bert"
_TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
_ROOT_OF_HALF = np.float32(0.5**0.5)


def can_read(config: Mapping[str, Any]) -> bool:
    """Whether a transformer of this configuration is the one that is written here."""
    plain = (
        config.get("hidden_act", "gelu") == "gelu" and config.get("position_embedding_type", "absolute") == "absolute"
    )
    return plain and config.get("model_type") == MODEL_TYPE


def weights_of(path: Path) -> dict[str, Any]:
    """The arrays of a file of safetensors by name, as views of it. Raises ValueError where it is none."""
    content = np.memmap(path, np.uint8, "r")
    begin = 8 + int.from_bytes(content[:8].tobytes(), "little")
    told = json.loads(content[8:begin].tobytes())
    return {
        name: _view(content[begin:], name, one)
        for name, one in told.items()
        if name != "__metadata__" and one["dtype"] in _TYPES
    }


def _view(content: Any, name: str, told: Mapping[str, Any]) -> Any:
    start, end = told["data_offsets"]
    kind, shape = _TYPES[told["dtype"]], tuple(told["shape"])
    if not 0 <= start <= end <= len(content) or end - start != kind.itemsize * int(np.prod(shape)):
        raise ValueError(f"{name} does not lie whole in it")
    return content[start:end].view(kind).reshape(shape)


class PlainBert:
    """Word pieces in, the states of each layer out, as transformers' ``BertModel``; of one text at a time, and of no
    more pieces than ``config.max_position_embeddings``.

    Raises ValueError where weights are missing or do not fit the configuration.
    """

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
        self.config = SimpleNamespace(**{"type_vocab_size": 2, "layer_norm_eps": 1e-12, **config})
        given = {name.removeprefix(f"{MODEL_TYPE}."): array for name, array in weights.items()}
        heads, width = self.config.num_attention_heads, self.config.hidden_size
        if width % heads:
            raise ValueError(f"{heads} heads do not divide {width} features")
        self._weights: dict[str, Floats] = {}
        for name, shape in _shapes(self.config).items():
            if name not in given or given[name].shape != shape:
                seen = list(given[name].shape) if name in given else "nothing"
                raise ValueError(f"of the weights, {name} is {seen}, expected {list(shape)}")
            self._weights[name] = np.asarray(given[name], np.float32)

    def changed(self, added: Mapping[str, Floats]) -> "PlainBert":
        """Another one, with these added to the weights of their names; the others are shared.

        Raises ValueError where a name or a shape is none of this one's.
        """
        misfits = [
            name for name, one in added.items() if name not in self._weights or self._weights[name].shape != one.shape
        ]
        if misfits:
            raise ValueError(f"{len(misfits)} weights do not fit, such as {misfits[0]}")
        return PlainBert(
            vars(self.config), self._weights | {name: self._weights[name] + one for name, one in added.items()}
        )

    def states(self, ids: Sequence[int]) -> list[Floats]:
        """``[pieces, hidden]`` of the embeddings and of each layer. Piece by piece the text is seen whole."""
        named = self._weights
        embedded = named["embeddings.word_embeddings.weight"][np.asarray(ids)]
        embedded = embedded + named["embeddings.token_type_embeddings.weight"][0]
        embedded += named["embeddings.position_embeddings.weight"][: len(ids)]
        found = [self._normed("embeddings.LayerNorm", embedded)]
        for number in range(self.config.num_hidden_layers):
            found.append(self._layer(f"encoder.layer.{number}", found[-1]))
        return found

    def _layer(self, layer: str, state: Floats) -> Floats:
        """Attention to all pieces, then each piece by itself; both are added to what came in, and normed."""
        read = self._linear(f"{layer}.attention.output.dense", self._attention(f"{layer}.attention.self", state))
        state = self._normed(f"{layer}.attention.output.LayerNorm", read + state)
        wide = self._linear(f"{layer}.intermediate.dense", state)
        wide *= np.float32(0.5) * (1 + erf(wide * _ROOT_OF_HALF))  # GELU
        return self._normed(f"{layer}.output.LayerNorm", self._linear(f"{layer}.output.dense", wide) + state)

    def _attention(self, layer: str, state: Floats) -> Any:
        query, key, value = (
            self._by_head(self._linear(f"{layer}.{name}", state)) for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1)
        scores *= np.float32(query.shape[-1] ** -0.5)
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        read: Any = (scores @ value).transpose(1, 0, 2).reshape(state.shape)
        return read

    def _by_head(self, state: Floats) -> Floats:
        """``[pieces, hidden]`` → ``[heads, pieces, hidden / heads]``."""
        return state.reshape(len(state), self.config.num_attention_heads, -1).transpose(1, 0, 2)

    def _linear(self, name: str, state: Floats) -> Floats:
        out: Floats = state @ self._weights[f"{name}.weight"].T
        out += self._weights[f"{name}.bias"]
        return out

    def _normed(self, name: str, state: Floats) -> Floats:
        state = state - state.mean(-1, keepdims=True)
        spread = np.sqrt(np.square(state).mean(-1, keepdims=True) + np.float32(self.config.layer_norm_eps))
        normed: Floats = state / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normed


def _shapes(config: SimpleNamespace) -> dict[str, tuple[int, ...]]:
    """The weights that a configuration asks for. The pooler is not read."""
    width, wide = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocab_size, width),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, width),
        "embeddings.token_type_embeddings.weight": (config.type_vocab_size, width),
    }
    norms, linears = ["embeddings.LayerNorm"], dict[str, tuple[int, int]]()
    for number in range(config.num_hidden_layers):
        layer = f"encoder.layer.{number}"
        linears |= {f"{layer}.attention.self.{name}": (width, width) for name in ("query", "key", "value")}
        linears |= {f"{layer}.attention.output.dense": (width, width)}
        linears |= {f"{layer}.intermediate.dense": (wide, width), f"{layer}.output.dense": (width, wide)}
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    shapes |= {f"{name}.weight": shape for name, shape in linears.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in linears.items()}
    return shapes | {f"{name}.{part}": (width,) for name in norms for part in ("weight", "bias")}

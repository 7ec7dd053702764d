"""An encoder that has learned relations: what it says of the contextual judge's chunks counts beside that judge.

It is the contextual judge's encoder with a low-rank product added to each matrix of its layers. The installed weights
are not shipped again: only what was learned is, the largest directions of it, and a softmax over no relation and the
four for each word (``judge_tuned.npz``). Trained by ``mining.extraction.judge_tuned_training``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mining.errors import SourceError
from mining.evaluation import RELATIONS
from mining.extraction.encoders import Encoder, PlainEncoder, as_plain
from mining.extraction.judge_arrays import Size, Wanted, arrays_of, scaled, weights_in
from mining.extraction.judge_features import Sight
from mining.extraction.judge_network import Floats
from mining.extraction.judge_windows import Glance, Window
from mining.extraction.plain_bert import PlainBert

LAYERS = "encoder.layer."  # the names of what learns begin so; the embeddings stay as they are
_SHAPES: Mapping[str, tuple[Size, Size]] = {
    "attention.self.query": ("width", "width"),
    "attention.self.key": ("width", "width"),
    "attention.self.value": ("width", "width"),
    "attention.output.dense": ("width", "width"),
    "intermediate.dense": ("wide", "width"),
    "output.dense": ("width", "wide"),
}
_NORMS = ("attention.output.LayerNorm", "output.LayerNorm")
_HELD: Wanted = {
    "encoder": ("U", ()),
    "layers": ("iu", ()),
    "head": ("f", ("width", len(RELATIONS) + 1)),
    "head_bias": ("f", (len(RELATIONS) + 1,)),
    "share": ("f", ()),
}


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was learned. ``products``: name of a matrix → ``[out, rank]`` and ``[rank, in]``, whose product is added;
    ``rows``: name of a bias or of a part of a norm → what is added; ``head`` ``[width, 5]``, ``head_bias`` ``[5]``;
    ``share`` in the common opinion."""

    encoder: str
    layers: int
    products: Mapping[str, tuple[Floats, Floats]]
    rows: Mapping[str, Floats]
    head: Floats
    head_bias: Floats
    share: float


class TunedReader:
    """Reads windows. Raises SourceError where the weights are not of this encoder."""

    def __init__(self, encoder: Encoder | PlainEncoder, tuned: Tuned) -> None:
        plain = encoder if isinstance(encoder, PlainEncoder) else as_plain(encoder)
        added = {name: left @ right for name, (left, right) in tuned.products.items()} | dict(tuned.rows)
        try:
            self._bert: PlainBert = plain.model.changed(added)
        except ValueError as error:
            raise SourceError(f"{tuned.encoder} has learned relations, {plain.name} is another ({error})") from error
        self._head, self._bias, self.share = tuned.head, tuned.head_bias, tuned.share

    def opinion(self, sight: Sight, window: Window, seen: Glance) -> Floats:
        """``[chunks, 5]``: what each chunk of a glance is by its last word, which is the head of an English tail."""
        ends = np.array([window.places[sight.chunks[at].last - 1] for at in seen.chunks])
        state = self._bert.states(window.ids)[-1]
        scores = (state[ends[:, 0]] + state[ends[:, 1]]) / 2 @ self._head + self._bias
        likely = np.exp(scores - scores.max(1, keepdims=True))
        opinion: Floats = likely / likely.sum(1, keepdims=True)
        return opinion


def pressed(
    encoder: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    head: tuple[Floats, Floats],
    rank: int,
    share: float,
) -> Tuned:
    """The difference of two states of an encoder, of each matrix the ``rank`` largest directions."""
    learned = {name: after[name] - before[name] for name in before if name.startswith(LAYERS)}
    products = {name: _largest(one, rank) for name, one in learned.items() if one.ndim == 2}
    rows = {name: one for name, one in learned.items() if one.ndim == 1}
    return Tuned(encoder, len(products) // len(_SHAPES), products, rows, *head, share)


def _largest(matrix: Floats, rank: int) -> tuple[Floats, Floats]:
    left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(sizes[:rank])
    return left[:, :rank] * root, root[:, None] * right[:rank]


def load(path: Path) -> Tuned:
    """Raises SourceError where the file holds none."""
    with weights_in(path, "an encoder that has learned relations") as kept:
        held = arrays_of(kept, _HELD)
        layers, share = int(held["layers"]), float(held["share"])
        if not (0 < layers < 100 and 0 <= share <= 1):
            raise ValueError("layers or share is out of its range")
        arrays = arrays_of(kept, {"head": _HELD["head"], **_wanted(layers)})
        products = {name: _product(name, arrays) for name, _ in _matrices(layers)}
        rows = {name: arrays[name].astype(np.float32) for name in _rows(layers)}
        return Tuned(str(held["encoder"]), layers, products, rows, held["head"], held["head_bias"], share)


def save(tuned: Tuned, path: Path) -> None:
    """Writes the products as eight-bit numbers with a scale for each direction, the rest in half precision."""
    arrays: dict[str, Any] = {name: row.astype(np.float16) for name, row in tuned.rows.items()}
    for name, (left, right) in tuned.products.items():
        for side, table in (("left", left), ("right", right.T)):
            scale = (np.maximum(np.abs(table).max(0), 1e-9) / 127).astype(np.float32)
            arrays[f"{name}/{side}"] = np.round(table / scale).astype(np.int8)
            arrays[f"{name}/{side}_scale"] = scale
    np.savez_compressed(
        path,
        encoder=np.array(tuned.encoder),
        layers=np.array(tuned.layers),
        head=tuned.head,
        head_bias=tuned.head_bias,
        share=np.float32(tuned.share),
        **arrays,
    )


def _product(name: str, arrays: Mapping[str, Any]) -> tuple[Floats, Floats]:
    left, right = (scaled(f"{name}/{s}", arrays[f"{name}/{s}"], arrays[f"{name}/{s}_scale"]) for s in ("left", "right"))
    return left, right.T


def _wanted(layers: int) -> Wanted:
    wanted: dict[str, tuple[str, tuple[Size, ...]]] = {}
    for name, (out, into) in _matrices(layers):
        wanted |= {f"{name}/left": ("i", (out, "rank")), f"{name}/right": ("i", (into, "rank"))}
        wanted |= {f"{name}/{side}_scale": ("f", ("rank",)) for side in ("left", "right")}
    return wanted | {name: ("f", (size,)) for name, size in _rows(layers).items()}


def _matrices(layers: int) -> Iterator[tuple[str, tuple[Size, Size]]]:
    for number in range(layers):
        yield from ((f"{LAYERS}{number}.{part}.weight", shape) for part, shape in _SHAPES.items())


def _rows(layers: int) -> dict[str, Size]:
    biases = {f"{name.removesuffix('weight')}bias": shape[0] for name, shape in _matrices(layers)}
    norms = [
        f"{LAYERS}{number}.{norm}.{part}" for number in range(layers) for norm in _NORMS for part in ("weight", "bias")
    ]
    return biases | dict.fromkeys(norms, "width")

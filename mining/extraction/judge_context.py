"""The contextual judge: what an encoder that reads the whole text makes of the chunks that the judge finds possible.

The judge knows words and what stands beside them; an encoder knows what a word means in its sentence. It is one that
``mining.extraction.encoders`` finds, and stays as it was trained. The states of two of its layers at the words of a
chunk and around it, beside what the judge says, go through networks of one hidden layer (``judge_context.npz``); the
states at both ends of a reading score it. Trained by ``mining.extraction.judge_context_training``.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from mining.errors import ConfigurationError, SourceError
from mining.evaluation import RELATIONS
from mining.extraction import judge_tuned
from mining.extraction.encoders import Encoder, PlainEncoder, installed_encoder
from mining.extraction.judge import SAID, agreement
from mining.extraction.judge_arrays import Wanted, arrays_of, scaled, weights_in
from mining.extraction.judge_features import Sight
from mining.extraction.judge_network import Floats, Network, averaged
from mining.extraction.judge_tuned import Tuned, TunedReader
from mining.extraction.judge_windows import LOOKS, PIECES, Glance, Window, edges_of, glance, windows

FLOOR = 0.02  # how likely any relation must be for the judge, that a chunk is looked at
DEEP = 2  # layers between the states that are looked at: those of the last layer, and those so far below it
AT_ONCE = 4  # windows that are read together
_SHIPPED, _TUNED = "judge_context.npz", "judge_tuned.npz"
_MEMBER = ("hidden_bias", "out", "out_bias")
_HELD: Wanted = {
    "encoder": ("U", ()),
    "members": ("iu", ()),
    "cut": ("f", (2, "width")),
    "mean": ("f", (SAID,)),
    "spread": ("f", (SAID,)),
    "share": ("f", ()),
    "threshold": ("f", ()),
}

_log = logging.getLogger("shopgraph.mining.relations")


@dataclass(frozen=True, slots=True)
class Weights:
    """What was learned. ``members``: networks that see ``[2 width (LOOKS + 1) + 39]`` of a chunk; ``cut``
    ``[2, 2 width]``: of the states at the first and the last piece of a reading; ``mean`` and ``spread`` ``[39]`` of
    what the judge says; ``share`` of the judge in the common opinion; ``threshold`` at which a chunk is a tail."""

    encoder: str
    members: Sequence[Network]
    cut: Floats
    mean: Floats
    spread: Floats
    share: float
    threshold: float


class ContextJudge:
    """The networks over one encoder; beside them the encoder as ``tuned`` has it. Deterministic: the same
    text gets the same opinion on the same machine.

    Raises SourceError where the weights are of an encoder of another width, and where the encoder is no BERT that reads
    ``judge_windows.PIECES`` pieces at once.
    """

    def __init__(self, encoder: Encoder | PlainEncoder, weights: Weights, tuned: Tuned | None = None) -> None:
        if weights.cut.shape != (2, 2 * encoder.width):
            raise SourceError(
                f"the contextual judge was trained with an encoder of {weights.cut.shape[1] // 2} features, "
                f"{encoder.name} has {encoder.width}; train one again"
            )
        longest = int(encoder.config.max_position_embeddings)
        if longest < PIECES:
            raise SourceError(f"{encoder.name} reads {longest} word pieces at once, {PIECES} are needed")
        edges_of(encoder.tokenizer)
        self.threshold = weights.threshold
        self._encoder, self._weights = encoder, weights
        self._tuned = TunedReader(encoder, tuned) if tuned else None

    def weigh(self, sight: Sight, first: Floats, second: Floats) -> tuple[Floats, dict[int, Floats]]:
        """From the judge's opinions ``[chunks, 5]`` the common one, and scores of the readings of those looked at."""
        weights = self._weights
        possible = set(np.flatnonzero(1 - first[:, 0] > FLOOR).tolist())
        said = known(agreement(sight.chunks, sight.words, first), weights.mean, weights.spread)
        common, cuts = second.copy(), dict[int, Floats]()
        for window, seen, state in self._read(sight, possible):
            shown = inputs_of(seen, state, said)
            opinion = averaged(*(member.opinion(shown) for member in weights.members))
            both = averaged(second[seen.chunks], opinion, shares=[weights.share, 1 - weights.share])
            if self._tuned is not None:
                share = self._tuned.share
                both = averaged(both, self._tuned.opinion(sight, window, seen), shares=[1 - share, share])
            common[seen.chunks] = both
            scores, rows = ends_of(seen, state) @ weights.cut.ravel(), np.array([row for row, *_ in seen.spans])
            cuts |= {at: scores[rows == row] for row, at in enumerate(seen.chunks)}
        return common, cuts

    def _read(self, sight: Sight, possible: set[int]) -> Iterator[tuple[Window, Glance, Floats]]:
        """The windows that hold a possible chunk, what is looked at there, and the states of their pieces."""
        shown = [(window, glance(sight, window, possible, possible)) for window in windows(sight.words, self._encoder)]
        seen = [(window, its) for window, its in shown if its is not None]
        for start in range(0, len(seen), AT_ONCE):
            some = seen[start : start + AT_ONCE]
            states = states_of(self._encoder, [window for window, _ in some])
            yield from ((*one, state) for one, state in zip(some, states, strict=True))


def states_of(encoder: Encoder | PlainEncoder, some: Sequence[Window]) -> list[Floats]:
    """Per window ``[pieces, 2 width]``: what the last layer says of each piece, and what the layer ``DEEP`` below."""
    if isinstance(encoder, PlainEncoder):
        read = (encoder.model.states(window.ids) for window in some)
        return [np.concatenate([layers[max(-1 - DEEP, -len(layers))], layers[-1]], axis=-1) for layers in read]
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence([torch.tensor(window.ids) for window in some], batch_first=True)
    mask = pad_sequence([torch.ones(len(window.ids), dtype=torch.long) for window in some], batch_first=True)
    with torch.inference_mode():
        layers = encoder.model.eval()(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        states = torch.cat([layers[max(-1 - DEEP, -len(layers))], layers[-1]], dim=-1).numpy()
    return [states[at, : len(window.ids)] for at, window in enumerate(some)]


def inputs_of(seen: Glance, state: Floats, said: Floats) -> Floats:
    """``[chunks, inputs]`` of a window: states at the places looked at, mean state, what the judge says of the text's
    chunks ``said`` ``[all chunks, 39]``."""
    looks = np.array(seen.looks)
    sums = np.concatenate([np.zeros((1, state.shape[1]), np.float32), state.cumsum(0)])
    begin, end = looks[:, 0], looks[:, 1] + 1
    means = (sums[end] - sums[begin]) / (end - begin)[:, None]
    looked = state[looks].reshape(len(looks), LOOKS * state.shape[1])
    shown: Floats = np.concatenate([looked, means, said[seen.chunks]], axis=1).astype(np.float32)
    return shown


def ends_of(seen: Glance, state: Floats) -> Floats:
    """``[readings, 2 * 2 width]``: the states at the first and the last piece of each reading."""
    places = np.array([ends for _, *ends in seen.spans], np.int64).reshape(-1, 2)
    ends: Floats = state[places].reshape(len(places), 2 * state.shape[1])
    return ends


def known(said: Floats, mean: Floats, spread: Floats) -> Floats:
    """``judge.agreement`` ``[chunks, 39]`` on the scale that the networks know."""
    scaled: Floats = ((said - mean) / spread).astype(np.float32)
    return scaled


def load(path: Path) -> Weights:
    """Raises SourceError where the file holds no contextual judge."""
    with weights_in(path, "a contextual judge") as kept:
        held = arrays_of(kept, _HELD)
        cut, mean, spread = (held[name].astype(np.float32) for name in ("cut", "mean", "spread"))
        members = [_network(kept, f"{number}/", cut.shape[1]) for number in range(int(held["members"]))]
        share, threshold = float(held["share"]), float(held["threshold"])
        if not members:
            raise ValueError("it has no networks")
        if not (0 <= share <= 1 and 0 < threshold <= 1 and (spread > 0).all()):
            raise ValueError("share, threshold or spread is out of its range")
        return Weights(str(held["encoder"]), members, cut, mean, spread, share, threshold)


def _network(kept: Mapping[str, Any], prefix: str, width: int) -> Network:
    """A member that sees states of ``width`` features."""
    wanted: Wanted = {
        "hidden": ("i", ((LOOKS + 1) * width + SAID, "units")),
        "hidden_scale": ("f", ("units",)),
        "hidden_bias": ("f", ("units",)),
        "out": ("f", ("units", len(RELATIONS) + 1)),
        "out_bias": ("f", (len(RELATIONS) + 1,)),
    }
    held = arrays_of(kept, {prefix + name: one for name, one in wanted.items()})
    hidden = scaled(prefix + "hidden", held[prefix + "hidden"], held[prefix + "hidden_scale"])
    return Network(hidden, *(held[prefix + name] for name in _MEMBER))


def save(weights: Weights, path: Path) -> None:
    """Writes the weights, the hidden layers as eight-bit numbers with a scale for each unit."""
    arrays: dict[str, Any] = {}
    for number, member in enumerate(weights.members):
        scale = (np.maximum(np.abs(member.hidden).max(0), 1e-6) / 127).astype(np.float32)
        arrays[f"{number}/hidden"] = np.round(member.hidden / scale).astype(np.int8)
        arrays[f"{number}/hidden_scale"] = scale
        arrays |= {f"{number}/{name}": getattr(member, name) for name in _MEMBER}
    np.savez_compressed(
        path,
        encoder=np.array(weights.encoder),
        members=np.array(len(weights.members)),
        cut=weights.cut.astype(np.float16),
        mean=weights.mean,
        spread=weights.spread,
        share=np.float32(weights.share),
        threshold=np.float32(weights.threshold),
        **arrays,
    )


@cache
def shipped() -> ContextJudge | None:
    """The contextual judge that is part of the package; None, and a line in the log, without its encoder.

    Nothing is fetched. Raises SourceError where the weights or an encoder that is installed cannot be used.
    """
    folder = Path(str(files("mining.extraction")))
    weights, tuned = load(folder / _SHIPPED), judge_tuned.load(folder / _TUNED)
    try:
        encoder = installed_encoder(weights.encoder)
    except ConfigurationError as error:
        _log.warning("relations are judged without an encoder, which finds fewer of them: %s", error)
        return None
    return ContextJudge(encoder, weights, tuned)

"""Learns the network of the judge from chunks that are labelled, with numpy alone.

AdamW (Loshchilov and Hutter, ICLR 2019) over minibatches, dropout of inputs and of hidden units, a rate that rises and
falls. All randomness comes from the seed: the same examples give the same weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mining.evaluation import RELATIONS
from mining.extraction.judge_network import Floats, Network

_BETAS = 0.9, 0.999
_RISING = 0.3  # share of the steps in which the rate rises


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """``epochs`` over the chunks in batches of ``batch``; ``rate`` at its highest, ``decay`` of the weights."""

    units: int = 64
    epochs: int = 8
    batch: int = 256
    rate: float = 2e-3
    decay: float = 1e-4
    inputs_dropped: float = 0.15
    units_dropped: float = 0.35
    seed: int = 0


def train_network(seen: Floats, wanted: Any, weight: Floats, options: NetworkOptions | None = None) -> Network:
    """A network that says ``wanted`` ``[chunks]`` (0: no relation) of ``seen`` ``[chunks, inputs]``."""
    options = options or NetworkOptions()
    draw = np.random.default_rng(options.seed)
    weights = _drawn(seen.shape[1], options.units, draw)
    moments = [(np.zeros_like(one), np.zeros_like(one)) for one in weights]
    true = np.eye(len(RELATIONS) + 1, dtype=np.float32)[wanted]
    batches = [
        order[start : start + options.batch]
        for order in (draw.permutation(len(seen)) for _ in range(options.epochs))
        for start in range(0, len(seen), options.batch)
    ]
    for step, batch in enumerate(batches, 1):
        shown = _dropped(seen[batch].astype(np.float32), options.inputs_dropped, draw)
        slopes = _slopes(weights, shown, true[batch], weight[batch], options.units_dropped, draw)
        _update(weights, slopes, moments, step, options, _rate(step / len(batches)))
    return Network(*weights)


def _drawn(inputs: int, units: int, draw: np.random.Generator) -> list[Floats]:
    near, far = inputs**-0.5, units**-0.5
    classes = len(RELATIONS) + 1
    shapes = (((inputs, units), near), ((units,), near), ((units, classes), far), ((classes,), far))
    return [draw.uniform(-width, width, shape).astype(np.float32) for shape, width in shapes]


def _dropped(values: Floats, share: float, draw: np.random.Generator) -> Floats:
    kept = draw.random(values.shape, np.float32) >= share
    result: Floats = values * kept / np.float32(1 - share)
    return result


def _slopes(
    weights: Sequence[Floats], shown: Floats, true: Floats, weight: Floats, share: float, draw: np.random.Generator
) -> list[Floats]:
    """The gradient of the weighted cross entropy of a batch."""
    hidden, hidden_bias, out, out_bias = weights
    before = shown @ hidden + hidden_bias
    mask = (before > 0) * (draw.random(before.shape, np.float32) >= share) / np.float32(1 - share)
    active = before * mask
    scores = active @ out + out_bias
    likely = np.exp(scores - scores.max(1, keepdims=True))
    likely /= likely.sum(1, keepdims=True)
    missed = (likely - true) * (weight / len(weight))[:, None]
    back = (missed @ out.T) * mask
    return [shown.T @ back, back.sum(0), active.T @ missed, missed.sum(0)]


def _update(
    weights: Sequence[Floats],
    slopes: Sequence[Floats],
    moments: Sequence[tuple[Floats, Floats]],
    step: int,
    options: NetworkOptions,
    share: float,
) -> None:
    rate, (fast, slow) = options.rate * share, _BETAS
    for one, slope, (mean, square) in zip(weights, slopes, moments, strict=True):
        mean += (1 - fast) * (slope - mean)
        square += (1 - slow) * (slope * slope - square)
        size = np.sqrt(square / (1 - slow**step)) + 1e-8
        one -= rate * (mean / (1 - fast**step) / size + options.decay * one)


def _rate(done: float) -> float:
    """Share of the highest rate after ``done`` of all steps: up along a cosine, then down along one."""
    if done < _RISING:
        return 0.04 + 0.96 * 0.5 * (1 - float(np.cos(np.pi * done / _RISING)))
    return 0.5 * (1 + float(np.cos(np.pi * (done - _RISING) / (1 - _RISING))))

"""Trains the contextual judge from labelled texts and from what judges that have not seen them say of them.

labelled texts → windows, through the encoder, once → what is looked at of each chunk → networks as the judge has one
(``judge_network_training``) and a softmax over the readings of each tail → ``Weights``. The encoder does not learn. All
randomness comes from the seed of a member: same input, same weights on the same machine.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mining.extraction.encoders import Encoder
from mining.extraction.judge import SAID, agreement
from mining.extraction.judge_context import FLOOR, Weights, ends_of, inputs_of, known, states_of
from mining.extraction.judge_network import Floats
from mining.extraction.judge_network_training import NetworkOptions, train_network
from mining.extraction.judge_training import Example, Target, choosing
from mining.extraction.judge_windows import Glance, Window, glance, windows

_ENCODED = 8  # windows that are read together
_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class ContextOptions:
    """``members`` networks with one seed each; the penalty of the softmax over readings; ``share`` of the judge in the
    common opinion, and the threshold of that."""

    members: int = 3
    network: NetworkOptions = field(
        default_factory=lambda: NetworkOptions(
            units=192, epochs=6, rate=1e-3, inputs_dropped=0.2, units_dropped=0.3, decay=1e-3
        )
    )
    penalty: float = 10.0
    share: float = 0.3
    threshold: float = 0.58


@dataclass(frozen=True, slots=True)
class _Pending:
    """A window to be read: what is looked at, what the judge says of all chunks of its text, what is true."""

    window: Window
    glance: Glance
    said: Floats
    targets: Sequence[Target]


@dataclass(frozen=True, slots=True)
class _Read:
    """What is seen of a window's chunks ``[chunks, inputs]`` and of the readings of its tails, of half precision."""

    seen: Floats
    ends: Floats
    targets: Sequence[Target]


def train_context(
    given: Sequence[Example],
    opinions: Sequence[Floats],
    encoder: Encoder,
    options: ContextOptions | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Weights:
    """What is learned from these examples; ``opinions`` are the first ones of ``judge_training.train_twice``.

    ``tell`` hears how far it is. Raises ValueError where no tail among them is worth a look.
    """
    options = options or ContextOptions()
    said = [
        agreement(one.chunks, one.words, first) if one.chunks else np.zeros((0, SAID), np.float32)
        for one, first in zip(given, opinions, strict=True)
    ]
    every = np.concatenate(said)
    mean, spread = every.mean(0), every.std(0) + 1e-6
    seen, ends, targets = _stacked(given, opinions, [known(rows, mean, spread) for rows in said], encoder)
    tails, seen_tails = _tails(target for one in given for target in one.targets), _tails(targets)
    tell(
        f"{len(targets)} chunks are looked at; of {tails} labelled tails "
        f"{tails - seen_tails} are left out, which the judge finds hardly possible or the encoder does not see whole"
    )
    wanted, weight = np.array([one.relation for one in targets]), np.array([one.weight for one in targets], np.float32)
    members = []
    for seed in range(options.members):
        members.append(train_network(seen, wanted, weight, replace(options.network, seed=seed)))
        tell(f"member {seed} is trained")
    del seen
    overlaps = [target.overlaps for target in targets if target.overlaps]
    cut = choosing(ends.astype(np.float32), overlaps, options.penalty, _ROUNDS)
    return Weights(encoder.name, members, cut.reshape(2, -1), mean, spread, options.share, options.threshold)


def _stacked(
    given: Sequence[Example], opinions: Sequence[Floats], said: Sequence[Floats], encoder: Encoder
) -> tuple[Floats, Floats, list[Target]]:
    """What is seen of all chunks and of the readings of all tails, one below the other, and what the chunks are."""
    pending = list(_pending(given, opinions, said, encoder))
    if not any(target.relation for one in pending for target in one.targets):
        raise ValueError(f"{len(given)} texts hold nothing to learn from: give some dozens")
    chunks, readings = (
        sum(map(len, of)) for of in zip(*((one.targets, one.glance.spans) for one in pending), strict=True)
    )
    targets: list[Target] = []
    tails = 0
    for one in _read(pending, encoder):
        if not targets:  # both fill most of the memory: never a second time, in parts
            seen = np.empty((chunks, one.seen.shape[1]), np.float16)
            ends = np.empty((readings, one.ends.shape[1]), np.float16)
        seen[len(targets) : len(targets) + len(one.seen)] = one.seen
        ends[tails : tails + len(one.ends)] = one.ends
        targets += one.targets
        tails += len(one.ends)
    return seen, ends, targets


def _pending(
    given: Sequence[Example], opinions: Sequence[Floats], said: Sequence[Floats], encoder: Encoder
) -> Iterator[_Pending]:
    """The windows that hold a chunk which a judge, unaware of its text, finds possible."""
    for one, first, its in zip(given, opinions, said, strict=True):
        targets = {at: target for at, target in enumerate(one.targets) if target and 1 - first[at, 0] > FLOOR}
        cut = {at for at, target in targets.items() if target.overlaps}
        for window in windows(one.words, encoder) if targets else ():
            seen = glance(one.sight, window, targets, cut)
            if seen is not None:
                yield _Pending(window, seen, its, [targets[at] for at in seen.chunks])


def _read(pending: Sequence[_Pending], encoder: Encoder) -> Iterator[_Read]:
    """Windows of like length are read together, so that little is padded."""
    order = sorted(range(len(pending)), key=lambda at: len(pending[at].window.ids))
    for start in range(0, len(order), _ENCODED):
        some = [pending[at] for at in order[start : start + _ENCODED]]
        for one, state in zip(some, states_of(encoder, [one.window for one in some]), strict=True):
            seen, ends = inputs_of(one.glance, state, one.said), ends_of(one.glance, state)
            yield _Read(_half(seen), _half(ends), one.targets)


def _half(values: Floats) -> Floats:
    halved: Floats = values.astype(np.float16)
    return halved


def _tails(targets: Iterable[Target | None]) -> int:
    return sum(1 for target in targets if target is not None and target.overlaps)

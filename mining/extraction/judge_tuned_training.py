"""Trains the encoder that has learned relations: every layer of it, to say of each word which relation it is a tail of.

labelled texts → windows (``judge_windows``), some pieces hidden → encoder → a softmax over no relation and the four, of
each word → the layers as they came and low-rank products to be added to them (``judge_tuned``). The judges are
not asked. Same input, same weights on the same machine; a training that was killed goes on in its folder.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mining.evaluation import RELATIONS
from mining.extraction.arithmetic import native_bfloat16
from mining.extraction.candidates import readings
from mining.extraction.encoders import Encoder
from mining.extraction.fine_tuning import FineTuning, Pace
from mining.extraction.judge_training import Example
from mining.extraction.judge_tuned import LAYERS, Tuned, pressed
from mining.extraction.judge_windows import windows
from mining.extraction.tagger_batches import MASKS, bucketed

_UNSURE = -100  # of a word that repeats a tail: neither a label nor free of one
_DROPPED = 0.1  # of what the head sees
_TOGETHER = 4  # windows whose states are in memory at once
_LENGTHS = 32  # pieces: for each length that it meets the processor's library makes kernels, and keeps them


@dataclass(frozen=True, slots=True)
class TunedOptions:
    """How to train. ``hidden``: share of the pieces that are hidden; ``rank`` of the products that are kept;
    ``share`` of its opinion beside the contextual judge's."""

    epochs: int = 4
    batch: int = 8
    rate: float = 1.5e-4
    head_rate: float = 1.2e-3
    hidden: float = 0.12
    rank: int = 64
    share: float = 0.45
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Shown:
    """A window: its pieces, those before its first word, and of each word first and last piece and relation."""

    ids: Sequence[int]
    leading: int
    ends: Sequence[tuple[int, int]]
    wanted: Sequence[int]


class _Words(nn.Module):
    """Scores of no relation and of each relation, of the words of some windows one after the other."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.dropped = encoder.model, nn.Dropout(_DROPPED)
        self.head = nn.Linear(encoder.width, len(RELATIONS) + 1)
        for name, parameter in self.encoder.named_parameters():
            parameter.requires_grad_(name.startswith(LAYERS))

    def forward(self, some: Sequence[_Shown], ids: Sequence[torch.Tensor]) -> torch.Tensor:
        padded, mask = _padded(ids), _padded([torch.ones_like(one) for one in ids])
        with torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16("cpu")):
            states = self.encoder(input_ids=padded, attention_mask=mask).last_hidden_state.float()
        rows = torch.tensor([row for row, one in enumerate(some) for _ in one.ends])
        ends = torch.tensor([ends for one in some for ends in one.ends])
        words = (states[rows, ends[:, 0]] + states[rows, ends[:, 1]]) / 2
        scores: torch.Tensor = self.head(self.dropped(words))
        return scores


def _padded(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """[rows, pieces] with zeros behind, up to a multiple of ``_LENGTHS``."""
    padded = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    return nn.functional.pad(padded, (0, -padded.shape[1] % _LENGTHS))


def tune(
    given: Iterable[Example],
    encoder: Encoder,
    options: TunedOptions | None = None,
    folder: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Tuned:
    """What is learned from these examples; the encoder is changed. ``tell`` hears how far it is.

    Raises ValueError where there is nothing to learn from.
    """
    options = options or TunedOptions()
    shown = [one for example in given for one in _shown(example, encoder)]
    if not any(wanted > 0 for one in shown for wanted in one.wanted):
        raise ValueError("the texts hold nothing to learn from: give some hundreds with labels")
    before = {name: value.clone().numpy() for name, value in encoder.weights()}
    torch.manual_seed(options.seed)
    network = _Words(encoder)
    steps = -(-len(shown) // options.batch) * options.epochs
    tuning = FineTuning(network, network.encoder, Pace(steps, options.rate, options.head_rate))
    run = f"{zlib.crc32(repr((options, shown)).encode())} {encoder.name}"
    tuning.resume(folder, run)
    while tuning.epoch < options.epochs:
        loss = _epoch(network, tuning, shown, options, encoder)
        tuning.measured(0.0)  # no text is held back: the last epoch is taken
        tuning.keep(folder, run)
        tell(f"epoch {tuning.epoch}: loss {loss:.3f}")
    tuning.settle()
    after = {name: value.detach().numpy() for name, value in encoder.weights()}
    head = network.head.weight.detach().numpy().T, network.head.bias.detach().numpy()
    return pressed(encoder.name, before, after, head, options.rank, options.share)


def _epoch(
    network: _Words, tuning: FineTuning, shown: Sequence[_Shown], options: TunedOptions, encoder: Encoder
) -> float:
    """One epoch, all chance of which comes from (seed, epoch). Returns the mean loss."""
    random = np.random.default_rng([options.seed, tuning.epoch])
    torch.manual_seed(options.seed * 100_003 + tuning.epoch)
    network.train()
    mask = next((n for name in MASKS if (n := encoder.tokenizer.token_to_id(name)) is not None), None)
    losses = []
    for at in bucketed([len(one.ids) for one in shown], options.batch, random):
        some = [shown[i] for i in at]
        ids = [_hidden(one, options.hidden if mask else 0.0, mask or 0, random) for one in some]
        losses.append(tuning.step(_losses(network, some, ids)))
    return sum(losses) / len(losses)


def _losses(network: _Words, some: Sequence[_Shown], ids: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
    """What the parts of a batch add to its mean loss a word."""
    counted = sum(wanted != _UNSURE for one in some for wanted in one.wanted)
    for start in range(0, len(some), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        wanted = torch.tensor([wanted for one in some[part] for wanted in one.wanted])
        scores = network(some[part], ids[part])
        yield nn.functional.cross_entropy(scores, wanted, ignore_index=_UNSURE, reduction="sum") / max(1, counted)


def _hidden(one: _Shown, share: float, mask: int, random: np.random.Generator) -> torch.Tensor:
    """The pieces of a window, a share of those of its words hidden."""
    ids = torch.tensor(one.ids)
    drawn = random.random(len(ids)) < share
    drawn[: one.leading], drawn[-1] = False, False
    ids[torch.from_numpy(drawn)] = mask
    return ids


def _shown(example: Example, encoder: Encoder) -> Iterator[_Shown]:
    """The windows of a labelled text. A window of words that are all unsure teaches nothing."""
    wanted = _wanted(example)
    for window in windows(example.words, encoder):
        words = list(window.places)
        shown = [wanted[word] for word in words]
        if any(one != _UNSURE for one in shown):
            yield _Shown(window.ids, window.leading, [window.places[word] for word in words], shown)


def _wanted(example: Example) -> list[int]:
    """What each word of a text is: the relation of the reading that is closest to a label, else none."""
    wanted = [0] * len(example.words.text)
    for chunk, target in zip(example.chunks, example.targets, strict=True):
        if target is None:
            wanted[chunk.first : chunk.last] = [_UNSURE] * (chunk.last - chunk.first)
    for at, target in enumerate(example.targets):
        if target is not None and target.overlaps:
            ways = list(readings(example.words, example.chunks, at))
            start, end = ways[int(np.argmax(target.overlaps))]
            wanted[start:end] = [target.relation] * (end - start)
    return wanted

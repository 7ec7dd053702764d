"""Trains the small model: warm-up and decay, averaged weights, swapped values, early stopping on dev, resume.

Every random choice of an epoch comes from (seed, epoch), so a run that was killed goes on to the same model.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from mining.evaluation import Score
from mining.extraction.augmentation import swap_values, values_of
from mining.extraction.calibration import Calibration, calibrate
from mining.extraction.encoders import load_encoder
from mining.extraction.examples import Example, overlap_share
from mining.extraction.lexicon import Lexicon
from mining.extraction.tagger import Found, Tagger, device_of
from mining.extraction.tagger_batches import Reader, Vocabulary, bucketed
from mining.extraction.tagger_checkpoint import read_checkpoint, write_checkpoint
from mining.extraction.tagger_network import Shape, TaggerNetwork

_log = logging.getLogger("shopgraph.mining.tagger")
NOISE = 0.01  # of F1 on dev, within which the later epoch is taken
FEW = 2000  # training texts under which networks differ more by their order than by what they learned
MEMBERS = 3  # networks that are then blended
RIVALS = 0.02  # share of spans that overlap another's, from which labels are no rivals


@dataclass(frozen=True, slots=True)
class Options:
    """How to train. ``encoder`` as ``load_encoder`` takes it, ``encoders`` the folder it looks in.

    ``swap``: share of texts whose values are exchanged for others of their label; ``forget``: share of texts that see
    no lexicon; ``mask``: share of tokens that are hidden; ``smooth``: how much of the averaged weights a step keeps;
    ``patience``: epochs without a better dev F1; ``hidden``: features of the BiLSTM each way, 0 for none;
    ``exclusive``: labels are rivals for a word; None where those of the training texts hardly overlap; ``members``:
    networks that learn from the same first weights in another order; ``soup``: their weights are averaged into one
    network, else their probabilities, at as many times the price of reading.
    """

    encoder: str = "all-MiniLM-L6-v2"
    encoders: Path | None = None
    epochs: int = 7
    batch: int = 16
    accumulate: int = 1
    rate: float = 1.5e-4
    head_rate: float = 2e-3
    decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0
    smooth: float = 0.99
    swap: float = 0.2
    forget: float = 0.15
    mask: float = 0.1
    patience: int = 100
    max_tokens: int = 160
    freeze_embeddings: bool = True
    once: bool = True
    exclusive: bool | None = False
    members: int = 1
    soup: bool = True
    hidden: int = 0
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch came to: mean training loss, and the score of its averaged weights on dev."""

    number: int
    loss: float
    dev: Score

    def told(self) -> str:
        """One line for a person."""
        precision, recall, f1 = _prf(self.dev)
        return (
            f"epoch {self.number}: loss {self.loss:.3f}, dev precision {precision:.3f} recall {recall:.3f} F1 {f1:.3f}"
        )


def members_for(texts: int) -> int:
    """How many networks so many training texts are worth: a few texts cost little to learn several times."""
    return MEMBERS if texts < FEW else 1


Part: TypeAlias = tuple[Sequence[Example], Sequence[Example]]
"""(texts to learn from, texts held back to choose and calibrate on)."""


def train(
    examples: Sequence[Example],
    dev: Sequence[Example],
    contexts: Mapping[str, Sequence[str]],
    options: Options,
    *,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Tagger:
    """The model of ``options.members`` networks that all learn from ``examples`` and are calibrated on ``dev``.

    ``contexts``: the labels of each context. ``checkpoint``: a folder from which a killed run goes on.
    """
    return train_parts(
        [(examples, dev)] * options.members, contexts, options, checkpoint=checkpoint, on_epoch=on_epoch
    )[0]


def train_parts(
    parts: Sequence[Part],
    contexts: Mapping[str, Sequence[str]],
    options: Options,
    *,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> tuple[Tagger, list[list[Found]]]:
    """A network a part, each with an order of its own, and what is found in the held-back texts, part after part.

    A held-back text is read by the networks that have not learned from it, and those findings make the calibration.
    The lexicon then counts all texts.
    """
    trained: list[tuple[Part, TaggerNetwork, Reader]] = []
    for member, part in enumerate(parts):
        run = _Run(*part, contexts, options, member)
        folder = checkpoint / f"member{member}" if checkpoint else None
        run.resume(folder)
        while run.epoch < options.epochs and run.epoch - run.best_epoch < options.patience:
            on_epoch(run.step())
            run.keep(folder)
        trained.append((part, run.best_network(), run.reader))
    texts, found = _held_back(trained, options.once)
    calibration = calibrate(
        [
            (one.odds, one.label, _right(one.label, one.start, one.end, example))
            for example, row in zip(texts, found, strict=True)
            for one in row
        ]
    )
    reader = trained[-1][2]
    reader.lexicon = Lexicon.of({id(one): one for part in parts for side in part for one in side}.values())
    networks = [network for _, network, _ in trained]
    if options.soup:
        networks = [blended(networks)]
    tagger = Tagger(networks, reader, once=options.once, calibration=calibration)
    return tagger, [
        [replace(one, confidence=calibration.confidence(one.odds, one.label)) for one in row] for row in found
    ]


def blended(networks: Sequence[TaggerNetwork]) -> TaggerNetwork:
    """The first network with the mean of all weights: a model soup (Wortsman et al., 2022).

    Networks that began with the same weights and went not far lie in one basin, so their mean is nearly as good as the
    mean of their probabilities, at the price of one.
    """
    states = [network.state_dict() for network in networks]
    mean = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    networks[0].load_state_dict(mean)
    return networks[0]


def _held_back(
    trained: Sequence[tuple[Part, TaggerNetwork, Reader]], once: bool
) -> tuple[list[Example], list[list[Found]]]:
    """The held-back texts, those of equal parts once, and what the networks of their parts find in them."""
    texts: list[Example] = []
    found: list[list[Found]] = []
    for held in {id(part[1]): part[1] for part, _, _ in trained}.values():
        of_part = [(network, reader) for part, network, reader in trained if part[1] is held]
        networks = [network for network, _ in of_part]
        texts += held
        found += Tagger(networks, of_part[0][1], once=once, calibration=Calibration()).find(held)
    return texts, found


class _Run:
    """The state of a training."""

    def __init__(
        self,
        examples: Sequence[Example],
        dev: Sequence[Example],
        contexts: Mapping[str, Sequence[str]],
        options: Options,
        member: int = 0,
    ) -> None:
        torch.manual_seed(options.seed)
        self.examples, self.dev, self.options, self.member = examples, dev, options, member
        vocabulary = Vocabulary.of(contexts)
        encoder = load_encoder(options.encoder, folder=options.encoders)
        exclusive = options.exclusive if options.exclusive is not None else overlap_share(examples) < RIVALS
        shape = Shape(len(vocabulary.labels), len(vocabulary.contextual), exclusive, hidden=options.hidden)
        self.network = TaggerNetwork(encoder, shape).to(device_of(options.device))
        if options.freeze_embeddings:
            encoder.model.get_input_embeddings().requires_grad_(False)  # type: ignore[operator]
        self.reader = Reader(encoder, vocabulary, Lexicon.of(examples), options.max_tokens)
        self.tagger = Tagger([self.network], self.reader, once=options.once, calibration=Calibration())
        self.read_dev = self.tagger.read(dev)
        self.network.half_precision = half_is_native(options.device)
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=options.decay, fused=True)
        steps = -(-len(examples) // (options.batch * options.accumulate)) * options.epochs
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, _slope(steps, options.warmup))
        self.trained = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self.trained.items()}
        self.best: dict[str, torch.Tensor] = {}
        self.epoch, self.best_epoch, self.best_f1 = 0, 0, -1.0
        self.values = values_of(examples)

    def _groups(self) -> list[dict[str, Any]]:
        encoder = {id(p) for p in self.network.encoder.parameters()}
        trained = [p for p in self.network.parameters() if p.requires_grad]
        return [
            {"params": [p for p in trained if id(p) in encoder], "lr": self.options.rate},
            {"params": [p for p in trained if id(p) not in encoder], "lr": self.options.head_rate},
        ]

    def step(self) -> Epoch:
        """One epoch."""
        options = self.options
        random = np.random.default_rng([options.seed, self.member, self.epoch])
        torch.manual_seed((options.seed * 1009 + self.member) * 100_003 + self.epoch)
        items = []
        for example in self.examples:
            swapped = swap_values(example, self.values, random) if random.random() < options.swap else example
            item = self.reader.item(swapped, own=True)
            item = replace(item, lexicon=()) if random.random() < options.forget else item
            items.append(self.reader.masked(item, options.mask, random))
        self.network.train()
        total, batches = 0.0, list(bucketed([len(item.tokens) for item in items], options.batch, random))
        for number, at in enumerate(batches, 1):
            batch = self.reader.batch([items[i] for i in at], targets=True).to(self.tagger.device)
            assert batch.target is not None
            loss = self.network.loss(self.network(batch), batch.target, batch.known)
            (loss / options.accumulate).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
            if number % options.accumulate == 0 or number == len(batches):
                self._update()
        self.epoch += 1
        return self._measure(total / max(1, len(batches)))

    def _update(self) -> None:
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), self.options.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        done = self.schedule.last_epoch
        keep = min(self.options.smooth, (1 + done) / (10 + done))  # young averages forget their start
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.trained.values()), 1 - keep)

    def _measure(self, loss: float) -> Epoch:
        live = {name: parameter.detach().clone() for name, parameter in self.trained.items()}
        _put(self.trained, self.average)
        score = score_of(self.tagger, self.dev)
        _put(self.trained, live)
        if score.f1 >= self.best_f1 - NOISE or not self.best:
            # A small dev set cannot tell such epochs apart, and the later one was refined by smaller steps.
            self.best_f1, self.best_epoch = max(score.f1, self.best_f1), self.epoch
            self.best = {name: value.clone() for name, value in self.average.items()}
        done = Epoch(self.epoch, loss, score)
        _log.info(done.told())
        return done

    def best_network(self) -> TaggerNetwork:
        _put(self.trained, self.best or self.average)
        return self.network

    def keep(self, folder: Path | None) -> None:
        if folder is None:
            return
        state = {f"live.{name}": p.detach() for name, p in self.trained.items()}
        state |= {f"average.{name}": value for name, value in self.average.items()}
        state |= {f"best.{name}": value for name, value in self.best.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            state |= {f"adam.{number}.{key}": torch.as_tensor(value) for key, value in moments.items()}
        progress = {"epoch": self.epoch, "best_epoch": self.best_epoch, "best_f1": self.best_f1}
        write_checkpoint(folder, state, {**progress, "run": self._fingerprint()})

    def resume(self, folder: Path | None) -> None:
        """Goes on from a checkpoint of the same run; one of another run is left to be overwritten."""
        kept = read_checkpoint(folder, self._fingerprint(), str(self.tagger.device)) if folder else None
        if kept is None:
            return
        progress, state = kept
        _put(self.trained, {name: state[f"live.{name}"] for name in self.trained})
        self.average = {name: state[f"average.{name}"] for name in self.trained}
        self.best = {name: state[f"best.{name}"] for name in self.trained if f"best.{name}" in state}
        moments: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
        for key, value in state.items():
            if key.startswith("adam."):
                _, number, name = key.split(".")
                moments[int(number)][name] = value.cpu() if name == "step" else value
        self.epoch, self.best_epoch = progress["epoch"], progress["best_epoch"]
        self.best_f1 = progress["best_f1"]
        steps = -(-len(self.examples) // (self.options.batch * self.options.accumulate)) * self.epoch
        for _ in range(steps):
            self.optimizer.step()  # without gradients: nothing moves, but the schedule wants it so
            self.schedule.step()
        whole = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": dict(moments), "param_groups": whole["param_groups"]})

    def _fingerprint(self) -> str:
        """The same for the same options and the same texts."""
        told = {key: str(value) for key, value in asdict(self.options).items() if key not in ("encoders", "device")}
        texts = [asdict(example) for example in (*self.examples, *self.dev)]
        return blake2b(json.dumps([told, self.member, texts]).encode(), digest_size=16).hexdigest()


def score_of(tagger: Tagger, examples: Sequence[Example]) -> Score:
    """Exact spans against labelled ones at the confidence that serves F1 best: what a threshold can make of a model."""
    gold, told = 0, []
    for example, row in zip(examples, tagger.find(examples), strict=True):
        told += [(one.confidence, _right(one.label, one.start, one.end, example)) for one in row]
        gold += len({span.label for span in example.spans}) if tagger.once else len(example.spans)
    told.sort(key=lambda pair: -pair[0])
    best, right = Score(0, 0, gold), 0
    for count, (confidence, is_right) in enumerate(told, 1):
        right += is_right
        last_of_equals = count == len(told) or told[count][0] < confidence
        if last_of_equals and Score(right, count, gold).f1 > best.f1:
            best = Score(right, count, gold)
    return best


def _right(label: str, start: int, end: int, example: Example) -> bool:
    return any(s.label == label and s.start == start and s.end == end for s in example.spans)


def _put(parameters: Mapping[str, torch.Tensor], values: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name])


def _slope(steps: int, warmup: float) -> Callable[[int], float]:
    rising = max(1, int(steps * warmup))

    def at(step: int) -> float:
        return min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))

    return at


def _prf(score: Score) -> tuple[float, float, float]:
    return score.precision, score.recall, score.f1


def half_is_native(device: str) -> bool:
    """Whether bfloat16 is faster than float32 there; where it is emulated it is several times slower."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())

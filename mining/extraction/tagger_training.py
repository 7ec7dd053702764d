"""Trains the small model: warm-up and decay, averaged weights, swapped values, early stopping on dev, resume.

Every random choice of an epoch comes from (seed, epoch), so a run that was killed goes on to the same model.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from mining.evaluation import Score
from mining.extraction.adversarial import Adversary
from mining.extraction.arithmetic import native_bfloat16
from mining.extraction.augmentation import swap_values, values_of
from mining.extraction.calibration import Calibration, calibrate
from mining.extraction.encoders import load_encoder
from mining.extraction.examples import Example, overlap_share
from mining.extraction.fine_tuning import FineTuning, Pace
from mining.extraction.last_values import says_last
from mining.extraction.lexicon import Lexicon
from mining.extraction.low_rank import FASTER, Adapters, LowRank
from mining.extraction.tagger import Found, Tagger, device_of
from mining.extraction.tagger_batches import Item, Reader, Vocabulary, bucketed
from mining.extraction.tagger_network import Batch, Shape, TaggerNetwork
from mining.extraction.weighing import Weighing, value_weights

_log = logging.getLogger("shopgraph.mining.tagger")
FEW = 2000  # training texts under which networks differ more by their order than by what they learned
MEMBERS = 3  # networks that are then averaged
RIVALS = 0.02  # share of spans that overlap another's, from which labels are no rivals


@dataclass(frozen=True, slots=True)
class Options:
    """How to train. ``encoder`` as ``load_encoder`` takes it, ``encoders`` the folder it looks in.

    ``accumulate``: batches whose gradients make one step; ``swap``: share of texts whose values are exchanged for
    others of their label; ``forget``: share of texts that see no lexicon; ``mask``: share of tokens that are hidden;
    ``smooth``: how much of the averaged weights a step keeps; ``patience``: epochs without a better dev F1; ``hidden``:
    features of the BiLSTM each way, 0 for none; ``exclusive``: labels are rivals for a word; None where those of the
    training texts hardly overlap; ``last``: labels name the last of several values; None where those of the training
    texts do; ``members``: networks that learn from the same first weights in another order; ``soup``: their weights are
    averaged into one network, else their probabilities, at as many times the price of reading; ``adapters``: what of
    the encoder learns (``low_rank``), at ``FASTER`` times the rate; ``rank``: how wide they are.

    ``weigh``: how values of rare labels count (``value_weights``); ``agree``: how much it costs that two passes with
    different dropout say different things (R-Drop, Liang et al., 2021), 0 for one pass; ``adversarial``: how far an
    ``Adversary`` shifts the words of a text, 0 for none.
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
    exclusive: bool | None = None
    last: bool | None = None
    members: int = 1
    soup: bool = True
    hidden: int = 0
    adapters: Adapters = "none"
    rank: int = 16
    weigh: Weighing = "none"
    agree: float = 0.0
    adversarial: float = 0.0
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch of a member came to: mean training loss, the score of its averaged weights on dev, and the rate of
    the encoder in its last step."""

    number: int
    loss: float
    dev: Score
    member: int = 0
    rate: float = 0.0

    def told(self) -> str:
        """One line for a person."""
        precision, recall, f1 = _prf(self.dev)
        network = f"network {self.member + 1}, " if self.member else ""
        learned = f"{network}epoch {self.number}: loss {self.loss:.3f}"
        return f"{learned}, dev precision {precision:.3f} recall {recall:.3f} F1 {f1:.3f}"


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
    texts = list({id(one): one for part in parts for side in part for one in side}.values())
    options = _with_habits(options, texts)
    trained: list[tuple[Part, TaggerNetwork, Reader]] = []
    for member, part in enumerate(parts):
        run = _Run(*part, contexts, options, member)
        folder = checkpoint / f"member{member}" if checkpoint else None
        tuning, name = run.tuning, run.fingerprint()
        tuning.resume(folder, name)
        while tuning.epoch < options.epochs and tuning.epoch - tuning.best_epoch < options.patience:
            on_epoch(run.step())
            tuning.keep(folder, name)
        tuning.settle()
        run.merge()
        trained.append((part, run.network, run.reader))
    held, found = _held_back(trained)
    calibration = calibrate(
        [
            (one.odds, one.label, _right(one.label, one.start, one.end, example))
            for example, row in zip(held, found, strict=True)
            for one in row
        ]
    )
    reader = trained[-1][2]
    reader.lexicon = Lexicon.of(texts)
    networks = [network for _, network, _ in trained]
    if options.soup:
        networks = [blended(networks)]
    tagger = Tagger(networks, reader, calibration)
    return tagger, [
        [replace(one, confidence=calibration.confidence(one.odds, one.label)) for one in row] for row in found
    ]


def _with_habits(options: Options, texts: Sequence[Example]) -> Options:
    """The options with what the labels of all texts tell, so that all members are of one shape."""
    exclusive, last = options.exclusive, options.last
    return replace(
        options,
        exclusive=overlap_share(texts) < RIVALS if exclusive is None else exclusive,
        last=options.once and (says_last(texts) if last is None else last),
    )


def blended(networks: Sequence[TaggerNetwork]) -> TaggerNetwork:
    """The first network with the mean of all weights: a model soup (Wortsman et al., 2022).

    Networks that began with the same weights and went not far lie in one basin, so their mean is nearly as good as the
    mean of their probabilities, at the price of one.
    """
    states = [network.state_dict() for network in networks]
    mean = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    networks[0].load_state_dict(mean)
    return networks[0]


def _held_back(trained: Sequence[tuple[Part, TaggerNetwork, Reader]]) -> tuple[list[Example], list[list[Found]]]:
    """The held-back texts, those of equal parts once, and what the networks of their parts find in them."""
    texts: list[Example] = []
    found: list[list[Found]] = []
    for held in {id(part[1]): part[1] for part, _, _ in trained}.values():
        of_part = [(network, reader) for part, network, reader in trained if part[1] is held]
        networks = [network for network, _ in of_part]
        texts += held
        found += Tagger(networks, of_part[0][1], Calibration()).find(held)
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
        self.origin = encoder.digest()  # before anything is put into it
        sizes = len(vocabulary.labels), len(vocabulary.contextual)
        habits = {"exclusive": bool(options.exclusive), "once": options.once, "last": bool(options.last)}
        shape = Shape(*sizes, **habits, hidden=options.hidden)
        self.network = TaggerNetwork(encoder, shape).to(device_of(options.device))
        embeddings: torch.nn.Module = encoder.model.get_input_embeddings()  # type: ignore[operator]
        if options.freeze_embeddings:
            embeddings.requires_grad_(False)
        self.reader = Reader(encoder, vocabulary, Lexicon.of(examples), options.max_tokens)
        self.tagger = Tagger([self.network], self.reader, Calibration())
        self.read_dev = self.tagger.read(dev)
        self.network.halved = native_bfloat16(options.device)
        steps = -(-len(examples) // (options.batch * options.accumulate)) * options.epochs
        self.low_rank = None
        if options.adapters != "none":
            self.low_rank = LowRank(encoder.model, options.adapters, options.rank, steps)
        self.adversary = Adversary(embeddings, options.adversarial) if options.adversarial else None
        self.weights = self._weights(vocabulary) if options.weigh != "none" else None
        rate = options.rate * FASTER[options.adapters]
        pace = Pace(steps, rate, options.head_rate, options.decay, options.warmup, options.clip, options.smooth)
        self.tuning = FineTuning(self.network, encoder.model, pace, self.low_rank)
        self.values = values_of(examples)

    def step(self) -> Epoch:
        """One epoch."""
        number = self.tuning.epoch
        random = np.random.default_rng([self.options.seed, self.member, number])
        torch.manual_seed((self.options.seed * 1009 + self.member) * 100_003 + number)
        items = [self._item(example, random) for example in self.examples]
        self.network.train()
        batches = list(bucketed([len(item.tokens) for item in items], self.options.batch, random))
        many, losses = self.options.accumulate, list[float]()
        for first in range(0, len(batches), many):
            parts = [[items[i] for i in at] for at in batches[first : first + many]]
            losses.append(self.tuning.step(self._losses(parts)))
        return self._measure(sum(losses) / max(1, len(losses)))

    def _item(self, example: Example, random: np.random.Generator) -> Item:
        """The example as this epoch sees it: values swapped, lexicon forgotten, tokens hidden."""
        options = self.options
        swapped = swap_values(example, self.values, random) if random.random() < options.swap else example
        item = self.reader.item(swapped, own=True)
        item = replace(item, lexicon=()) if random.random() < options.forget else item
        return self.reader.masked(item, options.mask, random)

    def _losses(self, parts: Sequence[Sequence[Item]]) -> Iterator[torch.Tensor]:
        """Of one step: what each part adds to the mean over all of them, as if they were one batch."""
        read = [(self.reader.batch(items), self._targets(items)) for items in parts]
        counts = [int(self.network.counted(batch.known)) for batch, _ in read]
        for (batch, target), count in zip(read, counts, strict=True):
            loss = partial(self._loss, batch, target, count / max(1, sum(counts)))
            yield from self.adversary.losses(loss) if self.adversary else [loss()]

    def _targets(self, items: Sequence[Item]) -> torch.Tensor:
        return self.reader.value_targets(items) if self.options.once else self.reader.word_targets(items)

    def _loss(self, read: Batch, target: torch.Tensor, share: float) -> torch.Tensor:
        batch, target = read.to(self.tagger.device), target.to(self.tagger.device)
        weights = None if self.weights is None else self.weights[batch.labels]
        scores = self.network(batch)
        loss = self.network.loss(scores, target, batch.known, weights)
        if self.options.agree:
            others = self.network(batch)  # another dropout
            loss = (loss + self.network.loss(others, target, batch.known, weights)) / 2
            loss = loss + self.options.agree * self.network.disagreement(scores, others, batch)
        return share * (loss + self.low_rank.penalty() if self.low_rank else loss)

    def _weights(self, vocabulary: Vocabulary) -> torch.Tensor:
        """Of each label by its number."""
        counts = Counter(span.label for example in self.examples for span in example.spans)
        of_label = value_weights(counts, self.options.weigh)
        weights = [1.0, *(of_label.get(label, 1.0) for label in vocabulary.labels)]
        return torch.tensor(weights, device=device_of(self.options.device))

    def merge(self) -> None:
        """Leaves an encoder as it was built, with what was learned in its matrices."""
        if self.adversary:
            self.adversary.leave()
        if self.low_rank:
            self.low_rank.merge()

    def _measure(self, loss: float) -> Epoch:
        with self.tuning.averaged():
            score = score_of(self.tagger, self.dev)
        self.tuning.measured(score.f1)
        done = Epoch(self.tuning.epoch, loss, score, self.member, self.tuning.rate)
        _log.info(done.told())
        return done

    def fingerprint(self) -> str:
        """The same for the same options, texts and weights of the encoder."""
        told = {key: str(value) for key, value in asdict(self.options).items() if key not in ("encoders", "device")}
        texts = [asdict(example) for example in (*self.examples, *self.dev)]
        return blake2b(json.dumps([told, self.member, texts, self.origin]).encode(), digest_size=16).hexdigest()


def score_of(tagger: Tagger, examples: Sequence[Example]) -> Score:
    """Exact spans against labelled ones at the confidence that serves F1 best: what a threshold can make of a model."""
    gold, told = 0, []
    for example, row in zip(examples, tagger.find(examples), strict=True):
        told += [(one.confidence, _right(one.label, one.start, one.end, example)) for one in row]
        gold += len({span.label for span in example.spans}) if tagger.shape.once else len(example.spans)
    told.sort(key=lambda pair: -pair[0])
    best, right = Score(0, 0, gold), 0
    for count, (confidence, is_right) in enumerate(told, 1):
        right += is_right
        last_of_equals = count == len(told) or told[count][0] < confidence
        if last_of_equals and Score(right, count, gold).f1 > best.f1:
            best = Score(right, count, gold)
    return best


def _right(label: str, start: int, end: int, example: Example) -> bool:
    """Whether a value of the label stands there: labelled there, or as one that is labelled elsewhere in the text."""
    said = {example.text[span.start : span.end] for span in example.spans if span.label == label}
    places = [(s.start, s.end) for s in example.spans if s.label == label] + list(example.unsure)
    return (start, end) in places and example.text[start:end] in said


def _prf(score: Score) -> tuple[float, float, float]:
    return score.precision, score.recall, score.f1

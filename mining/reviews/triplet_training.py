"""Trains the small model of reviews. Every member learns from all texts but its own tenth, on which it is stopped; on
all those tenths together it is chosen what counts.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from mining.errors import ConfigurationError
from mining.evaluation import Score
from mining.extraction.arithmetic import native_bfloat16
from mining.extraction.calibration import Calibration, calibrate
from mining.extraction.encoders import DEFAULT, load_encoder
from mining.extraction.examples import Example, words_of
from mining.extraction.fine_tuning import FineTuning, Pace
from mining.extraction.tagger import device_of
from mining.extraction.tagger_batches import Item, bucketed
from mining.language import Language, language_of
from mining.reviews.triplet_model import Candidate, Choice, OpinionModel, chosen, new_reader, odds, targets_of, words_at
from mining.reviews.triplet_network import TripletNetwork, TripletShape
from mining.reviews.triplets import LabelledReview, exact

_log = logging.getLogger("shopgraph.mining.reviews")
THRESHOLDS = tuple(round(0.1 + 0.025 * step, 3) for step in range(29))
TOKENS = 1200  # padded, of texts that are learned from at once: bounds the memory
BESIDE = 2  # thresholds on either side
LANGUAGE = 0.1  # share of the texts from which their language is one that the model reads
WEIGHTS = (0.0, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class TripletOptions:
    """How to train. ``encoder`` as ``load_encoder`` takes it, ``encoders`` the folder it looks in.

    ``members``: networks that are averaged, as many times dearer; ``held``: the share of texts that a member does not
    learn from; ``half``: the encoder learns in bfloat16, None where the processor is fast at it; ``patience``: epochs
    without a better F1 on held-back texts.
    """

    encoder: str = "bge-small-en-v1.5"
    encoders: Path | None = None
    epochs: int = 15
    batch: int = 16
    rate: float = 1e-4
    head_rate: float = 1e-3
    smooth: float = 0.99
    patience: int = 5
    members: int = 1
    held: float = 0.1
    max_tokens: int = 384
    freeze_embeddings: bool = True
    half: bool | None = None
    seed: int = 0
    device: str = "cpu"


ENCODERS: Mapping[str, str] = MappingProxyType({"en": "bge-small-en-v1.5", "zh": DEFAULT["zh"]})
# Up to how many words of training texts: how many members and epochs. More texts need fewer of both, and both cost.
SIZES = ((30_000, 2, 12), (60_000, 2, 8))
MANY = (1, 6)  # members and epochs for more


def options_for(language: str, reviews: Sequence[LabelledReview], **given: Any) -> TripletOptions:
    """What measured well for a language and about so many texts; what is given and not None goes before it."""
    words = sum(len(words_of(review.text)) for review in reviews)
    members, epochs = next(((members, epochs) for most, members, epochs in SIZES if words <= most), MANY)
    best = {"encoder": ENCODERS[language], "members": members, "epochs": epochs}
    return TripletOptions(**{**best, **{name: value for name, value in given.items() if value is not None}})


@dataclass(frozen=True, slots=True)
class TripletEpoch:
    """What an epoch came to: mean training loss, and the score of its averaged weights on the held-back texts."""

    member: int
    number: int
    loss: float
    held: Score
    choice: Choice

    def told(self) -> str:
        """One line for a person."""
        return (
            f"member {self.member} epoch {self.number}: loss {self.loss:.4f}, held-back precision "
            f"{self.held.precision:.3f} recall {self.held.recall:.3f} F1 {self.held.f1:.3f} at {self.choice.threshold}"
        )


def train_opinions(
    reviews: Sequence[LabelledReview],
    options: TripletOptions,
    *,
    dev: Sequence[LabelledReview] = (),
    checkpoint: Path | None = None,
    on_epoch: Callable[[TripletEpoch], None] = lambda epoch: None,
) -> OpinionModel:
    """A model of labelled reviews. ``dev``: texts to stop and to choose on; else cut from ``reviews``.

    ``checkpoint``: a folder from which a killed run goes on to the same weights.
    """
    if not any(review.opinions for review in reviews):
        raise ConfigurationError("there is nothing to train on: no text of the training file has an opinion")
    seen: list[tuple[LabelledReview, list[Candidate]]] = []
    models: list[OpinionModel] = []
    for member in range(options.members):
        learned, held = (list(reviews), list(dev)) if dev else cut(reviews, options, member)
        run = _Run(reviews, learned, held, replace(options, seed=options.seed + member), member)
        folder = checkpoint / f"member{member}" if checkpoint else None
        run.tuning.resume(folder, run.name)
        while run.tuning.epoch < options.epochs and run.tuning.epoch - run.tuning.best_epoch < options.patience:
            on_epoch(run.epoch())
            run.tuning.keep(folder, run.name)
        run.tuning.settle()
        seen += zip(held, run.model.candidates([review.text for review in held]), strict=True)
        models.append(run.model)  # the run itself, with all that its optimizer holds, may go
    choice, _ = best_choice(seen)
    languages, usual = _spoken(reviews)
    return OpinionModel(
        [model.networks[0] for model in models],
        models[0].reader,
        models[0].polarities,
        models[0].categories,
        choice,
        languages,
        usual,
        _calibration(seen, choice.weight),
    )


def _calibration(seen: Sequence[tuple[LabelledReview, list[Candidate]]], weight: float) -> Calibration:
    """What the worth of held-back opinions was worth."""
    kept = [(review, chosen(found, Choice(weight, THRESHOLDS[0]))) for review, found in seen]
    return calibrate([(odds(o.confidence), o.polarity, o in review.opinions) for review, row in kept for o in row])


def _spoken(reviews: Sequence[LabelledReview]) -> tuple[list[Language], int]:
    """The languages that a tenth of the texts are in, and how many words all but a twentieth have at most."""
    many = Counter(language_of(review.text) for review in reviews)
    languages: list[Language] = [name for name in sorted(many) if many[name] >= LANGUAGE * len(reviews)]
    if "zh" in languages and "mixed" not in languages:
        languages.append("mixed")  # Chinese reviews name foreign things in Latin letters
    return languages, int(np.quantile([len(words_of(review.text)) for review in reviews], 0.95))


def cut(
    reviews: Sequence[LabelledReview], options: TripletOptions, member: int
) -> tuple[list[LabelledReview], list[LabelledReview]]:
    """What a member learns from, and its own share of texts; equal texts lie on one side."""
    texts = sorted({review.text for review in reviews})
    Random(options.seed).shuffle(texts)
    size = max(1, round(options.held * len(texts)))
    at = member * size % len(texts)
    held = set((texts * 2)[at : at + size])
    return [r for r in reviews if r.text not in held], [r for r in reviews if r.text in held]


class _Run:
    """The training of one member."""

    def __init__(
        self,
        everything: Sequence[LabelledReview],
        learned: Sequence[LabelledReview],
        held: Sequence[LabelledReview],
        options: TripletOptions,
        member: int,
    ) -> None:
        torch.manual_seed(options.seed)
        self.learned, self.held, self.options, self.member = learned, held, options, member
        encoder = load_encoder(options.encoder, folder=options.encoders)
        polarities = sorted({one.polarity for review in everything for one in review.opinions})
        categories = sorted({one.category for review in everything for one in review.opinions} - {""})
        reader = new_reader(encoder, options.max_tokens)
        self.items = [reader.item(Example(review.text), own=False) for review in learned]
        shape = _shape_of(everything, learned, self.items, len(polarities), len(categories))
        self.network = TripletNetwork(encoder, shape).to(device_of(options.device))
        self.network.halved = native_bfloat16(options.device) if options.half is None else options.half
        if options.freeze_embeddings:
            encoder.model.get_input_embeddings().requires_grad_(False)  # type: ignore[operator]
        self.model = OpinionModel([self.network], reader, polarities, categories, Choice())
        steps = -(-len(learned) // options.batch) * options.epochs
        pace = Pace(steps, options.rate, options.head_rate, smooth=options.smooth)
        self.tuning = FineTuning(self.network, encoder.model, pace)
        self.name = self._fingerprint()

    def epoch(self) -> TripletEpoch:
        options, number = self.options, self.tuning.epoch
        random = np.random.default_rng([options.seed, number])
        torch.manual_seed(options.seed * 100_003 + number)
        self.network.train()
        total, batches = 0.0, list(bucketed([len(item.tokens) for item in self.items], options.batch, random))
        for at in batches:
            total += self.tuning.step(self._losses(at))
        with self.tuning.averaged():
            found = self.model.candidates([review.text for review in self.held])
        choice, score = best_choice(list(zip(self.held, found, strict=True)))
        self.tuning.measured(score.f1)
        done = TripletEpoch(self.member, self.tuning.epoch, total / max(1, len(batches)), score, choice)
        _log.info(done.told())
        return done

    def _losses(self, at: Sequence[int]) -> Iterator[torch.Tensor]:
        """Of a batch in parts that fit into memory, each weighted by its words."""
        size = max(1, TOKENS // max(len(self.items[i].tokens) for i in at))
        words = sum(len(self.items[i].kept) for i in at)
        for first in range(0, len(at), size):
            part = at[first : first + size]
            items = [self.items[i] for i in part]
            batch = self.model.reader.batch(items).to(self.model.device)
            wanted = targets_of(items, [self.learned[i] for i in part], self.model.polarities, self.model.categories)
            own = sum(len(item.kept) for item in items)
            yield self.network.loss(batch, wanted.to(self.model.device)) * (own / max(1, words))

    def _fingerprint(self) -> str:
        """The same for the same options and the same texts; how many other members there are does not matter."""
        left_out = ("encoders", "device", "members")
        told = {key: str(value) for key, value in asdict(self.options).items() if key not in left_out}
        told["half"] = str(self.network.halved)
        texts = [asdict(review) for review in (*self.learned, *self.held)]
        return blake2b(json.dumps([told, texts]).encode(), digest_size=16).hexdigest()


def _shape_of(
    everything: Sequence[LabelledReview],
    learned: Sequence[LabelledReview],
    items: Sequence[Item],
    polarities: int,
    categories: int,
) -> TripletShape:
    """As long as labelled spans are, save one in five hundred."""
    lengths: tuple[list[int], list[int]] = ([1], [1])
    for item, review in zip(items, learned, strict=True):
        for one in review.opinions:
            for role, place in enumerate((one.aspect, one.opinion)):
                words = words_at(place, item) if place else None
                if words:
                    lengths[role].append(words[1] - words[0] + 1)
    longest = tuple(int(np.quantile(held, 0.998, method="higher")) for held in lengths)
    opinions = [one for review in everything for one in review.opinions]
    implied = (any(one.aspect is None for one in opinions), any(one.opinion is None for one in opinions))
    return TripletShape(polarities, categories, (longest[0], longest[1]), implied)


def best_choice(read: Sequence[tuple[LabelledReview, list[Candidate]]]) -> tuple[Choice, Score]:
    """Weight and threshold whose F1, meant with that of the thresholds beside it, is best: one peak of few texts is
    chance. And the score there."""
    best, reached, worth = Choice(), Score(), -1.0
    for weight in WEIGHTS:
        # A threshold only ends the list of those that were kept, the surest first.
        kept = [(review.opinions, chosen(found, Choice(weight, 0.0))) for review, found in read]
        scores = [
            exact((gold, [one for one in said if one.confidence >= threshold]) for gold, said in kept)
            for threshold in THRESHOLDS
        ]
        for at, threshold in enumerate(THRESHOLDS):
            beside = scores[max(0, at - BESIDE) : at + BESIDE + 1]
            mean = sum(score.f1 for score in beside) / len(beside)
            if mean > worth:
                best, reached, worth = Choice(weight, threshold), scores[at], mean
    return best, reached

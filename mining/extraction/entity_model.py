"""Entities of texts that have no category: the same small model with any number of spans a type."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from mining.errors import ConfigurationError
from mining.evaluation import Score
from mining.extraction.encoders import DEFAULT
from mining.extraction.examples import Example, Span
from mining.extraction.tagged_text import exact_entities, types_of
from mining.extraction.tagger import Found, Tagger
from mining.extraction.tagger_training import Epoch, Options, Part, members_for, train_parts

DEV_SHARE = 0.1
THRESHOLDS = tuple(round(0.1 + 0.025 * step, 3) for step in range(29))


def entity_options(texts: int) -> Options:
    """How to train on so many texts: chosen on the dev files of EC-Yang2018 and Ding2019."""
    usual = Options(encoder=DEFAULT["zh"], epochs=6, rate=1e-4, mask=0.15, members=members_for(texts))
    # A few texts are soon known by heart, and a lexicon of few texts knows little of others.
    return replace(usual, epochs=5, forget=0.3) if usual.members > 1 else usual


class EntityModel:
    """A tagger with the confidence from which a span counts."""

    def __init__(self, tagger: Tagger, threshold: float) -> None:
        self.tagger, self.threshold = tagger, threshold

    def extract(self, texts: Sequence[str]) -> list[list[Span]]:
        """The entities of each text in reading order."""
        found = self.tagger.find([Example(text) for text in texts])
        return [_spans(row, self.threshold) for row in found]


def fit_entities(
    examples: Sequence[Example],
    options: Options,
    *,
    dev: Sequence[Example] = (),
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> EntityModel:
    """A model of labelled texts; ``dev`` as in ``attribute_model.fit``. The threshold is that of the best F1 on dev."""
    if not examples:
        raise ConfigurationError("there is nothing to train on: the training file has no texts")
    parts = [(list(examples), list(dev))] * options.members if dev else _cuts(examples, options)
    contexts = {"": types_of([*examples, *dev])}
    tagger, found = train_parts(parts, contexts, replace(options, once=False, exclusive=None), on_epoch=on_epoch)
    held = list(dev) or [example for _, cut in parts for example in cut]

    def worth(threshold: float) -> float:
        return score_entities(held, [_spans(row, threshold) for row in found]).f1

    return EntityModel(tagger, max(THRESHOLDS, key=worth))


def score_entities(gold: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> Score:
    """Exact entities, micro."""
    return exact_entities((example.spans, spans) for example, spans in zip(gold, predicted, strict=True))


def _spans(found: Sequence[Found], threshold: float) -> list[Span]:
    kept = [Span(one.start, one.end, one.label) for one in found if one.confidence >= threshold]
    return sorted(kept, key=lambda span: (span.start, span.end, span.label))


def _cuts(examples: Sequence[Example], options: Options) -> list[Part]:
    """A part a member, each holding back other texts."""
    texts = sorted({example.text for example in examples})  # equal texts lie on one side
    Random(options.seed).shuffle(texts)
    size = max(1, round(min(DEV_SHARE, 0.5 / options.members) * len(texts)))
    cuts: list[Part] = []
    for member in range(options.members):
        held = set(texts[member * size : (member + 1) * size])
        cuts.append(([e for e in examples if e.text not in held], [e for e in examples if e.text in held]))
    return cuts

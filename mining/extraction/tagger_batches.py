"""Turns texts into the padded arrays that the network reads: tokens, words, shapes, lexicon, targets."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from mining.extraction.encoders import Encoder
from mining.extraction.examples import Example, Word, words_of
from mining.extraction.lexicon import PLANES, Feature, Lexicon
from mining.extraction.tagger_network import Batch

MASKS = ("[MASK]", "<mask>")  # of BERT, of RoBERTa


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The labels of each context, and the numbers of both; 0 is padding."""

    contexts: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, int] = field(default_factory=dict)
    contextual: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, contexts: Mapping[str, Sequence[str]]) -> "Vocabulary":
        ordered = {context: tuple(dict.fromkeys(contexts[context])) for context in sorted(contexts)}
        names = sorted({label for labels in ordered.values() for label in labels})
        pairs = [(context, label) for context, labels in ordered.items() for label in labels]
        return cls(
            ordered,
            {name: number for number, name in enumerate(names, 1)},
            {pair: number for number, pair in enumerate(pairs, 1)},
        )

    def of_context(self, context: str) -> tuple[str, ...]:
        """Its labels; for a context that was never seen, all there are."""
        return self.contexts.get(context) or tuple(self.labels)


@dataclass(frozen=True, slots=True)
class Item:
    """One text, read. ``kept``: its words that fit into the encoder, of ``total``."""

    example: Example
    tokens: tuple[int, ...]
    segments: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    kept: tuple[Word, ...]
    total: int
    lexicon: tuple[Feature, ...]


class Reader:
    """Reads texts for one encoder, vocabulary and lexicon."""

    def __init__(self, encoder: Encoder, vocabulary: Vocabulary, lexicon: Lexicon, max_tokens: int) -> None:
        self.encoder, self.vocabulary, self.lexicon, self.max_tokens = encoder, vocabulary, lexicon, max_tokens

    def item(self, example: Example, *, own: bool) -> Item:
        """``own``: the lexicon counted this text, so that its own spans must be taken off."""
        words = words_of(example.text)
        ids, segments, places = self._tokens(example)
        first, last, kept = [], [], []
        at = 0
        for start, end in words:
            while at < len(places) and places[at][2] <= start:
                at += 1
            inside = [token for token, left, right in places[at : at + end - start] if left < end and start < right]
            if not inside:
                if at >= len(places):
                    break  # what is behind the last token is not read
                inside = [places[at][0]]
            first.append(inside[0])
            last.append(inside[-1])
            kept.append((start, end))
        features = [f for f in self.lexicon.features(example, own=own) if f[0] < len(kept)]
        return Item(
            example, tuple(ids), tuple(segments), tuple(first), tuple(last), tuple(kept), len(words), tuple(features)
        )

    def masked(self, item: Item, share: float, random: np.random.Generator) -> Item:
        """The text with about this share of its tokens hidden, where the encoder has a token for that."""
        hidden = next((id_ for name in MASKS if (id_ := self.encoder.tokenizer.token_to_id(name)) is not None), None)
        if not share or hidden is None or not item.kept:
            return item
        first, last = item.first[0], item.last[-1]
        drawn = random.random(len(item.tokens)) < share
        tokens = (hidden if first <= at <= last and drawn[at] else token for at, token in enumerate(item.tokens))
        return replace(item, tokens=tuple(tokens))

    def _tokens(self, example: Example) -> tuple[list[int], list[int], list[tuple[int, int, int]]]:
        """Token ids, segments, and (token, start, end) of the tokens of the text that stand for something in it."""
        text = _lower(example.text) if self.encoder.lowercase else example.text
        context = _lower(example.context) if self.encoder.lowercase else example.context
        tokenizer = self.encoder.tokenizer
        read = tokenizer.encode(context, text) if context else tokenizer.encode(text)
        segment = 1 if context else 0
        ids, segments, sequences, offsets = read.ids, read.type_ids, read.sequence_ids, read.offsets
        if len(ids) > self.max_tokens:  # the last token closes the text
            ids = [*ids[: self.max_tokens - 1], ids[-1]]
            segments, sequences = segments[: self.max_tokens], [*sequences[: self.max_tokens - 1], None]
        places = [
            (token, *offsets[token])
            for token in range(len(ids))
            if sequences[token] == segment and text[slice(*offsets[token])].strip()
        ]
        return ids, segments, places

    def batch(self, items: Sequence[Item]) -> Batch:
        labels = [self.vocabulary.of_context(item.example.context) for item in items]
        long = max(len(item.tokens) for item in items)
        wide = max(1, max(len(item.kept) for item in items))
        many = max(1, max(len(names) for names in labels))
        size = len(items)
        whole = {name: np.zeros((size, long), np.int64) for name in ("tokens", "mask", "segments")}
        first, last = np.zeros((size, wide), np.int64), np.zeros((size, wide), np.int64)
        shapes, words = np.zeros((size, wide, 3), np.int64), np.zeros((size, wide), bool)
        label, contextual = np.zeros((size, many), np.int64), np.zeros((size, many), np.int64)
        lexicon = np.zeros((size, wide, many, PLANES), np.float32)
        for row, (item, names) in enumerate(zip(items, labels, strict=True)):
            tokens, kept = len(item.tokens), len(item.kept)
            whole["tokens"][row, :tokens], whole["mask"][row, :tokens] = item.tokens, 1
            whole["segments"][row, :tokens] = item.segments
            first[row, :kept], last[row, :kept], words[row, :kept] = item.first, item.last, True
            shapes[row, :kept] = [word_shape(item.example.text, place) for place in item.kept] or 0
            label[row, : len(names)] = [self.vocabulary.labels.get(name, 0) for name in names]
            contextual[row, : len(names)] = [
                self.vocabulary.contextual.get((item.example.context, name), 0) for name in names
            ]
            column = {name: number for number, name in enumerate(names)}
            for at, name, plane, strength in item.lexicon:
                if name in column:
                    lexicon[row, at, column[name], plane] = strength
        tensor = torch.from_numpy
        return Batch(
            **{name: tensor(array) for name, array in whole.items()},
            first=tensor(first),
            last=tensor(last),
            shapes=tensor(shapes),
            words=tensor(words),
            labels=tensor(label),
            contextual=tensor(contextual),
            known=tensor(label > 0),
            lexicon=tensor(lexicon),
        )

    def word_targets(self, items: Sequence[Item]) -> torch.Tensor:
        """[B, W, L] 0 outside of the label's spans, 1 one begins, 2 it goes on."""
        labels = [self.vocabulary.of_context(item.example.context) for item in items]
        wide, many = max(1, max(len(item.kept) for item in items)), max(1, max(len(names) for names in labels))
        target = np.zeros((len(items), wide, many), np.int64)
        for row, (item, names) in enumerate(zip(items, labels, strict=True)):
            target[row, : len(item.kept), :] = _targets(item, names, many)
        return torch.from_numpy(target)

    def value_targets(self, items: Sequence[Item]) -> torch.Tensor:
        """[B, L, K, 2] the first and last words of each place where a value of the label stands, then -1."""
        places = [_places(item, self.vocabulary.of_context(item.example.context)) for item in items]
        many = max(1, max(len(of_text) for of_text in places))
        most = max(1, max(len(of_label) for of_text in places for of_label in of_text))
        target = np.full((len(items), many, most, 2), -1, np.int64)
        for row, of_text in enumerate(places):
            for column, of_label in enumerate(of_text):
                target[row, column, : len(of_label)] = of_label or -1
        return torch.from_numpy(target)


def _places(item: Item, names: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Of each label the (first, last) words of its values, wherever they stand."""
    example = item.example
    found: dict[str, list[Word]] = defaultdict(list)
    for span in example.spans:
        said = example.text[span.start : span.end]
        repeated = [place for place in example.unsure if example.text[slice(*place)] == said]
        found[span.label] += [(span.start, span.end), *repeated]
    inside = {
        place: [at for at, (left, right) in enumerate(item.kept) if left < place[1] and place[0] < right]
        for places in found.values()
        for place in places
    }
    return [[(inside[p][0], inside[p][-1]) for p in dict.fromkeys(found.get(name, ())) if inside[p]] for name in names]


def _targets(item: Item, names: Sequence[str], many: int) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """[words, labels] of one text."""
    target = np.zeros((len(item.kept), many), np.int64)
    column = {name: number for number, name in enumerate(names)}
    for span in sorted(item.example.spans, key=lambda s: (s.end - s.start, -s.start)):  # longer ones win
        inside = [at for at, (left, right) in enumerate(item.kept) if left < span.end and span.start < right]
        if span.label in column:
            target[inside, column[span.label]] = 2
            target[inside[:1], column[span.label]] = 1
    return target


def bucketed(lengths: Sequence[int], size: int, random: np.random.Generator | None) -> Iterator[list[int]]:
    """Batches of indices of nearly equal length; in an order of their own where ``random`` is given."""
    noise = random.random(len(lengths)) * 4 if random else np.zeros(len(lengths))
    order = np.argsort(np.asarray(lengths) + noise, kind="stable")
    batches = [order[at : at + size].tolist() for at in range(0, len(order), size)]
    if random:
        random.shuffle(batches)
    yield from batches


def _lower(text: str) -> str:
    """Lower case that moves no character: what would become two stays as it is."""
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def word_shape(text: str, place: Word) -> tuple[int, int, int]:
    """(case, space around, length) of a word, each as a small number."""
    start, end = place
    word = text[start:end]
    if word.isdigit():
        case = 1
    elif not word[0].isalnum():
        case = 2
    elif word.islower():
        case = 3
    elif len(word) > 1 and word.isupper():
        case = 4
    elif word.istitle():
        case = 5
    elif word.upper() != word.lower():
        case = 6
    else:
        case = 7  # a script without case
    before = start == 0 or text[start - 1].isspace()
    after = end == len(text) or text[end].isspace()
    return case, 2 * before + after, min(end - start, 6) - 1

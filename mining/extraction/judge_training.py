"""Trains the judge of relations from labelled texts: two softmax regressions and one over the cuts of a chunk.

labelled texts → ``examples`` → ``train`` → ``Judge`` → ``save``. The second softmax learns from first opinions on texts
that the first had not seen (three folds by text). All are fitted by L-BFGS with a quadratic penalty; same input, same
weights on the same machine.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from kg.types import Document
from mining.evaluation import RELATIONS, Label
from mining.extraction.candidates import Chunk, readings
from mining.extraction.judge import (
    FIRST_BITS,
    READING_BITS,
    Judge,
    agreement,
    softmax,
)
from mining.extraction.judge_features import Classes, Sight, chunk_features, hashed, reading_features
from mining.extraction.judge_network import Floats, Network, Vectors, averaged, inputs_of
from mining.extraction.judge_network_training import train_network
from mining.extraction.judged import marks_of
from mining.extraction.kinds import Words
from mining.extraction.rule_pipeline import pipeline, read, words_of

HELD = 0.4  # share of a label that a chunk must hold to carry it
FOLDS = 3
OFTEN = 3  # times that a feature is seen before it gets a weight
KEPT = 40_000  # rows of a table of weights that are kept

Ints: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Options:
    """Penalties of the three regressions, and the probability at which a chunk is a tail."""

    first: float = 3.0
    second: float = 1.0
    reading: float = 1.0
    threshold: float = 0.54
    rounds: int = 50


@dataclass(frozen=True, slots=True)
class Target:
    """What a chunk is: ``relation`` an index (0: none), ``weight``; ``overlaps`` of its readings with its label."""

    relation: int
    weight: float
    overlaps: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text: features of its chunks, and what they are. ``None`` stands for a tail stated before.

    ``features`` and ``cuts`` hold places in a hashed table (int32, for there are hundreds of a chunk); ``seen``
    ``[chunks, inputs]``, of half precision: what the network sees.
    """

    sight: Sight
    features: Sequence[Ints]
    cuts: Sequence[list[Ints]]
    targets: Sequence[Target | None]
    seen: Floats

    @property
    def words(self) -> Words:
        return self.sight.words

    @property
    def chunks(self) -> Sequence[Chunk]:
        return self.sight.chunks


def examples(
    texts: Sequence[str], labels: Sequence[Iterable[Label]], classes: Classes, vectors: Vectors
) -> list[Example]:
    """The labelled texts as a judge sees them; a text is read as a product's own."""
    return list(each_example(texts, labels, classes, vectors))


def each_example(
    texts: Iterable[str], labels: Iterable[Iterable[Label]], classes: Classes, vectors: Vectors
) -> Iterator[Example]:
    """The same, one after the other, for whoever needs little of each."""
    nlp = pipeline()
    for text, said in zip(texts, labels, strict=True):
        doc = read(nlp, Document("text", "text", "product", text))
        places = [(token.idx, token.idx + len(token)) for token in doc]
        yield _example(Sight.of(words_of(doc), classes, marks_of(doc)), places, text, list(said), vectors)


def train(given: Sequence[Example], classes: Classes, vectors: Vectors, options: Options | None = None) -> Judge:
    """A judge of these examples. Raises ValueError where they are too few different texts to learn from."""
    return train_twice(given, classes, vectors, options)[0]


def train_twice(
    given: Sequence[Example], classes: Classes, vectors: Vectors, options: Options | None = None
) -> tuple[Judge, list[Floats]]:
    """As ``train``, and the first opinions ``[chunks, 5]`` on each text by judges that have not seen it."""
    options = options or Options()
    folds = [zlib.crc32(" ".join(one.words.lower).encode()) % FOLDS for one in given]
    if len(set(folds)) < FOLDS or not any(one.chunks for one in given):
        raise ValueError(f"{len(given)} texts are too few, or too much alike, to train a judge: give some dozens")
    first, bias, network = _halves(given, options)
    opinions: list[Floats] = [np.zeros((0, len(RELATIONS) + 1), np.float32)] * len(given)
    for fold in range(FOLDS):
        unseen = _halves([one for one, its in zip(given, folds, strict=True) if its != fold], options)
        for at, its in enumerate(folds):
            if its == fold:
                opinions[at] = opinion(given[at], *unseen)
    second, second_bias = _second(given, opinions, options)
    reading = _reading(given, options)
    judge = Judge(first, bias, second, second_bias, reading, classes, vectors, network, options.threshold)
    return judge, opinions


def opinion(one: Example, first: Floats, bias: Floats, network: Network) -> Floats:
    """What softmax and network say of an example's chunks."""
    if not one.features:
        return np.zeros((0, len(RELATIONS) + 1), np.float32)
    by_name = softmax(_sparse(one.features, FIRST_BITS) @ first + bias)
    return averaged(by_name, network.opinion(one.seen.astype(np.float32)))


def save(judge: Judge, path: Path) -> None:
    """Writes the weights, the large tables as eight-bit numbers."""
    first, first_steps, first_scale = _small(judge.first, KEPT)
    reading, reading_steps, reading_scale = _small(judge.reading[:, None], KEPT)
    words = sorted(judge.classes)
    vectors, vectors_scale = _bytes(judge.vectors.table[[judge.vectors.rows[word] for word in words]])
    hidden, hidden_scale = _bytes(judge.network.hidden)
    np.savez_compressed(
        path,
        first=first,
        first_steps=first_steps,
        first_scale=first_scale,
        first_bias=judge.first_bias,
        second=judge.second,
        second_bias=judge.second_bias,
        reading=reading,
        reading_steps=reading_steps,
        reading_scale=reading_scale,
        words=np.frombuffer("\n".join(words).encode(), np.uint8),
        coarse=np.array([judge.classes[word][0] for word in words], np.uint8),
        fine=np.array([judge.classes[word][1] for word in words], np.uint16),
        vectors=vectors,
        vectors_scale=vectors_scale,
        hidden=hidden,
        hidden_scale=hidden_scale,
        hidden_bias=judge.network.hidden_bias,
        out=judge.network.out,
        out_bias=judge.network.out_bias,
        threshold=np.float32(judge.threshold),
    )


def _small(table: Floats, kept: int) -> tuple[Any, Any, Floats]:
    """The ``kept`` heaviest rows in eight bits, the steps from one to the next, and the scale of each column."""
    places = np.sort(np.argsort(-np.abs(table).max(1), kind="stable")[:kept])
    places = places[np.abs(table[places]).max(1) > 0]
    kept_rows, scale = _bytes(table[places]) if len(places) else (table[:0].astype(np.int8), table[0])
    return kept_rows, np.diff(places, prepend=0).astype(np.uint32), scale  # small steps pack well


def _bytes(table: Floats) -> tuple[Any, Floats]:
    """A table in eight bits, and the scale of each column."""
    scale = (np.maximum(np.abs(table).max(0), 1e-6) / 127).astype(np.float32)
    return np.round(table / scale).astype(np.int8), scale


def _example(
    sight: Sight, places: Sequence[tuple[int, int]], text: str, labels: Sequence[Label], vectors: Vectors
) -> Example:
    named = {text[label.start : label.end].casefold() for label in labels}
    cuts: list[list[Ints]] = []
    targets: list[Target | None] = []
    ways = [readings(sight.words, sight.chunks, at) for at in range(len(sight.chunks))]
    spans = [[(places[start][0], places[end - 1][1]) for start, end in read] for read in ways]
    carried = _carried(sight, places, labels, spans)
    for at, chunk in enumerate(sight.chunks):
        label = carried.get(at)
        if label is not None:
            overlaps = tuple(_iou(label, *span) for span in spans[at])
            weight = 1.0 if max(overlaps) >= 0.5 else 0.5
            targets.append(Target(1 + RELATIONS.index(label.relation), weight, overlaps))
            cuts.append([_placed(reading_features(sight, at, *way), READING_BITS) for way in ways[at].items()])
        else:
            again = text[places[chunk.first][0] : places[chunk.last - 1][1]].casefold() in named
            targets.append(None if again else Target(0, 1.0))
            cuts.append([])
    features = [_placed(chunk_features(sight, at), FIRST_BITS) for at in range(len(sight.chunks))]
    seen: Any = inputs_of(sight, vectors).astype(np.float16)
    return Example(sight, features, cuts, targets, seen)


def _placed(features: Iterable[str], bits: int) -> Ints:
    return np.array(hashed(features, bits), np.int32)


def _carried(
    sight: Sight,
    places: Sequence[tuple[int, int]],
    labels: Sequence[Label],
    spans: Sequence[Sequence[tuple[int, int]]],
) -> dict[int, Label]:
    """The label of each chunk that holds enough of one. One that no chunk holds ("indoor, outdoor and boat doors") is
    carried by the chunk of which a reading comes closest."""
    carried: dict[int, Label] = {}
    for at, chunk in enumerate(sight.chunks):
        inside = places[chunk.start][0], places[chunk.end - 1][1]
        label = max(labels, key=lambda one: _held(one, *inside), default=None)
        if label is not None and _held(label, *inside) >= HELD:
            carried[at] = label
    done = set(carried.values())
    for label in labels:
        if label in done:
            continue
        nearest = max(
            ((max(_iou(label, *span) for span in read), -at) for at, read in enumerate(spans)), default=(0, 0)
        )
        if nearest[0] >= 0.5:
            carried.setdefault(-nearest[1], label)
    return carried


def _held(label: Label, start: int, end: int) -> float:
    return max(0, min(end, label.end) - max(start, label.start)) / (label.end - label.start)


def _iou(label: Label, start: int, end: int) -> float:
    shared = max(0, min(end, label.end) - max(start, label.start))
    return shared / (max(end, label.end) - min(start, label.start))


def _sparse(rows: Sequence[Ints], bits: int) -> Any:
    ends = np.cumsum([0, *(len(row) for row in rows)])
    places = np.concatenate(rows) if rows else np.zeros(0, np.int32)
    return csr_matrix((np.ones(len(places), np.float32), places, ends), shape=(len(rows), 1 << bits))


def _known(given: Sequence[Example]) -> tuple[Ints, Floats]:
    """Relation and weight of every chunk that counts."""
    targets = [target for one in given for target in one.targets if target is not None]
    return np.array([target.relation for target in targets]), np.array([t.weight for t in targets], np.float32)


def _halves(given: Sequence[Example], options: Options) -> tuple[Floats, Floats, Network]:
    seen = np.concatenate([one.seen[[target is not None for target in one.targets]] for one in given if one.chunks])
    return *_first(given, options), train_network(seen, *_known(given))


def _first(given: Sequence[Example], options: Options) -> tuple[Floats, Floats]:
    counted = [
        row for one in given for row, target in zip(one.features, one.targets, strict=True) if target is not None
    ]
    rows = _sparse(counted, FIRST_BITS)
    often = np.flatnonzero(np.bincount(rows.indices, minlength=rows.shape[1]) >= OFTEN)
    weights, bias = _softmax_regression(rows[:, often].tocsr(), *_known(given), options.first, options.rounds)
    table = np.zeros((rows.shape[1], len(RELATIONS)), np.float32)
    table[often] = weights
    return table, bias


def _second(given: Sequence[Example], opinions: Sequence[Floats], options: Options) -> tuple[Floats, Floats]:
    """Fitted on standardised columns, given back for raw ones."""
    rows = np.concatenate([
        agreement(one.chunks, one.words, said)[[target is not None for target in one.targets]]
        for one, said in zip(given, opinions, strict=True)
        if one.chunks
    ])  # fmt: skip
    mean, spread = rows.mean(0), rows.std(0) + 1e-6
    weights, bias = _softmax_regression((rows - mean) / spread, *_known(given), options.second, options.rounds)
    raw = weights / spread[:, None]
    return raw.astype(np.float32), (bias - mean @ raw).astype(np.float32)


def _softmax_regression(rows: Any, wanted: Ints, weight: Floats, penalty: float, rounds: int) -> tuple[Floats, Floats]:
    """Weights ``[columns, 4]`` and bias ``[4]`` of the relations, no relation having the logit 0."""
    columns, classes = rows.shape[1], len(RELATIONS)
    turned = rows.T.tocsr() if hasattr(rows, "tocsr") else rows.T
    true = np.eye(classes + 1, dtype=np.float32)[wanted]

    def loss(flat: Any) -> tuple[float, Any]:
        table = flat[: columns * classes].reshape(columns, classes).astype(np.float32)
        likely = softmax(rows @ table + flat[columns * classes :].astype(np.float32))
        missed = (likely - true)[:, 1:] * weight[:, None]
        total = -(weight * np.log((likely * true).sum(1) + 1e-12)).sum() + 0.5 * penalty * (table * table).sum()
        return float(total), np.concatenate([(turned @ missed + penalty * table).ravel(), missed.sum(0)]).astype(float)

    flat = _minimum(loss, columns * classes + classes, rounds)
    return flat[: columns * classes].reshape(columns, classes).astype(np.float32), flat[-classes:].astype(np.float32)


def _reading(given: Sequence[Example], options: Options) -> Floats:
    """Weights ``[2**READING_BITS]`` of a softmax over the readings of each chunk that is a tail."""
    tails = [
        (cuts, target.overlaps)
        for one in given
        for cuts, target in zip(one.cuts, one.targets, strict=True)
        if target is not None and cuts
    ]
    rows = _sparse([row for cuts, _ in tails for row in cuts], READING_BITS)
    return choosing(rows, [overlaps for _, overlaps in tails], options.reading, options.rounds)


def choosing(rows: Any, overlaps: Sequence[Sequence[float]], penalty: float, rounds: int) -> Floats:
    """Weights ``[columns]`` of a softmax over the readings of each tail, which wants those that overlap most.

    ``rows`` ``[readings, columns]``, an array or a sparse matrix of float32, the readings of one tail after those of
    another; ``overlaps`` of each tail's readings with its label.
    """
    sizes = np.array([len(one) for one in overlaps])
    starts, group = np.cumsum([0, *sizes[:-1]]), np.repeat(np.arange(len(sizes)), sizes)
    best = np.concatenate([np.isclose(one, max(one)) for one in overlaps]).astype(np.float32)
    best /= np.add.reduceat(best, starts)[group]

    def loss(flat: Any) -> tuple[float, Any]:
        score = rows @ flat.astype(np.float32)
        score = score - np.maximum.reduceat(score, starts)[group]
        likely = np.exp(score)
        likely /= np.add.reduceat(likely, starts)[group]
        total = -(best * np.log(likely + 1e-12)).sum() + 0.5 * penalty * (flat @ flat)
        return float(total), (rows.T @ (likely - best) + penalty * flat).astype(float)

    weights: Floats = _minimum(loss, rows.shape[1], rounds).astype(np.float32)
    return weights


def _minimum(loss: Callable[[Any], tuple[float, Any]], size: int, rounds: int) -> Any:
    return minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B", options={"maxiter": rounds}).x

"""Attribute values of products by the small model: one value an attribute, with its place and how sure it is.

rows → examples of each text → ``Tagger`` → the surest span of each attribute → the value as labels write it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from mining.errors import ConfigurationError, SourceError
from mining.evaluation import lenient_attributes, strict_attributes
from mining.extraction.attribute_rows import AttributeNames, Row, schema_of
from mining.extraction.calibration import Bin, reliability
from mining.extraction.examples import Example, labelled, words_of
from mining.extraction.normal_forms import NormalForms
from mining.extraction.tagger import Found, Tagger, surfaces
from mining.extraction.tagger_training import MEMBERS, Epoch, Options, train_parts

DEV_SHARE = 0.08
FEWEST = 20  # titles of a dev cut
THRESHOLDS = tuple(round(0.1 + 0.025 * step, 3) for step in range(29))
ATTRIBUTES = "attributes.json"
FEW_WORDS = 25_000  # of the training texts, up to which several networks are trained and read with


@dataclass(frozen=True, slots=True)
class Value:
    """A value found at code points ``[start, end)`` of the text ``field``; ``value`` is how labels write it."""

    value: str
    field: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a product's texts say: attribute → the surest value, of those that reach the threshold.

    ``normalized``: the attributes that have a wanted form, in that form; None where none was learned.
    """

    category: str
    attributes: tuple[str, ...]
    values: Mapping[str, Value] = field(default_factory=dict)

    normalized: Mapping[str, str | None] | None = None

    def plain(self) -> dict[str, str | None]:
        """Every attribute of the category with its value or None."""
        return {name: self.values[name].value if name in self.values else None for name in self.attributes}


def attribute_options(rows: Sequence[Row], encoder: str) -> Options:
    """How to train on these rows: several networks, whose probabilities are averaged, where they cost minutes."""
    usual = Options(encoder=encoder, soup=False)
    words = sum(len(words_of(text)) for row in rows for text in row.texts.values())
    return replace(usual, members=MEMBERS) if words <= FEW_WORDS else usual


class AttributeModel:
    """A trained tagger with the schema it serves, the other writings of values, and the threshold."""

    def __init__(
        self,
        tagger: Tagger,
        schema: AttributeNames,
        written: Mapping[tuple[str, str, str], str],
        threshold: float,
        normal: NormalForms | None = None,
    ) -> None:
        self.tagger, self.schema, self.written, self.threshold = tagger, schema, written, threshold
        self.normal = normal

    def extract(self, rows: Sequence[Row]) -> list[Answer]:
        """An answer a row in order; labels are not looked at."""
        return [self.answer(row, found, self.threshold) for row, found in zip(rows, self.find(rows), strict=True)]

    def find(self, rows: Sequence[Row]) -> list[list[tuple[str, Found]]]:
        """All findings (field, span) of each row, the surest first, whatever their confidence."""
        return by_row(
            rows, self.tagger.find([Example(text, row.category) for row in rows for text in row.texts.values()])
        )

    def answer(self, row: Row, found: Iterable[tuple[str, Found]], threshold: float) -> Answer:
        """Of the findings in a row, the surest of each attribute that reaches the threshold."""
        known = self.schema.get(row.category) or tuple(self.tagger.reader.vocabulary.labels)
        values: dict[str, Value] = {}
        for name, span in found:
            if span.confidence >= threshold and span.label in known and span.label not in values:
                surface = row.texts[name][span.start : span.end]
                value = self.written.get((row.category, span.label, surface), surface)
                inner = max(0, surface.find(value))
                start = span.start + inner
                values[span.label] = Value(value, name, start, start + len(value), span.confidence)
        return Answer(row.category, tuple(known), values, self._normalized(row.category, values))

    def _normalized(self, category: str, values: Mapping[str, Value]) -> dict[str, str | None] | None:
        if self.normal is None:
            return None
        names = self.normal.attributes.get(category, ())
        said = {name: values[name].value if name in values else None for name in names}
        return {name: value and self.normal.form(category, name, value) for name, value in said.items()}

    def settle(self, rows: Sequence[Row], found: Sequence[Iterable[tuple[str, Found]]]) -> None:
        """Choose the threshold on labelled rows and what was found in them by networks that had not learned from them:
        the best mean of lenient and strict F1, the lowest of equals."""

        def worth(threshold: float) -> float:
            said = [
                (row.gold, self.answer(row, spans, threshold).plain()) for row, spans in zip(rows, found, strict=True)
            ]
            return lenient_attributes(said).f1 + strict_attributes(said).f1

        self.threshold = max(THRESHOLDS, key=worth)

    def reliability(self, rows: Sequence[Row]) -> dict[str, list[Bin]]:
        """Of each attribute, what its confidences promise and what labelled rows say."""
        told: dict[str, list[tuple[float, bool]]] = {}
        for row, found in zip(rows, self.find(rows), strict=True):
            for name, value in self.answer(row, found, 0.0).values.items():
                told.setdefault(name, []).append((value.confidence, value.value in row.gold.get(name, ())))
        return {name: reliability(pairs) for name, pairs in sorted(told.items())}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        held = {
            "schema": {category: list(names) for category, names in self.schema.items()},
            "written": [[*key, value] for key, value in sorted(self.written.items())],
            "threshold": self.threshold,
            "normal": self.normal.pairs if self.normal else None,
        }
        (folder / ATTRIBUTES).write_text(json.dumps(held, ensure_ascii=False), "utf-8")
        self.tagger.save(folder)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu") -> "AttributeModel":
        """Raises SourceError where the folder holds no finished model."""
        tagger = Tagger.load(folder, device=device)
        try:
            held = json.loads((folder / ATTRIBUTES).read_text("utf-8"))
            schema = {category: tuple(names) for category, names in held["schema"].items()}
            written = {(category, label, surface): value for category, label, surface, value in held["written"]}
            normal = NormalForms.of(tuple(pair) for pair in held["normal"]) if held["normal"] else None
            return cls(tagger, schema, written, float(held["threshold"]), normal)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise SourceError(
                f"{folder}: {ATTRIBUTES} is missing or broken ({error}); train the model again"
            ) from error


def fit(
    rows: Sequence[Row],
    options: Options,
    *,
    schema: AttributeNames | None = None,
    dev: Sequence[Row] = (),
    wanted: Sequence[Row] = (),
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> AttributeModel:
    """A model of labelled rows.

    ``dev``: rows to stop, calibrate and choose the threshold on; cut from ``rows`` if none are given. ``schema``: what
    may be written; by default what the labels name. ``wanted``: rows of the same ids with the values in wanted form.
    """
    if not rows:
        raise ConfigurationError("there is nothing to train on: the training file has no rows")
    allowed = schema or schema_of([*rows, *dev])
    parts = [(list(rows), list(dev))] * options.members if dev else cuts(rows, options.seed, options.members)
    made = {id(row): _examples([row], allowed) for row in [*rows, *dev]}
    sides = {id(side): [one for row in side for one in made[id(row)]] for part in parts for side in part}
    tagger, found = train_parts(
        [(sides[id(learned)], sides[id(held)]) for learned, held in parts],
        _contexts([*rows, *dev], allowed),
        options,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )
    normal = NormalForms.of(pairs_of(rows, wanted)) if wanted else None
    written = surfaces(one for examples in made.values() for one in examples)
    model = AttributeModel(tagger, allowed, written, 0.5, normal)
    held_rows = list(dev) or [row for _, held in parts for row in held]
    model.settle(held_rows, by_row(held_rows, found))
    return model


def by_row(rows: Sequence[Row], found: Iterable[Sequence[Found]]) -> list[list[tuple[str, Found]]]:
    """What was found in each text of each row in turn: (field, span) of each row, the surest first."""
    read = iter(found)
    made = []
    for row in rows:
        spans = [(name, span) for name in row.texts for span in next(read)]
        made.append(sorted(spans, key=lambda pair: -pair[1].confidence))  # stable: the title first
    return made


def cut(rows: Sequence[Row], seed: int) -> tuple[list[Row], list[Row]]:
    """(to learn from, to choose on): whole clusters, and equal texts, lie on one side."""
    return cuts(rows, seed, 1)[0]


def cuts(rows: Sequence[Row], seed: int, count: int) -> list[tuple[list[Row], list[Row]]]:
    """As many cuts, each of which holds back other rows."""
    groups: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(row.cluster or "\n".join(row.texts.values()), []).append(number)
    keys = sorted(groups)
    Random(seed).shuffle(keys)
    wanted = min(max(FEWEST, round(DEV_SHARE * len(rows))), len(rows) // (2 * count))
    left = iter(keys)
    made = []
    for _ in range(count):
        held: set[int] = set()
        while len(held) < wanted and (key := next(left, None)) is not None:
            held.update(groups[key])
        made.append(([r for n, r in enumerate(rows) if n not in held], [r for n, r in enumerate(rows) if n in held]))
    return made


def pairs_of(rows: Sequence[Row], wanted: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    """(category, attribute, as said, as wanted) of rows with the same id, where both list as many values."""
    forms = {row.own.get("id"): row.values() for row in wanted}
    pairs = []
    for row in rows:
        for attribute, said in row.values().items():
            normal = forms.get(row.own.get("id"), {}).get(attribute, ())
            if len(said) == len(normal):
                pairs += [(row.category, attribute, *pair) for pair in zip(said, normal, strict=True)]
    return pairs


def _contexts(rows: Sequence[Row], schema: AttributeNames) -> dict[str, tuple[str, ...]]:
    """The attributes that training can teach: those of the schema that some row has a value for."""
    taught: dict[str, set[str]] = {}
    for row in rows:
        taught.setdefault(row.category, set()).update(row.values())
    return {category: tuple(n for n in schema.get(category, ()) if n in names) for category, names in taught.items()}


def _examples(rows: Sequence[Row], schema: AttributeNames) -> list[Example]:
    made = []
    for row in rows:
        allowed = {a: v for a, v in row.values().items() if a in schema.get(row.category, ())}
        made += [labelled(text, row.category, allowed) for text in row.texts.values()]
    return made

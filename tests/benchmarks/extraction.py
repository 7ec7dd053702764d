"""What extraction claims, measured.

``--fixtures DIR`` scores published predictions with our scorer beside the published values; ``--office DIR`` counts
the facts that the graph would get from real catalogue text and looks every quote up again; ``--set NAME --train FILE
--test FILE`` trains the small model and scores it beside a dictionary of the training values: the floor that a model
must beat; ``--set relations --test LABELS`` scores the relations that rules and judges read in labelled texts.
"""

import argparse
import gzip
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.curves import curves
from api.extracting import Learning, beside, encoder_for, line, settings_of, taught
from api.settings import WeightsAndBiases
from kg.types import Document
from mining.catalog import document_of
from mining.evaluation import Gold, Prediction, Score, lenient_attributes, strict_attributes
from mining.extraction.attribute_rows import Row, read_rows
from mining.extraction.calibration import calibration_error, reliability
from mining.extraction.tagged_text import read_tagged
from mining.grounding import is_boundary
from mining.normalization import find_quantities, parse
from mining.schema.files import read_schema
from mining.sources.products import read_products
from mining.types import Extraction, Reject

if TYPE_CHECKING:
    from mining.extraction.attribute_model import Answer
    from mining.extraction.tagger_training import Epoch, Options

Percent = tuple[float, float, float]
NORMAL = "wdc_normalized"
TAGGED = ("zh_ec_yang2018", "zh_titles_ding2019")

# The scores of the authors' prediction files, by the start of the file's name and the share of training data:
# precision, recall and F1, lenient and strict.
EXPECTED: dict[tuple[str, str], tuple[Percent, Percent]] = {
    ("list-ae-110k-10-shots", ""): ((86.58, 78.17, 82.16), (54.84, 78.12, 64.44)),
    ("schema_ae_110k_gpt_4_0613_shots_10_SemanticSimilarity_0_2", ""): ((90.05, 81.38, 85.50), (63.45, 81.25, 71.26)),
    ("schema_ae_110k_gpt_4_0613_10_SemanticSimilarity_0_2", "ensembling"): (
        (89.91, 82.26, 85.92),
        (63.19, 82.13, 71.43),
    ),
    ("schema_ae_110k_gpt_4_0613_shots_10_SemanticSimilarity_1_0", ""): ((91.07, 84.27, 87.54), (66.16, 84.13, 74.07)),
    ("schema_ae_110k_gpt_4_0613_10_SemanticSimilarity_1_0", "ensembling"): (
        (91.23, 84.27, 87.61),
        (66.00, 84.13, 73.97),
    ),
}


@dataclass(frozen=True, slots=True)
class FixtureRow:
    """One prediction file: our scores and the published ones, in percent, to two decimals."""

    name: str
    lenient: Percent
    strict: Percent
    expected_lenient: Percent
    expected_strict: Percent


def score_fixtures(folder: Path) -> list[FixtureRow]:
    """The rows of every known prediction file in a folder. Raises FileNotFoundError where one is missing."""
    rows = []
    for (start, holds), (lenient, strict) in EXPECTED.items():
        path = next((p for p in sorted(folder.glob(f"{start}*.gz")) if holds in p.name), None)
        if path is None:
            raise FileNotFoundError(f"{folder}: no file begins with {start!r}; expected the five scorer fixtures")
        records = list(_records(path))
        rows.append(
            FixtureRow(
                path.name,
                _percent(lenient_attributes(records)),
                _percent(strict_attributes(records)),
                lenient,
                strict,
            )
        )
    return rows


def _records(path: Path) -> Iterator[tuple[dict[str, list[str]], dict[str, str | None]]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        examples = json.load(file)["examples"]
    for example in examples:
        try:
            said = json.loads(example["post_pred"])
        except json.JSONDecodeError:  # an unparsable reply says nothing
            said = {}
        gold = {attribute: list(values) for attribute, values in example["target_scores"].items()}
        yield gold, said if isinstance(said, dict) else {}


def _percent(score: Score) -> Percent:
    return round(100 * score.precision, 2), round(100 * score.recall, 2), round(100 * score.f1, 2)


def print_fixtures(folder: Path) -> bool:
    equal = True
    for row in score_fixtures(folder):
        print(row.name)
        for name, ours, theirs in (
            ("A lenient", row.lenient, row.expected_lenient),
            ("B strict ", row.strict, row.expected_strict),
        ):
            same = ours == theirs
            equal &= same
            print(f"  {name}  P/R/F1 {_show(ours)}   published {_show(theirs)}   {'equal' if same else 'DIFFERENT'}")
    return equal


def _show(values: Percent) -> str:
    return " ".join(f"{value:6.2f}" for value in values)


def print_office(folder: Path) -> bool:
    from api.extraction import readers  # spaCy: seconds that the fixtures need not wait for

    rejects: list[Reject] = []
    path = folder / "items.parquet" if folder.is_dir() else folder
    documents = [document_of(product) for product in read_products(path, on_reject=rejects.append)]
    extractor = readers()[0]
    list(extractor.extract(documents[:50]))  # the vocabulary fills, the units are compiled
    wall, cpu = time.perf_counter(), time.process_time()
    extractions = list(extractor.extract(documents))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    facts, failing = _count(documents, extractions)
    aside = Counter(row.reason for extraction in extractions for row in extraction.set_aside)
    print(f"{len(documents)} documents, {len(rejects)} rows rejected, {sum(facts.values())} quoted facts")
    for relation, count in facts.most_common():
        print(f"  {relation:16} {count:6}")
    print(f"set aside: {', '.join(f'{count} {reason}' for reason, count in aside.most_common())}")
    print(f"quotes that are not in their text: {failing}")
    print(f"{len(documents) / wall:.0f} documents/s by the clock, {len(documents) / cpu:.0f} a CPU second, one thread")
    return failing == 0


def _count(documents: list[Document], extractions: list[Extraction]) -> tuple[Counter[str], int]:
    facts: Counter[str] = Counter()
    failing = 0
    for document, extraction in zip(documents, extractions, strict=True):
        for fact in extraction.facts:
            facts[fact.relation] += 1
            failing += any(document.text[e.start : e.end] != e.quote or not e.quote for e in fact.evidence)
    return facts, failing


class Dictionary:
    """Values of the training titles, longest first; measures that the grammar reads where training had such values."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        labelled: Counter[tuple[str, str, str]] = Counter()  # category, attribute, value
        measured: Counter[tuple[str, str, str]] = Counter()  # category, dimension, attribute
        for row in rows:
            for attribute, value in _gold_values(row):
                labelled[row["category"], attribute, value] += 1
                found = parse(value)
                if found:
                    measured[row["category"], found.dimension, attribute] += 1
        titles: dict[str, list[str]] = {}
        for row in rows:
            titles.setdefault(row["category"], []).append(row["input"])
        self._values: dict[str, list[tuple[str, str]]] = {}
        for (category, attribute, value), count in labelled.items():
            # A word that is usually no value ("Black" of a brand's name) would cost more than it finds.
            if 2 * count > sum(_stands_in(value, title) for title in titles[category]):
                self._values.setdefault(category, []).append((value, attribute))
        for values in self._values.values():
            values.sort(key=lambda pair: (-len(pair[0]), pair))
        self._measured = {
            (category, dimension): attribute
            for (category, dimension, attribute), _ in sorted(measured.items(), key=lambda pair: pair[1])
        }

    def read(self, category: str, title: str) -> dict[str, str | None]:
        said: dict[str, str | None] = {}
        taken: list[tuple[int, int]] = []
        for value, attribute in self._values.get(category, ()):
            start = _stands_at(value, title)
            if attribute not in said and start >= 0 and _free(taken, start, start + len(value)):
                said[attribute] = value
                taken.append((start, start + len(value)))
        for found in find_quantities(title):
            measure = self._measured.get((category, found.dimension))
            if measure and measure not in said and _free(taken, found.start, found.end):
                said[measure] = title[found.start : found.end]
        return said


def _gold_values(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for attribute, values in row["target_scores"].items():
        yield from ((attribute, value) for value in values if value != "n/a")


def _free(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    return all(end <= first or last <= start for first, last in taken)


def _stands_at(value: str, title: str) -> int:
    at = title.find(value)
    while at >= 0 and not (is_boundary(title, at) and is_boundary(title, at + len(value))):
        at = title.find(value, at + 1)
    return at


def _stands_in(value: str, title: str) -> bool:
    return _stands_at(value, title) >= 0


def print_set(asked: argparse.Namespace) -> bool:
    """The dictionary floor and the small model on a set; money is none, since no language model is asked."""
    if asked.set == "relations":
        from stated_relations import print_relations

        return print_relations([path for path in (asked.train, asked.test) if path], asked.data, asked.out)
    reviews = asked.set.startswith(("en_reviews", "zh_reviews"))
    if asked.masked and (reviews or asked.set in TAGGED):
        raise SystemExit(f"--masked reads products, and {asked.set} has none")
    if reviews:
        from review_triplets import print_reviews

        print_reviews(asked)
    elif asked.set in TAGGED:
        _print_entities(asked)
    else:
        _print_attributes(asked)
    return True


def _print_attributes(asked: argparse.Namespace) -> None:
    from mining.extraction.attribute_model import attribute_options, fit  # PyTorch: seconds that fixtures need not wait

    raw, wanted = beside(asked.train, None)
    rows, tests = read_rows(raw, labels=True), read_rows(asked.test, labels=True)
    print(f"{asked.set}: {len(rows)} products of {asked.train.name}, {len(tests)} of {asked.test.name}")
    if all("input" in row.texts for row in rows):
        dictionary = Dictionary(_rows(asked.train))
        said = [(dict(row.gold), dictionary.read(row.category, row.texts["input"])) for row in tests]
        _print_both("dictionary of the training values, with measures", said)
    if asked.floor:
        return
    schema = read_schema(asked.schema).names() if asked.schema else None
    with Spent("the words of the texts") if asked.masked else nullcontext():
        encoder = taught(
            asked.encoder or encoder_for(rows), asked.masked, asked.model, lambda told: print(f"  {told}", flush=True),
            encoders=asked.encoders, epochs=asked.masked_epochs, device=asked.device, seed=asked.seed,
        )  # fmt: skip
    options = replace(_options(asked, attribute_options(rows, encoder)), encoder=encoder)
    with Spent("training"), _hearing(asked, options) as hear:
        model = fit(
            rows,
            options,
            schema=schema,
            dev=read_rows(asked.dev, labels=True) if asked.dev else (),
            wanted=read_rows(wanted, labels=True) if wanted else (),
            on_epoch=hear,
        )
    if asked.model:
        model.save(asked.model)
    unlabelled = read_rows(asked.test, labels=False)
    with Spent("reading", len(unlabelled)):
        answers = model.extract(unlabelled)
    normal = asked.test.parent.name == NORMAL  # the test's labels are in the wanted form
    values = [(answer.normalized or {}) if normal else answer.plain() for answer in answers]
    name = f"small model, threshold {model.threshold}{', extracted and normalised' if normal else ''}"
    _print_both(name, [(row.gold, one) for row, one in zip(tests, values, strict=True)])
    _print_reliability(tests, answers, values)
    if asked.out:
        _write(asked.out, (line(row, answer) for row, answer in zip(unlabelled, answers, strict=True)))


def _print_entities(asked: argparse.Namespace) -> None:
    from mining.extraction.entity_model import entity_options, fit_entities, score_entities

    examples, tests = read_tagged(asked.train), read_tagged(asked.test)
    print(f"{asked.set}: {len(examples)} texts of {asked.train.name}, {len(tests)} of {asked.test.name}; no other data")
    options = _options(asked, entity_options(len(examples)))
    with Spent("training"), _hearing(asked, options) as hear:
        model = fit_entities(
            examples,
            options,
            dev=read_tagged(asked.dev) if asked.dev else (),
            on_epoch=hear,
        )
    with Spent("reading", len(tests)):
        found = model.extract([test.text for test in tests])
    print(f"  small model, threshold {model.threshold}")
    print(f"    entities   P/R/F1  {_show(_percent(score_entities(tests, found)))}")
    if asked.out:
        spans = ([{"start": s.start, "end": s.end, "type": s.label} for s in row] for row in found)
        _write(asked.out, ({"text": test.text, "spans": row} for test, row in zip(tests, spans, strict=True)))


def _print_both(name: str, said: Sequence[tuple[Gold, Prediction]]) -> None:
    print(f"  {name}")
    print(f"    A lenient  P/R/F1  {_show(_percent(lenient_attributes(said)))}")
    print(f"    B strict   P/R/F1  {_show(_percent(strict_attributes(said)))}")


def _print_reliability(
    tests: Sequence[Row], answers: "Sequence[Answer]", told: Sequence[Mapping[str, str | None]]
) -> None:
    """``told``: the values as the labels have them, said or in the wanted form."""
    pairs = [
        (value.confidence, values[name] in row.gold.get(name, ()))
        for row, answer, values in zip(tests, answers, told, strict=True)
        for name, value in answer.values.items()
        if values.get(name) is not None
    ]
    parts = "  ".join(f"{b.promised:.2f}:{b.right:.2f} ({b.count})" for b in reliability(pairs))
    print(f"    confidence promised : kept (values)  {parts}; mean gap {calibration_error(pairs):.3f}")


class Spent:
    """Prints the clock, the processor and, where it is given what was done, the speed."""

    def __init__(self, what: str, count: int = 0) -> None:
        self.what, self.count = what, count

    def __enter__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *error: object) -> None:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        speed = f", {self.count / wall:.0f} titles/s" if self.count and wall else ""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux tells kilobytes
        used = f"{wall:.0f} s by the clock, {cpu:.0f} CPU seconds{speed}, {peak:.1f} GB at most"
        print(f"  {self.what}: {used}; money 0", flush=True)


def _options(asked: argparse.Namespace, usual: "Options") -> "Options":
    learning = Learning(asked.batch, asked.accumulate, asked.swap, asked.weigh, asked.r_drop, asked.adversarial)
    return replace(
        usual,
        encoder=asked.encoder or usual.encoder,
        encoders=asked.encoders,
        epochs=asked.epochs or usual.epochs,
        members=asked.members or usual.members,
        adapters=asked.adapters,
        rank=asked.rank or usual.rank,
        rate=asked.rate or usual.rate,
        device=asked.device,
        seed=asked.seed,
        **learning.given(),
    )


@contextmanager
def _hearing(asked: argparse.Namespace, options: "Options") -> "Iterator[Callable[[Epoch], None]]":
    """Prints each epoch, and draws it where that is asked for."""
    with curves(asked.tensorboard, WeightsAndBiases(), settings_of(options)) as drawn:

        def hear(epoch: "Epoch") -> None:
            print(f"  {epoch.told()}", flush=True)
            drawn(epoch)

        yield hear


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), "utf-8")


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixtures", type=Path, help="folder of published prediction files")
    parser.add_argument("--office", type=Path, help="folder with items.parquet, or a catalogue file")
    parser.add_argument("--set", default="set", help="the name of a set: a folder name of the extraction data")
    parser.add_argument("--train", type=Path, help="its training file")
    parser.add_argument("--test", type=Path, help="the file to score")
    parser.add_argument("--dev", type=Path, help="labelled texts to choose on; else cut from --train")
    parser.add_argument("--schema", type=Path, help="the attributes of each category")
    parser.add_argument("--out", type=Path, help="the predictions, a JSON line a text")
    parser.add_argument("--data", type=Path, help="where the catalogues of labelled texts lie, for --set relations")
    parser.add_argument("--floor", action="store_true", help="only the dictionary")
    parser.add_argument("--encoder", help="name, folder or archive of an encoder")
    parser.add_argument("--encoders", type=Path, help="the folder to look for named encoders in")
    kept = "where a model of attributes or reviews is kept; a killed training on reviews goes on there"
    parser.add_argument("--model", type=Path, help=kept)
    parser.add_argument("--epochs", type=int)
    words = "products whose words the encoder first learns to guess; kept beside --model (repeatable; attributes only)"
    parser.add_argument("--masked", type=Path, action="append", default=[], help=words)
    parser.add_argument("--masked-epochs", type=int)
    parser.add_argument("--adapters", choices=("none", "lora", "adalora"), default="none", help="what learns")
    parser.add_argument("--rank", type=int, help="of the adapters")
    parser.add_argument("--rate", type=float, help="of a whole encoder; adapters learn at a multiple of it")
    parser.add_argument("--batch", type=int, help="texts of a batch")
    parser.add_argument("--accumulate", type=int, help="batches whose gradients make one step")
    parser.add_argument("--swap", type=float, help="share of texts that are learned with other values")
    parser.add_argument("--weigh", choices=("none", "root", "effective"), help="how values of rare labels count")
    parser.add_argument("--r-drop", type=float, help="what it costs that two passes say different things")
    parser.add_argument("--adversarial", type=float, help="how far words are shifted against the network")
    parser.add_argument("--tensorboard", type=Path, help="folder for the curves of a training")
    parser.add_argument("--members", type=int, help="networks that are averaged")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    arguments = _arguments(argv)
    right = True
    if arguments.fixtures:
        right &= print_fixtures(arguments.fixtures)
    if arguments.office:
        right &= print_office(arguments.office)
    if arguments.test and (arguments.train or arguments.set == "relations"):
        right &= print_set(arguments)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The relations that rules, and rules with either judge, read in texts, beside what people say that these texts state.

``extraction.py --set relations --test LABELS [--train LABELS] [--data DIR] [--out P]``. A line of LABELS holds
``{"id", "labels": [{"relation", "start", "end"}]}`` and its ``text``, or else the ``sha256`` of the text that
``SOURCE:ITEM`` has in the catalogue of that source: the labels of texts that must not be copied are kept without them.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from kg.types import Product
from mining.catalog import document_of
from mining.evaluation import Label, Score, relation_spans
from mining.extraction.relation_texts import Labelled, Text, line_of, read_labelled, stated
from mining.samples import sample_shop
from mining.sources.products import read_products

CATALOGUES = {
    "office": "office/items.parquet",
    "industrial": "industrial/items.parquet",
    "demo_store": "demo_store/products.parquet",
}
SAMPLE = "sample_zh"  # the Chinese texts of our own sample shop


def print_relations(files: Sequence[Path], data: Path | None, out: Path | None) -> bool:
    """Scores each file; ``out`` gets the predictions of the last extractor for the last one."""
    from mining.extraction import judge_context
    from mining.extraction.judged import JudgedExtractor  # spaCy
    from mining.extraction.orders import Guarded
    from mining.extraction.rules import RuleExtractor

    extractors = {"rules": Guarded(RuleExtractor()), "rules and judge": Guarded(JudgedExtractor())}
    if context := judge_context.shipped():
        extractors["rules and contextual judge"] = Guarded(JudgedExtractor(context=context))
    for name, extractor in extractors.items():
        list(stated(extractor, [Text(0, "Ideal for kids. 适合孕妇。")]))  # the vocabulary fills, the units are compiled
        for path in files:
            labelled = read_labelled(path)
            texts = texts_of(labelled, data)
            wall, cpu = time.perf_counter(), time.process_time()
            found = list(stated(extractor, texts))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(f"{path.name}, {name}: {len(texts)} texts, {sum(len(row.labels) for row in labelled)} labels")
            _print_scores(labelled, found)
            print(f"  {len(texts) / wall:.0f} texts/s by the clock, {cpu:.1f} CPU seconds, money 0")
    if out:
        lines = (line_of(text, labels) for text, labels in zip(texts, found, strict=True))
        out.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), "utf-8")
    return True


def _print_scores(labelled: Sequence[Labelled], found: Sequence[Iterable[Label]]) -> None:
    records = [(row.labels, labels) for row, labels in zip(labelled, found, strict=True)]
    scores = relation_spans(records)
    for relation, score in scores.items():
        print(f"  {relation:16} {_shown(score)}")
    print(f"  {'micro':16} {_shown(sum(scores.values(), Score()))}")
    for source in sorted({_source(row) for row in labelled}):
        of_source = [record for row, record in zip(labelled, records, strict=True) if _source(row) == source]
        print(f"    {source:14} {_shown(sum(relation_spans(of_source).values(), Score()))}")


def _shown(score: Score) -> str:
    counts = f"{score.correct} of {score.predicted} said are right, {score.gold} are labelled"
    return f"P/R/F1 {score.precision:.3f} {score.recall:.3f} {score.f1:.3f}  {counts}"


def texts_of(labelled: Sequence[Labelled], data: Path | None) -> list[Text]:
    """The labelled texts, of the lines or of the catalogues. Raises ValueError where one is missing or another."""
    wanted = {str(row.id) for row in labelled if row.text is None}
    known = {f"{source}:{key}": text for source in sorted({name.partition(":")[0] for name in wanted})
             for key, text in prose(source, data).items() if f"{source}:{key}" in wanted}  # fmt: skip
    texts = [Text(row.id, known.get(str(row.id), "") if row.text is None else row.text) for row in labelled]
    for row, text in zip(labelled, texts, strict=True):
        if row.text is None and hashlib.sha256(text.text.encode()).hexdigest() != row.sha256:
            raise ValueError(f"{row.id}: the catalogue holds another text, or none, than the one that was labelled")
    return texts


def prose(source: str, data: Path | None) -> dict[str, str]:
    """Item → title and description as our reader joins them."""
    if source == SAMPLE:
        path = sample_shop().catalog
    elif source in CATALOGUES and data is not None:
        path = data / CATALOGUES[source]
    else:
        raise ValueError(
            f"texts of {source!r} lie nowhere known: give --data DIR with {', '.join(CATALOGUES.values())}"
        )
    return {product.id: _text(product) for product in read_products(path, on_reject=lambda reject: None)}


def _text(product: Product) -> str:
    document = document_of(product)
    ends = [field.end for field in document.fields if field.name in ("title", "description")]
    return document.text[: max(ends, default=0)]


def _source(row: Labelled) -> str:
    return str(row.id).partition(":")[0]

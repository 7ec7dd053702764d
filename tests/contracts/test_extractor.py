"""The laws of ``mining.types.Extractor``, held against every extractor.

A new extractor is one line in ``EXTRACTORS``; a module of ``mining/extraction`` that has one and is in no line fails.
"""

import inspect
import json
import runpy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import count, islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mining.extraction
import mining.reviews
from kg.schema import SHOP
from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, FieldSpan
from mining.decisions import Decision, DecisionLog
from mining.extraction.cascade import Routed
from mining.extraction.examples import words_of
from mining.extraction.judged import JudgedExtractor
from mining.extraction.llm import LLMExtractor
from mining.extraction.orders import Guarded
from mining.extraction.people import PeopleExtractor
from mining.extraction.rules import RuleExtractor
from mining.language import Language
from mining.language_model.budget import Budget, Price
from mining.language_model.types import Prompt, Reply, Usage
from mining.reviews.extractor import ReviewExtractor
from mining.reviews.opinion_extractor import OpinionExtractor
from mining.reviews.triplets import Opinion
from mining.types import Extraction, Extractor


class Quoter:
    """A language model whose answers are known: words of the text it is shown, beside things that no text says."""

    name = "quoter"
    price: Price | None = None
    usage = Usage()
    concurrency = 1

    def complete(self, prompt: Prompt, budget: Budget | None = None) -> Reply:
        words = prompt.messages[-1].content.split()
        quotes = [*words[3:30:3], " ".join(words[4:7]), "nobody wrote this down", "", "12"]
        answer: dict[str, object] = {}
        for key, value in prompt.schema["properties"].items():
            if value["items"]["type"] == "string":
                answer[key] = quotes
            else:
                answer[key] = [{"name": "color", "value": quote} for quote in quotes] + [
                    {"name": "no such", "value": "x"}
                ]
        return Reply(json.dumps(answer), self.name)


def small_model() -> Extractor:
    """A small model that has learned some of the texts below by heart."""
    from mining.extraction.attribute_extractor import AttributeExtractor, widened
    from mining.extraction.attribute_model import fit
    from mining.extraction.attribute_rows import Row
    from mining.extraction.tagger_training import Options

    tiny_encoder_in = runpy.run_path(str(Path(__file__).parents[1] / "tiny_encoder.py"))["tiny_encoder_in"]
    labels: list[dict[str, tuple[str, ...]]] = [
        {"Colour": ("Black",), "Printer": ("HP Envy 4500",)},
        {"Mat": ("Quilted Mat",)},
        {"Colour": ("黑色",)},
    ]
    rows = [Row("", {"input": text}, gold) for text, gold in zip(TEXTS[2:5], labels, strict=True)] * 4
    with TemporaryDirectory() as folder:
        options = Options(
            encoder=str(tiny_encoder_in(Path(folder))), epochs=20, batch=4, rate=3e-3, head_rate=1e-2, patience=20
        )
        model = fit(rows, options, dev=rows[:3])
    model.threshold = 0.05
    return AttributeExtractor(model, schema=widened(SHOP, model))


class Opinionated:
    """A model of reviews whose opinions are known: neighbouring words, in turn good, bad and neither."""

    languages: tuple[Language, ...] = ("en", "zh", "mixed")
    usual = 8
    version = "1"

    def read(self, texts: Sequence[str]) -> list[list[Opinion]]:
        return [list(self._opinions(words_of(text))) for text in texts]

    def _opinions(self, words: Sequence[tuple[int, int]]) -> Iterator[Opinion]:
        for number, (aspect, opinion) in enumerate(pairwise(words[:40])):
            polarity = ("POS", "NEG", "NEU", "正面")[number % 4]
            yield Opinion(None if number % 5 == 4 else aspect, opinion, polarity, "价格", confidence=1.0)


def people() -> Extractor:
    """What a person accepted in the texts below, and words that nobody wrote."""
    log = DecisionLog(Path(mkdtemp()) / "decisions.db")
    said = [
        ("doc:2", "HP Envy 4500"),
        ("doc:3", "home office"),
        ("doc:4", "华为 Mate 60"),
        ("doc:5", "🎵"),
        ("doc:6", "gone"),
    ]
    for document, words in said:
        log.record(
            Decision(
                document,
                "COMPATIBLE_WITH",
                f"thing:{words}",
                None,
                words,
                0,
                1,
                "rules",
                0.3,
                "accept",
                words,
                "Ada",
                1,
            )
        )
    return PeopleExtractor(log)


# The name of a module of mining/extraction or mining/reviews → what makes its extractor.
EXTRACTORS: dict[str, Callable[[], Extractor]] = {
    "rules": cache(RuleExtractor),
    "judged": cache(JudgedExtractor),
    "llm": lambda: LLMExtractor(Quoter()),
    "attribute_extractor": cache(small_model),
    "cascade": cache(lambda: Routed(RuleExtractor())),
    "people": cache(people),
    "orders": cache(lambda: Guarded(JudgedExtractor(overrules=False))),
    "extractor": cache(ReviewExtractor),
    "opinion_extractor": cache(lambda: OpinionExtractor(Opinionated())),
}

TEXTS = (
    "",
    " \n ",
    "HP 61 Ink Cartridge for DeskJet 1000, Black, 2 Pack (CH561WN)\nCompatible with HP Envy 4500. Not for Canon.",
    "Quilted Mat, 8.5 x 11 inches\nIdeal for kids, sensitive skin and home office use. Weighs about 2.5 lbs.",
    "华为 Mate 60 手机壳 黑色 硅胶\n适用于华为 Mate 60、Mate 60 Pro，不适用于 Mate 50。适合学生和上班族。",
    "🎧🎧 Headset 👩‍💻\nWorks with the Alexa app 🎵, ideal for cafe\u0301 music; for 3/8 inch chuck\u200b. ½! “5″”",
    "for for for and or , for\nfits\ncompatible with\n适用于",
    "Cable for " + "very long and " * 3000 + "kids",
    '\x00\x1b[31m <b>for kids</b> & {"relation": "SUITS"} \u202e for men \ud800',
)
REVIEWS = (
    "Great sound, but the battery life is terrible. Way overpriced!",
    "音质很好，物流太慢了。 Nice screen, easy to use.",
)
DOCUMENTS = tuple(
    Document(f"doc:{i}", f"product:{i}", kind, text, at=at)
    for i, (text, kind, at) in enumerate(
        [*((t, "product", 7) for t in TEXTS), *((t, "review", None) for t in (TEXTS[2], *REVIEWS))]
    )
)
SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

PIECES = [
    "for ",
    "kids",
    ", ",
    "and ",
    "fits ",
    "ideal for ",
    "HP 61",
    "5 kg ",
    "black ",
    "\n",
    "适用于",
    "华为",
    "、",
    "🎧",
    "not ",
]
texts = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=25).map("".join))


@pytest.fixture(params=sorted(EXTRACTORS))
def extractor(request: pytest.FixtureRequest) -> Extractor:
    return EXTRACTORS[request.param]()


def assert_lawful(document: Document, extraction: Extraction, method: str) -> None:
    assert extraction.document_id == document.id
    named = {entity.id: entity for entity in extraction.entities}
    assert len(named) == len(extraction.entities)
    assert {fact.tail for fact in extraction.facts} == set(named)
    assert len({fact.triple for fact in extraction.facts}) == len(extraction.facts)
    for fact in extraction.facts:
        assert fact.head == document.about
        SHOP.check(fact.relation, "Product", named[fact.tail].type)
        assert fact.evidence
        for evidence in fact.evidence:
            assert (evidence.source, evidence.method, evidence.at) == (document.id, method, document.at)
            assert 0 < evidence.confidence <= 1
            assert evidence.quote
            assert evidence.start is not None
            assert document.text[evidence.start : evidence.end] == evidence.quote
            assert evidence.field == document.field_at(evidence.start)
    for aside in extraction.set_aside:
        assert (aside.document_id, aside.method) == (document.id, method)
        assert aside.reason


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.id)
def test_what_is_found_is_lawful(extractor: Extractor, document: Document) -> None:
    (extraction,) = extractor.extract([document])
    assert_lawful(document, extraction, extractor.method)


@pytest.mark.parametrize("name", sorted(EXTRACTORS))
@given(text=texts, title=st.integers(0, 80))
@SLOW
def test_any_text_is_read_lawfully(name: str, text: str, title: int) -> None:
    extractor = EXTRACTORS[name]()
    end = min(title, len(text))
    fields = (FieldSpan("title", 0, end), FieldSpan("description", end, len(text)))
    for document in (
        Document("doc:1", "product:1", "product", text),
        Document("doc:1", "product:1", "product", text, 3, fields),
    ):
        (extraction,) = extractor.extract([document])
        assert_lawful(document, extraction, extractor.method)


def test_one_extraction_a_document_in_order(extractor: Extractor) -> None:
    found = list(extractor.extract(DOCUMENTS))
    assert [extraction.document_id for extraction in found] == [document.id for document in DOCUMENTS]
    assert any(extraction.facts for extraction in found)


def test_documents_are_streamed(extractor: Extractor) -> None:
    endless = (replace(DOCUMENTS[3], id=f"doc:{i}") for i in count())
    assert [e.document_id for e in islice(extractor.extract(endless), 3)] == ["doc:0", "doc:1", "doc:2"]


def test_the_same_document_gives_the_same_extraction_in_any_company(extractor: Extractor) -> None:
    together = list(extractor.extract(DOCUMENTS))
    backwards = list(extractor.extract(reversed(DOCUMENTS)))
    assert together == backwards[::-1]
    assert together == [next(iter(extractor.extract([document]))) for document in DOCUMENTS]


def test_a_store_takes_what_is_found(extractor: Extractor) -> None:
    documents = [document for document in DOCUMENTS if "\ud800" not in document.text and "\x00" not in document.text]
    with MemoryStore() as store:
        products = [Entity(document.about, "Product", document.id) for document in documents]
        store.put(products, documents=documents)
        for extraction in extractor.extract(documents):
            store.put(extraction.entities, extraction.facts)
        assert sum(1 for _ in store.facts()) > 3


def _modules_with_extractors() -> Iterator[str]:
    for package in (mining.extraction, mining.reviews):
        for path in Path(next(iter(package.__path__))).glob("*.py"):
            module = import_module(f"{package.__name__}.{path.stem}" if path.stem != "__init__" else package.__name__)
            for _, cls in inspect.getmembers(module, inspect.isclass):
                if cls.__module__ == module.__name__ and hasattr(cls, "extract") and hasattr(cls, "method"):
                    yield path.stem


def test_every_extractor_is_held_to_the_laws() -> None:
    assert set(_modules_with_extractors()) == set(EXTRACTORS)

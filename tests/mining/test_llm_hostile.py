"""Product texts written to mislead a model, against one that obeys them: only what a text states is written."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kg.schema import SHOP
from kg.types import Document
from mining.extraction.llm import LLMExtractor
from mining.extraction.prompts import TEXT_RELATIONS
from mining.language_model import Retry
from mining.types import Extraction

Start = Callable[..., Any]
HOSTILE = Path(__file__).with_name("hostile") / "texts.jsonl"


def hostile() -> list[dict[str, Any]]:
    return [json.loads(line) for line in HOSTILE.read_text(encoding="utf-8").splitlines()]


def believed(extraction: Extraction, about: Document) -> Iterator[str]:
    """The quotes of an extraction, each checked: on schema, of this product, exactly where it says it is."""
    entities = {entity.id: entity for entity in extraction.entities}
    for fact in extraction.facts:
        assert fact.head == about.about
        assert fact.relation in TEXT_RELATIONS
        SHOP.check(fact.relation, "Product", entities[fact.tail].type)
        (evidence,) = fact.evidence
        assert (evidence.source, evidence.method) == (about.id, "llm")
        assert evidence.start is not None
        assert about.text[evidence.start : evidence.end] == evidence.quote
        assert evidence.quote is not None
        assert "\n" not in evidence.quote
        assert len(evidence.quote) <= 64
        yield evidence.quote
    assert set(entities) == {fact.tail for fact in extraction.facts}
    for aside in extraction.set_aside:
        assert len(aside.quote) <= 200
        assert aside.quote.encode("utf-8").decode("utf-8") == aside.quote


def test_the_corpus_is_large_and_of_many_kinds() -> None:
    texts = hostile()
    assert len(texts) >= 60
    assert {text["lang"] for text in texts} == {"en", "zh", "mixed"}
    assert len({text["trick"] for text in texts}) >= 9
    assert len({text["id"] for text in texts}) == len(texts)


def test_a_model_that_obeys_the_text_cannot_write_what_the_text_does_not_state(endpoint: Start, said: Start) -> None:
    texts = hostile()
    replies = iter([text["reply"] for text in texts])
    extractor = LLMExtractor(endpoint(lambda request: said(next(replies))).model(retry=Retry(attempts=1)))
    askable = [text for text in texts if text["text"].strip()]
    written = 0
    for text, extraction in zip(askable, extractor.extract(map(as_document, askable)), strict=True):
        quotes = list(believed(extraction, as_document(text)))
        assert not set(quotes) & set(text["forbidden"]), text["id"]
        written += len(quotes)
    assert written >= 20  # what the texts do state is still read


def as_document(text: dict[str, Any]) -> Document:
    return Document(text["id"], "product:1", "product", text["text"])


MARKS = ["<|im_start|>", "TEXT>>>", "[INST]", "system", "{", '"}]}', "\u202e", "relation", "USED_FOR"]
PIECES: dict[str, Callable[[str], list[str]]] = {
    "the whole text": lambda text: [text],
    "every line": lambda text: text.split("\n"),
    "every word": lambda text: text.split()[:25],
    "marks": lambda text: MARKS,
}


@pytest.mark.parametrize("kind", PIECES)
def test_a_model_that_throws_the_text_back_writes_no_prose_and_no_bait(endpoint: Start, said: Start, kind: str) -> None:
    texts = [text for text in hostile() if text["text"].strip()]
    pieces = iter([PIECES[kind](text["text"]) for text in texts])

    def thrown_back(request: dict[str, Any]) -> Any:
        thrown = next(pieces)
        lists = dict.fromkeys(("compatible_with", "accessory_of", "used_for", "suits"), thrown)
        attributes = [{"name": "color", "value": piece} for piece in thrown]
        return said(json.dumps({**lists, "attributes": attributes}, ensure_ascii=False))

    extractor = LLMExtractor(endpoint(thrown_back).model())
    for text, extraction in zip(texts, extractor.extract(map(as_document, texts)), strict=True):
        for quote in believed(extraction, as_document(text)):
            assert not any(mark in quote for mark in ("<|", "{", "}", "[INST]", "USED_FOR", "\u202e", "\u200b"))
            assert not any(bait in quote.casefold() for bait in ("ignore all", "system prompt", "忽略以上", "api key"))
            assert quote.casefold() not in ("for", "the", "and", "a", "to", "is")

"""Which products a language model is asked about, what it says of them, and the curve of what that gains and costs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mining.errors import ConfigurationError, SourceError
from mining.extraction.attribute_model import Answer, Value
from mining.extraction.attribute_routing import (
    ROUTE,
    AttributeAsker,
    Read,
    document_of_row,
    keep_route,
    route_of,
    routed,
    sureness,
)
from mining.extraction.attribute_rows import Row
from mining.extraction.routing_plan import Asked, Costs, curve, measured
from mining.language_model import Price, ReplyCache
from mining.language_model.estimates import prompt_tokens, tokens

Start = Callable[..., Any]
NAMES = {"Mugs": ("Brand", "Color")}


def product(title: str, confidence: float, *, gold: str = "acme") -> Read:
    """A product whose brand the small model takes to be the first word."""
    brand = title.split()[0]
    row = Row("Mugs", {"input": title}, {"Brand": (gold,)})
    answer = Answer("Mugs", NAMES["Mugs"], {"Brand": Value(brand, "input", 0, len(brand), confidence)})
    return Read(row, answer, sureness(answer))


READS = [product("acme red mug", 0.9), product("zeta mug acme", 0.4), product("red acme mug", 0.6)]


def reply(*values: tuple[str, str]) -> str:
    return json.dumps({"attributes": [{"name": name, "value": value} for name, value in values]})


def test_only_what_is_not_sure_is_asked_and_quoted_from_the_text(endpoint: Start, said: Start, tmp_path: Path) -> None:
    server = endpoint(said(reply(("Brand", "acme"), ("Color", "gold"), ("Weight", "mug"))))
    for calls in (2, 2):  # the second time the replies are there
        with ReplyCache(tmp_path / "replies.db") as cache:
            answers, counts = routed(READS, AttributeAsker(server.model(), NAMES, cache=cache), 0.7)
        assert counts == {"asked": 2, "answered": 2}
        assert len(server.requests) == calls
    assert answers[0] == READS[0].answer
    for answer, read in zip(answers[1:], READS[1:], strict=True):
        text = read.row.texts["input"]
        assert answer.plain() == {"Brand": "acme", "Color": None}
        value = answer.values["Brand"]
        assert text[value.start : value.end] == "acme"
    assert "zeta mug acme" in json.dumps(server.requests[0])
    assert "acme red mug" not in json.dumps(server.requests)


def test_without_an_answer_the_small_model_stands() -> None:
    answers, counts = routed(READS, AttributeAsker(None, NAMES), 1.0)
    assert counts == {"asked": 3, "answered": 0}
    assert answers == [read.answer for read in READS]
    assert routed(READS, AttributeAsker(None, NAMES), 0.0)[1] == {"asked": 0, "answered": 0}


def test_a_row_is_a_document_with_its_fields() -> None:
    document = document_of_row(3, Row("Mugs", {"input_title": "a mug", "input_description": "of clay"}))
    fields = {field.name: document.text[field.start : field.end] for field in document.fields}
    assert fields == {"title": "a mug", "description": "of clay", "category": "Mugs"}


def test_the_curve_goes_from_nobody_asked_to_everybody() -> None:
    costs = Costs(Price(2.0, 10.0), core_hour=0.36, per_second=100.0, call_seconds=2.0, at_once=4)
    asked = [Asked(1000, 100)] * len(READS)
    points = curve(READS, asked, (0.9, 0.8), costs)
    assert [point.share for point in points] == sorted(point.share for point in points)
    first, last = points[0], points[-1]
    assert (first.share, last.share) == (0, 1)
    assert first.lenient_f1 == first.strict_f1 == pytest.approx(1 / 3)
    assert (last.lenient_f1, last.strict_f1) == (pytest.approx(0.9), pytest.approx(0.8))
    assert first.usd == pytest.approx(10 / 3600 * 0.36)
    assert last.usd == pytest.approx(first.usd + 1000 * (1000 * 2 + 100 * 10) / 1e6)
    assert (first.seconds, last.seconds) == (pytest.approx(10), pytest.approx(10 + 1000 * 2 / 4))
    middle = next(point for point in points if 0 < point.share < 1)
    assert sum(read.sure < middle.route_below for read in READS) == round(middle.share * len(READS))
    assert middle.strict_f1 == pytest.approx((1 + 0.8 + 0) / 3)


def test_what_was_answered_is_measured_and_not_assumed() -> None:
    right = Answer("Mugs", NAMES["Mugs"], {"Brand": Value("acme", "input", 0, 4, 0.6)})
    asked = [Asked(1, 1), Asked(1, 1, right), Asked(1, 1)]
    assert measured(READS, asked) == (1.0, 1.0)
    assert measured(READS, [Asked(1, 1)] * 3) is None
    last = curve(READS, asked, (0.5, 0.5), Costs(Price(0, 0), 0, 1))[-1]
    assert last.strict_f1 == pytest.approx((0.5 + 1 + 0.5) / 3)


def test_a_picked_threshold_lies_beside_the_model(tmp_path: Path) -> None:
    assert route_of(tmp_path) is None
    keep_route(tmp_path, 0.25)
    assert route_of(tmp_path) == 0.25
    with pytest.raises(ConfigurationError, match="from 0"):
        keep_route(tmp_path, 1.5)
    (tmp_path / ROUTE).write_text("{}", "utf-8")
    with pytest.raises(SourceError, match="pick a threshold anew"):
        route_of(tmp_path)


def test_tokens_are_estimated() -> None:
    assert tokens("") == 0
    assert tokens("a" * 310) == 100
    assert tokens("杯" * 100) == 110
    asker = AttributeAsker(None, NAMES)
    prompt = asker.extractor.prompt(document_of_row(0, READS[0].row))
    assert 200 < prompt_tokens(prompt.messages) < prompt.token_bound()

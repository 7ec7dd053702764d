"""What a text denies is known by its words, and what only contrasts with it is left."""

from dataclasses import replace

import numpy as np
import pytest

from kg.types import Document
from mining.evaluation import RELATIONS
from mining.extraction.candidates import readings
from mining.extraction.judge import shipped
from mining.extraction.judge_features import Sight
from mining.extraction.judge_network import Floats
from mining.extraction.judged import JudgedExtractor
from mining.extraction.negation import negated
from mining.extraction.rules import RuleExtractor

DENIED = [
    "Not for [children].",
    "This is not a toy. Not suitable for very young [children].",
    "Not intended for use by [children]",
    "Unsuitable for [toddlers].",
    "not safe for [cats]",
    "It is NOT compatible with the [iPhone 5].",
    "not yet compatible with [Android 15]",
    "Incompatible with [Windows 7].",
    "It doesn’t fit the [Spark 3].",
    "Isnt suitable for [kids]",
    "it will not work with [Macs]",
    "Works with Alexa, except the [Echo Dot]",
    "Too small for the [Hugin 3].",
    "It should not be used with [bleach].",
    "Never use on [glass]",
    "Keep away from [children]",
    "for adults, not for [children]",
    "for adults, not [children]",
    "Not for gas, [diesel] or oil",
    "Not for gas, diesel or [oil]",
    "Not for gas, diesel, or for [oil]",
    "Not suitable for children and [pets]",
    "Neither for children nor for [pets]",
    "The [X5] is not supported.",
    "[X5] does not fit",
    "No\u200bt for [children].",
    "Not\u3164for [children].",
    "不适合[儿童]。",
    "不适合儿童和[孕妇]。",
    "不适合儿童、[孕妇]。",
    "不兼容[iPhone 6]",
    "不建议用于 [iPhone 6]",
    "请勿用于[玻璃]",
    "不\ufe00适合[儿童]。",
    "不是给[儿童]用的",
    "[敏感肌]除外",
]
STATED = [
    "Not only for [children] but adults",
    "Not only for children but [adults]",
    "Not only for children, but also for [adults]",
    "Not just for kids, [adults] love it",
    "for [adults], not for children",
    "for [adults] and not for children",
    "Not for children, but for [adults]",
    "Not for children, for [adults] only",
    "not for children but [adults]",
    "This is not a toy, for [adults]",
    "is not suitable for kids. Great for [adults]",
    "Works with [Alexa]; it is not suitable for kids",
    "Works with [Alexa] (not compatible with Google)",
    "Fits [Alexa]. Does not fit Google",
    "It does not stain, for [school] and home",
    "Not too heavy for [kids]",
    "including but not limited to water, [oil], gas",
    "Why not [study] in comfort",
    "Don't let your home or [office] be cluttered",
    "Do not hesitate to use it for [school]",
    "不仅适合儿童，也适合[大人]",
    "不只适合[儿童]",
    "不适合儿童，适合[大人]",
    "不适合儿童但适合[大人]",
    "非常适合[户外]",
]


def marked(text: str) -> tuple[str, int, int]:
    start, end = text.index("["), text.index("]") - 1
    return text.replace("[", "").replace("]", ""), start, end


@pytest.mark.parametrize("text", DENIED, ids=ascii)
def test_what_is_denied_is_known(text: str) -> None:
    assert negated(*marked(text))


@pytest.mark.parametrize("text", STATED, ids=ascii)
def test_what_contrasts_with_something_denied_stays(text: str) -> None:
    assert not negated(*marked(text))


class Believing:
    """A contextual judge that takes every chunk for somebody whom the product suits."""

    threshold = 0.1

    def weigh(self, sight: Sight, first: Floats, second: Floats) -> tuple[Floats, dict[int, Floats]]:
        sure = np.tile(np.array([0.02, 0.02, 0.02, 0.02, 0.92], np.float32), (len(sight.chunks), 1))
        cuts = range(len(sight.chunks))
        return sure, {at: np.zeros(len(readings(sight.words, sight.chunks, at)), np.float32) for at in cuts}


@pytest.fixture(scope="module", params=["judge", "contextual judge"])
def believing(request: pytest.FixtureRequest) -> JudgedExtractor:
    """Either judge, made to believe that whatever is named is somebody whom the product suits."""
    if request.param == "contextual judge":
        return JudgedExtractor(context=Believing())
    towards = np.array([0, 0, 0, 50], np.float32)
    assert RELATIONS[3] == "SUITS"
    return JudgedExtractor(judge=replace(shipped(), second_bias=shipped().second_bias + towards))


@pytest.mark.parametrize(
    ("text", "kept", "denied"),
    [
        ("Kite\nNot for children.", set(), "children"),
        ("Kite\nUnsuitable for children under 3.", set(), "children"),
        ("Kite\nNot suitable for children, dogs or cats.", set(), "cats"),
        ("Kite\nGreat for adults, not for children.", {"adults"}, "children"),
        ("Kite\nNot only for children but also for adults.", {"children", "adults"}, ""),
        ("风筝\n适合大人，不适合儿童。", {"大人"}, "儿童"),
    ],
)
def test_no_judge_believes_what_the_text_denies(
    believing: JudgedExtractor, text: str, kept: set[str], denied: str
) -> None:
    for extractor in (RuleExtractor(), believing):
        (found,) = extractor.extract([Document("d", "p", "product", text)])
        quotes = {e.quote for fact in found.facts for e in fact.evidence}
        assert denied not in quotes
    assert kept <= quotes
    assert [aside.reason for aside in found.set_aside if aside.quote == denied] == ["negated"] * bool(denied)

"""What a text denies is known by its words, and what only contrasts with it is left."""

import time
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
from mining.extraction.negation import REASON, negated
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
    "Not" + "\u200b" * 3000 + " for [children].",
    "Not for" + " " * 3000 + "[children].",
    "The [X5]" + "\u200b" * 3000 + " is not supported.",
    "不适合[儿童]。",
    "不适合儿童和[孕妇]。",
    "不适合儿童、[孕妇]。",
    "不兼容[iPhone 6]",
    "不建议用于 [iPhone 6]",
    "请勿用于[玻璃]",
    "不\ufe00适合[儿童]。",
    "不是给[儿童]用的",
    "[敏感肌]除外",
    "Unsafe for [kids]",
    "Inappropriate for [children]",
    "Dangerous for [pets]",
    "It isn´t suitable for [kids]",
    "Itʼs nice. It isnʼt for [children]",
    "It isn′t for [children]",
    "It isn`t for [children]",
    "No\x01t for [children].",
    "not suitable for: [kids]",
    "Not suitable for\n- [kids]",
    "Not suitable for:\n- kids\n- dogs\n- [cats]",
    "not suitable for the new [X5]",
    "not really for [kids]",
    "[X5] cannot be used",
    "[X5] not supported",
    "[X5] won't fit",
    "does not support [Android]",
    "not for kids, but not for dogs or [cats] either",
    "Not compatible with iOS 12.1, iOS 12.2 or [iOS 13]",
    "Not compatible with " + ", ".join(f"Samsung Galaxy S{n}" for n in range(1, 15)) + " or [X5]",
    "Compatible with all [Samsung phones except Galaxy S5]",
    "Great for [adults but not children]",
    "Great for [everyone other than children]",
    "不太适合[儿童]",
    "不得用于[玻璃]",
    "不可以用于[玻璃]",
    "请勿给[儿童]使用",
    "请勿给3岁以下儿童、[孕妇]使用",
    "禁止[儿童]使用",
    "[孕妇]不宜",
    "[孕妇]不适合使用。",
    "不適合[兒童]",
    "不适合三岁以下的婴儿幼儿、患有心脏病的老年人、[孕妇]",
    "适合[大人不适合儿童]",
    "[除了孕妇]都适合",
    "除了[孕妇]都适合",
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
    "Not for microwave use, ideal for home, [office] or school",
    "Not for microwave use, ideal for home, office or [school]",
    "Not for microwave use – ideal for home, office or [school]",
    "Great mug (not for microwave use), home, [office]",
    "is not intended for commercial use, ideal for kids, students and [teachers]",
    "Does not fit in car cup holders, great for kids, teens and [adults]",
    "Not compatible with iPhone 5, compatible with iPhone 6, [iPhone 7]",
    "Don't use bleach, works for kids, students or [teachers]",
    "Not suitable for kids. Great for adults, teens and [seniors]",
    "Not suitable for kids\n- Great for adults, teens and [seniors]",
    "It is not unsuitable for [kids]",
    "isn't unsafe for [kids]",
    "never incompatible with [Windows]",
    "Great for [kids] not recommended for adults",
    "The [X5] cannot be used without a cable",
    "uses [including but not limited to cooking]",
    "适合[大人]不适合儿童",
    "除了孕妇，还适合[儿童]",
    "无需担心[儿童]使用",
    "不可缺少的[办公室]使用",
    "勿忘[学生]使用",
    "适合[除尘]",
]


def marked(text: str) -> tuple[str, int, int]:
    start, end = text.index("["), text.index("]") - 1
    return text.replace("[", "").replace("]", ""), start, end


@pytest.mark.parametrize("text", DENIED, ids=lambda text: ascii(text)[:60])
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
    ("text", "ruled", "kept", "denied"),
    [
        ("Kite\nNot for children.", set(), set(), "children"),
        ("Kite\nNo\x01t for children.", set(), set(), "children"),
        ("Kite\nUnsuitable for children under 3.", set(), set(), "children"),
        ("Kite\nNot suitable for children, dogs or cats.", set(), set(), "cats"),
        ("Kite\nGreat for adults, not for children.", {"adults"}, {"adults"}, "children"),
        ("Kite\nNot only for children but also for adults.", {"children"}, {"children", "adults"}, ""),
        (
            "Mug\nNot for microwave use, ideal for kids, students or teachers.",
            {"kids", "students", "teachers"},
            {"kids", "students", "teachers"},
            "",
        ),
        ("风筝\n适合大人，不适合儿童。", {"大人"}, {"大人"}, "儿童"),
        ("风筝\n适合大人不适合儿童。", set(), set(), "大人不适合儿童"),
        ("面霜\n除了孕妇都适合。", set(), set(), "除了孕妇"),
    ],
)
def test_no_reader_believes_what_the_text_denies(
    believing: JudgedExtractor, text: str, ruled: set[str], kept: set[str], denied: str
) -> None:
    for extractor, stated in ((RuleExtractor(), ruled), (believing, kept)):
        (found,) = extractor.extract([Document("d", "p", "product", text)])
        quotes = {e.quote for fact in found.facts for e in fact.evidence}
        assert denied not in quotes
        assert stated <= quotes
        assert [aside.reason for aside in found.set_aside if aside.quote == denied] == [REASON] * bool(denied)


@pytest.mark.parametrize(
    "text", ["Case\nCompatible with all Samsung phones except Galaxy S5.", "Mug\nGreat for everyone except children."]
)
def test_no_quote_holds_an_exception(believing: JudgedExtractor, text: str) -> None:
    for extractor in (RuleExtractor(), believing):
        (found,) = extractor.extract([Document("d", "p", "product", text)])
        quotes = [e.quote or "" for fact in found.facts for e in fact.evidence]
        assert not [quote for quote in quotes if "except" in quote or "children" in quote or "S5" in quote]


def test_a_long_row_of_denials_is_read_in_no_time() -> None:
    for words in ("not for the ", "not for a, ", "not ", "except ", "不适合", "勿给", "除", "too too ", "not for:\n- "):
        text = words * 2000
        begun = time.process_time()
        for at in range(0, 20 * len(words), len(words)):
            negated(text, len(text) - at - 1, len(text) - at)
        assert time.process_time() - begun < 1.0, words

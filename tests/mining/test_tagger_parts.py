"""Words and places of labels, the dictionary that does not look itself up, spans from scores, honest confidence."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.extraction.calibration import calibrate, calibration_error, reliability
from mining.extraction.examples import Example, Span, labelled, overlap_share, words_of
from mining.extraction.last_values import says_last
from mining.extraction.lexicon import Lexicon
from mining.extraction.span_decoding import Candidate, chosen, likely, surest


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in words_of(text)]


def test_words() -> None:
    assert words("12oz Women's YE-409") == ["12", "oz", "Women", "'", "s", "YE", "-", "409"]
    assert words("欧达可.ksr10 开关") == ["欧", "达", "可", ".", "ksr", "10", "开", "关"]
    assert words(" \n ") == []


@given(st.text(max_size=60))
def test_words_leave_out_white_space_only(text: str) -> None:
    spans = words_of(text)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    rest = "".join(text[a[1] : b[0]] for a, b in zip([(0, 0), *spans], [*spans, (len(text), 0)], strict=True))
    assert not rest.strip()


def test_a_value_is_labelled_where_it_stands_as_whole_words() -> None:
    example = labelled("Redwood mug, red, 5 x red", "Mugs", {"Color": ["red"], "Size": ["gone"]})
    assert example.spans == (Span(13, 16, "Color"),)
    assert example.unsure == ((22, 25),)


def test_a_value_inside_a_word_is_labelled_with_the_word() -> None:
    (span,) = labelled("Mens shirt", "Shirts", {"Gender": ["Men"]}).spans
    assert span == Span(0, 4, "Gender", "Men")


def test_overlap_of_labels() -> None:
    rivals = labelled("FISH KING lure", "Lure", {"Brand": ["FISH KING"], "Name": ["FISH KING"]})
    assert overlap_share([rivals]) == 1.0
    assert overlap_share([labelled("red mug", "Mugs", {"Color": ["red"]}), Example("x")]) == 0.0


def test_a_text_does_not_look_itself_up() -> None:
    texts = [labelled("acme red mug", "Mugs", {"Color": ["red"]}), labelled("zeta red cup", "Mugs", {"Color": ["red"]})]
    alone, both = Lexicon.of(texts[:1]), Lexicon.of(texts)
    assert alone.features(texts[0], own=True) == []
    assert alone.features(texts[1], own=False) != []
    seen = {(at, label, plane): strength for at, label, plane, strength in both.features(texts[0], own=True)}
    assert seen[1, "Color", 0] == 0.5  # one other text says so, of one that has the word
    assert {at for at, _, _ in seen} == {1}


def test_a_lexicon_comes_back_from_json() -> None:
    texts = [labelled("Nordik deep blue mug", "Mugs", {"Color": ["deep blue"], "Brand": ["Nordik"]})]
    lexicon = Lexicon.of(texts)
    asked = Example("a deep blue mug by Nordik", "Mugs")
    assert Lexicon.from_json(lexicon.to_json()).features(asked, own=False) == lexicon.features(asked, own=False)


def test_spans_worth_a_look_come_best_first() -> None:
    share = np.full((2, 2, 2), 1e-9)  # first word, label, further words
    share[0, 1, 1], share[1, 0, 0], share[0, 0, 0] = 0.75, 0.9, 0.001
    assert likely(np.log(share)) == [
        Candidate(0, 1, 1, pytest.approx(math.log(9))),
        Candidate(1, 0, 1, pytest.approx(math.log(3))),
    ]


def test_nothing_is_found_in_nothing() -> None:
    assert likely(np.zeros((0, 3, 0))) == []
    assert likely(np.log(np.full((1, 1, 1), 1e-9))) == []


def test_what_can_stand_together() -> None:
    found = [Candidate(0, 0, 1, 3.0), Candidate(1, 1, 1, 2.0), Candidate(0, 3, 3, 1.0), Candidate(1, 4, 4, 0.5)]
    assert chosen(found, exclusive=True) == [found[0], found[2], found[3]]
    assert chosen(found, exclusive=False) == found


def test_of_each_label_the_likeliest_span_is_taken() -> None:
    share = np.full((3, 2, 2), 1e-9)  # first word, label, further words
    share[1, 0], share[2, 0, 0], share[0, 1, 1] = (0.25, 0.5), 0.1, 0.75
    assert surest(np.log(share)) == [
        Candidate(1, 0, 1, pytest.approx(math.log(3))),
        Candidate(0, 1, 2, pytest.approx(0.0)),
    ]
    assert surest(np.log(np.full((3, 2, 2), 1e-9))) == []
    assert surest(np.zeros((0, 3, 0))) == []


def mugs(*titles: str) -> list[Example]:
    """Titles whose label "Trait" is their last word."""
    return [labelled(title, "Mugs", {"Trait": [title.split()[-1]]}) for title in titles]


TRAITS = ("vegan", "light", "safe", "strong", "plain")


def test_labels_that_name_the_last_of_several_values() -> None:
    pairs = [(one, two) for one in TRAITS for two in TRAITS if one != two]
    assert says_last(mugs(*(f"mug {one} and {two}" for one, two in pairs)))
    first = [labelled(f"mug {one} and {two}", "Mugs", {"Trait": [one]}) for one, two in pairs]
    assert not says_last(first)
    assert not says_last(first[:10] + mugs(*(f"mug {one} and {two}" for one, two in pairs[10:])))
    assert not says_last(mugs(*(f"mug {one}" for one in TRAITS * 9)))  # no text has two
    assert not says_last([])


def test_calibration_finds_the_temperature_that_was_used() -> None:
    dice = random.Random(5)
    found = []
    for _ in range(4000):
        true = dice.gauss(0.5, 1.5)
        found.append((3 * true, "Color", dice.random() < 1 / (1 + math.exp(-true))))
    fitted = calibrate(found)
    assert fitted.scale == pytest.approx(1 / 3, rel=0.15)
    told = [(fitted.confidence(odds, label), right) for odds, label, right in found]
    untold = [(1 / (1 + math.exp(-odds)), right) for odds, _, right in found]
    assert calibration_error(told) < 0.03 < calibration_error(untold)


def test_a_label_of_few_findings_stays_near_the_others() -> None:
    found = [(1.0, "Common", number % 2 == 0) for number in range(400)] + [(1.0, "Rare", False)]
    fitted = calibrate(found)
    assert abs(fitted.confidence(1.0, "Common") - 0.5) < 0.02
    assert 0.3 < fitted.confidence(1.0, "Rare") < 0.5


def test_no_calibration_without_mistakes() -> None:
    assert calibrate([(2.0, "Color", True)]).scale == 1.0


def test_reliability_counts_by_tenths() -> None:
    bins = reliability([(0.05, False), (0.91, True), (0.99, False), (1.0, True)])
    assert [(b.low, b.count, b.right) for b in bins] == [(0.0, 1, 0.0), (0.9, 3, pytest.approx(2 / 3))]

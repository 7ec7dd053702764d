"""Scripts tell the language of a shop text, and punctuation its sentences."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mining.language import chinese_share, language_of, sentences


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Toner for HP LaserJet 1012", "en"),
        ("适用于华为 Mate 60 手机壳", "zh"),
        ("Apple iPhone 15 Pro Max 256GB 5G 手机", "mixed"),
        ("", "en"),
        ("🎧 12 3/8", "en"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Weighs 2.5 kg, e.g. light. Fits all!", ["Weighs 2.5 kg, e.g. light.", "Fits all!"]),
        ("It is easy.Great for kids", ["It is easy.", "Great for kids"]),
        ("不挂壁。适合新手！\n黑色", ["不挂壁。", "适合新手！", "黑色"]),
        ("  \n ", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == parts


@given(st.text(st.characters() | st.sampled_from(" .!?。\nAa中")))
@example("A\ufada\U0003134b")  # Chinese characters that came to Unicode after this Python
def test_sentences_leave_out_white_space_only(text: str) -> None:
    spans = list(sentences(text))
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert 0 <= chinese_share(text) <= 1

"""A quote is found where it stands, as it stands, or not at all."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mining.grounding import Grounding, cuts_number, ground, is_boundary

PIECES = [
    "HP",
    " ",
    "LaserJet",
    "1012",
    "\n",
    "1.5",
    ",",
    "kg",
    "适用于",
    "华为",
    "Mate 60",
    "👩‍💻",
    "❤️",
    "cafe\u0301",
    "½",
    "“",
    "-",
    "不",
]
texts = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=15).map("".join))


def test_an_exact_quote_is_found_in_code_points() -> None:
    assert ground("华为 Mate 60", "🎧 适用于华为 Mate 60") == Grounding(5, 15, "华为 Mate 60", "exact")


@pytest.mark.parametrize(
    ("quote", "text", "found"),
    [
        ("hp laserjet", "toner for HP  LaserJet\n1012", "HP  LaserJet"),
        ("HP LaserJet 1012", "HP LaserJet\u00a01012", "HP LaserJet\u00a01012"),
        ("华为Mate 60", "适用于华为 Mate 60 手机", "华为 Mate 60"),
        ("ABC 12", "ＡＢＣ　１２", "ＡＢＣ　１２"),
        ("café", "a Cafe\u0301 noir", "Cafe\u0301"),
        ('7"', "a 7″ tab", "7″"),
        ("5 1/2 in", "size 5½ in", "5½ in"),
        ("kid's bike", "a kid’s bike", "kid’s bike"),
        ("2-pack", "the 2–pack", "2–pack"),
        ("STRASSE", "eine straße", "straße"),
        ("❤", "I ❤️ it", "❤️"),
        ("가위", "\u1100\u1161\u110b\u1171 1", "\u1100\u1161\u110b\u1171"),
    ],
)
def test_folding_finds_another_way_of_writing_it(quote: str, text: str, found: str) -> None:
    grounding = ground(quote, text)
    assert grounding is not None
    assert (grounding.quote, grounding.how) == (found, "normalised")
    assert text[grounding.start : grounding.end] == found


def test_a_near_quote_is_found_whole_words_only() -> None:
    grounding = ground("compatble with HP LaserJet 1012", "It is compatible with HP LaserJet 1012 printers")
    assert grounding is not None
    assert (grounding.quote, grounding.how) == ("compatible with HP LaserJet 1012", "fuzzy")


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("compatible with HP LaserJet 1013", "compatible with HP LaserJet 1012 printers"),  # another number
        ("weighs about 2.5 kilograms", "weighs about 25 kilograms"),
        ("is designed for all diesel engines", "is not designed for all diesel engines"),  # the opposite
        ("prnt", "print"),  # too short to be near anything
        ("5 kg", "1.5 kg"),  # half a number
        ("12", "T124120"),
        ("102", "10² x"),
        ("cafe", "Cafe\u0301 noir"),
        ("toner", ""),
        ("  ", "a  b"),
        ("a text longer than the text it is sought in", "a text"),
    ],
)
def test_what_is_not_there_is_not_found(quote: str, text: str) -> None:
    assert ground(quote, text) is None


def test_whole_words_come_before_parts_of_words() -> None:
    text = "smart pen case, art pens"
    assert ground("art", text) == Grounding(16, 19, "art", "exact")
    assert ground("ART", "smart Art") == Grounding(6, 9, "Art", "normalised")
    assert ground("pen", "open") == Grounding(1, 4, "pen", "exact")


def test_repeated_mentions_resolve_one_after_the_other() -> None:
    text = "black pen, black ink, Black cap"
    starts = []
    after = 0
    while (found := ground("black", text, after=after)) is not None:
        starts.append(found.start)
        after = found.end
    assert starts == [0, 11, 22]


@given(text=texts, quote=texts, after=st.integers(0, 70))
def test_whatever_is_found_is_the_texts_own(text: str, quote: str, after: int) -> None:
    found = ground(quote, text, after=after)
    if found is not None:
        assert after <= found.start < found.end <= len(text)
        assert text[found.start : found.end] == found.quote
        assert not cuts_number(text, found.start)
        assert not cuts_number(text, found.end)
        assert found == ground(quote, text, after=after)


@given(before=texts, planted=texts, behind=texts)
def test_a_planted_quote_is_found_at_or_before_its_place(before: str, planted: str, behind: str) -> None:
    text = before + planted + behind
    quote = planted.strip()
    start = len(before) + planted.find(quote)
    assume(quote and not cuts_number(text, start) and not cuts_number(text, start + len(quote)))
    found = ground(planted, text)
    assert found is not None
    assert found.how != "fuzzy"
    if is_boundary(text, start) and is_boundary(text, start + len(quote)) and found.how == "exact":
        assert found.start <= start


@given(before=texts, words=st.lists(st.from_regex(r"[A-Za-z]{1,8}", fullmatch=True), min_size=1), behind=texts)
def test_another_case_and_spacing_is_found(before: str, words: list[str], behind: str) -> None:
    found = ground("  ".join(words).swapcase(), f"{before} {' '.join(words)} {behind}")
    assert found is not None
    assert found.quote.casefold().split() == " ".join(words).casefold().split()


@given(text=texts, at=st.integers(-3, 80))
def test_a_number_is_never_cut_at_its_edges(text: str, at: int) -> None:
    assert not cuts_number(f"{text} 1,299.50 ", len(text) + 1)
    assert not cuts_number(f"{text} 1,299.50 ", len(text) + 9)
    assert all(cuts_number(f"{text} 1,299.50 ", len(text) + 1 + i) for i in range(1, 8))
    assert is_boundary(text, min(at, 0))
    assert is_boundary(text, max(at, len(text)))

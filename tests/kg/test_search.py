"""Tokens in any script, and a ranking that can be worked out by hand."""

import pytest

from kg.search import MAX_QUERY_TOKENS, entity_tokens, query_tokens, rank, score, tokens
from kg.types import Entity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mouse M-1, mouse", ("mouse", "m", "1")),
        ("无线鼠标", ("无", "线", "鼠", "标", "无线", "线鼠", "鼠标")),
        ("iPhone15手机 Pro", ("iphone15", "手", "机", "手机", "pro")),
        ("ティーポット", ("テ", "ィ", "ー", "ポ", "ッ", "ト", "ティ", "ィー", "ーポ", "ポッ", "ット")),
        ("C++ ≠ C", ("c", "+", "≠")),
        ("ＦＵＬＬ　ｗｉｄｔｈ Straße", ("full", "width", "strasse")),
        ("tea 🫖!", ("tea", "🫖")),
        ("❤️ and ❤", ("❤", "and")),  # with and without its variation selector
        ("👩‍💻", ("👩", "💻")),
        ("—?! …", ()),
        ("", ()),
        ("½ 20°C", ("1", "⁄", "2", "20", "°", "c")),
    ],
)
def test_tokens(text: str, expected: tuple[str, ...]) -> None:
    found = tokens(text)
    assert sorted(found) == sorted(expected)
    assert len(set(found)) == len(found)


def test_a_pasted_page_is_cut() -> None:
    assert len(query_tokens(" ".join(map(str, range(1_000))))) == MAX_QUERY_TOKENS


def test_an_entity_is_found_by_every_name() -> None:
    assert entity_tokens(Entity("x", "Thing", "Apple Inc", ("苹果",))) == {"apple", "inc", "苹", "果", "苹果"}


def test_scores_can_be_worked_out_by_hand() -> None:
    pot = Entity("p", "Product", "Tea pot", ("茶壶",))
    assert score("tea POT", pot) == 1.0  # 0.6 + 0.2 + 0.2
    assert score("tea", pot) == 0.8  # 0.6 + 0.2 · 1/2 + 0.1, it begins with it
    assert score("pot", pot) == 0.7  # 0.6 + 0.2 · 1/2
    assert score("tea cup", pot) == 0.4  # 0.6 · 1/2 + 0.2 · 1/2
    assert score("茶壶", pot) == 1.0
    assert score("sofa", pot) == score("", pot) == 0.0


def test_names_and_aliases_answer_together() -> None:
    assert score("tea 茶", Entity("p", "Product", "tea", ("茶",))) == 0.8  # 0.6 + 0.2: no name says both
    assert score("tea 茶", Entity("p", "Product", "tea")) == 0.5


def test_rank_orders_by_score_then_id() -> None:
    found = rank(
        "tea", [Entity(i, "Use", n) for i, n in [("c", "tea"), ("a", "green tea"), ("b", "tea"), ("d", "x")]], 3
    )
    assert [(e.id, s) for e, s in found] == [("b", 1.0), ("c", 1.0), ("a", 0.7)]
    assert rank("tea", [Entity("a", "Use", "tea")], 0) == []

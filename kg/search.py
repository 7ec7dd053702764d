"""How names are searched: one tokenisation and one ranking for all stores, so that all give the very same answer.

A store finds the candidates (of the asked type): the entities whose tokens contain all tokens of the query or, where
there is none, any of them. ``rank`` does the rest.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

from kg.ids import normal_form
from kg.types import Entity

MAX_QUERY_TOKENS = 32  # a pasted page is no question; more tokens than these are not looked at

# Scripts without spaces between words: kana, bopomofo, Han with its extensions, Hangul.
_CJK = (
    "\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_PIECES = re.compile(f"(?P<cjk>[{_CJK}]+)|(?P<word>(?:(?![{_CJK}])\\w)+)|(?P<sign>[^\\w\\s])")
_JOINERS = re.compile("[\u200d\ufe00-\ufe0f]")  # zero-width joiner and variation selectors: how an emoji is drawn


def tokens(text: str) -> tuple[str, ...]:
    """The distinct tokens of a text in order of appearance.

    NFKC, case-folded. Words are runs of letters, digits and ``_``. Chinese, Japanese and Korean runs give their single
    characters and their bigrams. Symbols (``+``, ``€``, an emoji) are tokens of their own; punctuation is none.
    """
    folded = _JOINERS.sub("", unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))
    found: dict[str, None] = {}
    for match in _PIECES.finditer(folded):
        piece = match.group()
        if match.lastgroup == "cjk":
            found.update(dict.fromkeys(piece))
            found.update(dict.fromkeys(a + b for a, b in pairwise(piece)))
        elif match.lastgroup == "word" or unicodedata.category(piece)[0] == "S":
            found[piece] = None
    return tuple(found)


def query_tokens(text: str) -> tuple[str, ...]:
    """The tokens of a question; empty where nothing can match."""
    return tokens(text)[:MAX_QUERY_TOKENS]


def entity_tokens(entity: Entity) -> frozenset[str]:
    """The tokens under which an entity is found: those of its name and of its aliases."""
    return frozenset(token for surface in (entity.name, *entity.aliases) for token in tokens(surface))


def score(text: str, entity: Entity) -> float:
    """How well an entity answers, in [0, 1]; 1 only for a name or alias that equals the query, 0 only without overlap.

    0.6 · share of the query found + 0.2 · share of the best surface asked for + 0.2 where that surface is the query, or
    0.1 where it begins with it.
    """
    return _score(frozenset(query_tokens(text)), normal_form(text), entity)


def _score(asked: frozenset[str], wanted: str, entity: Entity) -> float:
    if not asked:
        return 0.0
    covered, best = set[str](), 0.0
    for surface in (entity.name, *entity.aliases):
        held = frozenset(tokens(surface))
        shared = asked & held
        if shared:
            covered |= shared
            best = max(best, 0.2 * len(shared) / len(held) + _bonus(wanted, normal_form(surface)))
    return round(0.6 * len(covered) / len(asked) + best, 6)


def _bonus(wanted: str, surface: str) -> float:
    if surface == wanted:
        return 0.2
    return 0.1 if surface.startswith(wanted) else 0.0


def rank(text: str, candidates: Iterable[Entity], limit: int) -> list[tuple[Entity, float]]:
    """The best ``limit`` candidates with their scores, by (-score, id); those without overlap are left out."""
    asked, wanted = frozenset(query_tokens(text)), normal_form(text)
    scored = [(entity, _score(asked, wanted, entity)) for entity in candidates]
    scored.sort(key=lambda pair: (-pair[1], pair[0].id))
    return [(entity, value) for entity, value in scored[: max(limit, 0)] if value > 0.0]

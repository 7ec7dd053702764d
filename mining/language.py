"""The language of a text, and its sentences, by the scripts it is written in: no model, the same answer everywhere."""

import re
from collections.abc import Iterator
from typing import Literal

Language = Literal["en", "zh", "mixed"]

CHINESE_SHARE = 0.3  # a Chinese title keeps Latin brand and model names: half its letters and more
ENGLISH_SHARE = 0.02

_CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LETTER = re.compile(r"[^\W\d_]")
# A full stop also ends a sentence where markup was taken out and no space is left ("easy to use.Great for"), but not
# in "3.5", "U.S.A" or "e.g. pens".
_END = re.compile(
    r"\n+"
    r"|[。！？；]+[”’」』）)\"]*"
    r"|[!?]+[\"')\]]*(?=\s|$|[A-Z\u4e00-\u9fff])"
    r"|(?<![.\s][A-Za-z])(?<!\b[A-Z])(?<!\bapprox)(?<!\bincl)(?<!\bmax)(?<!\bmin)(?<!\bNo)(?<!\bvs)(?<!\betc)(?<!\bDr)"
    r"(?<!\bMr)(?<!\bMrs)(?<!\be\.g)(?<!\bi\.e)\.+[\"')\]]*(?=\s|$|[A-Z][a-z])",
)


def chinese_share(text: str) -> float:
    """The share of Chinese characters among the letters of a text, 0 where there are none."""
    others, chinese = _CJK.subn("", text)  # newer ones than this Python's letters among them
    letters = chinese + len(_LETTER.findall(others))
    return chinese / letters if letters else 0.0


def language_of(text: str) -> Language:
    """``zh`` or ``en`` where that script clearly leads, ``mixed`` between; any other alphabet counts as ``en``."""
    share = chinese_share(text)
    if share >= CHINESE_SHARE:
        return "zh"
    return "en" if share <= ENGLISH_SHARE else "mixed"


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """The sentences of an English or Chinese text as half-open spans, with their final punctuation, in order.

    A line feed always ends one. Spans do not begin or end with white space, and white space is all they leave out.
    """
    start = 0
    for end in (*(match.end() for match in _END.finditer(text)), len(text)):
        body = text[start:end]
        stripped = body.strip()
        if stripped:
            first = start + len(body) - len(body.lstrip())
            yield first, first + len(stripped)
        start = end

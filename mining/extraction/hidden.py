"""Characters that a reader of a text does not see, in which something may be told to a machine alone.

Control, format, private and half characters, what Unicode lists as Default_Ignorable (variation selectors,
tags, joiners), and letters that are drawn as a blank: Hangul fillers, the empty Braille cell.
"""

import re
import unicodedata

_UNSEEN = frozenset(["Cc", "Cf", "Co", "Cs"])  # not Cn: emoji and Chinese letters newer than this Python are seen
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
_IGNORABLE = re.compile(
    f"[{_BLANKS}\u00ad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
REASON = "hidden characters"  # of what is set aside because its quote holds one

_AS_EMOJI = "\ufe0f"  # draws the symbol before it in colours
_KEYCAP = "\u20e3"
_KEYS = frozenset("0123456789#*")  # emoji with a keycap behind the selector, as in 1️⃣
_EMOJI = frozenset("‼⁉ℹ〰〽")  # what Unicode draws in colours beside the symbols (category S) and the keys
_TO_SPACE = str.maketrans(dict.fromkeys(_BLANKS, " "))


def holds_hidden(text: str) -> bool:
    """Whether a reader of ``text`` would not see all of it. The selector of an emoji, right after its base, is seen."""
    if text.isascii() and text.isprintable():
        return False
    return any(
        _is_hidden(char) and not (char == _AS_EMOJI and _is_emoji(before, after))
        for before, char, after in zip(" " + text, text, text[1:] + " ", strict=False)
    )


def _is_emoji(base: str, after: str) -> bool:
    """Whether ``base`` is drawn in colours by the selector that stands between it and ``after``."""
    return base in _EMOJI or unicodedata.category(base).startswith("S") or (base in _KEYS and after == _KEYCAP)


def hides(quote: str) -> bool:
    """Whether a word of ``quote`` holds what its reader would not see; tabs and line feeds between words he sees."""
    return any(holds_hidden(word) for word in re.split(r"[ \t\r\n]+", quote))


def as_drawn(text: str) -> str:
    """``text`` without hidden and unassigned characters; those that are drawn as a blank are one."""
    seen = (char for char in text.translate(_TO_SPACE) if not _is_hidden(char))
    return "".join(char for char in seen if unicodedata.category(char) != "Cn")


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN or _IGNORABLE.match(char) is not None

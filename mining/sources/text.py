"""Decode what shops put into text cells (HTML, entities, stringified lists, missing marks) into plain text.

Flow: ``plain_text(cell)`` → lists and objects become lines, tags and entities disappear, unsafe characters are
replaced.
"""

import ast
import html
import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser

MAX_CELL = 1 << 20  # code points; a longer cell is a broken file, and its row is set aside
MAX_DEPTH = 8  # of lists in lists
MISSING = frozenset({"", "nan", "NaN", "None", "null", "NULL", "<NA>", "NaT"})

_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_UNSAFE = re.compile(f"[{_CONTROL}\ud800-\udfff\ufffe\uffff]")


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set: how this package writes its tables."""
    return frozenset(text.split())


_BLOCK = words(
    "address article aside blockquote body br caption center dd div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 head header hr html li main nav ol option p pre section select table tbody tfoot thead title "
    "tr ul"
)
_SPACE = words("td th img input button iframe video")
_INLINE = words(
    "a abbr b bdi bdo big cite code del em font i ins kbd label link mark meta nobr o:p q s samp script small source "
    "span strike strong style sub sup svg t tt u var wbr"
)
_DROPPED = frozenset({"script", "style"})
_TAGS = "|".join(sorted(map(re.escape, _BLOCK | _SPACE | _INLINE), key=lambda tag: (-len(tag), tag)))
_MARKUP = re.compile(rf"<(?:!--|!doctype\b[^<>]*>|/?(?P<tag>{_TAGS})(?=[\s/>])[^<>]*>)", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BARE = re.compile(r"&(?!(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)")
_LOOSE_LIST = re.compile(r"\[['\"](.*)['\"]\]", re.DOTALL)


def safe(text: str) -> str:
    """The same text without characters that no file or database keeps: a lone surrogate becomes U+FFFD, a control
    character a space. Each for one, so that spans stay where they are."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: " " if found[0] < "\x80" else "\ufffd", text)


def is_safe(text: str) -> bool:
    """Whether ``safe`` would leave it alone."""
    return (text.isascii() and text.isprintable()) or _UNSAFE.search(text) is None


def is_missing(value: object) -> bool:
    """None, NaN, an empty cell, or one of the words that programs write for them."""
    if value is None:
        return True
    if isinstance(value, str):
        return len(value) < 16 and value.strip() in MISSING
    return isinstance(value, float) and math.isnan(value)


def plain_text(value: object) -> str:
    """A cell as a reader of the shop would see it; "" where it is missing.

    Stringified Python or JSON lists are read, elements joined by a line feed, objects written as ``name: value`` lines.
    Text that only looks like markup (``5 < 10``, ``AT&T``) stays as it is.
    """
    return _plain(structured(value), 0)


def inline_text(value: object) -> str:
    """``plain_text`` in one line: what were lines is joined by ``, ``."""
    text = plain_text(value)
    return ", ".join(line.strip() for line in text.splitlines() if line.strip()) if _multiline(text) else text


def title_text(value: object) -> str:
    """``plain_text`` in one line: what were lines is joined by a space."""
    text = plain_text(value)
    return " ".join(text.split()) if _multiline(text) else text


def structured(value: object) -> object:
    """The list or object that a cell holds as a string, else the cell itself. Never executes anything."""
    if not isinstance(value, str) or len(value) > MAX_CELL:
        return value
    text = value.strip()
    if text[:1] + text[-1:] not in ("[]", "{}", "()") or len(text) < 2:
        return value
    read = _literal(text)
    if read is None:
        read = _json(text)
    if read is None:
        read = _loose_list(text)
    return value if read is None else read


def python_literal(text: str) -> object | None:
    """What a Python literal says, or None where it is none; no names, no calls."""
    with warnings.catch_warnings():  # "\d" in a shop's text is not our deprecation
        warnings.simplefilter("ignore")
        try:
            return ast.literal_eval(text)  # type: ignore[no-any-return]
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None


def _literal(text: str) -> object | None:
    read = python_literal(text)
    return read if _is_structure(read) else None


def _json(text: str) -> object | None:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return read if _is_structure(read) else None


def _loose_list(text: str) -> list[str] | None:
    """A list of texts whose inner quotes nobody escaped: ``['it's here', 'and there']``."""
    found = _LOOSE_LIST.fullmatch(text)
    if found is None:
        return None
    return [part.replace("\\n", "\n").replace("\\'", "'") for part in re.split(r"['\"], ['\"]", found[1])]


def _is_structure(read: object) -> bool:
    """``[3]`` in a title is a footnote, ``['3']`` is a list: only texts and containers make a structure."""
    if isinstance(read, dict):
        return True
    return isinstance(read, list | tuple) and (not read or any(isinstance(r, str | list | dict) for r in read))


def _plain(value: object, depth: int) -> str:
    if is_missing(value) or depth > MAX_DEPTH:
        return ""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else str(value)
    if isinstance(value, bytes):
        return _text(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        lines = ((_plain(k, depth + 1), _plain(v, depth + 1)) for k, v in value.items())
        return "\n".join(f"{k}: {v}" for k, v in lines if v)
    if isinstance(value, Sequence):
        return "\n".join(line for line in (_plain(v, depth + 1) for v in value) if line)
    return _text(str(value))


def _text(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "<" in text and _MARKUP.search(text):
        text = _without_markup(text)
    elif "&" in text:
        text = _ENTITY.sub(_entity, text)
    return safe(text).strip()


def _entity(found: re.Match[str]) -> str:
    return html.unescape(found[0]).replace("\xa0", " ")


def _without_markup(text: str) -> str:
    parser = _Visible()
    parser.feed(_BARE.sub("&amp;", _only_real_markup(text)))
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _only_real_markup(text: str) -> str:
    """Escapes every ``<`` that opens no known and complete tag or comment, so that the parser can lose no text."""
    ends = {"<!--": text.rfind("-->")}
    lowered = text.lower()
    ends.update({tag: lowered.rfind(f"</{tag}") for tag in _DROPPED})
    parts, done = [], 0
    for found in _MARKUP.finditer(text):
        opened = "<!--" if found[0] == "<!--" else (found["tag"] or "").lower()
        endless = not found[0].startswith("</") and ends.get(opened, len(text)) < found.end()
        if endless or found.start() < done:
            continue  # a comment or script that never ends is text; what a comment holds is none
        parts += [text[done : found.start()].replace("<", "&lt;"), found[0]]
        done = found.end()
        if opened == "<!--":
            end = text.index("-->", done) + 3
            parts.append(text[done:end])
            done = end
    parts.append(text[done:].replace("<", "&lt;"))
    return "".join(parts)


class _Visible(HTMLParser):
    """Collects what a browser would show."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._dropped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self._dropped += 1
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED:
            self._dropped = max(0, self._dropped - 1)
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self.parts.append(data)

    def _break(self, tag: str) -> None:
        if tag in _BLOCK:
            self.parts.append("\n")
        elif tag in _SPACE:
            self.parts.append(" ")


def _multiline(text: str) -> bool:
    return "\n" in text or "\u2028" in text or "\u2029" in text or "\x85" in text

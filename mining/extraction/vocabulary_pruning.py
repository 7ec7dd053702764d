"""A tokenizer without the pieces that a shop's texts never need, and which rows of the embedding are left.

Most of a small encoder is its embedding, most of all of one of many languages. What is dropped costs a text that has
it finer pieces, never a character: the single characters of every script in use stay.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mining.errors import ConfigurationError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Keep: TypeAlias = Literal["texts", "scripts"]
"""``texts``: the pieces that these texts are cut into, and single characters; ``scripts``: all pieces in the writing
systems of these texts."""

_CONTINUES, _BEGINS = "##", "▁"  # how WordPiece marks the inside of a word, and Unigram its start
_BYTE = re.compile("<0x[0-9A-F]{2}>")  # what a character of no piece is written in, where the tokenizer can
_PRUNABLE = ("WordPiece", "WordLevel", "Unigram")
AT_ONCE = 1000  # texts that are cut in one call


@dataclass(frozen=True, slots=True)
class Pruned:
    """``tokenizer``: its file's text. ``kept``: the old ids in the order of the new ones."""

    tokenizer: str
    kept: tuple[int, ...]


def prune(tokenizer: str, texts: Sequence[str], keep: Keep = "texts") -> Pruned:
    """The tokenizer of a ``tokenizer.json`` for texts like these, which it cuts exactly as before.

    Raises ConfigurationError for a kind whose pieces are built from one another (BPE).
    """
    from tokenizers import Tokenizer

    told = json.loads(tokenizer)
    kind = told["model"].get("type", "WordPiece")
    if kind not in _PRUNABLE:
        raise ConfigurationError(f"the vocabulary of a {kind} tokenizer cannot be pruned; leave the texts out")
    whole = Tokenizer.from_str(tokenizer)
    used, scripts = _used(whole, texts), {script for text in texts for script in map(script_of, text)}
    always = {one["id"] for one in told.get("added_tokens", ())} | _of_post_processor(told.get("post_processor"))
    unknown = told["model"].get("unk_token")
    kept = [
        number
        for piece, number in sorted(whole.get_vocab(with_added_tokens=True).items(), key=lambda pair: pair[1])
        if number in always
        or number in used
        or piece == unknown
        or _needed(piece, keep, scripts)
        or (told["model"].get("byte_fallback") and _BYTE.fullmatch(piece))
    ]
    if kind == "Unigram":
        kept = sorted({*kept, told["model"]["unk_id"]})
    return Pruned(json.dumps(_renumbered(told, kept), ensure_ascii=False), tuple(kept))


def script_of(char: str) -> str:
    """The writing system of a letter by the first word of its name (``LATIN``, ``CJK``); "" for what is no letter."""
    return unicodedata.name(char, "").partition(" ")[0] if char.isalpha() else ""


def _used(tokenizer: "Tokenizer", texts: Sequence[str]) -> set[int]:
    ids: set[int] = set()
    for at in range(0, len(texts), AT_ONCE):
        for read in tokenizer.encode_batch(list(texts[at : at + AT_ONCE]), add_special_tokens=False):
            ids.update(read.ids)
    return ids


def _needed(piece: str, keep: Keep, scripts: set[str]) -> bool:
    bare = piece.removeprefix(_CONTINUES).removeprefix(_BEGINS)
    return (len(bare) <= 1 or keep == "scripts") and all(script_of(char) in scripts | {""} for char in bare)


def _renumbered(told: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    new = {old: number for number, old in enumerate(kept)}
    model = dict(told["model"])
    if model.get("type") == "Unigram":
        model["vocab"] = [pair for number, pair in enumerate(model["vocab"]) if number in new]
        model["unk_id"] = new[model["unk_id"]]
    else:
        model["vocab"] = {piece: new[number] for piece, number in model["vocab"].items() if number in new}
    added = [{**one, "id": new[one["id"]]} for one in told.get("added_tokens", ())]
    return {**told, "model": model, "added_tokens": added, "post_processor": _moved(told.get("post_processor"), new)}


def _of_post_processor(told: Any) -> set[int]:
    """The ids that it puts around texts."""
    found: set[int] = set()

    class Seen(dict[int, int]):
        def __missing__(self, number: int) -> int:
            found.add(number)
            return number

    _moved(told, Seen())
    return found


def _moved(told: Any, new: Mapping[int, int]) -> Any:
    """A post-processor with other ids: a template's ``special_tokens``, the pairs ``sep`` and ``cls``, or several."""
    if not told:
        return told
    moved = dict(told)
    for name in ("sep", "cls"):
        if isinstance(moved.get(name), list):
            moved[name] = [moved[name][0], new[moved[name][1]]]
    if told.get("type") == "TemplateProcessing":
        special = told["special_tokens"].items()
        moved["special_tokens"] = {key: {**one, "ids": [new[number] for number in one["ids"]]} for key, one in special}
    if told.get("type") == "Sequence":
        moved["processors"] = [_moved(one, new) for one in told["processors"]]
    return moved


def texts_with(contexts: Iterable[str], texts: Iterable[str], *, lowercase: bool) -> list[str]:
    """Everything that a model is shown: the names of its contexts too, in lower case where its encoder wants that."""
    shown = dict.fromkeys([*contexts, *texts])
    return [text.lower() if lowercase else text for text in shown]

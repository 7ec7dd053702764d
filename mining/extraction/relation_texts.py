"""Texts and the relations they state, as JSON lines: what is read, what is asked of an extractor, what is written.

``{"id", "text"}`` → ``Text`` → ``stated`` → ``{"id", "labels": [{"relation", "quote", "start", "end"}]}``; places are
code points of the text, half open. Labels made by people are the same lines, with or without quote and text.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from kg.types import Document
from mining.errors import SourceError
from mining.evaluation import RELATIONS, Label, labels_of
from mining.json_lines import objects
from mining.types import Extractor

TextId: TypeAlias = str | int

_SHAPE = 'expected {"id": …, "text": "…"}'
_LABEL_SHAPE = 'a label is {"relation", "start", "end"}'


@dataclass(frozen=True, slots=True)
class Text:
    """One text, title and description joined, under the id that its line gives."""

    id: TextId
    text: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """What people say that the text of ``id`` states.

    ``text`` is None where the line holds places only; ``sha256`` of the text then says which text was labelled.
    """

    id: TextId
    labels: tuple[Label, ...]
    text: str | None = None
    sha256: str | None = None


def read_texts(path: Path) -> list[Text]:
    """The texts of a JSONL file in order; blank lines are none. Raises SourceError that names the line."""
    texts = []
    for where, read in objects(path):
        text = read.get("text")
        if not isinstance(text, str):
            raise SourceError(f"{where}: {_SHAPE}, saw {_seen(read, 'text')}")
        texts.append(Text(_id(where, read), text))
    return texts


def read_labelled(path: Path) -> list[Labelled]:
    """The labels of a JSONL file in order. Raises SourceError that names the line."""
    found = []
    for where, read in objects(path):
        listed, text, sha256 = (read.get(key) for key in ("labels", "text", "sha256"))
        if not isinstance(listed, list):
            raise SourceError(f'{where}: expected {{"id": …, "labels": […]}}, saw {_seen(read, "labels")}')
        labels = tuple(_label(where, label) for label in listed)
        told = (one if isinstance(one, str) else None for one in (text, sha256))
        found.append(Labelled(_id(where, read), labels, *told))
    return found


def stated(extractor: Extractor, texts: Iterable[Text]) -> Iterator[list[Label]]:
    """The relation labels of each text, in the order of their places. Each text is read as a product's own."""
    documents = (Document(f"text:{n}", f"text:{n}", "product", one.text) for n, one in enumerate(texts))
    for extraction in extractor.extract(documents):
        yield sorted(labels_of(extraction), key=lambda label: (label.start, label.end, label.relation))


def line_of(text: Text, labels: Iterable[Label]) -> dict[str, Any]:
    """The line to write for a text."""
    quoted = (
        {"relation": one.relation, "quote": text.text[one.start : one.end], "start": one.start, "end": one.end}
        for one in labels
    )
    return {"id": text.id, "labels": list(quoted)}


def _label(where: str, label: object) -> Label:
    if not isinstance(label, dict):
        raise SourceError(f"{where}: {_LABEL_SHAPE}, saw {label!r}")
    relation, start, end = (label.get(key) for key in ("relation", "start", "end"))
    if relation not in RELATIONS:
        raise SourceError(f"{where}: a relation is one of {', '.join(RELATIONS)}, saw {relation!r}")
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end):
        raise SourceError(f"{where}: {_LABEL_SHAPE} with 0 <= start < end, saw {start!r} and {end!r}")
    return Label(str(relation), start, end)


def _id(where: str, read: Mapping[str, Any]) -> TextId:
    given = read.get("id")
    if isinstance(given, bool) or not isinstance(given, str | int) or _broken(str(given)):
        raise SourceError(f"{where}: an id is a text or a whole number, saw {_seen(read, 'id')}")
    return given


def _broken(text: str) -> bool:
    """Whether a text holds half a character (``"\\ud83d"``), which no file in UTF-8 can."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def _seen(read: Mapping[str, Any], key: str) -> str:
    if key in read:
        return f"{key} {read[key]!r:.60}"
    return f"only {', '.join(sorted(read))}" if read else "an empty object"

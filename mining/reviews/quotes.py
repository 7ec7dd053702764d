"""The very words of a document, with their place."""

from dataclasses import dataclass

from kg.types import Document, Timestamp
from mining.language import sentences

LONGEST = 240  # code points of a sentence that is quoted whole


@dataclass(frozen=True, slots=True)
class Quote:
    """The document with the id ``document`` says ``text`` at ``[start, end)``, in code points."""

    document: str
    text: str
    start: int
    end: int
    at: Timestamp | None = None


def sentence_quote(document: Document, start: int, end: int) -> Quote:
    """The sentence that holds ``[start, end)``, or that place alone where there is none or it is too long."""
    for first, last in sentences(document.text):
        if first <= start and end <= last and last - first <= LONGEST:
            start, end = first, last
            break
    return Quote(document.id, document.text[start:end], start, end, document.at)

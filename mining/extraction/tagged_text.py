"""Texts whose characters carry tags (BIO, BIEOS): read as examples, and scored by exact entities."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mining.errors import SourceError
from mining.evaluation import Score
from mining.extraction.examples import Example, Span

OUTSIDE = "O"


def read_tagged(path: Path) -> list[Example]:
    """The texts of a file of ``character TAB tag`` lines with a blank line between texts.

    Raises SourceError that names the line.
    """
    examples: list[Example] = []
    characters: list[str] = []
    tags: list[str] = []
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    for number, line in enumerate([*lines, ""], 1):
        if line.strip("\r\n"):
            character, tab, tag = line.rstrip("\r").rpartition("\t")
            if not tab or not character or not tag:
                raise SourceError(f"{path}:{number}: expected a character, a tab and a tag; saw {line!r}")
            characters.append(character)
            tags.append(tag)
        elif characters:
            examples.append(_example(characters, tags))
            characters, tags = [], []
    return examples


def _example(characters: Sequence[str], tags: Sequence[str]) -> Example:
    starts = [0]
    for character in characters:
        starts.append(starts[-1] + len(character))
    spans = tuple(Span(starts[first], starts[last + 1], kind) for first, last, kind in entities(tags))
    return Example("".join(characters), "", spans)


def entities(tags: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(first, last, type) of the entities of a tag sequence: an inside after anything else opens a new one."""
    first, kind, open_ = 0, "", False
    for at, tag in enumerate([*tags, OUTSIDE]):
        part, _, this = tag.partition("-")
        goes_on = open_ and part in ("I", "M", "E") and this == kind
        if open_ and not goes_on:
            yield first, at - 1, kind
            open_ = False
        if part in ("B", "I", "M", "E", "S") and this and not goes_on:
            first, kind, open_ = at, this, True
        if open_ and part in ("E", "S"):
            yield first, at, kind
            open_ = False


def types_of(examples: Iterable[Example]) -> tuple[str, ...]:
    """The types of entities that are labelled."""
    return tuple(sorted({span.label for example in examples for span in example.spans}))


def exact_entities(pairs: Iterable[tuple[Iterable[Span], Iterable[Span]]]) -> Score:
    """The micro score over (gold, predicted) spans of each text: start, end and type have to be right."""
    score = Score()
    for gold, predicted in pairs:
        wanted, said = {_key(span) for span in gold}, {_key(span) for span in predicted}
        score += Score(len(wanted & said), len(said), len(wanted))
    return score


def _key(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label

"""Makes further training texts out of labelled ones: values exchanged for others of their label."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from mining.extraction.examples import Example, Span


def swap_values(example: Example, values: Mapping[tuple[str, str], Sequence[str]], random: Any) -> Example:
    """The text with about half its values exchanged for others of the same label, and its labels moved along."""
    spans = sorted(example.spans, key=lambda span: span.start)
    if any(b.start < a.end for a, b in pairwise(spans)):
        return example  # overlapping labels cannot be moved apart
    text, moved, at, placed = "", [], 0, []
    for span in spans:
        text += example.text[at : span.start]
        choice = values.get((example.context, span.label), ())
        surface, value = example.text[span.start : span.end], span.value
        if choice and random.random() < 0.5:
            surface, value = choice[int(random.integers(len(choice)))], None
        placed.append((span.start, len(text) - span.start))
        moved.append(Span(len(text), len(text) + len(surface), span.label, value))
        text += surface
        at = span.end
    text += example.text[at:]
    if example.unsure:
        return example
    return Example(text, example.context, tuple(moved))


def values_of(examples: Sequence[Example]) -> dict[tuple[str, str], list[str]]:
    """(context, label) → its different values as texts write them."""
    values: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for example in examples:
        for span in example.spans:
            values[example.context, span.label][example.text[span.start : span.end]] = None
    return {key: list(found) for key, found in values.items()}

"""Whether labels name the last value where a text holds several of one attribute.

Whoever turns a list of labels into one value an attribute keeps one of them, often the last. Such labels do not deny
the values before: they must not teach that these are none, and the value to tell is the last.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence

from mining.extraction.examples import Example
from mining.extraction.lexicon import Phrase, phrase_of, phrase_words, phrases_in

SEEN = 2  # texts that label a phrase before it is a value
USUAL = 0.4  # share of its texts in which it is labelled
FEWEST, SHARE = 20, 0.9  # places that must speak for the habit, and their share


def says_last(examples: Sequence[Example]) -> bool:
    """Whether the value that a text labels nearly always stands behind known other values of the same label."""
    ahead = list(_ahead(examples))
    return len(ahead) >= FEWEST and sum(ahead) >= SHARE * len(ahead)


def _ahead(examples: Sequence[Example]) -> Iterator[bool]:
    """Of each phrase that is a value elsewhere and lies free here: whether it stands before the labelled value."""
    read = [(example, phrase_words(example.text)) for example in examples]
    labels: dict[tuple[str, Phrase], Counter[str]] = defaultdict(Counter)
    texts: Counter[tuple[str, Phrase]] = Counter()
    for example, words in read:
        for span in example.spans:
            labels[example.context, phrase_of(span, words)][span.label] += 1
    for example, words in read:  # of what was labelled alone: all phrases of long texts would fill the memory
        keys = {(example.context, phrase) for _, phrase in phrases_in(words)}
        texts.update(key for key in keys if key in labels)
    for example, words in read:
        told = {span.label: span for span in example.spans}
        own = {phrase_of(span, words) for span in example.spans}
        for at, phrase in phrases_in(words):
            key = example.context, phrase
            start, end = words[at][1], words[at + len(phrase) - 1][2]
            if phrase in own or any(start < span.end and span.start < end for span in example.spans):
                continue
            for label in _usual(labels.get(key, Counter()), texts[key]) & told.keys():
                yield end <= told[label].start


def _usual(counts: Counter[str], texts: int) -> Collection[str]:
    return {label for label, count in counts.items() if count >= SEEN and count > USUAL * texts}

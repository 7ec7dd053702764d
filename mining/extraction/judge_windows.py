"""What an encoder is shown of a text whose relations are judged: word pieces of whole sentences, the title before them.

words → ``windows`` → ``glance``: where the chunks that the judge finds possible, and the words around them, lie in a
window. A window without such a chunk need not be read.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mining.errors import SourceError
from mining.extraction.candidates import Span, readings
from mining.extraction.hidden import holds_hidden
from mining.extraction.judge_features import Sight
from mining.extraction.kinds import Words

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mining.extraction.encoders import Encoder, PlainEncoder

PIECES = 256  # word pieces of a window at most: as many as the encoder was made for
_TITLE = 48  # pieces of the title that are repeated before each further window
_BLOCK = 200  # pieces of a sentence that stay together
_BEGIN, _END = "[CLS]", "[SEP]"
LOOKS = 5  # places that are looked at for a chunk: first and last piece, what opens its list, the word before, the next


@dataclass(frozen=True, slots=True)
class Window:
    """``ids`` of word pieces; ``places``: word of the text → its first and last piece; words of the repeated title,
    blanks and words with hidden characters have none. ``leading`` pieces stand before the first word."""

    ids: tuple[int, ...]
    places: Mapping[int, Span]
    leading: int


@dataclass(frozen=True, slots=True)
class Glance:
    """What is looked at in a window, as places of its pieces.

    ``looks`` ``[chunks][LOOKS]``; ``spans``: row of ``chunks``, first and last piece of each of its readings.
    """

    chunks: Sequence[int]
    looks: Sequence[Sequence[int]]
    spans: Sequence[tuple[int, int, int]]


def windows(words: Words, encoder: "Encoder | PlainEncoder") -> list[Window]:
    """The windows of a text, in order. Each word is cut by itself; time and memory are linear in the words.

    Raises SourceError where the tokenizer is not BERT's.
    """
    tokenizer = encoder.tokenizer
    cut = tokenizer.encode(
        list(words.lower if encoder.lowercase else words.text), is_pretokenized=True, add_special_tokens=False
    )
    pieces: dict[int, list[int]] = {}
    for piece, word in zip(cut.ids, cut.word_ids, strict=True):
        # None is a mark that is no word's. Of hidden characters the tokenizer shows nothing: the encoder must not speak
        # for what it has not seen.
        if word is not None and not holds_hidden(words.text[word]):
            pieces.setdefault(word, []).append(piece)
    begin, end = edges_of(tokenizer)
    title = [piece for word, its in pieces.items() if words.in_title[word] for piece in its][:_TITLE]
    found = []
    for group in _groups(words, pieces):
        ids = [begin] if words.in_title[group[0]] or not title else [begin, *title, end]
        leading, places = len(ids), {}
        for word in group:
            places[word] = len(ids), len(ids) + len(pieces[word]) - 1
            ids += pieces[word]
        found.append(Window((*ids, end), places, leading))
    return found


def edges_of(tokenizer: "Tokenizer") -> tuple[int, int]:
    """The ids of the marks that begin and end what is read. Raises SourceError where the tokenizer is not BERT's."""
    return _id(tokenizer, _BEGIN), _id(tokenizer, _END)


def _id(tokenizer: "Tokenizer", mark: str) -> int:
    found = tokenizer.token_to_id(mark)
    if found is None:
        raise SourceError(f"the encoder's tokenizer knows no {mark}: give an encoder that is a BERT")
    return int(found)


def _groups(words: Words, pieces: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    """Words of whole sentences that fit into a window beside the title."""
    group: list[int] = []
    size = 0
    for block in _blocks(words, pieces):
        more = sum(len(pieces[word]) for word in block)
        if group and size + more > PIECES - _TITLE - 3:
            yield group
            group, size = [], 0
        group, size = [*group, *block], size + more
    if group:
        yield group


def _blocks(words: Words, pieces: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    """The words of each sentence, of a long one in parts; a word longer than a part is left out."""
    block: list[int] = []
    size = 0
    for word, its in pieces.items():
        if len(its) > _BLOCK:
            continue
        if block and (words.sentence[word] != words.sentence[block[0]] or size + len(its) > _BLOCK):
            yield block
            block, size = [], 0
        block.append(word)
        size += len(its)
    if block:
        yield block


def glance(sight: Sight, window: Window, possible: Collection[int], cut: Collection[int]) -> Glance | None:
    """Where the ``possible`` chunks lie whole in a window, and the readings of those to be ``cut``; None: nowhere.

    A reading that does not lie in the window whole is seen as its chunk is.
    """
    found, places = sight.chunks, window.places
    inside = [at for at in sorted(possible) if _are_placed(places, found[at].first, found[at].last)]
    if not inside:
        return None
    looks = [_looks(sight, places, at) for at in inside]
    spans = [span for row, at in enumerate(inside) if at in cut for span in _spans(sight, places, row, at)]
    return Glance(inside, looks, spans)


def _looks(sight: Sight, places: Mapping[int, Span], at: int) -> tuple[int, ...]:
    """The places that are looked at for a chunk; the window's begin where there is no such word in the sentence."""
    words, chunk = sight.words, sight.chunks[at]
    sentence = words.sentence[chunk.start]

    def of(word: int) -> Span:
        return places[word] if word in places and words.sentence[word] == sentence else (0, 0)

    opener = sight.chunks[chunk.head].start - 1
    return (
        places[chunk.first][0],
        places[chunk.last - 1][1],
        of(opener)[1],
        of(chunk.start - 1)[1],
        of(chunk.end)[0],
    )


def _spans(sight: Sight, places: Mapping[int, Span], row: int, at: int) -> Iterator[tuple[int, int, int]]:
    chunk = sight.chunks[at]
    whole = places[chunk.first][0], places[chunk.last - 1][1]
    for start, end in readings(sight.words, sight.chunks, at):
        known = _are_placed(places, start, end)
        yield row, *((places[start][0], places[end - 1][1]) if known else whole)


def _are_placed(places: Mapping[int, Span], start: int, end: int) -> bool:
    """Whether the encoder sees each word; there are no blanks in chunks and readings."""
    return all(word in places for word in range(start, end))

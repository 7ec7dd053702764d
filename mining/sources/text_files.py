"""Open text files whose encoding nobody wrote down, plain or gzipped, and read their lines within limits.

The rule, on the first MiB, in this order:
1. a byte order mark decides (UTF-8, UTF-16, UTF-32);
2. zero bytes on at least a quarter of the even or the odd places, and on almost none of the others: UTF-16;
3. valid UTF-8, or more than twice as many valid multi-byte characters as invalid bytes: UTF-8 (the bad rows are set
   aside, not the file);
4. two thirds of the bytes from 0x80 up stand in pairs or longer runs, and decode as GB18030: GB18030;
5. Windows-1252, which is Latin-1 with the quotation marks that such files really hold.
Big5 and Shift-JIS are not recognised: name them.
"""

import codecs
import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from mining.errors import SourceError
from mining.sources.rows import MAX_ROW

SAMPLE = 1 << 20  # bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_ESCAPED = re.compile("[\udc80-\udcff]")


def open_bytes(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where it is gzipped (told by its first bytes). SourceError where it cannot be."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror or error}; check the path") from error
    if stream.read(2) == b"\x1f\x8b":
        stream.close()  # GzipFile would not close what it did not open
        return cast(BinaryIO, gzip.open(path, "rb"))
    stream.seek(0)
    return stream


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translates what can go wrong inside a file that was opened well."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path} is a damaged gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error


def encoding_of(sample: bytes, *, whole: bool = True) -> str:
    """The encoding of a text by the rule above; ``whole`` says that nothing follows the sample."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    for name, own, other in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        if own and own.count(0) >= 0.25 * len(own) and other.count(0) <= 0.01 * len(other):
            return name
    if _mostly_utf8(sample, whole):
        return "utf-8"
    return "gb18030" if _mostly_gb18030(sample, whole) else "cp1252"


def open_text(path: Path, encoding: str | None = None) -> tuple[io.TextIOWrapper, str]:
    """(the file as text, its encoding). Bytes that do not decode stay visible to ``is_broken``. SourceError for an
    empty file and an unknown encoding."""
    if encoding is None:
        with reading(path), open_bytes(path) as stream:
            sample = stream.read(SAMPLE)
        if not sample:
            raise SourceError(f"{path} is empty; expected a header or rows")
        encoding = encoding_of(sample, whole=len(sample) < SAMPLE)
    try:
        encoding = codecs.lookup(encoding).name
    except LookupError:
        raise SourceError(
            f"{path}: nobody knows the encoding {encoding!r}; name one such as utf-8 or gb18030"
        ) from None
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors=errors, newline=""), encoding


def is_broken(text: str, encoding: str) -> bool:
    """Whether this text came from bytes that are not of this encoding."""
    if text.isascii():
        return False
    return bool(_ESCAPED.search(text)) if encoding.startswith("utf-8") else "\ufffd" in text


class Lines:
    """The physical lines of a text, each at most ``MAX_ROW`` long, with push-back. "" is the end."""

    def __init__(self, stream: io.TextIOBase) -> None:
        self._stream = stream
        self._pushed: deque[str] = deque()

    def take(self) -> str:
        """The next line with its end. One longer than ``MAX_ROW`` comes cut: call ``skip_rest``."""
        return self._pushed.popleft() if self._pushed else self._stream.readline(MAX_ROW + 1)

    def push(self, lines: list[str]) -> None:
        self._pushed.extendleft(reversed(lines))

    def skip_rest(self) -> None:
        """Drops the rest of the line that ``take`` cut."""
        while (part := self._stream.readline(MAX_ROW)) and not part.endswith(("\n", "\r")):
            pass


def _mostly_utf8(sample: bytes, whole: bool) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    text = decoder.decode(sample, final=whole)
    invalid = len(_ESCAPED.findall(text))
    if not invalid:
        return True
    valid = sum(not char.isascii() for char in text) - invalid
    return valid > 2 * invalid


def _mostly_gb18030(sample: bytes, whole: bool) -> bool:
    runs = [len(found[0]) for found in _HIGH_RUN.finditer(sample)]
    if sum(run for run in runs if run >= 2) < sum(runs) * 2 / 3:
        return False
    text = codecs.getincrementaldecoder("gb18030")("replace").decode(sample, final=whole)
    bad = text.count("\ufffd")
    return sum("\u2e80" <= char <= "\uffee" for char in text) - bad > 10 * bad

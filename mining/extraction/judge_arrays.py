"""What a file of weights must hold before a judge is made of it: named arrays of numbers, of shapes that fit.

A file that is cut, changed or of another version is a SourceError that names file and array, not one of NumPy's.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeAlias
from zipfile import BadZipFile

import numpy as np

from mining.errors import SourceError

Size: TypeAlias = int | str
"""A size, or the name of one that is the same for all arrays that share it."""

Wanted: TypeAlias = Mapping[str, tuple[str, tuple[Size, ...]]]
"""Name of an array → the kinds of its numbers (``numpy.dtype.kind``: i, u, f, U) and its shape."""

_KINDS = {"i": "whole numbers with a sign", "u": "whole numbers without a sign", "f": "fractions", "U": "text"}
# What NumPy and the archive beneath it raise of bytes that are not what they should be.
_UNREADABLE = (
    OSError,
    EOFError,
    BadZipFile,
    zlib.error,
    LZMAError,
    struct.error,
    TokenError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
)


@contextmanager
def weights_in(path: Path, what: str) -> Iterator[Mapping[str, Any]]:
    """The arrays of a file. Raises SourceError where it cannot be read, or what is done within refuses them."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            yield kept
    except _UNREADABLE as error:
        raise SourceError(f"{path}: not the weights of {what} ({error}); train one again") from error


def arrays_of(kept: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """The wanted arrays. Raises ValueError that names what is missing, of another kind or shape, or no number."""
    missing = [name for name in wanted if name not in kept]
    if missing:
        raise ValueError(f"it holds no {', '.join(missing)}")
    arrays, sizes = {name: kept[name] for name in wanted}, dict[str, int]()
    for name, (kinds, shape) in wanted.items():
        _expect(name, arrays[name], kinds, shape, sizes)
    return arrays


def scaled(name: str, rows: Any, scale: Any) -> Any:
    """Rows of eight-bit numbers times the scale of each column. Raises ValueError where that is no number."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(name, rows * scale)


def _finite(name: str, array: Any) -> Any:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds what is no number")
    return array


def _expect(name: str, array: Any, kinds: str, shape: tuple[Size, ...], sizes: dict[str, int]) -> None:
    """``sizes`` gets the named sizes where they are first seen."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds:
        seen = array.dtype if isinstance(array, np.ndarray) else "no array"
        raise ValueError(f"{name} is {seen}, expected {' or '.join(_KINDS[kind] for kind in kinds)}")
    named = zip(shape, array.shape, strict=False)
    due = tuple(sizes.setdefault(size, seen) if isinstance(size, str) else size for size, seen in named)
    if len(array.shape) != len(shape) or array.shape != due:
        expected = [sizes.get(size, size) if isinstance(size, str) else size for size in shape]
        raise ValueError(f"{name} has the shape {list(array.shape)}, expected {expected}")
    if array.dtype.kind == "f":
        _finite(name, array)

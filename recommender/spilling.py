"""Matrices too large to lie in memory while others are made."""

import logging
import os
from collections.abc import Iterable
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from recommender.arrays import Floats

LARGE = 1 << 26
"""Bytes from which a matrix lies on disk."""

_log = logging.getLogger("shopgraph.recommender.spilling")


def gathered(blocks: Iterable[Floats], shape: tuple[int, int]) -> Floats:
    """The float32 matrix of ``shape`` whose rows come in ``blocks``, in order.

    A large one is read from an unnamed file in the folder for temporary files, which is gone with the matrix; the
    system keeps as much of it in memory as there is room for. Where the disk has no room, memory has to do.
    """
    file = _file(4 * shape[0] * shape[1])
    if file is not None:
        return _mapped(file, blocks, shape)
    found, start = np.empty(shape, np.float32), 0
    for block in blocks:
        found[start : start + len(block)] = block
        start += len(block)
    return found


def set_down(matrix: Floats) -> Floats:
    """The same matrix; a large one is out of memory then, if the disk has room for it."""
    if isinstance(matrix.base, np.memmap):
        return matrix
    file = _file(matrix.nbytes)
    return matrix if file is None else _mapped(file, [matrix], (len(matrix), matrix.shape[1]))


def _file(size: int) -> IO[bytes] | None:
    """A file with room for so many bytes, for what is large."""
    if size < max(LARGE, 1):
        return None
    with ExitStack() as stack:
        try:
            file = stack.enter_context(TemporaryFile())
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            _log.info("a matrix of %d bytes stays in memory: %s", size, error)
            return None
        stack.pop_all()
        return file


def _mapped(file: IO[bytes], blocks: Iterable[Floats], shape: tuple[int, int]) -> Floats:
    with file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, np.float32).data)
        file.flush()
        return np.asarray(np.memmap(file, np.float32, "r", shape=shape))

"""Texts read in parts on several threads: one prepares words and looks up the lexicon while another multiplies.

Parts are the same whatever the number of threads, so the result is too. A long list of texts is never held prepared
as a whole: what is under way bounds the memory.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Given = TypeVar("Given")
Got = TypeVar("Got")

PART = 256  # texts: a few batches of nearly equal length


def in_parts(read: Callable[[Sequence[Given]], list[Got]], given: Sequence[Given], *, alone: bool = False) -> list[Got]:
    """``read`` of all of ``given``, in order. ``alone``: in one thread, as a device other than the CPU wants it."""
    parts = [given[at : at + PART] for at in range(0, len(given), PART)]
    threads = torch.get_num_threads()
    if alone or threads == 1 or len(parts) < 2:
        return [got for part in parts for got in read(part)]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return _gathered(pool, read, parts, 2 * threads)
    finally:
        torch.set_num_threads(threads)


def _gathered(
    pool: ThreadPoolExecutor, read: Callable[[Sequence[Given]], list[Got]], parts: Sequence[Sequence[Given]], most: int
) -> list[Got]:
    found: list[Got] = []
    waiting: deque[Future[list[Got]]] = deque()
    for part in parts:
        waiting.append(pool.submit(read, part))
        if len(waiting) >= most:
            found += waiting.popleft().result()
    while waiting:
        found += waiting.popleft().result()
    return found

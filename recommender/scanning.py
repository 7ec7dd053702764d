"""The compiled scan over vectors in 8 bits: which rows may be among the best k. Needs the extra ``retrieval`` (numba).

Bound, filter, dot product and selection are one pass; a row that cannot be among the best by its upper bound is never
touched again. Rows lie by falling norm, and a query is done where ‖q‖·‖x‖ cannot reach what it holds already.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recommender.arrays import Bools, Doubles, Floats, Ints
from recommender.errors import ConfigurationError
from recommender.quantised import BLOCK, Codes

Small: TypeAlias = NDArray[np.int32]
_SPARSE = 8  # rows are listed where fewer than one in so many is allowed, and else asked one by one
_WORTH = 1 << 15  # rows that are worth another thread
_ROOM = 8  # candidates that a query may hold for each place asked; with half of them at once the scan gives it up


class Scanner:
    """Finds candidates among vectors (n, d). Raises ConfigurationError without numba."""

    def __init__(self, vectors: Floats, threads: int = 1) -> None:
        self._scan = compiled(vectors.shape[1])
        self._codes = Codes.of(vectors)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "scan")  # whoever asks scans too
        if len(vectors):
            self.candidates(vectors[:1], 1, None)  # compiles, so that no request waits for it

    def candidates(self, queries: Floats, k: int, allowed: Bools | None) -> list[Ints | None]:
        """For each query every place that may be among its best k, in no order; None where they are too many.

        ``k`` is no more than ``allowed`` passes. All threads scan for one query; of several each thread takes some.
        """
        mask, listed = np.zeros(0, bool), np.zeros(0, np.int32)
        if allowed is not None and np.count_nonzero(allowed) * _SPARSE < len(allowed):
            listed = np.sort(self._codes.rows[np.flatnonzero(allowed)])
        elif allowed is not None:
            mask = np.require(allowed, requirements=["C", "W"])  # machine code is made for arrays that may be written
        first, *others = tasks = self._tasks(queries, k, len(listed) or len(self._codes.codes))
        waiting = [self._pool.submit(task.run, self._scan, self._codes, mask, listed) for task in others]
        first.run(self._scan, self._codes, mask, listed)
        for one in waiting:
            one.result()
        if len(queries) > 1:
            return [found for task in tasks for found in task.places(self._codes)]
        return [_joined([task.places(self._codes)[0] for task in tasks])]

    def _tasks(self, queries: Floats, k: int, rows: int) -> list["_Task"]:
        if len(queries) == 1:
            floors, parts = np.full(1, -np.inf), min(self._threads, 1 + rows // _WORTH)
            return [_Task(self._codes, queries, k, floors, part, parts) for part in range(parts)]
        shares = np.array_split(queries, min(self._threads, len(queries)))
        return [_Task(self._codes, share, k, np.full(len(share), -np.inf)) for share in shares]


class _Task:
    """What one thread scans for, and what it finds. ``floors`` may belong to several."""

    def __init__(self, codes: Codes, queries: Floats, k: int, floors: Doubles, first: int = 0, stride: int = 1) -> None:
        m, room = len(queries), min(max(4096, _ROOM * k), len(codes.codes) + 1)
        self._given = codes.query(queries)
        self._blocks = first, stride
        self._floors = floors
        self._heaps = np.full((m, k), -np.inf)
        self._found, self._uppers = np.empty((m, room), np.int32), np.empty((m, room))
        self._counts = np.zeros(m, np.int64)

    def run(self, scan: "Scan", codes: Codes, mask: Bools, listed: Small) -> None:
        held = codes.codes, codes.scales, codes.margins, codes.places, codes.reach
        kept = self._floors, self._heaps, self._found, self._uppers, self._counts
        scan(*held, mask, listed, *self._given, *self._blocks, *kept)

    def places(self, codes: Codes) -> list[Ints | None]:
        """Of each query what still reaches the floor once every task is done."""
        rows = zip(self._found, self._uppers, self._counts, self._floors, strict=True)
        return [
            None if count < 0 else codes.places[found[:count][uppers[:count] >= floor]].astype(np.int64)
            for found, uppers, count, floor in rows
        ]


def _joined(parts: list[Ints | None]) -> Ints | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


Scan: TypeAlias = Callable[..., None]


def installed() -> bool:
    """Whether the extra that compiles the scan is there."""
    try:
        _compiler()
    except ConfigurationError:
        return False
    return True


def _compiler() -> Any:
    try:
        from numba import njit
    except ImportError as error:
        raise ConfigurationError(
            f"the compiled scan needs numba ({error}): pip install 'shopgraph[retrieval]'"
        ) from error
    return njit


@cache
def compiled(d: int) -> Scan:
    """The scan for rows of d numbers, as machine code that holds no lock. Raises ConfigurationError without numba."""
    njit = _compiler()
    push, squeeze = njit(_push), njit(_squeeze)
    block = BLOCK

    def scan(
        codes: NDArray[np.int8], scales: Floats, margins: Floats, places: Small, reach: Doubles,
        allowed: Bools, listed: Small, queries: NDArray[np.int16], steps: Doubles, norms: Doubles,
        first: int, stride: int, floors: Doubles, heaps: Doubles, found: Small, uppers: Doubles, counts: Ints,
    ) -> None:  # fmt: skip
        """Rows that may be among the best k of each query, from every ``stride``-th block on from ``first``.

        Without ``allowed`` (n,) and without ``listed`` (rising) they may be any; else blocks are blocks of ``listed``.
        Of query j: ``heaps[j]`` (k,) holds the best lower bounds, ``found[j, :counts[j]]`` rows and ``uppers[j]`` their
        upper bounds. ``floors[j]``, which some lower bounds of k rows reach, may be shared by threads: one that is read
        late lets more rows through, never fewer. ``counts[j]`` is −1 where more rows came than ``found`` holds.
        """
        rows, dots, close = np.empty(block, np.int32), np.empty(block, np.int32), np.empty(block, np.int32)
        total_rows = len(listed) if len(listed) else len(codes)
        for start in range(first * block, total_rows, stride * block):
            far = reach[(listed[start] if len(listed) else start) // block]
            here, waiting = 0, False
            for j in range(len(queries)):
                waiting = waiting or (counts[j] >= 0 and norms[j] * far >= floors[j])
            if not waiting:
                return
            for i in range(start, min(start + block, total_rows)):
                rows[here] = listed[i] if len(listed) else i
                here += len(allowed) == 0 or allowed[places[i]]
            for j in range(len(queries)):
                if counts[j] < 0 or norms[j] * far < floors[j]:
                    continue
                for r in range(here):
                    total = np.int32(0)
                    for c in range(d):
                        total += np.int32(codes[rows[r], c]) * np.int32(queries[j, c])
                    dots[r] = total
                floor, near = floors[j], 0
                for r in range(here):  # without a branch: few rows are near
                    close[near] = r
                    near += scales[rows[r]] * steps[j] * dots[r] + norms[j] * margins[rows[r]] >= floor
                for place in range(near):
                    r = close[place]
                    i = rows[r]
                    score, slack = scales[i] * steps[j] * dots[r], norms[j] * margins[i]
                    if score + slack < floor or counts[j] < 0:
                        continue
                    found[j, counts[j]], uppers[j, counts[j]] = i, score + slack
                    counts[j] += 1
                    if score - slack > heaps[j, 0]:
                        push(heaps[j], score - slack)
                        floor = max(floor, heaps[j, 0])
                    if counts[j] == found.shape[1]:
                        counts[j] = squeeze(found[j], uppers[j], floor)
                floors[j] = max(floor, floors[j])

    compiled_scan: Scan = njit(scan, nogil=True)
    return compiled_scan


def _push(heap: Doubles, value: float) -> None:
    """Put a value in the place of the smallest, which stands first."""
    here, k = 0, len(heap)
    while 2 * here + 1 < k:
        below = 2 * here + 1
        if below + 1 < k and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= value:
            break
        heap[here] = heap[below]
        here = below
    heap[here] = value


def _squeeze(found: Small, uppers: Doubles, floor: float) -> int:
    """Drop what has fallen below the floor; −1 where more than half is left."""
    kept = 0
    for r in range(len(found)):
        if uppers[r] >= floor:
            found[kept], uppers[kept] = found[r], uppers[r]
            kept += 1
    return kept if 2 * kept <= len(found) else -1

"""Where each target stands in the list of each model and in what is served, and the lists themselves.

What is served is the sum that was chosen, and where it says nothing, the fallbacks of the product in their order: the
relation term, then what sells, in the end what nobody speaks for. A model's own list is its scores alone. Ties count
against a target wherever it is ranked; in a list the item that comes first in the catalogue stands first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from protocols import Task

from recommender.arrays import Bools, Doubles, Floats, Ints
from recommender.evaluation import blocks, mask
from recommender.histories import Histories
from recommender.listing import Chain
from recommender.metrics import target_ranks
from recommender.model import Scorer
from recommender.retrieval import top_k

SERVED = "served"
DEEP = 20
DEEPER = 100  # where a protocol names the rivals of each target: all of them
_TIER = 2.0**33  # further apart than any two of the numbers that stand for scores


@dataclass(frozen=True, slots=True)
class Part:
    """A fitted model under the name of its lists, its weight in a sum, and what fitting it took (CPU seconds)."""

    name: str
    weight: float
    scorer: Scorer
    seconds: float


def ranks(parts: Sequence[Part], task: Task, lists: "Lists | None", chain: Chain | None = None) -> dict[str, Ints]:
    """The rank of each target by each part; where there is a ``chain`` of fallbacks, also by what is served: the sum of
    the parts, then the chain. Every case is scored once."""
    cases, n_items = task.asks.cases, len(task.asks.train.items)
    names = [part.name for part in parts] + ([] if chain is None else [SERVED])
    found = {name: np.empty(len(cases.targets), np.int64) for name in names}
    start = 0
    for histories, rows, items, which in blocks(cases, n_items):
        hidden = mask(histories, cases, n_items)
        if task.negatives is not None:
            hidden = np.ones_like(hidden)
            np.put_along_axis(hidden, task.negatives[cases.owners[which]], False, axis=1)
            hidden[rows, items] = False
        for name, scores in _scored(parts, chain, histories, hidden):
            found[name][which] = target_ranks(scores, rows, items, hidden)
            if lists:
                lists.extend(name, start, scores, hidden)
        start += len(histories)
    if lists:
        lists.flush()
    return found


def _scored(
    parts: Sequence[Part], chain: Chain | None, histories: Histories, hidden: Bools
) -> Iterator[tuple[str, Floats | Doubles]]:
    together = np.zeros(hidden.shape, np.float32)
    for part in parts:
        scores = part.scorer.scores_batch(histories)
        together += np.float32(part.weight) * scores
        yield part.name, scores
    if chain is not None:
        speaks: Bools = np.any([part.scorer.speaks(histories) for part in parts], axis=0)
        yield SERVED, filled(together, speaks, hidden, histories, chain)


def filled(scores: Floats, speaks: Bools, hidden: Bools, histories: Histories, chain: Chain) -> Floats | Doubles:
    """Numbers in whose order the product lists the items that are not ``hidden`` (n, n_items), row by row.

    As in ``recommender.listing.ranked``: a score of exactly 0 says nothing, and who says something first for an item
    ranks it among those that are left to them. ``speaks`` (n,): whom the sum speaks for. Where it leaves nothing open,
    its scores come back as they are.
    """
    left = ~(hidden | ((scores != 0) & speaks[:, None]))
    open_rows = np.flatnonzero(left.any(axis=1))
    if not len(open_rows):
        return scores
    left, theirs = left[open_rows], histories.take(open_rows)
    numbers = _in_order(scores[open_rows])
    for tier, (_, scorer) in enumerate(chain, start=1):
        said = scorer.scores_batch(theirs)
        new = left & (said != 0) & scorer.speaks(theirs)[:, None]
        numbers[new] = _in_order(said[new]) - tier * _TIER
        left &= ~new
    numbers[left] = -(len(chain) + 1) * _TIER
    whole = scores.astype(np.float64)
    whole[open_rows] = numbers
    return whole


def _in_order(scores: Floats) -> Doubles:
    """Whole numbers below 2³¹ in size that stand as the scores do, equal where those are equal: the bits of a float32
    count up with its size. So tiers can be set apart without rounding two scores into one."""
    bits: Doubles = np.ascontiguousarray(scores, np.float32).view(np.int32).astype(np.float64)
    np.subtract(-(2.0**31), bits, out=bits, where=bits < 0)  # of a negative score: the sign's bit, then its size
    return bits


class Lists:
    """The ranked lists as rows of one Parquet file: user, item, rank from 1, model. A context, for the file gets its
    name when all is written; a run that ends early leaves the models that it ranked in a file called ``.partial``. No
    more is in memory than the lists of the models that are ranked together."""

    def __init__(self, task: Task, path: Path) -> None:
        self._task, self._path, self._partial = task, path, path.with_name(path.name + ".partial")
        self._deep = DEEP if task.negatives is None else DEEPER
        told = pa.dictionary(pa.int32(), pa.string())
        kinds = zip(("user", "item", "rank", "model"), (*task.ids, pa.int32(), told), strict=True)
        self._schema = pa.schema(list(kinds))
        self._tables: dict[str, list[pa.Table]] = {}

    def __enter__(self) -> "Lists":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = pq.ParquetWriter(self._partial, self._schema)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._partial.replace(self._path)

    def extend(self, model: str, start: int, scores: Floats | Doubles, hidden: Bools) -> None:
        """The best of each case from ``start`` on; what is hidden is no part of a list."""
        best = [top_k(row, self._deep, ~masked) for row, masked in zip(scores, hidden, strict=True)]
        lengths = np.array([len(row) for row in best], np.int64)
        cases = start + np.repeat(np.arange(len(best)), lengths)
        places = np.concatenate([np.arange(1, length + 1) for length in lengths])
        names = (self._task.users, self._task.asks.train.items.names)
        user, item = (
            pa.array([name[place] for place in found.tolist()]).cast(kind)
            for name, found, kind in zip(names, (cases, np.concatenate(best)), self._task.ids, strict=True)
        )
        models = pa.array([model] * len(cases), pa.string()).dictionary_encode()
        table = pa.table([user, item, pa.array(places, pa.int32()), models], schema=self._schema)
        self._tables.setdefault(model, []).append(table)

    def flush(self) -> None:
        """What was ranked together is complete: one model after the other."""
        for tables in self._tables.values():
            self._file.write_table(pa.concat_tables(tables).unify_dictionaries())
        self._tables.clear()

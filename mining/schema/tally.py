"""Counting in bounded memory: what is frequent stays, what is rare may be forgotten."""

from collections import Counter
from collections.abc import Iterable


class Tally:
    """Counts of the most frequent keys. Above twice ``capacity`` keys the rarest are forgotten, ties by their order, so
    that equal streams give equal tallies; a count is then a lower bound and ``forgot`` says so."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.forgot = capacity, False
        self._counts: Counter[str] = Counter()

    def add(self, keys: Iterable[str]) -> None:
        """Each key once more; a key that comes twice in one call counts once."""
        self._counts.update(set(keys))
        if len(self._counts) > 2 * self.capacity:
            self._counts = Counter(dict(self._sorted()[: self.capacity]))
            self.forgot = True

    def most(self, least: int = 1) -> list[tuple[str, int]]:
        """Keys that were counted at least so often, the most frequent first, equal ones in their order."""
        return [(key, count) for key, count in self._sorted() if count >= least]

    def __getitem__(self, key: str) -> int:
        return self._counts[key]

    def __len__(self) -> int:
        return len(self._counts)

    def _sorted(self) -> list[tuple[str, int]]:
        return sorted(self._counts.items(), key=lambda pair: (-pair[1], pair[0]))

"""Do providers get the exposure that is theirs? The brands of a shop, by what lists show of them.

Exposure of a place is 1 / log₂(rank + 1), a brand's the sum over its products. A fair share is one of two: the brand's
share of the catalogue (demographic parity), or its share of the purchases (what it deserves, by what people chose so
far); both after Singh, Joachims: "Fairness of Exposure in Rankings", KDD 2018. ``unfairness`` is half the sum over
brands of |share of exposure − fair share|: the part of all exposure that would have to go to other brands, 0 to 1. The
sum itself is the amortised unfairness of Biega, Gummadi, Weikum: "Equity of Attention", SIGIR 2018.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recommender.arrays import Doubles, Floats, Sparse, sparse
from recommender.dataset import Dataset
from recommender.histories import Ids
from recommender.splits import taken, taking_actions

PROVIDER = "MADE_BY"
MOST_SHOWN = 15  # brands that a report lists


@dataclass(frozen=True, slots=True)
class Share:
    """One provider: its shares of exposure, of the products and of the purchases."""

    provider: str
    exposure: float
    catalogue: float
    purchases: float


@dataclass(frozen=True, slots=True)
class Fairness:
    """``providers`` have a product; ``unnamed`` is the share of exposure of products without one, left out of the rest.
    ``shares`` are those whose exposure differs most from their purchases."""

    providers: int
    unfairness_catalogue: float
    unfairness_purchases: float
    unnamed: float
    shares: tuple[Share, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Providers:
    """``member`` (n_items, n_providers): a product that names several is shared equally. ``catalogue`` and
    ``purchases`` (n_providers,) sum to 1, or are 0 where nothing was bought."""

    names: Ids
    member: Sparse
    catalogue: Doubles
    purchases: Doubles

    @classmethod
    def of(cls, train: Dataset) -> "Providers | None":
        """None where the training set names no provider."""
        edges = train.attributes.get(PROVIDER)
        if edges is None or not len(edges):
            return None
        n_items = len(train.items)
        tails, places = np.unique(edges.tails, return_inverse=True)
        names = Ids(tuple(train.entities[int(tail)] for tail in tails))
        shares: Floats = (1.0 / np.bincount(edges.heads, minlength=n_items)[edges.heads]).astype(np.float32)
        member = sparse(edges.heads, places.astype(np.int64), shares, (n_items, len(names)))
        h = train.histories
        had = taken(h, taking_actions(h))
        bought = np.unique(h.owners[had] * n_items + h.items[had]) % n_items
        counts = np.bincount(bought, minlength=n_items).astype(np.float64)
        return cls(names, member, _share(_sums(np.ones(n_items), member)), _share(_sums(counts, member)))

    def fairness(self, exposure: Doubles, shown: int = MOST_SHOWN) -> Fairness:
        """Of exposure a product (n_items,)."""
        each = _sums(exposure, self.member)
        total = float(exposure.sum())
        mine = _share(each)
        order = np.argsort(-np.abs(mine - self.purchases), kind="stable")[:shown]
        return Fairness(
            len(self.names),
            float(np.abs(mine - self.catalogue).sum() / 2),
            float(np.abs(mine - self.purchases).sum() / 2),
            float(1 - each.sum() / total) if total else 0.0,
            tuple(
                Share(self.names[int(p)], float(mine[p]), float(self.catalogue[p]), float(self.purchases[p]))
                for p in order
            ),
        )


def _sums(amounts: Doubles, member: Sparse) -> Doubles:
    return np.asarray(member.T @ amounts, np.float64)


def _share(amounts: Doubles) -> Doubles:
    total = amounts.sum()
    return np.asarray(amounts / total if total else amounts, np.float64)

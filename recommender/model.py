"""The two protocols of this room: a Model learns from a Dataset, a Scorer answers for anyone with a history."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from recommender.arrays import Bools, Floats
from recommender.errors import UnknownProduct
from recommender.histories import Histories, Ids, UserState

if TYPE_CHECKING:
    from recommender.dataset import Dataset
    from recommender.splits import Cut


class Scorer(ABC):
    """Scores every product for everyone who did something; NumPy only, safe to use from several threads.

    ``items`` and ``users`` are the id maps of training. The larger the score, the better; scores of one scorer are
    comparable within one user only. A scorer that has nothing to say about a product gives it exactly 0, and
    ``speaks`` is False for someone about whom it has nothing to say at all. Learned user vectors are used where the
    user is known and the history has not moved since training; everyone else is folded in from the history.
    """

    items: Ids
    users: Ids

    @abstractmethod
    def scores_batch(self, histories: Histories) -> Floats:
        """Shape (n, n_items), finite, float32. Item places must be those of ``items``."""

    @abstractmethod
    def speaks(self, histories: Histories) -> Bools:
        """For whom this scorer knows more than nothing, (n,)."""

    def scores(self, user: UserState, candidates: Sequence[str] | None = None) -> Floats:
        """One user's scores, (n_items,), or (len(candidates),) in their order.

        Products of the history that training did not know are passed over. Raises UnknownProduct for a candidate
        that training did not know.
        """
        row: Floats = self.scores_batch(Histories.of([user], self.items, self.users))[0]
        if candidates is None:
            return row
        places = np.array([self.items.get(name) for name in candidates], np.int64)
        if (places < 0).any():
            raise UnknownProduct(candidates[int(np.argmin(places))])
        return row[places]


class Model(Protocol):
    """A way to learn. A model holds its configuration only; ``fit`` returns what was learned.

    The same dataset, configuration and seed give the same scores.
    """

    @property
    def name(self) -> str:
        """What reports and ``Recommendation.origin`` call it."""
        ...

    @property
    def uses_relations(self) -> bool:
        """Whether facts change what it learns."""
        ...

    def fit(self, data: "Dataset") -> Scorer:
        """Raises ModelFitError where there is nothing to learn from or the numbers are not finite."""
        ...


@runtime_checkable
class Tunable(Model, Protocol):
    """A model whose training has a length that a validation cut chooses."""

    def tune(self, cut: "Cut") -> tuple[Scorer, Model]:
        """What was learned from ``cut.train``, stopped where it was best on ``cut.cases``; and the same model with
        that length fixed, to be fitted on everything."""
        ...

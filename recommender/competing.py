"""What competes to be served: one list for ``shopgraph train``, the evaluation and the benchmark of published splits.

Nobody else says what competes, so that all three offer the same where they ask alike: the benchmark asks for the
``thorough`` list, with networks only where they are named or where no dense matrix fits. Several settings of one model
have one name, and only the best of a name may join the sum (``choosing``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from recommender.comparing import reseeded
from recommender.dataset import Dataset
from recommender.errors import ConfigurationError
from recommender.model import Model
from recommender.models.als import Als
from recommender.models.coupling import Coupling
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.lae import Lae
from recommender.models.mixture import Mixture
from recommender.models.popularity import Popularity
from recommender.models.randomwalk import RandomWalk
from recommender.models.slist import Slist
from recommender.models.texts import Texts

if TYPE_CHECKING:
    from recommender.training import Run  # brings torch along, and closed forms need none

NETWORKS = ("lightgcn", "relational", "sasrec")
OFFERED = ("lightgcn", "relational")
"""The networks that compete where nobody names others."""
LARGEST_DENSE = 20_000  # items; beyond it a dense matrix of items by items no longer fits in 4 GB
CHEAP = 4_000  # items; up to here inverting such a matrix takes a second or two, so that every setting is tried
MANY_EVENTS = 100_000  # from here on LightGCN gets larger batches and less time: it costs the most and adds the least
# Of an epoch: each step costs what the graph is large, so that more of them would cost the square. With up to 50,000
# users, or 400,000 pairs, the batches are those that were measured.
MOST_STEPS = {"lightgcn": 100, "relational": 25}
STEPS_FROM_SPECTRUM = 60  # where it starts from the spectrum: what was measured, on gowalla


@dataclass(frozen=True, slots=True)
class Offer:
    """What is let compete besides the list for everyone. ``thorough`` tries every setting in large shops too, and in
    shops of any size those that cost more, which takes minutes; ``texts`` lets the texts of products compete, if there
    are any: a part that no fact explains."""

    networks: Sequence[str] = OFFERED
    texts: bool = False
    thorough: bool = False


EVERYONE = Offer()


def known_networks(names: Sequence[str]) -> Sequence[str]:
    """The names once each, all of them of networks. Raises ConfigurationError."""
    for name in names:
        if name not in NETWORKS:
            raise ConfigurationError(f"there is no network {name!r}; known are {', '.join(NETWORKS)}")
    return list(dict.fromkeys(names))


def candidates(
    data: Dataset,
    *,
    seed: int = 0,
    ordered: bool = True,
    networks: Sequence[str] = OFFERED,
    texts: bool = False,
    thorough: bool = False,
    run: "Callable[[str], Run] | None" = None,
) -> list[Model]:
    """Baselines first, networks last, each with the settings that compete.

    ``ordered`` says whether histories have an order; models of order need one. ``networks``, ``texts`` and ``thorough``
    are an ``Offer``. ``run`` says by the name of a network where it is trained. Raises ConfigurationError for a network
    that is none.
    """
    every = thorough or len(data.items) <= CHEAP
    found = [*_closed_forms(data, ordered, every=every), *_of_facts(data, every=every)]
    found += _larger(data, ordered) if thorough else []
    found += [Texts()] if texts and any(data.texts) else []
    found += [_network(name, data) for name in known_networks(networks) if ordered or name != "sasrec"]
    found = [reseeded(model, seed) for model in found]
    return found if run is None else [running(model, run) for model in found]


def dense(data: Dataset) -> bool:
    """Whether EASE can be made: of items by items, or of users by items where users are few."""
    n_users, n_items = len(data.users), len(data.items)
    return n_items * (n_users if 2 * n_users < n_items else n_items) <= LARGEST_DENSE**2


def one_each(models: Sequence[Model]) -> list[Model]:
    """Of each name the first setting, in order."""
    first: dict[str, Model] = {}
    for model in models:
        first.setdefault(model.name, model)
    return list(first.values())


def _closed_forms(data: Dataset, ordered: bool, *, every: bool) -> list[Model]:
    """What histories alone teach."""
    n_users, n_items = len(data.users), len(data.items)
    found: list[Model] = [Popularity(half_life_days=30.0)] if ordered else []
    found += [Popularity(), ItemKNN(), RandomWalk()]
    found += [Lae(), Lae(regularisation=0.1)]
    found += [Lae(user_degrees=0.5, item_degrees=0.5, degrees=0.5)] if every else []
    if find_spec("implicit") is not None:
        found += [Als(128, alpha=40.0), *([Als(128)] if every else [])]
    few_users = 2 * n_users < n_items  # then EASE is made from users, in a time that grows with them alone
    if dense(data):
        found += [Ease(strength) for strength in ((10.0, 50.0, 200.0) if every or few_users else (100.0,))]
    if n_items <= LARGEST_DENSE and ordered:
        found.append(Slist())
    return found


def _of_facts(data: Dataset, *, every: bool) -> list[Model]:
    """What relations between products teach, but the linear terms: those are always tried."""
    if not any(map(len, data.links.values())):
        return []
    found: list[Model] = [Coupling(), Lae(facts=1.0), Lae(facts=4.0)]
    return [*found, Ease(100.0, facts=4.0)] if every and len(data.items) <= LARGEST_DENSE else found


def _larger(data: Dataset, ordered: bool) -> list[Model]:
    """Settings that cost more, or that only some logs like; in cheap shops another SLIST is better alone and worth less
    in a sum."""
    found: list[Model] = [Lae(regularisation=0.4)]
    found += [Als(400, regularisation=10.0, alpha=40.0)] if find_spec("implicit") is not None else []
    return [*found, Slist(100.0)] if ordered and CHEAP < len(data.items) <= LARGEST_DENSE else found


def _network(name: str, data: Dataset) -> Model:
    """Imports torch."""
    if name == "lightgcn":
        from recommender.models.lightgcn import LightGCN

        if not dense(data):  # large enough that an epoch takes a minute: a start and a rate that save most of them
            steps = STEPS_FROM_SPECTRUM
            return LightGCN(temperature=0.1, start="spectral", final_rate=0.1, most_steps=steps, epochs=8)
        light = LightGCN(most_steps=MOST_STEPS[name])
        return replace(light, batch=4096, epochs=25, patience=2) if len(data.histories.items) > MANY_EVENTS else light
    if name == "relational":
        from recommender.models.relational import Relational

        return Relational(most_steps=MOST_STEPS[name])
    from recommender.models.sasrec import Sasrec

    return Sasrec()


def running(model: Model, run: "Callable[[str], Run]") -> Model:
    """The same model, its networks trained where ``run`` says by their names. Networks have a field ``run``."""
    if isinstance(model, Mixture):
        return Mixture(tuple((weight, running(part, run)) for weight, part in model.parts))
    return replace(model, run=run(model.name)) if model.name in NETWORKS else model  # type: ignore[type-var]

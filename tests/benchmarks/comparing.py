"""``shopgraph compare`` where the truth is known: simulated shoppers in front of lists of two trained models.

The sample shop's simulator writes a log, ItemKNN and popularity learn from it, and the same simulator says what each
shopper would look for next. A visitor clicks a product at a rank with the probability

    examination[rank] · appeal[shopper, product],    appeal = 1 − e^(−30 · wish),    examination = rank^−0.7

so what any list earns is a sum that needs no simulation.

Run as: python tests/benchmarks/comparing.py     (some minutes on one core)
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from api.bootstrap import Shop, shop
from api.settings import Settings
from kg.types import Entity
from mining.samples import sample_products
from mining.samples.simulator import SimulatorConfig, simulate, wishes
from mining.samples.truth import load_truth
from recommender.artifact import promote, save
from recommender.choosing import build
from recommender.drafting import drafted
from recommender.exploring import Draw, Exploration, Lottery
from recommender.impressions import Impression, Outcome, Shown
from recommender.interleaving import verdict
from recommender.model import Model
from recommender.models.itemknn import ItemKNN
from recommender.models.popularity import Popularity
from recommender.off_policy import Estimate, Report, evaluate
from recommender.reading import read_dataset
from recommender.recommender import Answer, Recommender
from recommender.replaying import credited, tables

Doubles = NDArray[np.float64]
K = 10
NOTICED = 30.0  # how clearly a wish shows in clicks
EXAMINATION = 1 / np.arange(1, K + 1) ** 0.7
EXPLORATION = Exploration(first=1, sharpness=0.5)  # serve --explore-from 1 --explore-sharpness 0.5
ESTIMATORS = ("ips", "snips", "dr")


@dataclass(frozen=True, slots=True)
class Visits:
    """The shop, two models of it by name, and who clicks what: ``appeal`` (users, products)."""

    models: Mapping[str, Recommender]
    at: int
    users: Mapping[str, int]
    products: Mapping[str, int]
    appeal: Doubles

    @classmethod
    def of(cls, opened: Shop, *, users: int = 400) -> "Visits":
        """A workspace with a simulated log, a popularity model in service and ItemKNN beside it."""
        products, truth, config = sample_products(), load_truth(), SimulatorConfig(users=users, bot_days=0)
        opened.store.put(Entity(f"product:{p.id}", "Product", p.title) for p in products)
        opened.log.append(simulate(products, truth, config))
        names = [cls._trained(opened, model) for model in (Popularity(), ItemKNN(shrink=20.0))]
        promote(opened.workspace.models / names[0])
        people, wanted = wishes(products, truth, config)
        models = {n: Recommender.load(opened.workspace.models / n, opened.store, opened.log) for n in names}
        places = {product.id: n for n, product in enumerate(products)}
        return cls(
            models, config.end, {user: n for n, user in enumerate(people)}, places, 1 - np.exp(-NOTICED * wanted)
        )

    @staticmethod
    def _trained(opened: Shop, model: Model) -> str:
        data = read_dataset(opened.store, opened.log, allow_undated=True)
        newest = {"data": {"newest_event": opened.log.last_at}}
        return save(build(model, data, newest), opened.workspace.models).name

    def worth(self, lists: Mapping[str, Sequence[str]]) -> float:
        """The expected clicks of an answer to a shopper drawn at random; each is shown the first K of a list."""
        return float(np.mean([self.chances(user, lists[user]).sum() for user in self.users]))

    def chances(self, user: str, products: Sequence[str]) -> Doubles:
        """With which probability each of the first K is clicked."""
        appeal = self.appeal[self.users[user], [self.products[name] for name in products[:K]]]
        clicked: Doubles = appeal * EXAMINATION[: len(appeal)]
        return clicked

    def lists(self, model: str, deep: int = K) -> dict[str, list[str]]:
        """What this model shows each shopper by itself."""
        ask = self.models[model].recommend
        return {u: [r.product_id for r in ask(u, k=deep, max_reasons=0)] for u in self.users}

    def answers(self, model: str) -> dict[str, Answer]:
        """The same as answers, to draft from."""
        ask = self.models[model].answer
        return {user: ask(user, k=K, max_reasons=0) for user in self.users}

    def visited(self, kept: Impression, random: np.random.Generator) -> Impression:
        """An answer with the clicks that come of it."""
        products = [s.product_id for s in kept.shown]
        hits = random.random(len(products)) < self.chances(str(kept.user_id), products)
        clicks = [product for product, hit in zip(products, hits, strict=True) if hit]
        name = kept.request_id
        return replace(kept, outcomes=tuple(Outcome(f"{name}/{product}", name, product, "click") for product in clicks))

    def explored(
        self, model: str, natural: Mapping[str, Sequence[str]], answers: int, seed: int, by: Exploration = EXPLORATION
    ) -> list[Impression]:
        """A log of this model with chance, each answer for a shopper drawn at random; ``natural`` are its ``lists`` as
        deep as chance reaches."""
        random, found = np.random.default_rng(seed), []
        for n, user in enumerate(random.choice(list(self.users), answers).tolist()):
            pool = natural[user][by.first - 1 : by.reach]
            name, ranks = f"{seed}/{n}", tuple(range(by.first, by.first + len(pool)))
            drawn = [pool[place] for place in Draw(by, name).order(len(pool))]
            lottery = Lottery(tuple(pool), ranks, by.sharpness)
            kept = Impression(name, self.at, model, (), user, None, lottery)
            shown = enumerate([*natural[user][: by.first - 1], *drawn][:K], start=1)
            kept = replace(kept, shown=tuple(Shown(p, r, lottery.propensity(p, r) or 1.0) for r, p in shown))
            found.append(self.visited(kept, random))
        return found

    def interleaved(
        self, own: tuple[str, Mapping[str, Answer]], rival: tuple[str, Mapping[str, Answer]], answers: int, seed: int
    ) -> list[Impression]:
        """A log of lists that two models share, of their ``answers``."""
        random = np.random.default_rng(seed)
        found = []
        for n, user in enumerate(random.choice(list(self.users), answers).tolist()):
            name = f"draft {seed}/{n}"
            answer = drafted(own[1][user], rival[1][user], K, name, rival=rival[0])
            shown = tuple(Shown(r.product_id, r.rank, answer.propensity(r)) for r in answer.shown)
            kept = Impression(name, self.at, own[0], shown, user, interleaved=answer.interleaved)
            found.append(self.visited(kept, random))
        return found

    def reordered(self, served: str, model: str) -> dict[str, list[str]]:
        """What the estimates are about: the candidates of the served model's lottery in this model's order, what it has
        nothing to say about last."""
        pools, ranked = self.lists(served, EXPLORATION.reach), self.lists(model, len(self.products))
        return {u: list(dict.fromkeys([p for p in ranked[u] if p in pools[u]] + pools[u])) for u in self.users}


def report(log: Sequence[Impression], lists: Mapping[str, Sequence[str]], *, resamples: int, seed: int = 0) -> Report:
    """What the log says of a policy that orders the candidates of each shopper like this."""
    return evaluate(*tables(log, lambda i: lists[str(i.user_id)], k=K), resamples=resamples, seed=seed)


def covered(visits: Visits, served: str, other: str, *, logs: int, answers: int) -> None:
    """How often the intervals hold the truth."""
    natural = visits.lists(served, EXPLORATION.reach)
    lists = {name: visits.reordered(served, name) for name in (other, served)}
    truth = {name: visits.worth(found) for name, found in lists.items()}
    print(f"an answer of {served} earns {truth[served]:.4f} clicks; its candidates in the order of {other}", end=" ")
    print(f"{truth[other]:.4f}; {logs} logs of {answers} answers")
    found: dict[str, list[tuple[Estimate, float]]] = {}
    effective = []
    for seed in range(logs):
        log = visits.explored(served, natural, answers, seed)
        one, two = (report(log, lists[name], resamples=500, seed=seed) for name in (other, served))
        effective.append(one.effective)
        for name in ESTIMATORS:
            found.setdefault(name, []).append((getattr(one, name), truth[other]))
            gain = (one.difference(two, name), truth[other] - truth[served])
            found.setdefault(f"{name}, difference", []).append(gain)
        found.setdefault("logged", []).append((one.logged, truth[other]))
    print(f"effective answers: {np.mean(effective):.0f}")
    print(f"{'estimator':18s} {'mean':>8s} {'bias':>8s} {'std':>7s} {'covers':>7s}")
    for name, rows in sorted(found.items()):
        values, hits = np.array([e.value for e, _ in rows]), np.mean([e.low <= true <= e.high for e, true in rows])
        print(
            f"{name:18s} {values.mean():8.4f} {values.mean() - rows[0][1]:+8.4f} {values.std(ddof=1):7.4f} {hits:7.1%}"
        )


def decided(visits: Visits, one: str, two: str, *, answers: int, runs: int) -> tuple[float, float]:
    """How often interleaving says that ``one`` is better, and that ``two`` is; people are held against each other."""
    own, rival = ((name, visits.answers(name)) for name in (one, two))
    if one == two:
        rival = (two + " again", rival[1])
    better = []
    for seed in range(runs):
        log = visits.interleaved(own, rival, answers, seed)
        better.append(verdict(credited(log, own[0], rival[0], k=K).by_person()).better)
    return better.count("a") / runs, better.count("b") / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=100, help="simulated logs")
    parser.add_argument("--answers", type=int, default=2000, help="answers of a log")
    parser.add_argument("--runs", type=int, default=200, help="simulated comparisons of each size")
    options = parser.parse_args()
    with TemporaryDirectory() as folder, shop(Settings(workspace=Path(folder))) as opened:
        visits = Visits.of(opened)
        popular, personal = visits.models
        covered(visits, popular, personal, logs=options.logs, answers=options.answers)
        worth = {name: visits.worth(visits.lists(name)) for name in visits.models}
        print("\nby their own lists: " + ", ".join(f"{name} {value:.4f}" for name, value in worth.items()))
        for answers in (400, 800, 1600):
            won = decided(visits, personal, popular, answers=answers, runs=options.runs)
            print(f"{answers:5d} interleaved answers: {personal} better in {won[0]:.1%}, worse in {won[1]:.1%}")
        same = decided(visits, personal, personal, answers=1000, runs=options.runs)
        print(f" 1000 of one model against itself: different in {sum(same):.1%} of {options.runs} runs")


if __name__ == "__main__":
    main()

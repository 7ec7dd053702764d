"""Do relations help? Each relational model with its relations, without them, and with shuffled ones, slice by slice.

    python tests/benchmarks/relations_help.py --data ../shared/data/beauty --out results/relations
        [--models term ease lae coupling relational] [--sources all crawled catalogue texts own] [--seeds 5]
        [--minutes 14]

The leave-one-out split of Beauty has next to no target that training does not know, so a cold-item cut is made of it:
a tenth of the items, by chance, loses every event, in training and in the histories that are asked. Relations stay, as
a shop has them for a new product too. Another tenth is hidden from the cut that chooses weights and epochs (the
second-last item of each user). Every target is ranked among all items, hidden or not.

Sources of relations: ``crawled`` are also_bought, also_viewed and bought_together of the data set, crawled after the
events, so they may know what is asked, and no new product would have them; ``catalogue`` is brand and category;
``texts`` is what our rules extract from titles; ``own`` is catalogue and texts: what a new product says of itself.

``term`` is the linear relation term alone, ``ease`` is EASE plus that term, ``lae`` the linear auto-encoder that
completes facts beside histories, ``coupling`` what is related to the same, ``relational`` the graph network. Shuffled
relations keep each edge's head and weight and get another's tail; each variant chooses its own weight, so a term of
untrue facts may get the smallest one. A seed is another initialisation of the network and another shuffling. A user's
metric is the mean over seeds, and users are drawn anew (paired bootstrap): a user counts once, however many seeds.

Ranks are kept in ``--out``, one file a model, variant and seed, seeds before variants; a run that was ended goes on.
``report.json`` there holds the table.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from cold_cuts import SOURCES, cuts, of_source, thinned

from recommender.arrays import Bools, Doubles, Ints
from recommender.comparing import SHUFFLED, WITH, WITHOUT, paired_bootstrap
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.evaluation import measure, rank_cases, slices
from recommender.metrics import user_metrics
from recommender.model import Model, Scorer
from recommender.models.coupling import Coupling
from recommender.models.ease import Ease
from recommender.models.lae import Lae
from recommender.models.relations import Relations
from recommender.scorers import WeightedSumScorer
from recommender.splits import Cut

VARIANTS = (WITH, WITHOUT, SHUFFLED)
MODELS = ("term", "ease", "lae", "coupling", "relational")
FACTS_ALONE = ("term", "coupling")  # they say nothing without relations
DECAY = 0.6
FACTS = 1.0  # of the auto-encoder: what Beauty's validation chose
WEIGHTS = (0.1, 0.3, 1.0, 3.0)
K = 10
_SHOWN = ("recall", "ndcg")


@dataclass(frozen=True, slots=True)
class Question:
    """One cell of what is to be measured."""

    model: str
    source: str
    relations: str
    seed: int

    @property
    def learns(self) -> str:
        """From what; without relations it does not matter where they would come from."""
        return self.relations if self.relations == WITHOUT else f"{self.source}-{self.relations}"

    @property
    def file(self) -> str:
        return f"{self.model}-{self.learns}-{self.seed}.npy"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder for ranks and the report")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=MODELS)
    parser.add_argument("--sources", nargs="*", choices=SOURCES, default=SOURCES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60, help="of the network, at most")
    parser.add_argument("--warm", type=int, help="at most so many users whose target training knows")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after so long")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    chooses, asks = cuts(options.data)
    bench = Bench(chooses, thinned(asks, options.warm), options.out, options.epochs)
    until = time.monotonic() + 60 * options.minutes
    for question in questions(options.models, options.sources, options.seeds):
        if not (options.out / question.file).exists():
            if time.monotonic() > until:
                print("the time is over; run again to go on", flush=True)
                break
            bench.answer(question)
    report = bench.report(options.models, options.sources, options.seeds)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    tell(report)


def questions(models: Sequence[str], sources: Sequence[str], seeds: int) -> Iterator[Question]:
    """Closed forms first; then seed after seed, so that what was ended early is balanced.

    Only shuffling is by chance in a closed form.
    """
    for model in (name for name in models if name != "relational"):
        for source in sources:
            yield Question(model, source, WITH, 0)
            if model not in FACTS_ALONE:
                yield Question(model, source, WITHOUT, 0)
            yield from (Question(model, source, SHUFFLED, seed) for seed in range(seeds))
    for source in sources if "relational" in models else ():
        yield from (Question("relational", source, name, seed) for seed in range(seeds) for name in VARIANTS)


class Bench:
    """Answers questions and keeps the ranks."""

    def __init__(self, chooses: Cut, asks: Cut, folder: Path, epochs: int) -> None:
        self.chooses, self.asks, self.folder, self.epochs = chooses, asks, folder, epochs
        self._ease: tuple[Scorer, Scorer] | None = None
        data = asks.train
        about = {"cases": len(asks.cases), "items": len(data.items), "events": len(data.histories.items)}
        about |= {name: len(edges) for name, edges in {**data.links, **data.attributes}.items()}
        print(about, flush=True)
        known = folder / "about.json"
        if known.exists() and json.loads(known.read_text("utf-8")) != about:
            raise SystemExit(f"{folder} holds the ranks of other data; name another folder")
        _write(known, about)

    def answer(self, question: Question) -> None:
        begun = time.process_time()
        try:
            scorer = self._network(question) if question.model == "relational" else self._closed(question)
        except ModelFitError as error:
            print(f"{question.model} {question.learns}: {error}", flush=True)
            return
        ranks = rank_cases(scorer, self.asks.cases)
        partial = self.folder / f".{question.file}"
        np.save(partial, ranks)
        os.replace(partial, self.folder / question.file)
        found = user_metrics(ranks, self.asks.cases.owners, len(self.asks.cases), K)
        cells = "  ".join(f"{name} {found[name].mean():.4f}" for name in _SHOWN)
        cost = f"{time.process_time() - begun:.0f} CPU s"
        print(f"{question.model} {question.learns} seed {question.seed}: {cells}  {cost}", flush=True)

    def _closed(self, question: Question) -> Scorer:
        if question.model == "ease" and question.relations == WITHOUT:
            return self._eases()[1]
        if question.model == "coupling":
            return Coupling(decay=DECAY).fit(variant(self.asks.train, question))
        if question.model == "lae":
            facts = 0.0 if question.relations == WITHOUT else FACTS
            return Lae(facts=facts, decay=DECAY).fit(variant(self.asks.train, question))
        term = Relations(decay=DECAY)
        asked = term.fit(variant(self.asks.train, question))
        if question.model == "term":
            return asked
        base = self._eases()
        tried = term.fit(variant(self.chooses.train, question))
        cases = self.chooses.cases.first(3000)
        figures = {w: measure(_sum(base[0], tried, w), cases, K).ndcg for w in WEIGHTS}
        weight = max(figures, key=lambda w: figures[w])
        print(f"  weight {weight:g} of {question.learns}: validation N@{K} {figures[weight]:.4f}", flush=True)
        return _sum(base[1], asked, weight)

    def _eases(self) -> tuple[Scorer, Scorer]:
        """EASE before the choosing cut and before the asked one."""
        if self._ease is None:
            model: Model = Ease(100.0, decay=DECAY)
            self._ease = (model.fit(self.chooses.train), model.fit(self.asks.train))
        return self._ease

    def _network(self, question: Question) -> Scorer:
        """The length of training is what validation chose for the first seed of the variant."""
        from recommender.models.relational import Relational  # brings torch along
        from recommender.training import Run

        def run(name: str) -> Run:
            return Run(threads=1, checkpoint=self.folder / f"{name}.npz")

        model = Relational(decay=DECAY, bias=True, epochs=self.epochs, seed=question.seed)
        chosen = self.folder / f"relational-{question.learns}.json"
        if not chosen.exists():
            first = replace(question, seed=0)
            tuned = replace(model, seed=0, run=run(f"tune-{first.file}"))
            train = variant(self.chooses.train, first)
            epochs = tuned.tune(Cut(train, self.chooses.cases))[1].epochs
            _write(chosen, {"epochs": epochs})
            print(f"  {epochs} epochs for {question.learns}", flush=True)
        epochs = json.loads(chosen.read_text("utf-8"))["epochs"]
        model = replace(model, epochs=epochs, run=run(question.file))
        return model.fit(variant(self.asks.train, question))

    def report(self, models: Sequence[str], sources: Sequence[str], seeds: int) -> list[dict[str, Any]]:
        """One row a model, source and slice, as far as there are ranks."""
        parts: Mapping[str, Bools] = slices(self.asks.train, self.asks.cases)
        return [
            self._row(model, source, name, belongs, seeds)
            for model in models
            for source in sources
            if (self.folder / Question(model, source, WITH, 0).file).exists()
            for name, belongs in parts.items()
            if belongs.any()
        ]

    def _row(self, model: str, source: str, part: str, belongs: Bools, seeds: int) -> dict[str, Any]:
        found = {
            name: self._users([Question(model, source, name, seed) for seed in range(seeds)], belongs)
            for name in VARIANTS
        }
        if model in FACTS_ALONE:
            users = len(np.unique(self.asks.cases.owners[belongs]))
            found[WITHOUT] = {0: {name: np.zeros(users) for name in _SHOWN}}
        row: dict[str, Any] = {"model": model, "source": source, "slice": part}
        row["targets"] = int(np.count_nonzero(belongs))
        for name, by_seed in found.items():
            mean = _over_seeds(by_seed)
            row[name] = {"seeds": len(by_seed), **{metric: float(values.mean()) for metric, values in mean.items()}}
        for other in (WITHOUT, SHUFFLED):
            if found[WITH] and found[other]:
                pair = _paired(found[WITH], found[other])
                row[f"{WITH} − {other}"] = {
                    metric: {"mean": i.mean, "low": i.low, "high": i.high}
                    for metric, i in paired_bootstrap(*pair).items()
                }
        return row

    def _users(self, asked: Sequence[Question], belongs: Bools) -> dict[int, dict[str, Doubles]]:
        """By seed, the metrics of each user who has a target in the slice."""
        cases, found = self.asks.cases, {}
        for question in asked:
            path = self.folder / question.file
            if path.exists():
                ranks: Ints = np.load(path, allow_pickle=False)
                values = user_metrics(ranks[belongs], cases.owners[belongs], len(cases), K)
                found[question.seed] = {name: values[name] for name in _SHOWN}
        return found


def variant(data: Dataset, question: Question) -> Dataset:
    if question.relations == WITHOUT:
        return data.without_relations()
    data = of_source(data, question.source)
    return data.shuffled(question.seed) if question.relations == SHUFFLED else data


def _sum(base: Scorer, term: Scorer, weight: float) -> Scorer:
    return WeightedSumScorer(((1.0, base), (weight, term)))


def _paired(
    one: Mapping[int, Mapping[str, Doubles]], other: Mapping[int, Mapping[str, Doubles]]
) -> tuple[dict[str, Doubles], dict[str, Doubles]]:
    """Means over the seeds that both have; what has one seed, for nothing in it is by chance, goes with all."""
    shared = one.keys() & other.keys()
    if len(one) == 1 or len(other) == 1:
        return _over_seeds(one), _over_seeds(other)
    return _over_seeds({s: one[s] for s in shared}), _over_seeds({s: other[s] for s in shared})


def _over_seeds(by_seed: Mapping[int, Mapping[str, Doubles]]) -> dict[str, Doubles]:
    if not by_seed:
        return {}
    return {name: np.mean([values[name] for values in by_seed.values()], axis=0) for name in _SHOWN}


def tell(report: Sequence[Mapping[str, Any]]) -> None:
    head = f"{'model':10s} {'source':9s} {'slice':9s} {'targets':>7s}  seeds  "
    print("\n" + head + f"{'with':>7s} {'without':>8s} {'shuffled':>8s}   {'− without':26s} {'− shuffled':26s}")
    for metric in _SHOWN:
        print(f"{metric}@{K}")
        for row in report:
            counts = "/".join(str(row[name]["seeds"]) for name in VARIANTS)
            cells = "  ".join(f"{row[name][metric]:.4f}" if metric in row[name] else "   -  " for name in VARIANTS)
            gains = "  ".join(_interval(row.get(f"{WITH} − {other}"), metric) for other in (WITHOUT, SHUFFLED))
            named = f"{row['model']:10s} {row['source']:9s} {row['slice']:9s} {row['targets']:7,}"
            print(f"{named}  {counts:6s} {cells}   {gains}")


def _interval(found: Mapping[str, Any] | None, metric: str) -> str:
    if found is None:
        return f"{'-':26s}"
    i = found[metric]
    return f"{i['mean']:+.4f} [{i['low']:+.4f}, {i['high']:+.4f}]"


def _write(path: Path, value: object) -> None:
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(value) + "\n", encoding="utf-8")
    os.replace(partial, path)


if __name__ == "__main__":
    main()

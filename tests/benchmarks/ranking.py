"""Every model on a published split, and the sum that the validation cut chose, ranked once.

    python tests/benchmarks/ranking.py --train T --test X --protocol lightgcn|loo|pgpr|sampled99|retailrocket
        [--relations R] [--items I] [--networks [lightgcn] [relational] [sasrec]] [--out topk.parquet]

Files are Parquet with the columns user, item (and timestamp, pos, action, split_loo, split_pgpr, neg_items where the
protocol has them); relations head, relation, tail; items item, brand, categories. Everything is chosen on a cut of the
training rows, refitted on all of them and ranked once: also whether what a user only looked at is shown again, where a
log tells looking from taking. ``--out`` gets the lists: user, item, rank from 1, model; what would be served is called
``served``.

Slices count only the targets that belong to them. What is served is compared with each baseline by a paired bootstrap
over users.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from protocols import PROTOCOLS, Files, Task

from kg.types import ACTIONS
from recommender.arrays import Bools, Floats, Ints
from recommender.choosing import Choice, choose
from recommender.comparing import paired_bootstrap
from recommender.dataset import Dataset
from recommender.evaluation import blocks, mask, measure, slices
from recommender.metrics import Metrics, metrics_at, target_ranks, user_metrics
from recommender.model import Model, Scorer
from recommender.models.als import Als
from recommender.models.chebyshev import Chebyshev
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.models.popularity import Popularity
from recommender.models.randomwalk import RandomWalk
from recommender.models.slist import Slist
from recommender.models.spectral import Spectral
from recommender.scorers import WeightedSumScorer
from recommender.splits import taken

DEEP = 20
LARGEST_DENSE = 20_000  # items; a dense item-by-item matrix grows with their square
MOST_CELLS = LARGEST_DENSE**2  # of what EASE keeps: items by items, or by users where those are few
SERVED = "served"
BASELINES = {"popularity", "itemknn", "ease"}
NETWORKS = ("lightgcn", "relational", "sasrec")


def candidates(data: Dataset, *, ordered: bool, networks: Sequence[str]) -> list[Model]:
    """Settings that compete. Models of order need histories that have one."""
    n_users, n_items = len(data.users), len(data.items)
    few_users = 2 * n_users < n_items
    found: list[Model] = [Popularity(), ItemKNN(), RandomWalk(), Als(128), Als(128, alpha=40.0)]
    if n_items * (n_users if few_users else n_items) <= MOST_CELLS:
        found += [Ease(50.0), Ease(200.0)]
        found += [Ease(10.0)] if few_users else []
    if n_items <= LARGEST_DENSE:
        found += [Spectral(256)]
        found += [Slist(30.0), Slist(100.0)] if ordered else []
    else:
        found += [Spectral(640), Spectral(1024), Chebyshev(), Chebyshev(degrees=0.3)]
    return found + [_network(name) for name in networks if ordered or name != "sasrec"]


def _network(name: str) -> Model:
    """Imports torch."""
    if name == "lightgcn":
        from recommender.models.lightgcn import LightGCN

        return LightGCN()
    if name == "relational":
        from recommender.models.relational import Relational

        return Relational()
    from recommender.models.sasrec import Sasrec

    return Sasrec()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "test"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--protocol", choices=PROTOCOLS, required=True)
    parser.add_argument("--relations", type=Path)
    parser.add_argument("--items", type=Path)
    told = "networks that compete too; all of them where none is named"
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=None, help=told)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    task = PROTOCOLS[options.protocol](Files(options.train, options.test, options.relations, options.items))
    cases, data = task.asks.cases, task.asks.train
    related = ", ".join(f"{name} {len(edges):,}" for name, edges in {**data.links, **data.attributes}.items())
    print(f"{options.protocol}: {len(cases):,} cases, {len(data.items):,} items; relations: {related or 'none'}")
    ordered = len(np.unique(data.histories.at)) > 1 or options.protocol == "loo"
    networks = () if options.networks is None else options.networks or NETWORKS
    task = _hiding(task)
    cases = task.asks.cases
    models = candidates(data, ordered=ordered, networks=networks)
    choice = choose(models, task.chooses, k=task.choosing_k)
    _tell_choice(choice, task)
    lists = Lists(task, deep=100 if task.negatives is not None else DEEP)
    ranked: dict[str, Ints] = {}
    for name, scorer, seconds in _fitted(choice, task):
        tables = lists.add(name) if options.out else None
        ranked[name] = _ranks(scorer, task, tables)
        _tell(name, metrics_at(ranked[name], cases.owners, len(cases), task.k), task, seconds)
    _tell_slices(ranked, slices(data, cases), task)
    print()
    _tell_differences(ranked, task)
    print()
    if options.out:
        lists.write(options.out)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{usage.ru_utime + usage.ru_stime:.0f} CPU s, {usage.ru_maxrss / 2**20:.1f} GB at most")


def _hiding(task: Task) -> Task:
    """The task with lists that leave out what a user only looked at, if item neighbours rank better so on validation.

    A protocol hides what it calls taken; a shop decides beyond that what it shows again. Every model is asked alike;
    what is hidden and asked for is a miss.
    """
    if taken(task.chooses.train.histories, task.chooses.cases.taking).all() or task.negatives is not None:
        return task
    scorer = ItemKNN().fit(task.chooses.train)
    shown, hidden = (
        measure(scorer, cases, task.choosing_k).ndcg
        for cases in (task.chooses.cases, replace(task.chooses.cases, taking=ACTIONS))
    )
    told = "is shown again" if shown >= hidden else "is not shown again"
    print(f"what was only looked at {told}: itemknn NDCG@{task.choosing_k} {shown:.4f}, without it {hidden:.4f}")
    if shown >= hidden:
        return task
    cuts = (replace(cut, cases=replace(cut.cases, taking=ACTIONS)) for cut in (task.chooses, task.asks))
    return replace(task, **dict(zip(("chooses", "asks"), cuts, strict=True)))


def _tell_choice(choice: Choice, task: Task) -> None:
    print(f"\nchosen on {choice.cases:,} validation users, NDCG@{task.choosing_k}")
    for tried in choice.tried:
        if len(tried.weights) == 1 or tried.failed:
            told = tried.failed or f"{tried.ndcg:.4f}  {tried.seconds:.0f} s"
            print(f"  tried  {tried.name:24s} decay {tried.decay:.1f}  {told}")
    for step in choice.steps:
        weights = " ".join(f"{weight:g}" for weight in step.weights)
        print(f"  chosen {step.name}  weights {weights}  {step.ndcg:.4f}")
    print(f"  {choice.model!r}\n", flush=True)


def _fitted(choice: Choice, task: Task) -> Iterator[tuple[str, Scorer, float]]:
    """Each part of the choice and the baselines alone, then the sum; (name, scorer, CPU seconds of the fit)."""
    parts = choice.model.parts if isinstance(choice.model, Mixture) else ((1.0, choice.model),)
    kept: list[tuple[float, Scorer]] = []
    total = 0.0
    best = {name: _best(choice, name) for name in BASELINES | {model.name for _, model in parts}}
    for weight, model in parts:
        begun = time.process_time()
        scorer = model.fit(task.asks.train)
        total += (seconds := time.process_time() - begun)
        kept.append((weight, scorer))
        yield model.name if model == best[model.name] else repr(model), scorer, seconds
    for name in sorted(BASELINES):
        model = best[name]
        if model is not None and model not in [part for _, part in parts]:
            begun = time.process_time()
            scorer = model.fit(task.asks.train)
            yield name, scorer, time.process_time() - begun
            del scorer
    yield SERVED, WeightedSumScorer(tuple(kept)), total


def _best(choice: Choice, name: str) -> Model | None:
    """The setting of this name that ranked best alone."""
    tried = [row for row in choice.tried if row.name == name and len(row.weights) == 1 and not row.failed]
    return max(tried, key=lambda row: row.ndcg).model if tried else None


def _ranks(scorer: Scorer, task: Task, lists: "Lists | None") -> Ints:
    cases, n_items = task.asks.cases, len(scorer.items)
    ranks, start = np.empty(len(cases.targets), np.int64), 0
    for histories, rows, items, which in blocks(cases, n_items):
        scores = scorer.scores_batch(histories)
        hidden = mask(histories, cases, n_items)
        if task.negatives is not None:
            hidden = np.ones_like(hidden)
            np.put_along_axis(hidden, task.negatives[cases.owners[which]], False, axis=1)
            hidden[rows, items] = False
        ranks[which] = target_ranks(scores, rows, items, hidden)
        if lists:
            lists.extend(start, np.where(hidden, np.float32(-np.inf), scores))
        start += len(histories)
    return ranks


class Lists:
    """The ranked lists of each model as rows of one table."""

    def __init__(self, task: Task, deep: int) -> None:
        self.task, self.deep = task, deep
        self.tables: list[pa.Table] = []
        self._model = ""

    def add(self, model: str) -> "Lists":
        self._model = model
        return self

    def extend(self, start: int, scores: Floats) -> None:
        """The best of each case from ``start`` on; what is hidden is no part of a list."""
        deep = min(self.deep, scores.shape[1])
        best = np.argpartition(-scores, deep - 1, axis=1)[:, :deep]
        order = np.lexsort((best, -np.take_along_axis(scores, best, axis=1)), axis=1)
        best = np.take_along_axis(best, order, axis=1)
        shown = np.isfinite(np.take_along_axis(scores, best, axis=1))
        rows, places = np.nonzero(shown)
        names = (self.task.users, self.task.asks.train.items.names)
        found = (start + rows, best[rows, places])
        user, item = (
            pa.array(np.asarray(name, object)[place]).cast(kind)
            for name, place, kind in zip(names, found, self.task.ids, strict=True)
        )
        ranks = pa.array(places + 1, pa.int32())
        model = pa.array([self._model] * len(rows)).dictionary_encode()
        self.tables.append(pa.table({"user": user, "item": item, "rank": ranks, "model": model}))

    def write(self, path: Path) -> None:
        pq.write_table(pa.concat_tables(self.tables).unify_dictionaries(), path)


def _tell(name: str, found: Metrics, task: Task, seconds: float) -> None:
    print(f"{name:24s} @{task.k}  {_cells(found, task)}  users {found.users}  fit {seconds:.1f} CPU s", flush=True)


def _cells(found: Metrics, task: Task) -> str:
    digits = 4 if task.scale == 1.0 else 3
    return "  ".join(f"{m} {task.scale * getattr(found, m):.{digits}f}" for m in task.shown)


def _tell_slices(ranked: Mapping[str, Ints], parts: Mapping[str, Bools], task: Task) -> None:
    cases = task.asks.cases
    for slice_name, belongs in parts.items():
        print(f"\n{slice_name}: {np.count_nonzero(belongs):,} of {len(belongs):,} targets")
        for name, ranks in ranked.items() if belongs.any() else ():
            found = metrics_at(ranks[belongs], cases.owners[belongs], len(cases), task.k)
            print(f"  {name:22s} @{task.k}  {_cells(found, task)}  users {found.users}")


def _tell_differences(ranked: Mapping[str, Ints], task: Task) -> None:
    """NDCG and hit rate of what is served less each baseline's, with the interval that 95 % of the resamples fill."""
    cases = task.asks.cases
    per_user = {name: user_metrics(ranks, cases.owners, len(cases), task.k) for name, ranks in ranked.items()}
    for name in sorted(BASELINES & ranked.keys()):
        pairs = ({m: per_user[who][m] for m in ("ndcg", "hit_rate")} for who in (SERVED, name))
        found = paired_bootstrap(*pairs)
        cells = "  ".join(
            f"{m} {task.scale * i.mean:+.4f} [{task.scale * i.low:+.4f}, {task.scale * i.high:+.4f}]"
            for m, i in found.items()
        )
        drawn = next(iter(found.values()))
        print(f"served − {name} @{task.k}  {cells}  {drawn.users} users, {drawn.resamples} resamples")


if __name__ == "__main__":
    main()

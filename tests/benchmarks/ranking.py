"""Every model on a published split, and the sum that the validation cut chose, ranked once.

    python tests/benchmarks/ranking.py --train T --test X --protocol lightgcn|loo|pgpr|sampled99|retailrocket
        [--relations R] [--items I] [--texts] [--networks [lightgcn] [relational] [sasrec] [none]] [--out topk.parquet]
        [--validation-only] [--model CHOSEN]

Files are Parquet with the columns user, item (and timestamp, pos, action, split_loo, split_pgpr, neg_items where the
protocol has them); relations head, relation, tail; items item, brand, categories, and title or description. What
competes is what ``shopgraph train`` offers, but for its networks, which are named by ``--networks``; where no dense
matrix of items fits, LightGCN competes unnamed. ``--texts`` lets texts compete too. Everything is chosen on a cut of
the training rows, refitted on all of them and ranked once: also whether what a user only looked at is shown again,
where a log tells looking from taking. ``--out`` gets the lists: user, item, rank from 1, model; what would be served is
called ``served``. ``--validation-only`` ends after the choice, before any test row is asked about; ``--model`` goes on
from the last line of such a choice, without choosing again and without baselines.

Slices count only the targets that belong to them. What is served is compared with each baseline by a paired bootstrap
over users.
"""

import argparse
import resource
import sys
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
from recommender.choosing import DECAYS, Choice, choose
from recommender.comparing import paired_bootstrap
from recommender.competing import NETWORKS, candidates, dense
from recommender.configuration import read_model
from recommender.dataset import Dataset
from recommender.evaluation import blocks, mask, measure, slices
from recommender.histories import Histories
from recommender.metrics import Metrics, metrics_at, target_ranks, user_metrics
from recommender.model import Model, Scorer
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.models.texts import Texts
from recommender.splits import taken

DEEP = 20
SERVED = "served"
BASELINES = {"popularity", "itemknn", "ease"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "test"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--protocol", choices=PROTOCOLS, required=True)
    parser.add_argument("--relations", type=Path)
    parser.add_argument("--items", type=Path)
    parser.add_argument("--texts", action="store_true", help="texts compete too, where the items have any")
    told = "networks that compete too: all of them where the flag names nothing, none of them with 'none'"
    parser.add_argument("--networks", nargs="*", choices=(*NETWORKS, "none"), default=None, help=told)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--validation-only", action="store_true", help="choose, and rank no test row")
    parser.add_argument("--model", help="the line of a model that was chosen before: choose nothing, rank its parts")
    options = parser.parse_args()
    task = PROTOCOLS[options.protocol](Files(options.train, options.test, options.relations, options.items))
    cases, data = task.asks.cases, task.asks.train
    related = ", ".join(f"{name} {len(edges):,}" for name, edges in {**data.links, **data.attributes}.items())
    print(f"{options.protocol}: {len(cases):,} cases, {len(data.items):,} items; relations: {related or 'none'}")
    ordered = len(np.unique(data.histories.at)) > 1 or options.protocol == "loo"
    task = _hiding(task)
    if options.model:
        choice = Choice(read_model(options.model), (), 0, ())  # its parts are told by their names
    else:
        networks = _networks(options.networks, task.chooses.train)
        models = candidates(task.chooses.train, ordered=ordered, networks=networks, thorough=True)
        models += [Texts()] if options.texts and any(data.texts) else []
        decays = DECAYS if ordered else (1.0,)
        choice = choose(models, task.chooses, k=task.choosing_k, decays=decays, on_progress=_progress)
        _tell_choice(choice, task)
    if not options.validation_only:
        _tell_test(choice, task, options.out)
    _tell_cost()


def _networks(named: Sequence[str] | None, data: Dataset) -> Sequence[str]:
    if named is None:
        return () if dense(data) else ("lightgcn",)
    return [name for name in named or NETWORKS if name != "none"]


def _progress(name: str) -> None:
    print(f"{time.process_time():.0f} CPU s: {name}", file=sys.stderr, flush=True)


def _tell_test(choice: Choice, task: Task, out: Path | None) -> None:
    """Each part of the choice and their sum, then the baselines that are no part of it."""
    lists = Lists(task, deep=100 if task.negatives is not None else DEEP)
    ranked: dict[str, Ints] = {}
    parts = choice.model.parts if isinstance(choice.model, Mixture) else ((1.0, choice.model),)
    best = {name: _best(choice, name) for name in BASELINES | {model.name for _, model in parts}}
    others = [best[name] for name in sorted(BASELINES) if best[name] not in [part for _, part in parts]]
    for group in (tuple(parts), *(((1.0, model),) for model in others if model is not None)):
        fitted, total = [], 0.0
        for weight, model in group:
            _progress(f"fit {model.name}")
            begun = time.process_time()
            scorer = model.fit(task.asks.train)
            first = model.name not in [name for name, *_ in fitted]
            name = model.name if model == best[model.name] or (first and not choice.tried) else repr(model)
            fitted.append((name, weight, scorer, time.process_time() - begun))
            total += fitted[-1][-1]
        _progress("rank")
        served = SERVED if group == tuple(parts) else None
        found = _ranks([part[:3] for part in fitted], served, task, lists if out else None)
        ranked |= found
        seconds = {name: cost for name, *_, cost in fitted} | {SERVED: total}
        for name, ranks in found.items():
            _tell(name, metrics_at(ranks, task.asks.cases.owners, len(task.asks.cases), task.k), task, seconds[name])
    _tell_slices(ranked, slices(task.asks.train, task.asks.cases), task)
    print()
    _tell_differences(ranked, task)
    print()
    if out:
        lists.write(out)


def _tell_cost() -> None:
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


def _best(choice: Choice, name: str) -> Model | None:
    """The setting of this name that ranked best alone."""
    tried = [row for row in choice.tried if row.name == name and len(row.weights) == 1 and not row.failed]
    return max(tried, key=lambda row: row.ndcg).model if tried else None


def _ranks(
    parts: Sequence[tuple[str, float, Scorer]], total: str | None, task: Task, lists: "Lists | None"
) -> dict[str, Ints]:
    """The rank of each target by each part, and by their sum where it has a name; every case is scored once."""
    cases, n_items = task.asks.cases, len(task.asks.train.items)
    names = [name for name, *_ in parts] + ([total] if total else [])
    ranks = {name: np.empty(len(cases.targets), np.int64) for name in names}
    start = 0
    for histories, rows, items, which in blocks(cases, n_items):
        hidden = mask(histories, cases, n_items)
        if task.negatives is not None:
            hidden = np.ones_like(hidden)
            np.put_along_axis(hidden, task.negatives[cases.owners[which]], False, axis=1)
            hidden[rows, items] = False
        for name, scores in _scored(parts, total, histories):
            ranks[name][which] = target_ranks(scores, rows, items, hidden)
            if lists:
                lists.extend(name, start, np.where(hidden, np.float32(-np.inf), scores))
        start += len(histories)
    return ranks


def _scored(
    parts: Sequence[tuple[str, float, Scorer]], total: str | None, histories: Histories
) -> Iterator[tuple[str, Floats]]:
    together = np.zeros((len(histories), len(parts[0][2].items)), np.float32)
    for name, weight, scorer in parts:
        scores = scorer.scores_batch(histories)
        together += np.float32(weight) * scores
        yield name, scores
    if total:
        yield total, together


class Lists:
    """The ranked lists of each model as rows of one table."""

    def __init__(self, task: Task, deep: int) -> None:
        self.task, self.deep = task, deep
        self.tables: dict[str, list[pa.Table]] = {}

    def extend(self, model: str, start: int, scores: Floats) -> None:
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
        models = pa.array([model] * len(rows)).dictionary_encode()
        table = pa.table({"user": user, "item": item, "rank": ranks, "model": models})
        self.tables.setdefault(model, []).append(table)

    def write(self, path: Path) -> None:
        tables = [table for of_model in self.tables.values() for table in of_model]
        pq.write_table(pa.concat_tables(tables).unify_dictionaries(), path)


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

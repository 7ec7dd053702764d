"""Every model on a published split, and the sum that the validation cut chose, ranked once.

    python tests/benchmarks/ranking.py --train T --test X --protocol lightgcn|loo|pgpr|sampled99|retailrocket
        [--relations R] [--items I] [--texts] [--networks [lightgcn] [relational] [sasrec] [none]] [--out topk.parquet]
        [--only-served] [--validation-only] [--model CHOSEN]

Files are Parquet with the columns user, item (and timestamp, pos, action, split_loo, split_pgpr, neg_items where the
protocol has them); relations head, relation, tail; items item, brand, categories, and title or description. Rows
without an id are left out and counted; a file that cannot be understood ends in one sentence and exit code 2. What
competes is what ``shopgraph train`` offers, but for its networks, which are named by ``--networks``; where no dense
matrix of items fits, LightGCN competes unnamed. ``--texts`` lets texts compete too. Everything is chosen on a cut of
the training rows, refitted on all of them and ranked once: also whether what a user only looked at is shown again,
where a log tells looking from taking.

What would be served is called ``served``: the sum, and where it says nothing (someone without a history, an item that
training does not know) the fallbacks of the product, the relation term and then what sells. The best setting of every
other model that was tried is ranked beside it, each fitted once more; ``--only-served`` ranks of those the baselines
alone, for networks take minutes. ``--out`` gets the lists: user, item, rank from 1, model. ``--validation-only`` ends
after the choice, before any test row is asked about; ``--model`` goes on from the last line of such a choice, without
choosing again and without other models.

Slices count only the targets that belong to them. What is served is compared with each baseline by a paired bootstrap
over users. Progress, with every epoch of a network, goes to stderr.
"""

import argparse
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from protocols import PROTOCOLS, Files, Task
from ranked_lists import SERVED, Lists, Part, ranks
from split_files import SplitError

from kg.types import ACTIONS
from recommender.arrays import Bools, Ints
from recommender.choosing import DECAYS, Choice, choose, fallbacks
from recommender.comparing import paired_bootstrap
from recommender.competing import NETWORKS, candidates, dense, running
from recommender.configuration import read_model
from recommender.dataset import Dataset
from recommender.errors import ModelFitError, RecommenderError
from recommender.evaluation import measure, slices
from recommender.metrics import Metrics, metrics_at, user_metrics
from recommender.model import Model
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.splits import taken

if TYPE_CHECKING:
    from recommender.training import Epoch, Run  # brings torch along

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
    told = "rank what is served, its parts and the baselines, and none of the other models that were tried"
    parser.add_argument("--only-served", action="store_true", help=told)
    parser.add_argument("--validation-only", action="store_true", help="choose, and rank no test row")
    parser.add_argument("--model", help="the line of a model that was chosen before: choose nothing, rank its parts")
    options = parser.parse_args()
    try:
        _ranked(options)
    except (SplitError, RecommenderError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _ranked(options: argparse.Namespace) -> None:
    task = PROTOCOLS[options.protocol](Files(options.train, options.test, options.relations, options.items))
    cases, data = task.asks.cases, task.asks.train
    related = ", ".join(f"{name} {len(edges):,}" for name, edges in {**data.links, **data.attributes}.items())
    print(f"{options.protocol}: {len(cases):,} cases, {len(data.items):,} items; relations: {related or 'none'}")
    if not options.model and not len(task.chooses.cases.targets):
        raise SplitError(
            f"{options.train}: no user has two items that {options.protocol} asks about, so none can be held out to "
            "choose by; give training rows of users with more items, or a model by --model"
        )
    task = _hiding(task)
    choice = _read(options.model) if options.model else _chosen(task, options)
    if not options.validation_only:
        with Lists(task, options.out) if options.out else nullcontext() as lists:
            _tell_test(choice, task, lists, only_served=options.only_served)
    _tell_cost()


def _read(line: str) -> Choice:
    """Of nothing that was tried: the parts are told by their names."""
    return Choice(running(read_model(line), _heard), (), 0, ())


def _chosen(task: Task, options: argparse.Namespace) -> Choice:
    data = task.chooses.train
    ordered = len(np.unique(task.asks.train.histories.at)) > 1 or options.protocol == "loo"
    networks = _networks(options.networks, data)
    models = candidates(data, ordered=ordered, networks=networks, texts=options.texts, thorough=True, run=_heard)
    decays = DECAYS if ordered else (1.0,)
    choice = choose(models, task.chooses, k=task.choosing_k, decays=decays, on_progress=_progress)
    _tell_choice(choice, task)
    return choice


def _networks(named: Sequence[str] | None, data: Dataset) -> Sequence[str]:
    if named is None:
        return () if dense(data) else ("lightgcn",)
    return [name for name in named or NETWORKS if name != "none"]


def _progress(name: str) -> None:
    print(f"{time.process_time():.0f} CPU s: {name}", file=sys.stderr, flush=True)


def _heard(name: str) -> "Run":
    """A training that tells of every epoch."""
    from recommender.training import Run

    def tell(epoch: "Epoch") -> None:
        judged = "" if epoch.ndcg is None else f", NDCG@10 {epoch.ndcg:.4f}"
        _progress(f"{name}, epoch {epoch.number} of at most {epoch.of}, loss {epoch.loss:.4f}{judged}")

    return Run(on_epoch=tell)


def _tell_test(choice: Choice, task: Task, lists: Lists | None, *, only_served: bool) -> None:
    """Each part of the choice and what is served, then the other models that were tried, one in memory at a time."""
    train, cases = task.asks.train, task.asks.cases
    chosen = tuple(choice.model.parts) if isinstance(choice.model, Mixture) else ((1.0, choice.model),)
    parts = _fitted(chosen, choice, train)
    _progress("rank")
    found = ranks(parts, task, lists, fallbacks(train))
    seconds = {part.name: part.seconds for part in parts} | {SERVED: sum(part.seconds for part in parts)}
    for name, theirs in found.items():
        _tell(name, metrics_at(theirs, cases.owners, len(cases), task.k), task, seconds[name])
    del parts
    for model in _others(choice, [model for _, model in chosen], only_served=only_served):
        found |= _tell_other(model, choice, task, lists)
    _tell_slices(found, slices(train, cases), task)
    print()
    _tell_differences(found, task)
    print()


def _tell_other(model: Model, choice: Choice, task: Task, lists: Lists | None) -> dict[str, Ints]:
    """Its ranks; none where it can learn from the choosing cut and not from all training rows."""
    try:
        (part,) = _fitted([(1.0, model)], choice, task.asks.train)
    except ModelFitError as error:
        print(f"{model.name:24s} is not ranked: {error}", flush=True)
        return {}
    _progress("rank")
    found = ranks([part], task, lists)
    cases = task.asks.cases
    _tell(part.name, metrics_at(found[part.name], cases.owners, len(cases), task.k), task, part.seconds)
    return found


def _others(choice: Choice, parts: Sequence[Model], *, only_served: bool) -> list[Model]:
    """Of each name that was tried the setting that ranked best alone, in the order of trying, but for the parts."""
    names = dict.fromkeys(row.name for row in choice.tried if len(row.weights) == 1)
    best = [choice.best(name) for name in names if name in BASELINES or not only_served]
    return [model for model in best if model is not None and model not in parts]


def _fitted(models: Sequence[tuple[float, Model]], choice: Choice, data: Dataset) -> list[Part]:
    """On all training rows; of one name only the best that was tried, or the first, goes by the name alone."""
    parts: list[Part] = []
    for weight, model in models:
        _progress(f"fit {model.name}")
        begun = time.process_time()
        scorer = model.fit(data)
        first = model.name not in [part.name for part in parts]
        plain = model == choice.best(model.name) or (first and not choice.tried)
        name = model.name if plain else repr(model)
        parts.append(Part(name, weight, scorer, time.process_time() - begun))
    return parts


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
    chooses, asks = (replace(cut, cases=replace(cut.cases, taking=ACTIONS)) for cut in (task.chooses, task.asks))
    return replace(task, chooses=chooses, asks=asks)


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


def _tell(name: str, found: Metrics, task: Task, seconds: float) -> None:
    print(f"{name:24s} @{task.k}  {_cells(found, task)}  users {found.users}  fit {seconds:.1f} CPU s", flush=True)


def _cells(found: Metrics, task: Task) -> str:
    digits = 4 if task.scale == 1.0 else 3
    return "  ".join(f"{m} {task.scale * getattr(found, m):.{digits}f}" for m in task.shown)


def _tell_slices(ranked: Mapping[str, Ints], parts: Mapping[str, Bools], task: Task) -> None:
    cases = task.asks.cases
    for slice_name, belongs in parts.items():
        print(f"\n{slice_name}: {np.count_nonzero(belongs):,} of {len(belongs):,} targets")
        for name, theirs in ranked.items() if belongs.any() else ():
            found = metrics_at(theirs[belongs], cases.owners[belongs], len(cases), task.k)
            print(f"  {name:22s} @{task.k}  {_cells(found, task)}  users {found.users}")


def _tell_differences(ranked: Mapping[str, Ints], task: Task) -> None:
    """NDCG and hit rate of what is served less each baseline's, with the interval that 95 % of the resamples fill."""
    cases = task.asks.cases
    per_user = {name: user_metrics(theirs, cases.owners, len(cases), task.k) for name, theirs in ranked.items()}
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

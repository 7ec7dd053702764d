"""What the ranker adds to a sum of closed forms, where relations are known and where they are not.

    python tests/benchmarks/reranking.py --data ../shared/data/beauty --protocol loo [--relations] [--test]
            [--models itemknn randomwalk als ease slist] [--without relations text …]
    python tests/benchmarks/reranking.py --data ../shared/data/retailrocket --protocol retailrocket [--test]
    python tests/benchmarks/reranking.py --shop                      (the sample shop, in a folder of its own)

A sum is chosen on the validation cut. Its lists, fitted before the cut, teach the ranker what came after it; users are
in folds, so that each list is ordered by a ranker that learned from others. Then the lists are compared, by a paired
bootstrap over users. Parts of what the ranker is told are left out one after the other (``--without``). ``--test`` also
fits the sum on everything, lets the ranker of the validation cut order its lists, and ranks the test items once.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
from protocols import PROTOCOLS, Files, Task

from recommender.arrays import Doubles, Floats
from recommender.choosing import choose
from recommender.comparing import paired_bootstrap
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.evaluation import rank_cases
from recommender.metrics import user_metrics
from recommender.model import Model, Scorer
from recommender.models.als import Als
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.randomwalk import RandomWalk
from recommender.models.relations import Relations
from recommender.models.slist import Slist
from recommender.ranking.learning import Settings
from recommender.ranking.lessons import Outcomes, held_out
from recommender.ranking.proving import Proof, prove
from recommender.ranking.ranker import TASKS, Reranked
from recommender.ranking.traits import Traits
from recommender.ranking.view import View
from recommender.splits import Cut

MODELS: Mapping[str, Model] = {
    "itemknn": ItemKNN(),
    "randomwalk": RandomWalk(),
    "als": Als(128, alpha=40.0),
    "ease": Ease(100.0),
    "slist": Slist(100.0),
}
LARGEST_DENSE = 20_000
PARTS = ("relations", "text", "price", "reviews", "popularity", "history", "tasks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--protocol", choices=("loo", "retailrocket"), default="loo")
    parser.add_argument("--relations", action="store_true", help="facts are known, to the sum and to the ranker")
    parser.add_argument("--shop", action="store_true", help="the sample shop instead of files")
    parser.add_argument("--without", nargs="*", choices=PARTS, default=(), help="leave these out, one after the other")
    parser.add_argument(
        "--models", nargs="+", choices=tuple(MODELS), default=tuple(MODELS), help="what a sum is made of"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--test", action="store_true", help="rank the test items, once")
    options = parser.parse_args()
    if options.shop:
        _sample_shop()
        return
    task = _task(options.data, options.protocol, relations=options.relations)
    traits = _traits(options.data / "items.parquet", task)
    chooses = task.chooses
    model = _chosen(task, options.models)
    base, view = model.fit(chooses.train), _view(chooses.train, traits)
    asked = held_out(chooses.cases, task.asks.train.histories if options.protocol == "retailrocket" else None)
    settings = Settings()
    for seed in range(options.seeds):
        begun = time.process_time()
        proof = prove(base, view, asked, replace(settings, seed=seed))
        _tell(f"seed {seed}", proof, time.process_time() - begun)
    for part in options.without:
        _tell(f"without {part}", prove(base, *_without(part, view, settings, asked)), 0.0)
    if options.test and proof.ranker is not None:
        _ask(model, proof, task, traits)


def _task(folder: Path, protocol: str, *, relations: bool) -> Task:
    rows = folder / "interactions.parquet"
    train, test = (rows, rows) if protocol == "loo" else (folder / "train.parquet", folder / "test.parquet")
    items = folder / "items.parquet"
    return PROTOCOLS[protocol](
        Files(train, test, folder / "relations.parquet" if relations else None, items if items.exists() else None)
    )


def _traits(path: Path, task: Task) -> Traits:
    """Price and title of each item, where the file has them."""
    items = task.asks.train.items
    traits = Traits.unknown(len(items))
    if not path.exists():
        return traits
    table = pq.read_table(path, columns=["item", "title", "price"])
    titles, prices = [""] * len(items), np.full(len(items), np.nan)
    for item, title, price in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
        place = items.get(str(item))
        titles[place] = title or ""
        prices[place] = price if price else np.nan
    return replace(traits, titles=tuple(titles), prices=prices)


def _chosen(task: Task, names: Sequence[str]) -> Model:
    """The sum of these that the validation cut grows; a dense item-by-item model only where it fits."""
    items, users = len(task.chooses.train.items), len(task.chooses.train.users)
    fitting = {"ease": min(items, users) <= LARGEST_DENSE, "slist": items <= LARGEST_DENSE}
    choice = choose([MODELS[name] for name in names if fitting.get(name, True)], task.chooses, k=10)
    for step in choice.steps:
        print(f"sum: {step.name}  {step.ndcg:.4f}")
    print(f"{choice.model!r}", flush=True)
    return choice.model


def _view(data: Dataset, traits: Traits) -> View:
    try:
        term = Relations().fit(data)
    except ModelFitError:
        term = None
    return View.of(data, traits, term)


def _without(part: str, view: View, settings: Settings, asked: Outcomes) -> tuple[View, Outcomes, Settings]:
    """What ``prove`` is given where a part of what the ranker is told is missing."""
    none = np.zeros_like(view.statics)
    if part == "relations":
        view = replace(view, term=None)
    elif part == "text":
        view = replace(view, words=view.words * np.float32(0))
    elif part == "price":
        view = replace(view, prices=np.full_like(view.prices, np.nan), statics=_blank(view, 2, 4))
    elif part == "reviews":
        view = replace(view, statics=_blank(view, 4, 8))
    elif part == "popularity":
        view = replace(view, statics=np.where(np.isin(np.arange(none.shape[1]), (0, 1, 8)), none, view.statics))
    elif part == "history":
        settings = replace(settings, most=1)
    elif part == "tasks":
        kept = asked.tasks >= TASKS.index("purchase")
        asked = replace(asked, owners=asked.owners[kept], items=asked.items[kept], tasks=asked.tasks[kept])
    return view, asked, settings


def _blank(view: View, start: int, stop: int) -> Floats:
    statics = view.statics.copy()
    statics[:, start:stop] = 0
    return statics


def _tell(name: str, proof: Proof, seconds: float) -> None:
    if proof.difference is None:
        print(f"{name}: {proof.failed}")
        return
    d = proof.difference
    print(
        f"{name:20s} validation N@10 {proof.plain:.4f} → {proof.ranked:.4f}, "
        f"{d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}], {proof.users:,} users; {proof.reach:.0%} of the targets in the "
        f"pool; lists that taught {dict(zip(TASKS, proof.tasks, strict=True))}; {seconds:.0f} CPU s",
        flush=True,
    )


def _ask(model: Model, proof: Proof, task: Task, traits: Traits) -> None:
    """The test items, ranked once by the refitted sum and by the ranker over it."""
    asks = task.asks
    base = model.fit(asks.train)
    assert proof.ranker is not None
    ranker = replace(proof.ranker, view=_view(asks.train, traits))
    scorers: dict[str, Scorer] = {"the sum": base, "with the ranker": Reranked(base, ranker, asks.cases.taking)}
    found = {name: _per_user(scorer, asks) for name, scorer in scorers.items()}
    for name, values in found.items():
        print(f"test, {name:16s} HR@10 {values['hit_rate'].mean():.4f}  N@10 {values['ndcg'].mean():.4f}")
    for metric, d in paired_bootstrap(found["with the ranker"], found["the sum"]).items():
        print(f"test, {metric:8s} {d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}]  {d.users:,} users")


def _per_user(scorer: Scorer, cut: Cut) -> dict[str, Doubles]:
    values = user_metrics(rank_cases(scorer, cut.cases), cut.cases.owners, len(cut.cases), 10)
    return {name: values[name] for name in ("hit_rate", "ndcg")}


def _sample_shop() -> None:
    """``shopgraph demo`` without its page, then ``train --ranker``; what is told of it."""
    from typer.testing import CliRunner

    from api.cli import app

    with TemporaryDirectory() as folder:
        for command in (["demo", "--no-serve"], ["train", "--ranker"]):
            done = CliRunner().invoke(app, [*command, "--workspace", folder])
            if done.exit_code:
                raise SystemExit(done.output)
        for line in _about_training(done.stdout):
            print(line)


def _about_training(told: str) -> Iterator[str]:
    wanted = ("NDCG@10", "ranker:", "serves:")
    yield from (line.strip() for line in told.splitlines() if any(word in line for word in wanted))


if __name__ == "__main__":
    main()

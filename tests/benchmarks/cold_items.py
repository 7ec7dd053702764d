"""Products that no one has bought, ranked: by their texts, by chance, by what sells, by their facts.

    python tests/benchmarks/cold_items.py --data ../shared/data/beauty --out results/cold
        [--encoder all-MiniLM-L6-v2 --vectors FILE] [--minutes 14]              (about 5 CPU minutes, 3 GB)

Beauty, leave-one-out, with a tenth of the items hidden by chance (cold_cuts.py): no event on them is learned from or
stands in a history. A user whose last item is hidden is a cold case. Settings are chosen on the second-last item of
each user, with another tenth of the items hidden, by NDCG@10 of the cold cases (of all cases, for the weight of a sum);
the last item is asked once. Every target is ranked among all items, and once more among the hidden ones alone.
``--out`` is a folder: figures and ranks are kept there, and a run that was ended goes on; ``report.json`` is the table.

``facts`` are the linear relation term over what a new product says of itself: brand, category, what rules extract from
its title. ``crawled`` is the same term over also_bought and its like, which were crawled after the events: no new
product has them, and they may know what is asked.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cold_cuts import cuts, of_source, thinned
from split_files import item_texts, read

from recommender.arrays import Bools, Floats, Ints
from recommender.comparing import paired_bootstrap
from recommender.dataset import Dataset
from recommender.evaluation import blocks, mask, slices
from recommender.histories import Histories, Ids
from recommender.metrics import metrics_at, target_ranks, user_metrics
from recommender.model import Model, Scorer
from recommender.models.ease import Ease
from recommender.models.popularity import Popularity
from recommender.models.relations import Relations
from recommender.models.texts import Texts
from recommender.scorers import WeightedSumScorer
from recommender.splits import Cases, Cut

K = 10
DECAY = 0.6
BEHAVIOUR = (0.0, 1.0, 3.0, 6.0)
WEIGHTS = (0.03, 0.1, 0.3, 1.0)
FIGURES = ("recall", "ndcg")
EASE = Ease(100.0, decay=DECAY)
TEXTS = "texts"
SCORERS = (
    "chance",
    "popularity",
    "facts",
    "crawled",
    "texts, nothing inherited",
    TEXTS,
    "ease",
    "ease + texts",
)


class Chance(Scorer):
    """Another order for everyone."""

    def __init__(self, items: Ids) -> None:
        self.items, self.users, self._random = items, Ids(()), np.random.default_rng(0)

    def scores_batch(self, histories: Histories) -> Floats:
        return self._random.random((len(histories), len(self.items)), np.float32)

    def speaks(self, histories: Histories) -> Bools:
        return np.ones(len(histories), bool)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder for figures, ranks and the report")
    parser.add_argument("--encoder", help="a transformer whose vectors join the n-grams")
    parser.add_argument("--vectors", type=Path, help="an .npy file that keeps its vectors")
    parser.add_argument("--warm", type=int, help="at most so many users whose target training knows")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after so long")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    texts = item_texts(read(options.data / "items.parquet", "item"))
    chooses, asks = (Cut(cut.train.with_texts(texts), cut.cases) for cut in cuts(options.data))
    asks = thinned(asks, options.warm)
    if options.encoder:
        vectors = encoded(asks.train, options.encoder, options.vectors)
        chooses, asks = (Cut(cut.train.with_text_vectors(vectors), cut.cases) for cut in (chooses, asks))
    print(f"{len(asks.cases):,} users, {len(asks.train.items):,} items", flush=True)
    bench = Bench(chooses, asks, options.out, time.monotonic() + 60 * options.minutes)
    try:
        rows = {name: Asked(*bench.ranks(name), asks) for name in SCORERS}
    except TimeoutError as over:
        print(over)
        return
    report = told(rows)
    report["validation"] = bench.figures
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


class Bench:
    """Fits, measures and keeps what was found in a folder."""

    def __init__(self, chooses: Cut, asks: Cut, folder: Path, until: float) -> None:
        self.chooses, self.asks, self.folder, self._until = chooses, asks, folder, until
        kept = folder / "validation.json"
        self.figures: dict[str, float] = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
        self._held: dict[tuple[str, str], Scorer] = {}

    def ranks(self, name: str) -> tuple[Ints, Ints]:
        """Of each target among all items, and among the hidden ones."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            data = self.asks.train
            hidden = ~np.isin(np.arange(len(data.items)), data.histories.items)
            self._in_time()
            every, among = ranks(self._scorer(name), self.asks.cases, hidden)
            np.savez(self.folder / ".partial.npz", every=every, among=among)
            os.replace(self.folder / ".partial.npz", path)
        with np.load(path, allow_pickle=False) as kept:
            return kept["every"], kept["among"]

    def _scorer(self, name: str) -> Scorer:
        data = self.asks.train
        if name in ("facts", "crawled"):
            return Relations(decay=DECAY).fit(of_source(data, "own" if name == "facts" else name))
        if name == "texts, nothing inherited":
            return self._fitted("asks", replace(self.texts(), behaviour=0.0))
        if name == "ease + texts":
            base, texts = self._fitted("asks", EASE), self._fitted("asks", self.texts())
            return _sum(base, texts, self.weight())
        if name in (TEXTS, "ease"):
            return self._fitted("asks", self.texts() if name == TEXTS else EASE)
        return Popularity().fit(data) if name == "popularity" else Chance(data.items)

    def _fitted(self, cut: str, model: Model) -> Scorer:
        """What was fitted a moment ago is not fitted again."""
        key = (cut, repr(model))
        if key not in self._held:
            self._in_time()
            self._held[key] = model.fit(self.asks.train if cut == "asks" else self.chooses.train)
        return self._held[key]

    def texts(self) -> Texts:
        """With the weight of what is inherited that ranks cold validation items best."""
        cold = slices(self.chooses.train, self.chooses.cases)["cold item"]
        cases = self.chooses.cases
        few = replace(cases, owners=cases.owners[cold], targets=cases.targets[cold])
        models = {f"behaviour {b:g}": Texts(behaviour=b, decay=DECAY) for b in BEHAVIOUR}
        found = {
            name: self._figure(f"cold, {name}", lambda m=model: m.fit(self.chooses.train), few)
            for name, model in models.items()
        }
        return models[max(found, key=lambda name: found[name])]

    def weight(self) -> float:
        """Of texts beside EASE: what ranks all validation targets best."""
        few, model = self.chooses.cases.first(3000), self.texts()

        def summed(weight: float) -> Scorer:
            return _sum(self._fitted("chooses", EASE), self._fitted("chooses", model), weight)

        found = {w: self._figure(f"all, ease + {w:g} texts", lambda w=w: summed(w), few) for w in WEIGHTS}
        self._held = {key: scorer for key, scorer in self._held.items() if key[0] == "asks"}
        return max(found, key=lambda weight: found[weight])

    def _figure(self, name: str, make: Callable[[], Scorer], cases: Cases) -> float:
        """NDCG@10 on validation cases, measured once."""
        if name not in self.figures:
            self._in_time()
            self.figures[name] = metrics_at(ranks(make(), cases)[0], cases.owners, len(cases), K).ndcg
            print(f"validation, {name}: N@{K} {self.figures[name]:.4f}", flush=True)
            partial = self.folder / ".validation.json"
            partial.write_text(json.dumps(self.figures) + "\n", encoding="utf-8")
            os.replace(partial, self.folder / "validation.json")
        return self.figures[name]

    def _in_time(self) -> None:
        if time.monotonic() > self._until:
            raise TimeoutError("the time is over; run again to go on")


def encoded(data: Dataset, name: str, kept: Path | None) -> Floats:
    """The mean of the last hidden states of each item's text, (n_items, d); 0 where there is no text."""
    if kept is not None and kept.exists():
        return np.load(kept, allow_pickle=False)
    import torch

    from mining.extraction.encoders import load_encoder

    torch.set_num_threads(1)
    encoder = load_encoder(name)
    encoder.model.eval()
    tokens = [encoder.tokenizer.encode(text).ids[:128] if text else [] for text in data.texts]
    order = sorted((place for place, ids in enumerate(tokens) if ids), key=lambda place: len(tokens[place]))
    vectors = np.zeros((len(tokens), encoder.width), np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), 64):
            some = order[start : start + 64]
            longest = max(len(tokens[place]) for place in some)
            ids = torch.tensor([tokens[place] + [0] * (longest - len(tokens[place])) for place in some])
            real = torch.tensor([[step < len(tokens[place]) for step in range(longest)] for place in some])
            states = encoder.model(input_ids=ids, attention_mask=real.long()).last_hidden_state
            sums = (states * real[:, :, None]).sum(dim=1)
            vectors[some] = (sums / real.sum(dim=1, keepdim=True)).numpy()
            if start % 3200 == 0:
                print(f"encoded {start:,} of {len(order):,}", flush=True)
    if kept is not None:
        np.save(kept, vectors)
    return vectors


def _sum(base: Scorer, texts: Scorer, weight: float) -> Scorer:
    return WeightedSumScorer(((1.0, base), (weight, texts)))


def ranks(scorer: Scorer, cases: Cases, hidden: Bools | None = None) -> tuple[Ints, Ints]:
    """The rank of each target among all items, and among the ``hidden`` (n_items,) ones where these are given."""
    n_items = len(scorer.items)
    every, among = (np.zeros(len(cases.targets), np.int64) for _ in range(2))
    for histories, rows, items, which in blocks(cases, n_items):
        scores, masked = scorer.scores_batch(histories), mask(histories, cases, n_items)
        every[which] = target_ranks(scores, rows, items, masked)
        if hidden is not None:
            among[which] = target_ranks(scores, rows, items, masked | ~hidden[None, :])
    return every, among


class Asked:
    """The ranks of one scorer, by user."""

    def __init__(self, every: Ints, among: Ints, cut: Cut) -> None:
        self.every, self.among = every, among
        self.cases, self.parts = cut.cases, slices(cut.train, cut.cases)

    def users(self, part: str, found: Ints) -> dict[str, np.ndarray]:
        belongs = self.parts[part]
        return user_metrics(found[belongs], self.cases.owners[belongs], len(self.cases), K)

    def told(self) -> dict[str, dict[str, float]]:
        return {
            "cold among all": self._means("cold item", self.every),
            "cold among cold": self._means("cold item", self.among),
            "warm among all": self._means("warm", self.every),
        }

    def _means(self, part: str, found: Ints) -> dict[str, float]:
        values = self.users(part, found)
        return {"cases": len(values["ndcg"]), **{name: float(values[name].mean()) for name in FIGURES}}

    def less(self, other: "Asked") -> dict[str, dict[str, float]]:
        """How much better this ranks cold items, with the interval of a paired bootstrap over users."""
        told = {}
        for name, mine, theirs in (("among all", self.every, other.every), ("among cold", self.among, other.among)):
            sides = self.users("cold item", mine), other.users("cold item", theirs)
            found = paired_bootstrap(*({m: side[m] for m in FIGURES} for side in sides))
            told |= {f"{m} {name}": {"mean": i.mean, "low": i.low, "high": i.high} for m, i in found.items()}
        return told


def told(rows: Mapping[str, Asked]) -> dict[str, Any]:
    """Prints the table and the differences, and returns them."""
    for name, row in rows.items():
        cells = (f"{part} R {means['recall']:.4f} N {means['ndcg']:.4f}" for part, means in row.told().items())
        print(f"{name:26s} @{K}  " + "  ".join(cells), flush=True)
    sizes = ", ".join(f"{means['cases']:,} {part}" for part, means in rows[TEXTS].told().items())
    print(f"cases: {sizes}\n\n{TEXTS} less the others on cold items, 95 % of the resamples:")
    differences = {name: rows[TEXTS].less(rows[name]) for name in rows if name != TEXTS}
    for name, found in differences.items():
        cells = (f"{what} {i['mean']:+.4f} [{i['low']:+.4f}, {i['high']:+.4f}]" for what, i in found.items())
        print(f"{name:26s}  " + "  ".join(cells))
    return {"models": {name: row.told() for name, row in rows.items()}, f"{TEXTS} less": differences}


if __name__ == "__main__":
    main()

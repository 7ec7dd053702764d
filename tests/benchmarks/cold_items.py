"""Products that no one has bought, ranked: by their texts, by chance, by what sells, by their facts.

    python tests/benchmarks/cold_items.py --data ../shared/data/beauty [--encoder all-MiniLM-L6-v2 --vectors FILE]
        [--out FILE]                                                         (about 5 CPU minutes, 3 GB)

Beauty, leave-one-out, with a tenth of the items hidden by chance (cold_cuts.py): no event on them is learned from or
stands in a history. A user whose last item is hidden is a cold case. Settings are chosen on the second-last item of
each user, with another tenth of the items hidden, by NDCG@10 of the cold cases (of all cases, for the weight of a sum);
the last item is asked once. Every target is ranked among all items, and once more among the hidden ones alone.

``facts`` are the linear relation term over what a new product says of itself: brand, category, what rules extract from
its title. ``crawled`` is the same term over also_bought and its like, which were crawled after the events: no new
product has them, and they may know what is asked.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from cold_cuts import cuts, of_source
from protocols import item_texts

from recommender.arrays import Bools, Floats, Ints
from recommender.comparing import paired_bootstrap
from recommender.dataset import Dataset
from recommender.evaluation import blocks, mask, slices
from recommender.histories import Histories, Ids
from recommender.metrics import metrics_at, target_ranks, user_metrics
from recommender.model import Scorer
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
TEXTS = "texts"


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
    parser.add_argument("--encoder", help="a transformer whose vectors join the n-grams")
    parser.add_argument("--vectors", type=Path, help="an .npy file that keeps its vectors")
    parser.add_argument("--out", type=Path, help="a JSON file for the rows")
    options = parser.parse_args()
    texts = item_texts(options.data / "items.parquet")
    chooses, asks = (Cut(cut.train.with_texts(texts), cut.cases) for cut in cuts(options.data))
    if options.encoder:
        vectors = encoded(asks.train, options.encoder, options.vectors)
        chooses, asks = (Cut(cut.train.with_text_vectors(vectors), cut.cases) for cut in (chooses, asks))
    print(f"{len(asks.cases):,} users, {len(asks.train.items):,} items", flush=True)
    model = chosen(chooses)
    rows: dict[str, Asked] = {}
    for name, scorer in scorers(model, chooses, asks):
        rows[name] = Asked(scorer, asks)
        cells = (f"{part} R {means['recall']:.4f} N {means['ndcg']:.4f}" for part, means in rows[name].told().items())
        print(f"{name:26s} @{K}  " + "  ".join(cells), flush=True)
    sizes = ", ".join(f"{means['cases']:,} {part}" for part, means in rows[TEXTS].told().items())
    print(f"cases: {sizes}\n\n{TEXTS} less the others on cold items, 95 % of the resamples:")
    differences = {name: rows[TEXTS].less(rows[name]) for name in rows if name != TEXTS}
    for name, found in differences.items():
        cells = (f"{what} {i['mean']:+.4f} [{i['low']:+.4f}, {i['high']:+.4f}]" for what, i in found.items())
        print(f"{name:26s}  " + "  ".join(cells))
    report = {name: asked.told() for name, asked in rows.items()}
    if options.out:
        told = {"chosen": repr(model), "models": report, f"{TEXTS} less": differences}
        options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def chosen(cut: Cut) -> Texts:
    """The weight of what is inherited that ranks cold validation items best."""
    cold = slices(cut.train, cut.cases)["cold item"]
    few = replace(cut.cases, owners=cut.cases.owners[cold], targets=cut.cases.targets[cold])
    tried = {}
    for behaviour in BEHAVIOUR:
        model = Texts(behaviour=behaviour, decay=DECAY)
        found = metrics_at(ranks(model.fit(cut.train), few)[0], few.owners, len(few), K)
        tried[model] = found.ndcg
        print(f"validation, {found.users:,} cold cases: behaviour {behaviour:g}  N@{K} {found.ndcg:.4f}", flush=True)
    return max(tried, key=lambda model: tried[model])


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


def scorers(model: Texts, chooses: Cut, asks: Cut) -> Iterator[tuple[str, Scorer]]:
    data = asks.train
    yield "chance", Chance(data.items)
    yield "popularity", Popularity().fit(data)
    for name, source in (("facts", "own"), ("crawled", "crawled")):
        yield name, Relations(decay=DECAY).fit(of_source(data, source))
    yield "texts, nothing inherited", replace(model, behaviour=0.0).fit(data)
    texts = model.fit(data)
    yield TEXTS, texts
    ease = Ease(100.0, decay=DECAY)
    weight = summed(ease.fit(chooses.train), model.fit(chooses.train), chooses.cases)
    base = ease.fit(data)
    yield "ease", base
    yield f"ease + {weight:g} texts", _sum(base, texts, weight)


def summed(base: Scorer, texts: Scorer, cases: Cases) -> float:
    """The weight of texts beside EASE that ranks all validation targets best."""
    few = cases.first(5000)
    tried = {
        weight: metrics_at(ranks(_sum(base, texts, weight), few)[0], few.owners, len(few), K).ndcg for weight in WEIGHTS
    }
    print("validation, ease + w texts: " + "  ".join(f"{w:g} {n:.4f}" for w, n in tried.items()), flush=True)
    return max(tried, key=lambda weight: tried[weight])


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
    """The ranks of one scorer."""

    def __init__(self, scorer: Scorer, cut: Cut) -> None:
        known = np.isin(np.arange(len(cut.train.items)), cut.train.histories.items)
        self.cases, self.parts = cut.cases, slices(cut.train, cut.cases)
        self.every, self.among = ranks(scorer, cut.cases, ~known)

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


if __name__ == "__main__":
    main()

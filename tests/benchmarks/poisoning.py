"""What does it cost to tie a product to a best-seller by fake purchases, with and without mining's defences?

    python tests/benchmarks/poisoning.py [--targets 3] [--most 512]

The simulated log of the sample shop gets fake baskets of the best-seller and a target that nobody bought with it, in
its last days. Three attackers: ``crowd``, a new account for each basket; ``patient``, one account that buys once a day;
``script``, one account that buys every hour, day and night (sooner would be one basket). The cost is the least number
of baskets (two events each) after which the target stands among the first ten

related           of the best-seller's BOUGHT_WITH pairs: with defences by mining's belief × decay (bots left out, two
                  distinct users, 99 % bounds against chance), without them by plain counts
recommendations   of ItemKNN for someone who bought the best-seller alone: with defences bots are left out, nothing else
                  stands between the log and this model

Of equals the target comes first, which favours the attacker. ``never`` means not with ``--most`` baskets. Doubling
finds a number that suffices and halving the least one, so a number is exact where more baskets never hurt.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg.types import Interaction
from mining.behavior.config import BehaviorConfig
from mining.behavior.miner import mine_behavior
from mining.bots import bots
from mining.samples import sample_products
from mining.samples.simulator import simulate
from mining.samples.truth import load_truth
from recommender.dataset import Dataset
from recommender.histories import UserState
from recommender.models.itemknn import ItemKNN
from recommender.retrieval import top_k

TOP = 10
DAY = 86_400
OPEN = BehaviorConfig(min_support=1, min_users=1, min_confidence=0.0, z=1e-9, top=10_000)
ATTACKS = ("crowd", "patient", "script")


def table(events: Sequence[Interaction]) -> pa.Table:
    """As the event log gives it, in time order."""
    rows = [asdict(event) for event in sorted(events, key=lambda event: event.at)]
    names = {"event_id": "event_id", "user": "user_id", "session": "session_id", "product": "product_id"}
    columns = {ours: pa.array([row[theirs] for row in rows], pa.string()) for ours, theirs in names.items()}
    columns["action"] = pa.array([row["action"] for row in rows], pa.string())
    columns["at"] = pa.array([row["at"] for row in rows], pa.int64())
    return pa.table(columns)


def fake(attack: str, baskets: int, best: str, target: str, end: int) -> pa.Table:
    """``baskets`` purchases of both products, none of them after ``end``."""
    step = {"crowd": 3_600, "patient": DAY, "script": 3_700}[attack]
    events = []
    for basket in range(baskets):
        user = f"fake-{basket}" if attack == "crowd" else "fake"
        at = end - 60 - (baskets - 1 - basket) * step
        events += [
            Interaction(f"fake-{basket}-{product}", product, "purchase", at, user, f"fake-{basket}")
            for product in (best, target)
        ]
    return table(events)


def related(events: pa.Table, best: str, target: str, *, defended: bool) -> bool:
    """Whether the target is among the first related products."""
    config, excluded = (BehaviorConfig(), bots(events)) if defended else (OPEN, frozenset[str]())
    pairs = mine_behavior(events, excluded=excluded, config=config).pairs.get("BOUGHT_WITH")
    ranked = []
    for row in pairs.to_pylist() if pairs is not None else ():
        if best in (row["head"], row["tail"]):
            other = row["tail"] if row["head"] == best else row["head"]
            ranked.append((-(row["belief"] * row["decay"] if defended else row["support"]), other != target, other))
    return target in [other for *_, other in sorted(ranked)[:TOP]]


def recommended(events: pa.Table, best: str, target: str, *, defended: bool) -> bool:
    """Whether the target is among the first recommendations after the best-seller."""
    if defended:
        flagged = pa.array(sorted(bots(events)), pa.string())
        events = events.filter(pc.invert(pc.is_in(events["user"], value_set=flagged)))
    scorer = ItemKNN().fit(Dataset.build(events))
    if target not in scorer.items:
        return False
    scores = scorer.scores(UserState(None, (Interaction("e", best, "purchase", 0),)))
    allowed = np.ones(len(scores), bool)
    allowed[scorer.items.places[best]] = False
    return scorer.items.places[target] in top_k(scores, TOP, allowed & (scores != 0)).tolist()


def cost(succeeds: Callable[[int], bool], most: int) -> int | None:
    """The least number of baskets that suffices; 0 where none are needed, None where ``most`` do not."""
    if succeeds(0):
        return 0
    enough = 1
    while not succeeds(enough):
        if enough >= most:
            return None
        enough = min(2 * enough, most)
    low = enough // 2
    while enough - low > 1:
        middle = (low + enough) // 2
        low, enough = (low, middle) if succeeds(middle) else (middle, enough)
    return enough


def attacked(
    judged: Callable[..., bool], honest: pa.Table, attack: str, best: str, target: str, end: int, *, defended: bool
) -> Callable[[int], bool]:
    """Whether so many baskets suffice."""

    def succeeds(baskets: int) -> bool:
        events = honest
        if baskets:
            events = pa.concat_tables([honest, fake(attack, baskets, best, target, end)]).sort_by("at")
        return judged(events, best, target, defended=defended)

    return succeeds


def choose(events: Sequence[Interaction], count: int) -> tuple[str, list[str]]:
    """The best-seller, and products of middling sales that no one who bought it has bought."""
    bought = Counter(event.product_id for event in events if event.action == "purchase")
    best = bought.most_common(1)[0][0]
    owners = {e.user_id for e in events if e.action == "purchase" and e.product_id == best}
    known = {e.product_id for e in events if e.action == "purchase" and e.user_id in owners}
    free = [product for product, _ in bought.most_common() if product not in known]
    if not free:  # everything was bought by some owner of the best-seller: what the fewest of them have
        theirs = Counter(e.product_id for e in events if e.action == "purchase" and e.user_id in owners)
        free = sorted(bought, key=lambda product: (theirs[product], product))[: 4 * count]
    middle = len(free) // 2
    return best, free[max(0, middle - count // 2) :][:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=3)
    parser.add_argument("--most", type=int, default=512)
    options = parser.parse_args()
    events = simulate(sample_products(), load_truth())
    best, targets = choose(events, options.targets)
    honest, end = table(events), max(event.at for event in events)
    print(f"{len(events):,} events; best-seller {best}; targets {', '.join(targets)}; at most {options.most} baskets")
    print(f"{'where':16s} {'attack':8s} {'defences':8s} baskets, a target each")
    for name, judged in (("related", related), ("recommendations", recommended)):
        for attack in ATTACKS:
            for defended in (False, True):
                found = [
                    cost(attacked(judged, honest, attack, best, target, end, defended=defended), options.most)
                    for target in targets
                ]
                told = ", ".join("never" if one is None else str(one) for one in found)
                print(f"{name:16s} {attack:8s} {'on' if defended else 'off':8s} {told}", flush=True)


if __name__ == "__main__":
    main()

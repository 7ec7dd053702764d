"""What does it cost to tie a product to a best-seller by fake purchases, with and without mining's defences?

    python tests/benchmarks/poisoning.py [--targets 3] [--most 64] [--attacks crowd slow …] [--defences users bursts]
    python tests/benchmarks/poisoning.py --alarms ../shared/data/beauty      what is set aside of honest logs

The simulated log of the sample shop gets fake baskets of the best-seller and a target that nobody bought with it, in
its last days. Attackers: ``crowd``, a new account for each basket, one an hour; ``slow``, the same, one a week;
``dressed``, a new account for each basket, one an hour, which looked at four products by chance on a day of the month
before; ``patient``, one account that buys once a day; ``script``, one account that buys every hour, day and night
(sooner would be one basket). The cost is the least number of baskets after which the target stands among the first ten

related           of the best-seller's BOUGHT_WITH pairs: by plain counts with defences ``off``; with ``users`` by
                  mining's belief × decay (bots left out, two distinct users, 99 % bounds against chance); with
                  ``bursts`` the same, counted without the events of bursts of empty accounts
recommendations   of ItemKNN for someone who bought the best-seller alone: with ``users`` bots are left out, with
                  ``bursts`` those events too

Of equals the target comes first, which favours the attacker. ``never`` means not with 1 to 8, 16, … ``--most`` baskets.
Beyond 8 halving finds the least number, if more baskets never hurt; with bursts they may, since many are seen sooner.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kg.types import Interaction
from mining.behavior.config import BehaviorConfig
from mining.behavior.miner import made_up, mine_behavior
from mining.behavior.selection import without
from mining.bots import bots
from mining.samples import sample_products
from mining.samples.simulator import simulate
from mining.samples.truth import load_truth
from recommender.dataset import Dataset
from recommender.histories import UserState
from recommender.models.itemknn import ItemKNN
from recommender.retrieval import top_k

TOP = 10
FEW = 8  # baskets up to which every number is tried
PRODUCTS = sorted(product.id for product in sample_products())
DAY = 86_400
CONFIGS = {
    "off": BehaviorConfig(min_support=1, min_users=1, min_confidence=0.0, z=1e-9, top=10_000, burst_alarms=0.0),
    "users": BehaviorConfig(burst_alarms=0.0),
    "bursts": BehaviorConfig(),
}
ATTACKS = {"crowd": 3_600, "slow": 7 * DAY, "dressed": 3_600, "patient": DAY, "script": 3_700}  # seconds between
ALONE = ("patient", "script")


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
    random = np.random.default_rng(0)
    events = []
    for basket in range(baskets):
        user = "fake" if attack in ALONE else f"fake-{basket}"
        at = end - 60 - (baskets - 1 - basket) * ATTACKS[attack]
        events += [
            Interaction(f"fake-{basket}-{product}", product, "purchase", at, user, f"fake-{basket}")
            for product in (best, target)
        ]
        if attack == "dressed":
            visit, before = f"dress-{basket}", end - int(random.integers(2, 30)) * DAY
            events += [
                Interaction(f"{visit}-{place}", str(product), "view", before + 60 * place, user, visit)
                for place, product in enumerate(random.choice(PRODUCTS, 4, replace=False))
            ]
    return table(events)


def related(events: pa.Table, best: str, target: str, defences: str) -> bool:
    """Whether the target is among the first related products."""
    excluded = frozenset[str]() if defences == "off" else bots(events)
    pairs = mine_behavior(events, excluded=excluded, config=CONFIGS[defences]).pairs.get("BOUGHT_WITH")
    ranked = []
    for row in pairs.to_pylist() if pairs is not None else ():
        if best in (row["head"], row["tail"]):
            other = row["tail"] if row["head"] == best else row["head"]
            strength = row["support"] if defences == "off" else row["belief"] * row["decay"]
            ranked.append((-strength, other != target, other))
    return target in [other for *_, other in sorted(ranked)[:TOP]]


def recommended(events: pa.Table, best: str, target: str, defences: str) -> bool:
    """Whether the target is among the first recommendations after the best-seller."""
    if defences != "off":
        flagged = pa.array(sorted(bots(events)), pa.string())
        events = events.filter(pc.invert(pc.is_in(events["user"], value_set=flagged)))
    if defences == "bursts":
        events = without(events, made_up(events))
    scorer = ItemKNN().fit(Dataset.build(events))
    if target not in scorer.items:
        return False
    scores = scorer.scores(UserState(None, (Interaction("e", best, "purchase", 0),)))
    allowed = np.ones(len(scores), bool)
    allowed[scorer.items.places[best]] = False
    return scorer.items.places[target] in top_k(scores, TOP, allowed & (scores != 0)).tolist()


JUDGES: dict[str, Callable[..., bool]] = {"related": related, "recommendations": recommended}


def _human(events: pa.Table) -> pa.Table:
    flagged = pa.array(sorted(bots(events)), pa.string())
    return events.filter(pc.invert(pc.is_in(events["user"], value_set=flagged)))


def _beauty(folder: Path, share: float) -> pa.Table:
    """Its ratings as a log; a part of it knows people by fewer products, as a young shop does."""
    rows = pq.read_table(folder / "interactions.parquet", columns=["user", "item", "timestamp"])
    last = pc.quantile(rows["timestamp"], share).to_pylist()[0]
    rows = rows.filter(pc.less_equal(rows["timestamp"], last))
    names = {"user": pc.cast(rows["user"], pa.string()), "product": pc.cast(rows["item"], pa.string())}
    ids = pa.array([f"e{n}" for n in range(len(rows))])
    more = {"event_id": ids, "session": pa.nulls(len(rows), pa.string()), "action": pa.array(["rating"] * len(rows))}
    return pa.table({**names, **more, "at": pc.cast(rows["timestamp"], pa.int64())}).sort_by("at")


def alarms(name: str, events: pa.Table) -> None:
    """What the burst tests set aside where nobody has attacked, and how many pairs they look at."""
    before = time.process_time()
    report = mine_behavior(events).report
    seconds = time.process_time() - before
    pairs, fewer = dict(report.pairs), dict(report.suspect_pairs)
    print(f"{name}: {len(events):,} events, {len(events) - report.events} set aside; pairs {pairs}, suspect {fewer}")
    print(f"  {seconds:.1f} CPU s", flush=True)


def cost(succeeds: Callable[[int], bool], most: int) -> int | None:
    """The least number of baskets that suffices; 0 where none are needed, None where ``most`` do not."""
    enough = 0
    while not succeeds(enough):
        if enough >= most:
            return None
        enough = min(enough + 1 if enough < FEW else 2 * enough, most)
    low = enough // 2 if enough > FEW else enough - 1
    while enough - low > 1:
        middle = (low + enough) // 2
        low, enough = (low, middle) if succeeds(middle) else (middle, enough)
    return enough


def attacked(
    judged: Callable[..., bool], honest: pa.Table, attack: str, best: str, target: str, end: int, defences: str
) -> Callable[[int], bool]:
    """Whether so many baskets suffice."""

    def succeeds(baskets: int) -> bool:
        events = honest
        if baskets:
            events = pa.concat_tables([honest, fake(attack, baskets, best, target, end)]).sort_by("at")
        return judged(events, best, target, defences)

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
    parser.add_argument("--most", type=int, default=64)
    parser.add_argument("--attacks", choices=ATTACKS, nargs="+", default=list(ATTACKS))
    parser.add_argument("--defences", choices=CONFIGS, nargs="+", default=list(CONFIGS))
    parser.add_argument("--judges", choices=JUDGES, nargs="+", default=list(JUDGES))
    parser.add_argument("--alarms", type=Path, help="folder of Beauty: count what is set aside, attack nothing")
    options = parser.parse_args()
    events = simulate(sample_products(), load_truth())
    if options.alarms:
        alarms("sample shop, without bots", _human(table(events)))
        for share in (1.0, 0.5):
            alarms(f"Beauty, the first {share:.0%} of its time", _beauty(options.alarms, share))
        return
    best, targets = choose(events, options.targets)
    honest, end = table(events), max(event.at for event in events)
    print(f"{len(events):,} events; best-seller {best}; targets {', '.join(targets)}; at most {options.most} baskets")
    print(f"{'where':16s} {'attack':8s} {'defences':8s} baskets, a target each")
    for name in options.judges:
        for attack in options.attacks:
            for defences in options.defences:
                found = [
                    cost(attacked(JUDGES[name], honest, attack, best, target, end, defences), options.most)
                    for target in targets
                ]
                told = ", ".join("never" if one is None else str(one) for one in found)
                print(f"{name:16s} {attack:8s} {defences:8s} {told}", flush=True)


if __name__ == "__main__":
    main()

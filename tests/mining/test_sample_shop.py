"""The sample shop is what its README says: counts, languages, planted truth, and a simulator that keeps its word."""

import csv
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kg.types import ACTIONS, Action, Document, Interaction, Product
from mining.samples import sample_products, sample_shop
from mining.samples.simulator import DAY, SimulatorConfig, simulate, wishes, write_events
from mining.samples.truth import Truth, label_span, load_truth
from mining.samples.world import CONSUMED, seconds
from mining.sources import read_products, read_reviews
from mining.types import Reject

CONFIG = SimulatorConfig()
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def products() -> list[Product]:
    return sample_products()


@pytest.fixture(scope="module")
def truth() -> Truth:
    return load_truth()


@pytest.fixture(scope="module")
def events(products: list[Product], truth: Truth) -> list[Interaction]:
    return simulate(products, truth)


@pytest.fixture(scope="module")
def first_buys(events: list[Interaction]) -> dict[str, dict[str, int]]:
    """user → product → time of the first purchase."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for event in events:
        if event.action == "purchase" and event.user_id is not None:
            found[event.user_id].setdefault(event.product_id, event.at)
    return found


def text_of(product: Product) -> str:
    return f"{product.title}\n{product.description}"


def action_named(name: str) -> Action:
    return next(action for action in ACTIONS if action == name)


def digest(events: Iterable[Interaction]) -> str:
    return hashlib.sha256("\n".join(map(repr, events)).encode()).hexdigest()


def reviews() -> list[dict[str, Any]]:
    return [json.loads(line) for line in sample_shop().reviews.read_text(encoding="utf-8").splitlines()]


def test_the_catalogue_is_large_enough_and_speaks_two_languages(products: list[Product]) -> None:
    chinese = [p for p in products if len(HAN.findall(p.title + p.description)) > 20]
    assert len(products) >= 180
    assert len(chinese) >= 45
    assert len({p.id for p in products}) == len(products)
    by_category = Counter(p.category[0] for p in products)
    assert len(by_category) == 6
    assert min(by_category.values()) >= 25


def test_every_product_has_what_a_shop_knows(products: list[Product]) -> None:
    for product in products:
        assert product.brand
        assert product.price is not None
        assert product.price > 0
        assert product.currency in {"USD", "CNY"}
        assert len(product.category) == 3
        assert len(product.attributes) >= 1
        assert len(re.split(r"(?<=[.!?。！？>])\s*", product.description.strip())) >= 2, product.id
    assert sum(p.gtin is not None for p in products) >= 60
    assert sum(p.mpn is not None for p in products) >= 60


def test_gtins_are_valid_in_store_numbers(products: list[Product]) -> None:
    gtins = [p.gtin for p in products if p.gtin]
    assert len(set(gtins)) == len(gtins)
    for gtin in gtins:
        digits = [int(c) for c in gtin]
        assert len(digits) == 13
        assert gtin.startswith("2")  # reserved for use inside a shop: nobody's real number
        assert sum(d * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10 == 0


def test_descriptions_do_not_repeat_each_other(products: list[Product]) -> None:
    sentences = Counter(s for p in products for s in re.split(r"(?<=[.。！])\s*", p.description))
    repeated = [s for s, n in sentences.items() if n > 1 and len(s) > (12 if HAN.search(s) else 40)]
    assert repeated == []


def test_some_rows_carry_html_as_shops_do() -> None:
    raw = sample_shop().catalog.read_text(encoding="utf-8")
    assert "&amp;" in raw
    assert "&nbsp;" in raw
    assert "<li>" in raw


def test_the_readers_take_every_row_and_the_labels_lie_in_what_they_read(truth: Truth) -> None:
    rejects: list[Reject] = []
    shop = sample_shop()
    texts = {p.id: text_of(p) for p in read_products(shop.catalog, on_reject=rejects.append)}
    assert len(texts) == len(sample_products())
    for row in truth["relations"]:
        for label in row["labels"]:
            start, end = label_span(texts[row["product"]], label)
            assert texts[row["product"]][start:end] == label["quote"]
    assert len(list(read_reviews(shop.reviews, on_reject=rejects.append))) == len(reviews())
    assert rejects == []


def test_truth_names_only_products_of_the_catalogue(products: list[Product], truth: Truth) -> None:
    ids = {p.id for p in products}
    named = {i for c in truth["complements"] for i in (c["anchor"], c["complement"])}
    named |= {i for g in truth["substitutes"] for i in g["products"]} | {t["product"] for t in truth["trend"]}
    named |= {i for pair in (*truth["same_product"], *truth["near_duplicates"]) for i in pair}
    named |= {r["product"] for r in truth["relations"]} | {r["product"] for r in truth["incompatible"]}
    named |= {r["target"] for r in truth["incompatible"] if r["target"] is not None}
    assert named - ids == set()
    brands = {p.brand for p in products}
    assert set(truth["brands"]) - brands == set()


def test_complements_are_split_and_no_held_out_product_is_a_common_complement(truth: Truth) -> None:
    held = [[c["anchor"], c["complement"]] for c in truth["complements"] if c["held_out"]]
    common = [c for c in truth["complements"] if not c["held_out"]]
    assert held == truth["held_out_complements"]
    assert len(truth["complements"]) == len({(c["anchor"], c["complement"]) for c in truth["complements"]})
    assert len(truth["complements"]) >= 60
    assert len(held) >= 30
    assert {c for _, c in held} & {c["complement"] for c in common} == set()


def test_held_out_complements_are_stated_in_the_text(truth: Truth) -> None:
    labelled = {r["product"]: {label["relation"] for label in r["labels"]} for r in truth["relations"]}
    for _, complement in truth["held_out_complements"]:
        assert labelled[complement] & {"COMPATIBLE_WITH", "ACCESSORY_OF"}, complement


def test_gold_labels_lie_in_the_text(products: list[Product], truth: Truth) -> None:
    texts = {p.id: text_of(p) for p in products}
    assert len(truth["relations"]) >= 40
    for row in truth["relations"]:
        spans = []
        for label in row["labels"]:
            start, end = label_span(texts[row["product"]], label)
            assert texts[row["product"]][start:end] == label["quote"]
            spans.append((label["relation"], start, end))
        assert len(set(spans)) == len(spans)
        tails = [label["quote"].casefold() for label in row["labels"]]
        assert len(set(tails)) == len(tails), f"{row['product']}: never two relations for one tail"


def test_negations_lie_in_the_text_and_are_no_gold_label(products: list[Product], truth: Truth) -> None:
    texts = {p.id: text_of(p) for p in products}
    labels = {r["product"]: r["labels"] for r in truth["relations"]}
    for row in truth["incompatible"]:
        text = texts[row["product"]]
        start = text.index(row["quote"])
        assert row["tail"] in text
        for label in labels.get(row["product"], []):
            first, last = label_span(text, label)
            assert last <= start or first >= start + len(row["quote"])


def test_reviews_are_many_and_speak_two_languages(products: list[Product]) -> None:
    rows = reviews()
    assert len(rows) >= 420
    assert len({r["id"] for r in rows}) == len(rows)
    assert len({r["text"] for r in rows}) == len(rows)
    assert {r["product_id"] for r in rows} == {p.id for p in products}
    assert sum(len(HAN.findall(r["text"])) > 4 for r in rows) >= 100
    assert set(Counter(r["rating"] for r in rows)) == {1, 2, 3, 4, 5}
    assert all(CONFIG.start <= r["at"] < CONFIG.end for r in rows)
    assert [r["at"] for r in rows] == sorted(r["at"] for r in rows)


def test_reviewers_are_shoppers_of_the_log(truth: Truth) -> None:
    shoppers = {f"u{n:04d}" for n in range(1, CONFIG.users + len(truth["bots"]) + 1)} - set(truth["bots"])
    assert {r["user_id"] for r in reviews()} - shoppers == set()


def test_contradictions_are_in_both_texts(products: list[Product], truth: Truth) -> None:
    texts = {p.id: "\n".join((text_of(p), *p.attributes.values())) for p in products}
    said = {r["id"]: r for r in reviews()}
    assert len(truth["contradictions"]) >= 40
    for row in truth["contradictions"]:
        review = said[row["review"]]
        assert review["product_id"] == row["product"]
        assert row["claim"] in texts[row["product"]]
        assert row["said"] in review["title"] + "\n" + review["text"]


def test_two_reviews_say_the_same_of_several_products_in_either_language() -> None:
    pytest.importorskip("spacy")
    from mining.reviews.extractor import ReviewExtractor

    texts = [Document(r["id"], r["product_id"], "review", f"{r['title']}\n{r['text']}") for r in reviews()]
    said: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for extraction in ReviewExtractor().extract(texts):
        for fact in extraction.facts:
            said[fact.triple].extend(e.quote or "" for e in fact.evidence)
    by_two = {triple: quotes for triple, quotes in said.items() if len(quotes) >= 2}
    assert len({product for product, _, _ in by_two}) >= 10
    for relation in ("PRAISED_FOR", "CRITICISED_FOR"):
        quotes = [quote for triple, found in by_two.items() if triple[1] == relation for quote in found]
        assert sum(HAN.search(quote) is not None for quote in quotes) >= 3
        assert sum(HAN.search(quote) is None for quote in quotes) >= 3


def test_what_ships_is_small() -> None:
    shop = sample_shop()
    assert sum(path.stat().st_size for path in (shop.catalog, shop.reviews, shop.truth)) < 400_000


def test_the_simulator_is_deterministic_and_the_seed_matters(products: list[Product], truth: Truth) -> None:
    small = replace(CONFIG, users=120)
    once, again = simulate(products, truth, small), simulate(products, truth, small)
    assert digest(once) == digest(again)
    assert digest(once) != digest(simulate(products, truth, replace(small, seed=1)))


def test_what_people_would_look_for_next_follows_from_the_log(products: list[Product], truth: Truth) -> None:
    small = replace(CONFIG, users=60)
    people, wanted = wishes(products, truth, small)
    log, places = simulate(products, truth, small), {product.id: n for n, product in enumerate(products)}
    assert {e.user_id for e in log} - {None, *truth["bots"]} <= set(people)
    assert wanted.sum(axis=1) == pytest.approx(1.0)
    lasting = {places[product.id] for product in products if product.category[-1] not in CONSUMED}
    owned = {(people.index(e.user_id), places[e.product_id]) for e in log if e.action == "purchase" and e.user_id}
    again = [wanted[who, what] for who, what in owned if what in lasting]
    assert again
    assert max(again) == 0.0  # nobody looks for what stands at home


def test_the_log_has_the_promised_size_and_shape(events: list[Interaction], products: list[Product]) -> None:
    actions = Counter(e.action for e in events)
    assert 40_000 <= len(events) <= 60_000
    assert set(actions) == set(ACTIONS) - {"rating"}
    assert actions["purchase"] >= 6_000
    assert actions["view"] > actions["cart"] > actions["purchase"]
    assert all(CONFIG.start <= e.at < CONFIG.end for e in events)
    assert [e.at for e in events] == sorted(e.at for e in events)
    assert {e.product_id for e in events} == {p.id for p in products}


def test_about_a_seventh_of_the_sessions_has_no_user(events: list[Interaction]) -> None:
    users = {e.session_id: e.user_id for e in events}
    share = sum(u is None for u in users.values()) / len(users)
    assert 0.12 < share < 0.18


def test_a_session_belongs_to_one_user_and_buys_nothing_it_has_not_seen(events: list[Interaction]) -> None:
    users: dict[str | None, set[str | None]] = defaultdict(set)
    seen: dict[str | None, set[str]] = defaultdict(set)
    for event in events:
        users[event.session_id].add(event.user_id)
        if event.action == "view":
            seen[event.session_id].add(event.product_id)
        assert event.product_id in seen[event.session_id]
    assert {len(u) for u in users.values()} == {1}


def test_bots_look_at_the_whole_catalogue_and_buy_nothing(events: list[Interaction], truth: Truth) -> None:
    by_bot: dict[str, list[Interaction]] = defaultdict(list)
    busiest: Counter[tuple[str, int]] = Counter()
    for event in events:
        if event.user_id in truth["bots"]:
            by_bot[event.user_id].append(event)
        elif event.user_id is not None:
            busiest[event.user_id, event.at // DAY] += 1
    assert set(by_bot) == set(truth["bots"])
    for views in by_bot.values():
        assert {e.action for e in views} == {"view"}
        assert max(Counter(e.at // DAY for e in views).values()) >= 200
        assert len({e.product_id for e in views}) > 190
    assert max(busiest.values()) < 100


def test_some_events_are_sent_twice(events: list[Interaction]) -> None:
    ids = Counter(e.event_id for e in events)
    word_for_word = sum(n - 1 for n in ids.values())
    sent_again = sum(e.event_id.endswith("r") for e in events)
    assert 150 < word_for_word < 700
    assert 150 < sent_again < 700
    originals = {e.event_id: e for e in events}
    for event in events:
        if event.event_id.endswith("r"):
            original = originals[event.event_id[:-1]]
            assert 0 <= event.at - original.at <= 3
            assert replace(event, event_id=original.event_id, at=original.at) == original


def lifts(
    buys: dict[str, dict[str, int]], pairs: Iterable[tuple[str, str]], until: int
) -> dict[tuple[str, str], float]:
    """P(both) / (P(a) P(b)) over buyers, counting first purchases before ``until``."""
    baskets = [{p for p, at in bought.items() if at < until} for bought in buys.values()]
    count = Counter(p for basket in baskets for p in basket)
    return {
        (a, b): sum(a in s and b in s for s in baskets) * len(baskets) / max(count[a] * count[b], 1) for a, b in pairs
    }


def test_planted_complements_have_high_lift(first_buys: dict[str, dict[str, int]], truth: Truth) -> None:
    common = [(c["anchor"], c["complement"]) for c in truth["complements"] if not c["held_out"]]
    planted = sorted(lifts(first_buys, common, CONFIG.end).values())
    assert planted[0] > 3
    assert planted[len(planted) // 2] > 12
    # The same complements beside a wrong anchor of the list: taste alone does not make such lifts.
    wrong = [(a, c) for (a, _), (_, c) in zip(common, common[7:] + common[:7], strict=True)]
    wrong = [pair for pair in wrong if pair not in common]
    unplanted = sorted(lifts(first_buys, wrong, CONFIG.end).values())
    assert unplanted[len(unplanted) // 2] < 3


def test_held_out_complements_meet_only_in_the_last_weeks(first_buys: dict[str, dict[str, int]], truth: Truth) -> None:
    pairs = [(a, c) for a, c in truth["held_out_complements"]]
    cut = seconds(truth["held_out_from"])
    assert CONFIG.end - 30 * DAY <= cut < CONFIG.end
    assert set(lifts(first_buys, pairs, cut).values()) == {0.0}
    afterwards = sorted(lifts(first_buys, pairs, CONFIG.end).values())
    assert afterwards[0] > 0
    assert afterwards[len(afterwards) // 2] > 12


def test_held_out_complements_are_rare_before(first_buys: dict[str, dict[str, int]], truth: Truth) -> None:
    cut = seconds(truth["held_out_from"])
    early = Counter(p for bought in first_buys.values() for p, at in bought.items() if at < cut)
    counts = sorted(early[c] for c in {c for _, c in truth["held_out_complements"]})
    assert counts[-1] <= 12
    assert counts[len(counts) // 2] >= 1


def test_substitutes_are_viewed_together_and_machines_not_owned_twice(
    events: list[Interaction], first_buys: dict[str, dict[str, int]], truth: Truth
) -> None:
    viewed: dict[str | None, set[str]] = defaultdict(set)
    for event in events:
        if event.user_id not in truth["bots"]:
            viewed[event.session_id].add(event.product_id)
    sessions = list(viewed.values())
    count = Counter(p for s in sessions for p in s)
    for a, b in [("pho-01", "pho-02"), ("cln-14", "cln-16"), ("cof-10", "cof-11")]:
        together = sum(a in s and b in s for s in sessions)
        owned = sum(a in bought and b in bought for bought in first_buys.values())
        assert together * len(sessions) / (count[a] * count[b]) > 10
        assert owned <= 2


def test_the_trend_rises_at_the_end(events: list[Interaction], truth: Truth) -> None:
    for trend in truth["trend"]:
        start = seconds(trend["starts"])
        times = [e.at for e in events if e.product_id == trend["product"] and e.action == "purchase"]
        weekly = [sum(start + w * 7 * DAY <= t < start + (w + 1) * 7 * DAY for t in times) for w in range(4)]
        assert weekly[0] < weekly[-1]
        assert sum(weekly) > 10 * sum(start - 28 * DAY <= t < start for t in times)


def test_the_camping_season_is_in_summer(events: list[Interaction]) -> None:
    bought = [e.at for e in events if e.action == "purchase" and e.product_id.startswith("out-")]
    first, last = (sum(lo <= t < lo + 60 * DAY for t in bought) for lo in (CONFIG.start, CONFIG.end - 60 * DAY))
    assert last > 1.5 * first


def test_an_unknown_product_in_truth_is_named(products: list[Product], truth: Truth) -> None:
    with pytest.raises(ValueError, match="cof-01"):
        simulate([p for p in products if p.id != "cof-01"], truth, replace(CONFIG, users=2))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_events_are_written_and_read_back(suffix: str, events: list[Interaction], tmp_path: Path) -> None:
    path = tmp_path / f"events{suffix}"
    some = events[:500]
    assert write_events(path, some) == 500
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines)) if suffix == ".csv" else [json.loads(line) for line in lines]
    read = [
        Interaction(
            row["event_id"],
            row["product_id"],
            action_named(row["action"]),
            int(row["at"]),
            row["user_id"] or None,
            row["session_id"],
            float(row["value"]) if row["value"] else None,
        )
        for row in rows
    ]
    assert read == some


def test_events_of_another_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="parquet"):
        write_events(tmp_path / "events.parquet", [])

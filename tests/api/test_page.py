"""The page without a browser: what it gathers, how it is mounted; then in a real one, with names that attack it."""

import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn
from fastapi.testclient import TestClient

from api.app import create_app
from api.labelling import Queue
from api.page import entity, graph, people, report_tables, search
from api.page.frame import link, price
from api.page.frame import people as people_link
from api.page.mount import mount
from api.page.proof import AROUND, proofs_of
from api.workspace import Workspace, write_json
from kg.errors import StoreUnavailable
from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, Evidence, Fact
from mining.decisions import DecisionLog

HOSTILE = "🎧 a b"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_a_product_shows_each_fact_with_its_quote_in_its_text(trained: Any) -> None:
    shown = entity.gather(trained.services, "product:vb")
    proof = shown.proofs["product:vb", "COMPATIBLE_WITH", "thing:velkin k5"][0]
    text = trained.store.document("doc:vb").text
    assert proof.before + proof.quote + proof.after == text
    assert [c.name for c in shown.breadcrumbs] == ["Photo", "Power"]
    assert set(shown.proofs) == {f.triple for f in shown.known.every_fact()}


def test_a_quote_in_a_long_text_keeps_some_of_it_around() -> None:
    text = "x" * 1000 + "quote" + "y" * 1000
    evidence = Evidence("d", "rules", 0.5, quote="quote", start=1000, end=1005)
    fact = Fact("product:a", "USED_FOR", "use:b", (evidence,))
    with MemoryStore() as store:
        store.put([Entity("product:a", "Product", "a")], documents=[Document("d", "product:a", "product", text)])
        (proof,) = proofs_of(store, [fact])[fact.triple]
    assert proof.before == "…" + "x" * AROUND
    assert proof.after == "y" * AROUND + "…"


def test_the_drawing_shows_every_relation_and_knows_where_a_click_goes(trained: Any) -> None:
    drawn = entity.gather(trained.services, "product:k5").chart["series"][0]  # type: ignore[index]
    ids = {node["id"]: node for node in drawn["data"]}
    assert all(node["value"] == node_id for node_id, node in ids.items())
    assert {"product:k5", "product:vb", "use:travel", "brand:velkin", "category:photo"} <= set(ids)
    assert ids["product:k5"]["symbolSize"] > ids["use:travel"]["symbolSize"]
    assert {(e["source"], e["target"]) for e in drawn["links"]} >= {("product:vb", "product:k5")}


def test_a_crowded_drawing_gives_each_relation_its_turn() -> None:
    evidence = (Evidence("log", "behavior", 0.5),)
    many = [Fact("product:a", "BOUGHT_WITH", f"product:{n}", evidence) for n in range(500)]
    few = [Fact("product:a", "MADE_BY", "brand:b", evidence)]
    drawn = graph.chosen({"BOUGHT_WITH": many, "MADE_BY": few}, "product:a")
    assert len(drawn) == graph.MOST
    assert few[0] in drawn


def test_names_cannot_be_read_as_a_template() -> None:
    centre = Entity("product:a", "Product", "{b} {c}")
    node = graph.options(centre, [], {})["series"][0]["data"][0]
    assert "{" not in node["label"]["formatter"]


def test_a_person_is_shown_with_history_interests_and_reasons(trained: Any) -> None:
    person = people.gather(trained.services, "用户/a:b")
    assert [e.event_id for e in person.history] == ["e8", "e7"]
    assert {i.entity.id for i in person.interests} >= {"brand:velkin"}
    assert person.model == trained.services.models.current.name
    assert any(r.reasons for r in person.found)
    stranger = people.gather(trained.services, "")
    assert (stranger.history, stranger.interests) == ([], [])
    assert {r.origin for r in stranger.found} == {"popularity", "catalogue"}


def test_before_training_the_page_says_so(bare: Any) -> None:
    person = people.gather(bare.services, "u1")
    assert (person.model, person.found) == (None, [])
    assert person.history


def test_the_first_page_counts_and_offers_topmost_categories(trained: Any) -> None:
    shown = search.overview(trained.services)
    assert shown.counts["Product"] == 8
    assert [c.id for c in shown.beginnings] == ["category:photo"]
    assert [e.id for e in search.find(trained.services, "维尔金")] == ["brand:velkin"]


def test_addresses_hold_any_id() -> None:
    assert link("product:咖啡/机:1?#%") == f"/product/{quote('咖啡/机:1?#%', safe='')}"
    assert link("category:a > b") == "/entity/category%3Aa%20%3E%20b"
    assert people_link("用户/a:b&c") == f"/recommendations?user={quote('用户/a:b&c', safe='')}"


@pytest.mark.parametrize(
    ("properties", "told"),
    [({"price": 1234.5, "currency": "CNY"}, "1,234.50 CNY"), ({"price": 9.0}, "9.00"), ({}, ""), ({"price": "?"}, "")],
)
def test_prices(properties: dict[str, Any], told: str) -> None:
    assert price(Entity("product:a", "Product", "a", properties=properties)) == told


LOAD = {
    "stage": "load",
    "catalog": {
        "read": {"file": "/x/catalog.csv", "read": 10, "made": 9, "set_aside": 1, "rejected": {"id missing": 1}},
        "cleaned": {"seen": 9, "kept": 7, "set_aside": 2, "rules": {"duplicate_row": {"count": 2, "examples": ["a"]}}},
        "set_aside": {"unknown product": 3},
        "written": {"documents": 4, "entities": 5, "facts": 6, "evidence": 7},
        "unchanged": 0,
    },
    "relations": None,
}
MINE = {
    "facts": {"USED_FOR": {"rules": {"0.8-0.9": 3, "0.9-1.0": 1}}, "BOUGHT_WITH": {"behavior": {"0.0-0.1": 2}}},
    "text": {
        "documents": 12,
        "extractors": {
            "llm": {
                "documents": 12, "cached": 4, "not_asked": 3, "unread": 2, "facts": 9,
                "set_aside": {"not in the text": 5},
                "usage": {"calls": 8, "cost": {"usd": 0.25}, "replayed": 4},
            }
        },
    },
    "behavior": {"events": 100, "sessions": 7, "set_aside": {"bot": 9}},
    "bots": 1,
    "health": {"orphans": 3, "coverage": {"quoted": 0.75}, "facts": {"SUITS": {"llm": {"0.5-0.6": 4}}}},
    "graph": {
        "central": [["use:tea", 0.5], ["brand:a", 0.25]],
        "degrees": {"Use": {"most": 4, "busiest": "use:tea"}, "Brand": {"most": 9, "busiest": "brand:a"}},
    },
}  # fmt: skip
TRAIN = {
    "model": "ease-1",
    "chose": "ease",
    "serves": "itemknn-1",
    "validation": {
        "users": 5,
        "tried": [
            {"model": "popularity", "decay": 1.0, "weights": [1.0], "ndcg@10": 0.1, "failed": None},
            {"model": "ease", "decay": 0.8, "weights": [1.0, 0.5], "ndcg@10": 0.2, "failed": None, "seconds": 3.5},
        ],
        "sum": [
            {"model": "ease", "adds": "ease", "weights": [1.0], "ndcg@10": 0.2},
            {"model": "ease + relations", "adds": "relations", "weights": [1.0, 0.5], "ndcg@10": 0.25},
        ],
    },
    "data": {"users": 3, "newest_event": 1772323200, "relations": {"USED_FOR": 2}},
}
EVALUATE = {
    "k": 10,
    "rows": [
        {"model": "ease", "relations": "with", "seed": None, "metrics": {"recall": 0.2, "ndcg": 0.1}, "coverage": 0.5},
        {"model": "gnn", "relations": "with", "seed": 1, "metrics": None, "failed": "learned nothing"},
    ],
}


def _table(section: report_tables.Section, title: str) -> report_tables.Table:
    return next(table for table in section.tables if table.title == title)


def test_the_report_of_a_load_adds_up() -> None:
    shown = report_tables.section("load", LOAD)
    (row,) = _table(shown, "Files").rows
    told = dict(zip(_table(shown, "Files").columns, row, strict=True))
    assert (told["Rows read"], told["Kept"], told["Set aside"], told["New facts"]) == (10, 4, 6, 6)
    assert _table(shown, "What was noticed, and in how many rows").rows == [
        ("catalog", "reading", "id missing", 1),
        ("catalog", "cleaning", "duplicate row", 2),
        ("catalog", "loading", "unknown product", 3),
    ]


def test_the_report_of_mining_counts_facts_and_cost() -> None:
    shown = report_tables.section("mine", MINE)
    facts = _table(shown, "Facts by relation, method and confidence")
    assert [row[:3] for row in facts.rows] == [("USED_FOR", "rules", 4), ("BOUGHT_WITH", "behavior", 2)]
    assert facts.rows[0][3:] == (None,) * 8 + (3, 1)
    assert _table(shown, "Who read the texts").rows == [("llm", 12, 4, 3, 2, 9, 5)]
    assert ("llm", "cost: usd", 0.25) in _table(shown, "What it cost").rows
    assert ("behaviour", "bot", 9) in _table(shown, "Left out, and why").rows
    assert ("health: coverage: quoted", 0.75) in shown.figures
    assert _table(shown, "Health: facts by relation, method and confidence").rows[0][:3] == ("SUITS", "llm", 4)
    assert _table(shown, "Graph: central").rows == [("use:tea", 0.5), ("brand:a", 0.25)]
    assert _table(shown, "Graph: degrees").rows == [("Use", 4, "use:tea"), ("Brand", 9, "brand:a")]


def test_the_reports_of_models_mark_the_best() -> None:
    shown = report_tables.section("train", TRAIN)
    assert shown.figures[:3] == [("model", "ease-1"), ("chose", "ease"), ("serves", "itemknn-1")]
    compared = _table(shown, "Models compared on the validation cut")
    assert compared.best == 1
    assert compared.rows[1] == ("ease", 0.8, "1, 0.5", 0.2, 3.5, None)
    assert _table(shown, "What was chosen: part after part").rows[1] == ("relations", "1, 0.5", 0.25)
    assert ("newest event", "2026-03-01T00:00:00Z") in shown.figures


@pytest.fixture(scope="module")
def measured(evaluated: Workspace) -> dict[str, Any]:
    """The report of a real evaluation, as it is on disk; the name of a brand attacks."""
    report: dict[str, Any] = json.loads(evaluated.report("evaluate").read_text(encoding="utf-8"))
    return report


def _signed(found: dict[str, float]) -> str:
    return f"{found['mean']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]"


def test_the_report_of_an_evaluation_tells_all_that_was_measured(measured: dict[str, Any]) -> None:
    shown = report_tables.section("evaluate", measured)
    best = sorted(measured["summaries"], key=lambda s: -s["mean"]["ndcg"])
    who = [(s["model"], s["relations"]) for s in best]
    accuracy = _table(shown, "Accuracy, and how sure it is")
    assert [row[:2] for row in accuracy.rows] == who
    assert (accuracy.best, accuracy.columns[4]) == (0, "NDCG@10")
    by_slice = _table(shown, "NDCG@10 by slice")
    assert by_slice.columns[2:4] == (
        f"all, {measured['targets']['all']} targets",
        f"warm, {measured['targets']['warm']} targets",
    )
    lists = _table(shown, "What the lists are like: coverage, novelty, diversity, popularity bias")
    fairness = _table(shown, "Fairness to brands: the share of exposure that others should have")
    for place, one in enumerate(best):
        told = one["against"].get("all")
        assert accuracy.rows[place][4] == one["mean"]["ndcg"]
        assert accuracy.rows[place][-1] == (_signed(told["ndcg"]) if told else None)
        assert by_slice.rows[place][3] == one["slices"]["warm"]
        assert lists.rows[place][2:5] == tuple(one["mean"][name] for name in ("coverage", "novelty", "diversity"))
        assert fairness.rows[place][2] == one["mean"]["unfairness_purchases"]
    differences = _table(shown, f"Difference to {measured['baseline']}, with 95 % intervals over users").rows
    long_tail = next(s for s in best if s["model"] == "served")["against"]["long tail"]
    assert ("served", "with", "long tail", long_tail["ndcg"]["users"], _signed(long_tail["recall"])) in [
        row[:5] for row in differences
    ]
    assert {row[0] for table in shown.tables if table.title.endswith("out of proportion") for row in table.rows} == {
        "leaf", "豆 <img src=x onerror=alert(1)> {b}"
    }  # fmt: skip


def test_slices_without_targets_and_seeds_that_differ_are_told() -> None:
    one = {"model": "a", "relations": "with", "seeds": 2, "mean": {"ndcg": 0.5}, "spread": {"ndcg": 0.125},
           "slices": {"all": 0.5, "cold item": 0.0}}  # fmt: skip
    shown = report_tables.section("evaluate", {"targets": {"all": 1234, "cold item": 0}, "summaries": [one]})
    by_slice = _table(shown, "NDCG@10 by slice")
    assert by_slice.columns[2:] == ("all, 1,234 targets", "cold item, 0 targets")
    assert by_slice.rows == [("a", "with", 0.5, None)]
    assert 0.125 in _table(shown, "Accuracy, and how sure it is").rows[0]


def test_a_fit_that_failed_says_why() -> None:
    shown = report_tables.section("evaluate", EVALUATE)
    assert _table(shown, "Models compared").best == 0
    assert _table(shown, "Models compared").rows[1][-1] == "learned nothing"
    assert shown.charts == []


def test_nothing_of_a_report_is_cut() -> None:
    long = "长" * 1000
    deep = [{"name": "a", "in": {"it": {"deep": long}}}, {"name": "b"}]
    shown = report_tables.section("something new", {"note": long, "deep": deep})
    assert shown.figures == [("note", long)]
    assert _table(shown, "Deep").columns == ("", "name", "in: it: deep")
    assert _table(shown, "Deep").rows == [("1", "a", long), ("2", "b", None)]


def _keys(value: Any) -> Iterator[str]:
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from (str(key), *_keys(part))


def test_no_name_of_the_shop_is_run_or_read_as_a_template(measured: dict[str, Any]) -> None:
    """NiceGUI runs the values of keys that begin with a colon; ECharts fills what stands in braces."""
    charts = report_tables.section("evaluate", measured).charts
    assert len(charts) == 4
    for chart in charts:
        assert not [key for key in _keys(chart.options) if key.startswith(":")]
        assert chart.options["tooltip"]["renderMode"] == "richText"
        told = [
            part["tooltip"]["formatter"] for s in chart.options["series"] for part in s["data"] if "tooltip" in part
        ]
        assert not [text for text in told if "{" in text]


@pytest.mark.parametrize("stage", ["load", "mine", "train", "evaluate", "something new"])
@pytest.mark.parametrize(
    "report",
    [
        {
            "summaries": [{"mean": 3, "slices": [], "against": {"all": 1}}],
            "rows": [{"metrics": {"k": 1}, "providers": 2, "exposure_curve": 3}],
        },
        {},
        {"a": 1, "b": {"c": [1, 2]}, "rows": [{"x": 1}]},
        {"facts": 3, "text": [], "data": None, "rows": 7},
    ],
)
def test_no_shape_of_report_breaks_the_page(stage: str, report: dict[str, Any]) -> None:
    shown = report_tables.section(stage, report)
    assert shown.stage == stage
    assert stage != "something new" or not report.get("a") or ("a", 1) in shown.figures


def test_what_is_no_report_is_passed_over(untrained: Any) -> None:
    workspace = untrained.services.workspace
    write_json(workspace.report("load"), LOAD)
    for name, text in (("torn", "{"), ("list", "[]")):
        path = workspace.report(name)
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    assert list(untrained.services.reports()) == ["load"]


def test_the_page_is_mounted_beside_the_api_and_again_in_one_process(trained: Any, bare: Any) -> None:
    for shop, model in ((trained, trained.services.models.current.name), (bare, "none yet"), (trained, "itemknn")):
        app = create_app(shop.services)
        assert mount(app, shop.services)
        with TestClient(app) as client:
            page = client.get("/")
            assert page.status_code == 200
            assert f"Model {model}" in page.text
            assert client.get("/product/k5").status_code == 200
            assert "no entity has the id" in client.get("/product/nope").text
            for path in ("/v1/nothing", "/health/nothing"):
                assert client.get(path).headers["content-type"] == "application/problem+json"
            assert client.delete("/v1/search").status_code == 405
            assert client.get("/nothing").status_code == 404
            assert client.get("/label").status_code == 404  # there is nobody to label
            assert client.get("/openapi.json").json()["info"]["title"] == "shopgraph"
            assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_page_does_not_tell_where_the_graph_is(
    trained: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(entity_id: str) -> Entity:
        raise StoreUnavailable("neo4j://graph.shop.internal:7687 does not answer")

    app = create_app(trained.services)
    assert mount(app, trained.services)
    monkeypatch.setattr(trained.store, "entity", away)
    with TestClient(app) as client:
        shown = client.get("/product/k5").text
    assert "cannot be reached" in shown
    assert "shop.internal" not in shown
    assert "shop.internal" in caplog.text


@pytest.fixture(scope="module")
def desk(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Queue:
    """Where Ada labels the facts of the small shop."""
    return Queue(trained.store, DecisionLog(tmp_path_factory.mktemp("desk") / "decisions.db"), "Ada")


@pytest.fixture(scope="module")
def site(trained: Any, desk: Queue) -> Iterator[str]:
    """The page of the small shop on a port of its own."""
    services = replace(trained.services, queue=desk)
    app = create_app(services)
    assert mount(app, services)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < end
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="module")
def browse(site: str) -> Iterator[Callable[[str], Any]]:
    """Open an address in Chromium; other hosts are out of reach, and a script that fails or asks fails the test."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: tests/run installs it where it may")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    outside: list[str] = []
    failures: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=quiet)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})

        def refuse(route: Any) -> None:
            outside.append(route.request.url)
            route.abort()

        def alarm(dialog: Any) -> None:
            failures.append(dialog.message)
            dialog.dismiss()

        page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), refuse)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("dialog", alarm)

        def go(path: str) -> Any:
            page.goto(site + path)
            return page

        yield go
        browser.close()
    assert outside == []
    assert failures == []


def test_hostile_names_are_shown_as_text(browse: Any) -> None:
    page = browse(f"/product/{quote(HOSTILE, safe='')}")
    title = page.get_by_test_id("title")
    title.wait_for()
    assert title.inner_text() == "Headphones <img src=x onerror=alert(1)></script>"
    assert page.locator("img[src=x]").count() == 0
    page = browse("/?q=headphones")
    assert "<img src=x" in page.get_by_test_id("hits").inner_text()
    assert page.locator("img[src=x]").count() == 0


def test_a_search_typed_in_leads_to_a_product_and_its_quote(browse: Any) -> None:
    page = browse("/")
    page.get_by_test_id("search").fill("VB-20")
    page.get_by_test_id("search").press("Enter")
    page.get_by_test_id("hits").get_by_role("link").first.click()
    page.get_by_test_id("title").wait_for()
    page.locator("[data-relation=COMPATIBLE_WITH]").filter(has_text="Velkin K5 Camera").hover()
    quoted = page.get_by_test_id("quote").first
    quoted.wait_for()
    assert quoted.inner_text() == "适用于 K5"


def test_a_user_is_chosen_and_reasons_are_read(browse: Any) -> None:
    page = browse("/recommendations")
    page.get_by_test_id("user").click()
    page.get_by_role("option", name="用户/a:b").click()
    page.wait_for_url("**/recommendations?user=*")
    page.get_by_test_id("reason").first.wait_for()
    assert "You viewed and bought “Velkin K5 Camera”" in page.get_by_test_id("reason").first.inner_text()


def test_a_report_is_read_as_tables(browse: Any, trained: Any) -> None:
    for stage, report in (("load", LOAD), ("mine", MINE), ("train", TRAIN), ("evaluate", EVALUATE)):
        write_json(trained.services.workspace.report(stage), report)
    page = browse("/report")
    page.get_by_test_id("table").first.wait_for()
    text = page.inner_text("body")
    for told in ("duplicate row", "not in the text", "Models compared", "NDCG@10", "learned nothing"):
        assert told in text
    assert json.dumps(LOAD)[:20] not in text  # the whole of it is there, folded away


CHARTS = """() => Object.fromEntries([...document.querySelectorAll('[data-testid=chart]')].map(element => {
    const chart = getElement(parseInt(element.id.slice(1))).chart, canvas = element.querySelector('canvas');
    if (!chart || !canvas || !chart.getOption()) return ['', null];
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const inked = pixels.reduce((sum, value, place) => sum + (place % 4 === 3 && value > 0), 0);
    const {width, height} = element.getBoundingClientRect();
    return [element.getAttribute('aria-label'), {option: chart.getOption(), inked, width, height}];
}))"""


def test_an_evaluation_is_drawn_and_its_numbers_are_read(browse: Any, trained: Any, measured: dict[str, Any]) -> None:
    write_json(trained.services.workspace.report("evaluate"), measured)
    page = browse("/report")
    page.wait_for_function(
        f"() => {{ const found = ({CHARTS})(); return Object.keys(found).length === 4 && !found['']; }}"
    )
    drawn = page.evaluate(CHARTS)
    for title, chart in drawn.items():
        assert min(chart["width"], chart["height"]) > 150, title
        assert chart["inked"] > 500, title
    best = sorted(measured["summaries"], key=lambda s: -s["mean"]["ndcg"])
    (accuracy,) = (chart["option"] for title, chart in drawn.items() if title.endswith("products ranked"))
    assert accuracy["yAxis"][0]["data"] == [f"{s['model']} ({s['relations']})" for s in best]
    bars, whiskers = accuracy["series"]
    assert [bar["value"] for bar in bars["data"]] == [s["mean"]["ndcg"] for s in best]
    (line,) = bars["markLine"]["data"]
    assert line["xAxis"] == next(s["mean"]["ndcg"] for s in best if s["model"] == measured["baseline"])
    for ends, one in zip(whiskers["data"], best, strict=True):
        if told := one["against"].get("all"):
            reach = [end - one["mean"]["ndcg"] + told["ndcg"]["mean"] for end in (ends[-5], ends[-1])]
            assert reach == pytest.approx([told["ndcg"]["low"], told["ndcg"]["high"]])
    cloud = drawn["NDCG@10 against coverage"]["option"]["series"][0]["data"]
    assert [point["value"] for point in cloud] == [[s["mean"]["coverage"], s["mean"]["ndcg"]] for s in best]
    served = next(s for s in best if s["model"] == "served")
    body = page.inner_text("body")
    assert _signed(served["against"]["all"]["ndcg"]) in body
    slices = page.get_by_label("NDCG@10 by slice").first.locator("tr").filter(has_text="served").inner_text()
    assert f"{served['slices']['long tail']:.4f}".rstrip("0").rstrip(".") in slices.split("\t")
    assert "豆 <img src=x onerror=alert(1)> {b}" in body
    assert page.locator("img[src=x]").count() == 0


def test_a_long_value_stands_there_whole(browse: Any, trained: Any) -> None:
    long = "长 value " * 200
    write_json(trained.services.workspace.report("something new"), {"note": long.strip()})
    page = browse("/report")
    page.get_by_text("something new", exact=True).wait_for()
    assert long.strip() in page.inner_text("body")


def test_a_key_decides_about_the_least_sure_fact(browse: Any, desk: Queue) -> None:
    first, second = desk.waiting()
    assert first.evidence.confidence <= second.evidence.confidence
    page = browse("/label")
    shown = page.get_by_test_id("proposal")
    shown.wait_for()
    assert shown.inner_text() == first.evidence.quote
    page.keyboard.press("r")
    page.get_by_text("1 decided by Ada").wait_for()
    page.keyboard.press("c")
    field = page.get_by_test_id("right")
    field.fill("nobody wrote this")
    field.press("Enter")
    page.get_by_text("does not stand in the text").wait_for()
    field.fill("Velkin K5 camera")
    field.press("Enter")
    page.get_by_test_id("done").wait_for()
    held = {d.judged: (d.verdict, d.right, d.who) for d in desk.log.holding()}
    assert held == {first.judged: ("reject", "", "Ada"), second.judged: ("correct", "Velkin K5 camera", "Ada")}
    assert desk.waiting() == []
    desk.decide(first, "accept")
    assert {d.verdict for d in desk.log.holding()} == {"accept", "correct"}

"""The command of the README on the sample shop, and its service over HTTP."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kg.stores import open_store
from mining.reviews.contradictions import contradictions


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def post(url: str, body: object) -> Any:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def a_user(demo: Any) -> str:
    from kg.events import EventLog

    with EventLog(demo.workspace / "events.db") as log:
        return next(e.user_id for e in log.scan() if e.action == "purchase" and e.user_id)


def test_demo_prints_three_explained_recommendations(demo: Any) -> None:
    answers = re.split(r"^  \d\. ", demo.output, flags=re.MULTILINE)[1:]
    assert len(answers) == 3
    assert all("because: You " in answer for answer in answers)
    report = json.loads(next((demo.workspace / "runs").glob("*/report.json")).read_text(encoding="utf-8"))
    assert report


def test_the_readme_shows_what_is_loaded_and_mined(demo: Any) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```\n(load\n.*?)\ntrain\n", readme, re.S)
    assert shown
    assert demo.output.startswith(shown[1])


def test_every_quote_of_the_graph_is_in_its_text(demo: Any) -> None:
    with open_store(f"sqlite:///{demo.workspace / 'graph.db'}") as store:
        texts = {d.id: d.text for d in store.documents()}
        quoted = [(e, f) for f in store.facts() for e in f.evidence if e.quote is not None]
        assert len(quoted) >= 500
        assert all(texts[e.source][e.start : e.end] == e.quote for e, _ in quoted)


def test_reviews_praise_criticise_and_contradict(demo: Any) -> None:
    with open_store(f"sqlite:///{demo.workspace / 'graph.db'}") as store:
        for relation in ("PRAISED_FOR", "CRITICISED_FOR"):
            facts = list(store.facts(relation=relation))
            assert len(facts) >= 4
            assert all(len({e.source for e in fact.evidence}) >= 2 for fact in facts)
        found = contradictions(store).contradictions
    assert ("product:cln-05", "quiet") in {(c.about, c.claim) for c in found}


def test_recommendations_over_http_replay_to_facts(demo: Any, service: str) -> None:
    user = a_user(demo)
    answer = get(f"{service}/v1/recommendations?k=10&user_id={urllib.parse.quote(user)}")
    assert answer["model"]
    assert answer["as_of"]
    assert answer["graph_version"] > 0
    items = answer["items"]
    assert [i["rank"] for i in items] == list(range(1, 11))
    reasons = [r for i in items for r in i["reasons"]]
    assert reasons
    with open_store(f"sqlite:///{demo.workspace / 'graph.db'}") as store:
        for reason in reasons:
            for fact in reason["facts"]:
                (held,) = store.facts(head=fact["head"], relation=fact["relation"], tail=fact["tail"])
                assert {e["source"] for e in fact["evidence"]} <= {e.source for e in held.evidence}


def test_an_unknown_user_gets_the_named_fallback(service: str) -> None:
    items = get(f"{service}/v1/recommendations?user_id=nobody-knows-me&k=5")["items"]
    assert len(items) == 5
    assert {i["origin"] for i in items} == {"popularity"}


def test_an_event_changes_the_next_answer_and_is_taken_once(service: str) -> None:
    before = get(f"{service}/v1/recommendations?user_id=fresh&k=5")
    bought = before["items"][0]["id"]
    event = {"event_id": "system-1", "product_id": bought, "action": "purchase", "user_id": "fresh"}
    first = post(f"{service}/v1/events", {"events": [event, {"event_id": "broken"}]})
    assert (first["accepted"], first["rejected"]) == (1, 1)
    assert post(f"{service}/v1/events", {"events": [event]})["duplicates"] == 1
    after = get(f"{service}/v1/recommendations?user_id=fresh&k=5")
    assert bought not in [i["id"] for i in after["items"]]
    assert after["as_of"] != before["as_of"]


def test_unknown_product_is_a_problem(service: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{service}/v1/products/no-such-product")
    assert refused.value.code == 404
    assert refused.value.headers["content-type"] == "application/problem+json"
    assert json.load(refused.value)["code"] == "unknown_entity"


def test_search_paths_related_and_profile(demo: Any, service: str) -> None:
    hit = get(f"{service}/v1/search?q={urllib.parse.quote('咖啡')}&type=Product")["items"][0]["entity"]
    assert "咖啡" in hit["name"]
    user = urllib.parse.quote(a_user(demo))
    profile = get(f"{service}/v1/users/{user}/profile")
    assert profile["interests"]
    assert all(i["events"] and i["facts"] for i in profile["interests"])
    item = get(f"{service}/v1/recommendations?user_id={user}&k=1")["items"][0]["id"]
    assert get(f"{service}/v1/products/{item}")["facts"]
    related = get(f"{service}/v1/products/{item}/related?relation=VIEWED_WITH")["items"]
    other = related[0]["product"]["id"]
    assert get(f"{service}/v1/paths?source={item}&target={urllib.parse.quote(other)}")["paths"]


def test_metrics_count_requests(service: str) -> None:
    get(f"{service}/v1/search?q=camera")
    with urllib.request.urlopen(f"{service}/metrics", timeout=30) as answer:
        assert 'shopgraph_requests_total{route="/v1/search",status="200"}' in answer.read().decode()


def test_export_is_checkable_with_ten_lines(demo: Any, shopgraph: Callable[..., Any], tmp_path: Path) -> None:
    shopgraph("export", "--workspace", str(demo.workspace), "--out", str(tmp_path / "out"), cwd=tmp_path)
    lines = (tmp_path / "out" / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    texts = {d["id"]: d["text"] for d in map(json.loads, lines)}
    facts = [json.loads(line) for line in (tmp_path / "out/facts.jsonl").read_text(encoding="utf-8").splitlines()]
    quoted = [e for f in facts for e in f["evidence"] if e.get("quote") is not None]
    assert quoted
    assert all(texts[e["source"]][e["start"] : e["end"]] == e["quote"] for e in quoted)

"""A product that is put over HTTP is there at once, although the model was trained before it existed."""

import json
import os
import sys
import threading
from typing import Any

import pytest

from api.door import MAX_BODY
from api.intake import Intake
from api.problems import MEDIA_TYPE
from kg.errors import StoreUnavailable
from kg.types import Interaction
from recommender.explanation import contributions
from recommender.histories import Histories, UserState
from recommender.recommender import Recommender
from recommender.titles import ALIKE

OWNER = "用户/a:b"  # bought the camera, and nothing else
TRIPOD = {
    "title": "Velkin Travel Tripod, Black",
    "description": "Compatible with the Velkin K5. Perfect for travel.",
    "brand": "Velkin",
    "category": "Photo > Tripods",
    "price": 120.0,
    "attributes": {"color": "black"},
}


def put(own: Any, key: str, **body: Any) -> Any:
    answer = sent(own, key, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def sent(own: Any, key: str, body: Any) -> Any:
    """As ASCII: JSON may hold numbers and half characters that the client would not write."""
    headers = {"content-type": "application/json"}
    return own.client.put(f"/v1/products/{key}", content=json.dumps(body), headers=headers)


def get(own: Any, path: str, **query: Any) -> Any:
    answer = own.client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def shown(own: Any, **query: Any) -> dict[str, Any]:
    asked = {"user_id": OWNER, "k": 50, "reasons": 10} | query
    return {item["id"]: item for item in get(own, "/v1/recommendations", **asked)["items"]}


def test_found_related_and_recommended_at_once_with_reasons(own: Any) -> None:
    model = own.services.served().name
    taken = put(own, "tripod", **TRIPOD)
    assert (taken["status"], taken["model"], taken["product"]["name"]) == ("created", model, TRIPOD["title"])
    assert {"MADE_BY", "IN_CATEGORY", "HAS_ATTRIBUTE", "COMPATIBLE_WITH", "USED_FOR"} <= set(taken["facts"])
    assert get(own, "/v1/search", q="travel tripod")["items"][0]["entity"]["id"] == "product:tripod"
    assert get(own, "/v1/products/tripod")["documents"][0]["text"].startswith(TRIPOD["title"])
    near = get(own, "/v1/products/k5/related", relation="COMPATIBLE_WITH")["items"]
    assert "product:tripod" in [item["product"]["id"] for item in near]
    back = get(own, "/v1/products/tripod/related", relation="COMPATIBLE_WITH")["items"]
    assert [item["product"]["id"] for item in back] == ["product:k5"]
    item = shown(own)["tripod"]
    assert (item["origin"], item["explained"]) == ("newcomer", True)
    said = {reason["facts"][0]["relation"] for reason in item["reasons"]}
    assert {"COMPATIBLE_WITH", "MADE_BY"} <= said
    session = own.client.post(
        "/v1/sessions:recommend", json={"events": [{"product_id": "k5", "action": "view"}], "k": 50}
    ).json()
    assert next(i for i in session["items"] if i["id"] == "tripod")["reasons"]
    assert get(own, "/v1/recommendations:why-not", user_id=OWNER, product_id="tripod", k=50)["shown_at"] == item["rank"]
    assert own.services.served().name == model


def test_strong_facts_enter_a_short_list(own: Any) -> None:
    put(own, "strong", **TRIPOD)
    first = get(own, "/v1/recommendations", user_id=OWNER, k=3)["items"]
    assert "newcomer" in {item["origin"] for item in first}
    assert {item["origin"] for item in first} != {"newcomer"}


def test_the_same_again_changes_nothing(own: Any) -> None:
    first = put(own, "same", **TRIPOD)
    again = put(own, "same", **TRIPOD)
    assert (first["status"], again["status"]) == ("created", "unchanged")
    assert again["graph_version"] == first["graph_version"]
    dearer = put(own, "same", **TRIPOD | {"price": 130})
    assert dearer["status"] == "changed"
    assert "same" not in shown(own, max_price=125)


def test_a_changed_text_takes_back_what_only_the_old_one_said(own: Any) -> None:
    put(own, "moved", **TRIPOD)
    assert "moved" in shown(own, brand="Velkin")
    changed = put(own, "moved", title="Steel Kettle", description="Suitable for hiking.", category="Kitchen > Kettles")
    assert changed["status"] == "changed"
    known = get(own, "/v1/products/moved")
    assert [d["text"].splitlines()[0] for d in known["documents"]] == ["Steel Kettle"]
    assert not {"MADE_BY", "COMPATIBLE_WITH"} & set(known["facts"])
    assert [fact["tail_name"] for fact in known["facts"]["IN_CATEGORY"]] == ["Kettles"]
    assert "moved" not in shown(own, brand="Velkin")
    assert not shown(own)["moved"]["explained"]


def test_reasons_replay_and_add_up_to_the_score(own: Any) -> None:
    put(own, "proved", **TRIPOD)
    recommender = own.services.served().recommender
    found = recommender.explain("proved", OWNER, max_reasons=99)
    assert found.origin == "newcomer"
    wide = recommender._present.now().wide
    user = UserState(OWNER, own.log.history(OWNER))
    ((_, scorer), *_) = wide.chain_for(Histories.of([user], wide.items, recommender.artifact.chain[0][1].users))
    title = sum(c.value for c in contributions(scorer, user, "proved") if c.relation == ALIKE)
    assert 0 < title < found.score  # the title adds to the score, and is no reason
    assert sum(reason.contribution for reason in found.reasons) + title == pytest.approx(found.score, rel=1e-4)
    for reason in found.reasons:
        assert {event.product_id for event in reason.events} == {"k5"}
        for fact in reason.path.facts:
            (held,) = own.store.facts(head=fact.head, relation=fact.relation, tail=fact.tail)
            assert held == fact
            for evidence in fact.evidence:
                if evidence.quote is not None:
                    text = own.store.document(evidence.source).text
                    assert text[evidence.start : evidence.end] == evidence.quote


def test_what_the_model_knows_keeps_its_score(own: Any) -> None:
    recommender = own.services.served().recommender
    chain = recommender.artifact.chain
    user = UserState(OWNER, own.log.history(OWNER))
    alone = chain[0][1].scores_batch(Histories.of([user], recommender.artifact.items, chain[0][1].users))[0]
    put(own, "beside", **TRIPOD)
    told = {name: item["score"] for name, item in shown(own, exclude_seen=False).items()}
    for place, name in enumerate(recommender.artifact.items.names):
        if alone[place] != 0:
            assert told[name] == float(alone[place])


def test_filters_diversity_and_why_not_hold_for_newcomers(own: Any) -> None:
    put(own, "gate", **TRIPOD | {"title": "Velkin Studio Tripod", "price": 200, "available": False})
    put(own, "open", **TRIPOD | {"title": "Velkin Desk Tripod", "price": 210})
    assert "gate" not in shown(own)
    assert {"gate", "open"} <= set(shown(own, available=False, min_price=200, category="Photo", brand="Velkin"))
    assert set(shown(own, min_price=205, max_price=215)) == {"open"}
    assert "open" in shown(own, attribute="color:black")
    assert "open" not in shown(own, exclude="open")
    asked = {"user_id": OWNER, "product_id": "open", "k": 5, "max_price": 100}
    told = get(own, "/v1/recommendations:why-not", **asked)
    assert [(a["cause"], a["name"]) for a in told["against"]] == [("filter", "max_price")]
    assert (told["origin"], told["shown_at"]) == ("newcomer", 0)
    diverse = shown(own, diversity_level="high-diversity")
    assert {name: item["score"] for name, item in diverse.items()} == {n: i["score"] for n, i in shown(own).items()}


def test_a_new_user_with_one_event_on_a_newcomer_gets_an_answer_explained_by_it(own: Any) -> None:
    put(own, "first", **TRIPOD)
    event = {"event_id": "on-first", "product_id": "first", "action": "purchase", "user_id": "just came"}
    assert own.client.post("/v1/events", json={"events": [event]}).json()["accepted"] == 1
    items = get(own, "/v1/recommendations", user_id="just came", k=50)["items"]
    top = items[0]
    assert (top["origin"] in {"relations", "newcomer"}, top["explained"]) == (True, True)
    assert {e["event_id"] for reason in top["reasons"] for e in reason["events"]} == {"on-first"}
    camera = next(item for item in items if item["id"] == "k5")
    assert (camera["origin"], camera["explained"]) == ("relations", True)
    assert "first" not in [item["id"] for item in items]


def test_an_event_on_a_newcomer_moves_what_the_model_says(own: Any) -> None:
    put(own, "battery", title="Velkin Grip", description="For travel.", brand="Velkin")
    user = UserState("u1", (*own.log.history("u1"), Interaction("x", "battery", "purchase", 2_000_000_000, "u1")))
    recommender = own.services.served().recommender
    (camera,) = (r for r in recommender.recommend(history=user.history, k=50, max_reasons=99) if r.product_id == "k5")
    assert camera.origin == "itemknn + relations"
    assert "battery" in {event.product_id for reason in camera.reasons for event in reason.events}


def test_another_process_and_a_training_know_the_newcomers(own: Any) -> None:
    put(own, "later", **TRIPOD)
    served = own.services.served()
    restarted = Recommender.load(own.models / served.name, own.store, own.log)
    assert restarted.recommend(OWNER, k=50) == served.recommender.recommend(OWNER, k=50)
    own.train()
    assert shown(own)["later"]["origin"] == "itemknn + relations"


def test_putting_and_asking_at_once_drops_nothing(own: Any) -> None:
    stop, statuses = threading.Event(), list[int]()

    def ask() -> None:
        while not stop.is_set():
            statuses.append(own.client.get("/v1/recommendations", params={"user_id": OWNER, "k": 5}).status_code)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for number in range(5):
        put(own, f"many-{number}", **TRIPOD | {"title": f"Tripod number {number}"})
        assert f"many-{number}" in shown(own, k=100)
    stop.set()
    for asker in askers:
        asker.join()
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": " "}, "title"),
        ({"title": "half a \ud83d"}, "title"),
        ({"title": "a", "colour": "red"}, "colour"),
        ({"title": "a", "price": "cheap"}, "price"),
        ({"title": "a", "price": -3}, "price"),
        ({"title": "a", "price": float("nan")}, "price"),
        ({"title": "a", "category": {"a": 1}}, "category"),
        ({"title": "a", "available": "perhaps"}, "available"),
        ({"title": "a", "attributes": ["black"]}, "attributes"),
    ],
)
def test_wrong_bodies_are_problems_that_name_the_field(own: Any, body: dict[str, Any], field: str) -> None:
    version = own.store.version
    answer = sent(own, "wrong", body)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"].split(".")[0] == field
    assert own.store.version == version


def test_a_text_of_megabytes_and_an_id_of_nothing_are_refused(own: Any) -> None:
    answer = own.client.put("/v1/products/huge", json={"title": "x", "description": "long " * (MAX_BODY // 5)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert own.client.put("/v1/products/%20", json={"title": "x"}).json()["field"] == "product_id"
    assert own.client.put(f"/v1/products/{'x' * 5000}", json={"title": "x"}).status_code == 422


def test_ids_of_any_letters_and_texts_that_break_html(own: Any) -> None:
    key = "新/机:1?#%"
    title, path = "<b>三脚架</b> 🎧 &amp; co", "%E6%96%B0%2F%E6%9C%BA%3A1%3F%23%25"
    taken = put(own, path, title=title, description="适用于 Velkin K5。")
    assert taken["id"] == key
    assert taken["product"]["name"] == "三脚架 🎧 & co"
    assert shown(own)[key]["origin"] == "newcomer"


def test_while_another_process_writes_it_says_so(own: Any, caplog: pytest.LogCaptureFixture) -> None:
    with own.services.workspace.writing():
        answer = own.client.put("/v1/products/wait", json=TRIPOD)
    assert (answer.status_code, answer.json()["code"]) == (503, "workspace_locked")
    for inside in (str(own.services.workspace.root), str(os.getpid())):
        assert inside not in answer.text
        assert inside in caplog.text  # for the operator
    assert put(own, "wait", **TRIPOD)["status"] == "created"


def test_what_a_killed_writer_took_out_is_back_once_the_service_starts(own: Any, monkeypatch: Any) -> None:
    put(own, "killed", **TRIPOD)

    def die(*_: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as dying:
        dying.setattr(type(own.store), "put", die)
        assert sent(own, "killed", TRIPOD | {"description": "For hiking."}).status_code == 503
    assert own.client.get("/v1/products/killed").status_code == 404
    with own.services.workspace.writing():
        Intake(own.store, own.services.workspace).warm().join(60)
    assert own.client.get("/v1/products/killed").status_code == 404
    Intake(own.store, own.services.workspace).warm().join(60)
    assert "For hiking." in get(own, "/v1/products/killed")["documents"][0]["text"]


def test_a_product_that_goes_right_after_it_came_is_still_answered(own: Any, monkeypatch: Any) -> None:
    take = Intake.take

    def taken_and_gone(intake: Intake, values: Any) -> Any:
        arrival = take(intake, values)
        for document in list(own.store.documents(about=arrival.product.id)):
            own.store.retract(document.id)
        return arrival

    monkeypatch.setattr(Intake, "take", taken_and_gone)
    assert put(own, "brief", **TRIPOD)["product"]["name"] == TRIPOD["title"]
    assert own.client.get("/v1/products/brief").status_code == 404


def test_who_put_it_sees_it_even_while_another_request_reads(own: Any) -> None:
    put(own, "seen", **TRIPOD)
    with own.services.served().recommender._present._lock:
        assert "seen" in shown(own, k=100)


def test_one_product_more_does_not_make_all_be_read(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown(own)
    with monkeypatch.context() as watched:
        watched.setattr(own.store, "entities", lambda **_: pytest.fail("the products are listed again"))
        for key in ("alone", "beside"):
            put(own, key, **TRIPOD)
        put(own, "alone", **TRIPOD | {"price": 90.0})
        before = shown(own, k=100)
    fresh = Recommender.load(own.models / own.services.served().name, own.store, own.log)
    assert [r.product_id for r in fresh.recommend(OWNER, k=100)] == list(before)


def test_without_what_reads_texts_it_says_which_extra_is_missing(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)  # as if it were not installed
    monkeypatch.setattr(own.services.intake, "_made", None)
    answer = sent(own, "unread", TRIPOD)
    assert (answer.status_code, answer.json()["code"]) == (501, "missing_extra"), answer.text
    assert "nlp" in answer.json()["detail"]


def test_contributions_name_no_pair_of_known_products_twice(own: Any) -> None:
    put(own, "once", **TRIPOD)
    recommender = own.services.served().recommender
    scorer = recommender.artifact.chain[0][1]
    user = UserState(OWNER, own.log.history(OWNER))
    known = contributions(scorer, user, "vb")
    wide = recommender.explain("vb", OWNER, max_reasons=99)
    assert [r.contribution for r in wide.reasons] == pytest.approx([c.value for c in known if c.value > 0])

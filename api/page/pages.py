"""The pages themselves. Product text is only ever shown as text, never as HTML."""

from urllib.parse import quote

from nicegui import events, ui

from api import phrases
from api.deps import Services
from api.page import graph
from kg import ids
from kg.errors import UnknownEntity
from kg.types import Entity, Evidence, Fact, Recommendation

AROUND = 60  # code points of context on each side of a quote


def register(services: Services) -> None:
    """Register every page over these services."""

    @ui.page("/")
    def home(q: str = "") -> None:
        _header("shopgraph")
        _search(services, q)

    @ui.page("/product/{shop_id:path}")
    def product(shop_id: str) -> None:
        _entity_page(services, ids.product(shop_id))

    @ui.page("/entity/{entity_id:path}")
    def entity(entity_id: str) -> None:
        _entity_page(services, entity_id)

    @ui.page("/recommendations")
    def recommendations(user: str = "") -> None:
        _header("Recommendations")
        _recommendations(services, user)

    @ui.page("/report")
    def report() -> None:
        _header("Last run")
        _report(services)


def link(entity_id: str) -> str:
    """The page of an entity."""
    shop_id = ids.product_id(entity_id)
    return f"/product/{quote(shop_id, safe='')}" if shop_id else f"/entity/{quote(entity_id, safe='')}"


def _header(title: str) -> None:
    with ui.header().classes("items-center bg-slate-800"):
        ui.link("shopgraph", "/").classes("text-white text-lg font-bold no-underline")
        ui.link("Recommendations", "/recommendations").classes("text-white")
        ui.link("Report", "/report").classes("text-white")
        ui.link("API", "/docs").classes("text-white")
    ui.label(title).classes("text-2xl")


def _search(services: Services, q: str) -> None:
    box = ui.input("Search products, brands, uses …", value=q).props("autofocus clearable").classes("w-96")
    hits = ui.column().props('data-testid="hits"')

    def show() -> None:
        hits.clear()
        text = (box.value or "").strip()
        with hits:
            found = services.reader.search(text, limit=30) if text else []
            for entity, score in found:
                with ui.row().classes("items-center"):
                    ui.badge(entity.type)
                    ui.link(entity.name, link(entity.id))
                    ui.label(f"{score:.2f}").classes("text-xs text-gray-400")
            if text and not found:
                ui.label(f"Nothing is named like “{text}”.")

    box.on("keydown.enter", show)
    ui.button("Search", on_click=show)
    show()


def _entity_page(services: Services, entity_id: str) -> None:
    try:
        entity = services.reader.entity(entity_id)
    except UnknownEntity as error:
        _header("Not found")
        ui.label(str(error))
        return
    _header(entity.name)
    facts = [*services.reader.facts(head=entity_id), *services.reader.facts(tail=entity_id)]
    shown = graph.chosen(facts) if ids.product_id(entity_id) is None else facts
    known = _entities(services, facts[:2000])
    known[entity_id] = entity
    ui.label(f"{entity.type} · {entity_id}").classes("text-gray-500")
    with ui.row().classes("w-full no-wrap"):
        with ui.column().classes("w-1/2"):
            _facts(services, shown, known)
            for document in services.reader.documents(about=entity_id):
                with ui.card().classes("w-full"):
                    ui.label(f"{document.kind} · {document.id}").classes("text-xs text-gray-500")
                    ui.label(document.text).classes("whitespace-pre-wrap")
        chart = ui.echart(graph.options(entity_id, facts, known), on_point_click=_follow).classes("w-1/2 h-[36rem]")
        chart.props('data-testid="neighbourhood"')


def _follow(click: events.EChartPointClickEventArguments) -> None:
    if click.data_type == "node":
        ui.navigate.to(link(str(click.value)))


def _entities(services: Services, facts: list[Fact]) -> dict[str, Entity]:
    found: dict[str, Entity] = {}
    for entity_id in sorted({i for f in facts for i in (f.head, f.tail)}):
        try:
            found[entity_id] = services.reader.entity(entity_id)
        except UnknownEntity:
            continue
    return found


def _facts(services: Services, facts: list[Fact], known: dict[str, Entity]) -> None:
    with ui.list().props("dense separator").classes("w-full"):
        for fact in facts[:200]:
            head, tail = (known[i].name if i in known else i for i in (fact.head, fact.tail))
            with ui.item().props('data-testid="fact"'):
                with ui.item_section():
                    ui.item_label(f"{head} — {fact.relation} → {tail}")
                    ui.item_label(_provenance(fact)).props("caption")
                with ui.tooltip().classes("text-sm max-w-lg"):
                    for evidence in fact.evidence[:3]:
                        _quoted(services, evidence)
    if len(facts) > 200:
        ui.label(f"… and {len(facts) - 200} more; the API has them all.")


def _provenance(fact: Fact) -> str:
    methods = ", ".join(sorted({e.method for e in fact.evidence}))
    return f"confidence {fact.confidence:.2f} · {len(fact.evidence)} evidence · {methods}"


def _quoted(services: Services, evidence: Evidence) -> None:
    """The quote inside its text, or the counts."""
    if evidence.quote is None or evidence.start is None or evidence.end is None:
        counts = ", ".join(f"{k} {v:g}" for k, v in evidence.counts.items())
        ui.label(f"{evidence.source}: {counts or 'stated'}")
        return
    text = services.reader.document(evidence.source).text
    before, after = text[max(0, evidence.start - AROUND) : evidence.start], text[evidence.end : evidence.end + AROUND]
    with ui.row().classes("gap-0"):
        ui.label(f"…{before}").classes("whitespace-pre-wrap")
        ui.label(evidence.quote).classes("bg-yellow-300 text-black px-1").props('data-testid="quote"')
        ui.label(f"{after}…").classes("whitespace-pre-wrap")


def _recommendations(services: Services, user: str) -> None:
    users = services.log.users(limit=200)
    ui.select(users, label="User", value=user or None, with_input=True, new_value_mode="add-unique").classes(
        "w-96"
    ).on_value_change(lambda change: ui.navigate.to(f"/recommendations?user={quote(str(change.value or ''))}"))
    served = services.models.current
    if served is None:
        ui.label("There is no model yet: run `shopgraph train`.")
        return
    if not user:
        ui.label("Choose a user.")
        return
    ui.label(f"Model {served.name}").classes("text-xs text-gray-500")
    for item in served.recommender.recommend(user_id=user, k=10, max_reasons=3):
        _recommendation(services, item)


def _recommendation(services: Services, item: Recommendation) -> None:
    facts = [f for reason in item.reasons for f in reason.path.facts]
    products = {item.product_id} | {e.product_id for reason in item.reasons for e in reason.events}
    names = services.names(facts, tuple(map(ids.product, products)))
    titles = {p: names.get(ids.product(p), p) for p in products}
    with ui.card().classes("w-full").props('data-testid="recommendation"'):
        with ui.row().classes("items-center"):
            ui.label(f"{item.rank}.")
            ui.link(titles[item.product_id], link(ids.product(item.product_id)))
            ui.badge(item.origin)
            ui.label(f"{item.score:.3f}").classes("text-xs text-gray-400")
        for reason in item.reasons:
            ui.label(phrases.sentence(reason, names, titles)).classes("text-sm").props('data-testid="reason"')
        if not item.reasons:
            ui.label("No path of facts carries this one.").classes("text-sm text-gray-500")


def _report(services: Services) -> None:
    report = services.last_report()
    if report is None:
        ui.label("No run has left a report yet.")
        return
    ui.json_editor({"content": {"json": dict(report)}, "readOnly": True}).classes("w-full h-[40rem]")

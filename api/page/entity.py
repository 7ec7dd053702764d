"""The page of one thing: what is known about it, each fact with its proof, and its neighbourhood as a graph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nicegui import events, ui

from api import knowledge
from api.deps import Services
from api.page import graph
from api.page.frame import MUTED, OTHER, card, chip, entity_link, link, muted, price, type_chip
from api.page.proof import Proof, draw_proofs, proofs_of
from api.phrases import spoken
from kg import ids
from kg.types import Document, Entity, Fact, Triple

FACTS = 60  # of a relation; the API has all of them
FIRST = 6  # facts of a relation shown before one asks for more
TEXTS = 40

# heading → relations with their names, read from the product and, where it is the tail, the other way round
SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "What it is": {
        "MADE_BY": ("Made by", "Makes"),
        "IN_CATEGORY": ("In category", "Holds"),
        "SUBCATEGORY_OF": ("Part of", "Has the part"),
        "HAS_ATTRIBUTE": ("Attributes", "Had by"),
        "SAME_AS": ("The same as", "The same as"),
    },
    "What it is for": {
        "USED_FOR": ("Used for", "Served by"),
        "LIKELY_USED_FOR": ("Probably used for", "Probably served by"),
        "SUITS": ("Suits", "Suited by"),
    },
    "What goes with it": {
        "COMPATIBLE_WITH": ("Works with", "Works with"),
        "ACCESSORY_OF": ("Accessory of", "Accessories"),
        "COMPLEMENTS": ("Goes with", "Goes with"),
        "BOUGHT_WITH": ("Bought together with", "Bought together with"),
        "BOUGHT_AFTER": ("Later they buy", "Before it they bought"),
    },
    "What it is compared with": {
        "SUBSTITUTE_FOR": ("Alternatives", "Alternatives"),
        "VIEWED_WITH": ("Viewed together with", "Viewed together with"),
    },
    "What reviews say": {
        "PRAISED_FOR": ("Praised for", "Praised about"),
        "CRITICISED_FOR": ("Criticised for", "Criticised about"),
    },
}


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that the page of one entity draws."""

    known: knowledge.Knowledge
    entities: dict[str, Entity]
    breadcrumbs: list[Entity]
    proofs: dict[Triple, list[Proof]]
    chart: dict[str, object]


def gather(services: Services, entity_id: str) -> Shown:
    """Raises UnknownEntity."""
    reader = services.reader
    known = knowledge.about(reader, reader.entity(entity_id), limit=FACTS)
    facts = list(known.every_fact())
    entities = services.entities(facts, (entity_id,))
    chart = graph.options(known.entity, graph.chosen(known.facts, entity_id), entities)
    return Shown(known, entities, _breadcrumbs(services, known), proofs_of(reader, facts), chart)


def name(shown: Shown) -> str:
    return shown.known.entity.name


def _breadcrumbs(services: Services, known: knowledge.Knowledge) -> list[Entity]:
    """The categories above a product, from the root down."""
    first = next((f.tail for f in known.facts.get("IN_CATEGORY", ()) if f.head == known.entity.id), None)
    path: list[str] = []
    while first is not None and first not in path:
        path.append(first)
        above = services.reader.facts(head=first, relation="SUBCATEGORY_OF")
        first = next((fact.tail for fact in above), None)
    return [services.reader.entity(category) for category in reversed(path)]


def draw(shown: Shown) -> None:
    _title(shown)
    with ui.grid().classes("w-full grid-cols-1 lg:grid-cols-12 gap-4 items-start"):
        with ui.column().classes("lg:col-span-7 gap-4 min-w-0 w-full"):
            for heading, relations in SECTIONS.items():
                _section(shown, heading, relations)
        with ui.column().classes("lg:col-span-5 gap-4 min-w-0 w-full"):
            with card("Neighbourhood", "click a node to go there; drag and zoom"):
                chart = ui.echart(shown.chart, on_point_click=_follow).classes("w-full h-[34rem]")
                chart.props('data-testid="neighbourhood"')
            _texts(shown.known)


def _follow(click: events.EChartPointClickEventArguments) -> None:
    if click.data_type == "node":
        ui.navigate.to(link(str(click.value)))


def _title(shown: Shown) -> None:
    entity = shown.known.entity
    with ui.column().classes("w-full gap-1"):
        if shown.breadcrumbs:
            with ui.row().classes("items-center gap-1"):
                for depth, category in enumerate(shown.breadcrumbs):
                    if depth:
                        ui.label("›").classes(MUTED)
                    ui.link(category.name, link(category.id)).classes(f"{MUTED} no-underline hover:underline")
        ui.label(entity.name).classes("text-2xl font-semibold text-slate-900 leading-tight").props(
            'data-testid="title"'
        )
        with ui.row().classes("items-center gap-3"):
            type_chip(entity)
            ui.label(ids.product_id(entity.id) or entity.id).classes(f"{MUTED} font-mono break-all")
            if price(entity):
                ui.label(price(entity)).classes("text-base font-medium tabular-nums")
            if entity.properties.get("available") is False:
                chip("not available", "#dc2626")
            if entity.aliases:
                ui.label("also: " + " · ".join(entity.aliases)).classes(f"{MUTED} truncate max-w-xl")


def _section(shown: Shown, heading: str, relations: Mapping[str, tuple[str, str]]) -> None:
    found = [(r, shown.known.facts[r]) for r in relations if r in shown.known.facts]
    if not found:
        return
    with card(heading):
        for relation, facts in found:
            here = shown.known.entity.id
            outward = [f for f in facts if f.head == here]
            inward = [f for f in facts if f.head != here]
            forward, backward = relations[relation]
            if forward == backward:
                outward, inward = facts, []
            _group(shown, forward, outward)
            _group(shown, backward, inward)
            hidden = shown.known.fact_counts[relation] - len(facts)
            if hidden:
                muted(f"… and {hidden:,} more; the API tells them all").classes("pl-44")


def _group(shown: Shown, heading: str, facts: list[Fact]) -> None:
    if not facts:
        return
    with ui.row().classes("w-full no-wrap gap-4 items-start"):
        with ui.column().classes("w-40 shrink-0 pt-1 gap-0"):
            ui.label(heading).classes("text-sm text-slate-500")
        with ui.column().classes("grow min-w-0 gap-0"):
            _rows(shown, facts[:FIRST])
            if facts[FIRST:]:
                with ui.expansion(f"{len(facts) - FIRST} more").classes("w-full text-sm").props("dense dense-toggle"):
                    _rows(shown, facts[FIRST:])


def _rows(shown: Shown, facts: Iterable[Fact]) -> None:
    for fact in facts:
        _fact(shown, fact)


def _fact(shown: Shown, fact: Fact) -> None:
    other_id = fact.tail if fact.head == shown.known.entity.id else fact.head
    other = shown.entities.get(other_id) or Entity(other_id, "", other_id)
    proofs = shown.proofs[fact.triple]
    row = ui.row().classes("w-full items-center no-wrap gap-3 py-1 rounded px-1 hover:bg-amber-50")
    with row.props(f'data-testid="fact" data-relation="{fact.relation}"'):
        if other.type == "Value":
            ui.label(str(other.properties.get("attribute", ""))).classes(
                "text-sm text-slate-500 w-24 shrink-0 truncate"
            )
        entity_link(other, "text-sm font-medium shrink-0 max-w-[60%]", titled=False)
        ui.label(proofs[0].short).classes(f"{MUTED} truncate grow min-w-0 italic")
        for method in sorted({e.method for e in fact.evidence}):
            chip(method)
        _confidence(fact.confidence)
        with ui.tooltip().classes("bg-white text-slate-800 shadow-lg border border-slate-300 p-3 max-w-xl"):
            draw_proofs(spoken(other), proofs, len(fact.evidence))


def _confidence(value: float) -> None:
    with ui.element("div").classes("w-12 h-1.5 rounded-full bg-slate-200 shrink-0"):
        color = "#16a34a" if value >= 0.8 else "#ca8a04" if value >= 0.5 else OTHER
        ui.element("div").classes("h-1.5 rounded-full").style(f"width: {value:.0%}; background: {color}")


def _texts(known: knowledge.Knowledge) -> None:
    if not known.documents:
        return
    texts = [d for d in known.documents if d.kind == "product"]
    reviews = [d for d in known.documents if d.kind != "product"]
    with card("Texts", "what the quotes are quoted from"):
        for document in texts:
            _text(document)
        hidden = known.document_count - len(known.documents)
        if reviews:
            heading = f"{len(reviews) + hidden} {'review' if len(reviews) + hidden == 1 else 'reviews'}"
            with ui.expansion(heading).classes("w-full text-sm").props("dense"):
                for document in reviews[:TEXTS]:
                    _text(document)


def _text(document: Document) -> None:
    with ui.column().classes("w-full gap-1 py-2 border-t border-slate-100 first:border-0"):
        muted(document.id)
        ui.label(document.text).classes("whitespace-pre-wrap text-sm text-slate-700 break-words")

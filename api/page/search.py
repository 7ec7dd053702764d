"""The first page: what the shop knows, where to begin, and what a search has found."""

from dataclasses import dataclass

from nicegui import ui

from api import knowledge
from api.deps import Services
from api.page.frame import COLORS, MUTED, OTHER, card, chip, entity_link, link, muted, price, search_box, type_chip
from kg.types import Entity

HITS = 40
BEGINNINGS = 24  # categories offered to begin with


@dataclass(frozen=True, slots=True)
class Overview:
    """What the shop knows: the types by number, the topmost categories, and what every answer names."""

    counts: dict[str, int]
    beginnings: list[Entity]
    stamp: dict[str, object]


def overview(services: Services) -> Overview:
    counts = knowledge.count_by_type(services.reader)
    below = {fact.head for fact in services.reader.facts(relation="SUBCATEGORY_OF")}
    tops = [entity for entity in services.reader.entities(type="Category") if entity.id not in below]
    return Overview(dict(counts.most_common()), tops[:BEGINNINGS], services.stamp())


def find(services: Services, text: str) -> list[Entity]:
    return [entity for entity, _ in services.reader.search(text, limit=HITS)]


def draw_overview(shown: Overview) -> None:
    with ui.column().classes("w-full max-w-3xl mx-auto items-center gap-6 pt-12"):
        ui.label("What does the shop know, and why?").classes("text-3xl font-semibold text-slate-800 text-center")
        search_box("")
        with ui.row().classes("justify-center gap-2"):
            for entity in shown.beginnings:
                with ui.link(target=link(entity.id)).classes("no-underline hover:opacity-75"):
                    chip(entity.name, COLORS["Category"])
        with ui.row().classes("justify-center gap-3 pt-4"):
            for kind, count in shown.counts.items():
                with ui.column().classes("items-center bg-white border border-slate-200 rounded-xl px-5 py-3 gap-0"):
                    ui.label(f"{count:,}").classes("text-xl font-semibold tabular-nums")
                    ui.label(kind).classes("text-xs").style(f"color: {COLORS.get(kind, OTHER)}")
        muted(
            f"Model {shown.stamp['model'] or 'none yet'} · graph version {shown.stamp['graph_version']} · "
            f"last event {shown.stamp['as_of'] or 'none'}"
        )


def draw_hits(text: str, hits: list[Entity]) -> None:
    with card(f"“{text}”", f"{len(hits)}{' or more' if len(hits) == HITS else ''} found"):
        with ui.column().classes("w-full gap-0").props('data-testid="hits"'):
            for entity in hits:
                _hit(entity)
        if not hits:
            ui.label("Nothing has a name like this. Fewer or other words may help.").classes("text-slate-600")


def _hit(entity: Entity) -> None:
    with ui.row().classes("w-full items-center no-wrap gap-3 py-2 border-b border-slate-100 last:border-0"):
        with ui.row().classes("w-24 shrink-0"):
            type_chip(entity)
        entity_link(entity, "font-medium")
        if entity.aliases:
            ui.label(" · ".join(entity.aliases)).classes(f"{MUTED} truncate")
        ui.space()
        ui.label(price(entity)).classes("text-sm text-slate-600 whitespace-nowrap tabular-nums")
        if entity.type == "Product":
            ui.label(entity.id.removeprefix("product:")).classes(f"{MUTED} whitespace-nowrap font-mono")

"""The frame around every page, and the small pieces that all of them are made of."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from nicegui import ui

from kg import ids
from kg.types import Entity

COLORS = {
    "Product": "#2563eb", "Brand": "#ea580c", "Category": "#9333ea", "Value": "#16a34a", "Use": "#ca8a04",
    "Audience": "#db2777", "Thing": "#0891b2", "Aspect": "#dc2626", "User": "#475569",
}  # fmt: skip
OTHER = "#64748b"

CARD = "w-full bg-white rounded-xl shadow-sm border border-slate-200 p-4 gap-2"
MUTED = "text-xs text-slate-500"
PLAIN_LINK = "no-underline hover:underline text-slate-900"


def link(entity_id: str) -> str:
    """The page of an entity."""
    shop_id = ids.product_id(entity_id)
    return f"/product/{quote(shop_id, safe='')}" if shop_id else f"/entity/{quote(entity_id, safe='')}"


def people(user: str) -> str:
    """The page of a user's recommendations."""
    return f"/recommendations?user={quote(user, safe='')}"


@contextmanager
def frame(title: str, *, here: str = "", q: str = "") -> Iterator[None]:
    """Header with search and links, then the page's content in one column."""
    ui.page_title(f"{title} · shopgraph")
    ui.colors(primary="#0f172a")
    ui.query("body").classes("bg-slate-50")
    with ui.header().classes("items-center gap-6 bg-slate-900 px-6 py-2 shadow"):
        ui.link("shopgraph", "/").classes("text-white text-lg font-semibold no-underline tracking-tight")
        if here != "search":
            search_box(q, dark=True)
        ui.space()
        for name, target in (("Recommendations", "/recommendations"), ("Report", "/report"), ("API", "/docs")):
            shade = "text-white font-medium" if name == here else "text-slate-300"
            ui.link(name, target).classes(f"{shade} no-underline hover:text-white")
    with ui.column().classes("w-full max-w-screen-2xl mx-auto px-6 py-4 gap-4"):
        yield


def search_box(q: str, *, dark: bool = False) -> None:
    """Enter leads to the hits, at an address that can be shared."""
    look = "dense dark outlined" if dark else "outlined autofocus bg-color=white"
    box = ui.input(placeholder="Search products, brands, uses …", value=q).props(f"{look} clearable type=search")
    box.props('data-testid="search" aria-label="Search"').classes("w-96" if dark else "w-full text-lg")
    box.on("keydown.enter", lambda: ui.navigate.to(f"/?q={quote((box.value or '').strip(), safe='')}"))
    with box.add_slot("prepend"):
        ui.icon("search")


@contextmanager
def card(title: str = "", note: str = "") -> Iterator[None]:
    with ui.column().classes(CARD):
        if title:
            with ui.row().classes("items-baseline gap-2"):
                ui.label(title).classes("text-base font-semibold text-slate-800")
                if note:
                    ui.label(note).classes(MUTED)
        yield


def muted(text: str) -> ui.label:
    return ui.label(text).classes(MUTED)


def chip(text: str, color: str = OTHER) -> ui.label:
    """A small coloured label."""
    return (
        ui.label(text)
        .classes("text-xs font-medium px-2 py-0.5 rounded-full whitespace-nowrap")
        .style(f"color: {color}; background: {color}1a")
    )


def type_chip(entity: Entity) -> None:
    chip(entity.type, COLORS.get(entity.type, OTHER))


def entity_link(entity: Entity, classes: str = "", *, titled: bool = True) -> None:
    """Its name, cut to one line by the room there is; the whole of it under the pointer, where nothing else is."""
    with ui.link(target=link(entity.id)).classes(f"{PLAIN_LINK} min-w-0 {classes}"):
        name = ui.label(entity.name).classes("truncate")
        if titled:
            name.props["title"] = entity.name


def price(entity: Entity) -> str:
    """The price as text, or "" where there is none."""
    amount, currency = entity.properties.get("price"), entity.properties.get("currency")
    if not isinstance(amount, int | float) or isinstance(amount, bool):
        return ""
    return f"{amount:,.2f} {currency or ''}".strip()

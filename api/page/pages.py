"""The addresses of the page. Each first gathers what it draws, away from the event loop, and then draws it."""

from collections.abc import Callable
from typing import Any, TypeVar

from nicegui import run, ui

from api.deps import Services
from api.page import entity, label, people, reference, report, search
from api.page.frame import card, frame, muted
from api.problems import in_public
from kg import ids
from kg.errors import KGError, UnknownEntity

T = TypeVar("T")

PATIENCE = 20.0  # seconds that gathering may take; a first look at a large graph counts it


def register(services: Services, openapi: Callable[[], dict[str, Any]]) -> None:
    """Register every page over these services; what was registered before is replaced."""

    @ui.page("/", response_timeout=PATIENCE)
    async def home(q: str = "") -> None:
        text = q.strip()
        if text:
            await _show(text, lambda: search.find(services, text), lambda hits: search.draw_hits(text, hits), q=text)
        else:
            await _show("What the shop knows", lambda: search.overview(services), search.draw_overview, here="search")

    @ui.page("/product/{shop_id:path}", response_timeout=PATIENCE)
    async def product(shop_id: str) -> None:
        await _show(entity.name, lambda: entity.gather(services, ids.product(shop_id)), entity.draw)

    @ui.page("/entity/{entity_id:path}", response_timeout=PATIENCE)
    async def any_entity(entity_id: str) -> None:
        await _show(entity.name, lambda: entity.gather(services, entity_id), entity.draw)

    @ui.page("/recommendations", response_timeout=PATIENCE)
    async def recommendations(user: str = "") -> None:
        title = f"For {user}" if user else "Recommendations"
        await _show(title, lambda: people.gather(services, user), people.draw, here="Recommendations")

    @ui.page("/report", response_timeout=PATIENCE)
    async def reports() -> None:
        await _show("Last run", services.reports, report.draw, here="Report")

    if services.queue is not None:
        queue = services.queue

        @ui.page(label.ADDRESS, response_timeout=PATIENCE)
        async def labels() -> None:
            await label.show(queue)

    @ui.page("/docs", response_timeout=PATIENCE)
    async def docs() -> None:
        await _show("API", openapi, reference.draw, here="API")


async def _show(
    title: str | Callable[[T], str],
    gather: Callable[[], T],
    draw: Callable[[T], None],
    *,
    here: str = "",
    q: str = "",
) -> None:
    """Our own errors become a sentence on the page; anything else is a failure of the service and logged as one."""
    try:
        found = await run.io_bound(gather)
    except UnknownEntity as error:
        _sorry("Not found", str(error))
    except KGError as error:
        _sorry("The graph cannot answer", in_public(error))
    else:
        if found is None:  # the service is shutting down
            return
        with frame(title if isinstance(title, str) else title(found), here=here, q=q):
            draw(found)


def _sorry(title: str, detail: str) -> None:
    with frame(title), card(title):
        ui.label(detail).classes("break-all").props('data-testid="sorry"')
        muted("Search for it above: it may be known under another name.")

"""The commands that only read, and the service. Imports neither torch nor spaCy; ``serve`` brings spaCy in beside its
start, to read the products that are put: where the extra ``nlp`` is missing it answers all else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from api import bootstrap
from api.bootstrap import Shop
from api.deps import Services
from api.errors import NotTrained
from api.extras import has, need
from api.settings import Settings
from kg import analysis, snapshot
from recommender.thresholds import NO_THRESHOLDS, Thresholds


def recommend(
    opened: Shop, *, user: str | None, k: int, product: str | None = None, thresholds: Thresholds = NO_THRESHOLDS
) -> dict[str, Any]:
    """Recommendations, or the one for ``product``, as the service would answer."""
    from api.routes.recommendations import told

    services = bootstrap.services(opened)
    served = services.models.current
    if served is None:
        raise NotTrained(f"{opened.workspace.root} holds no model yet: run `shopgraph train` first")
    if product is not None:
        found = [served.recommender.explain(product, user)]
    else:
        found = served.recommender.recommend(user, k=k, rules=services.rules.holding(), thresholds=thresholds)
    items = [item.model_dump() for item in told(services, found)]
    return {**services.stamp(), "user_id": user, "items": items}


def export(opened: Shop, out: Path, form: str) -> str:
    out.mkdir(parents=True, exist_ok=True)
    if form == "graphml":
        analysis.write_graphml(opened.store, out / "graph.graphml")
        return f"{out / 'graph.graphml'}"
    counts = snapshot.write_jsonl(opened.store, out)
    return f"{out}: {counts.entities} entities, {counts.facts} facts, {counts.documents} documents"


def label(settings: Settings, say: Callable[[str], None], *, who: str) -> None:
    """Serve the page with the queue of doubtful facts until interrupted. Needs the extra ``ui``."""
    need("nicegui", "ui")
    from api.labelling import Queue
    from api.page.label import ADDRESS
    from mining.decisions import DecisionLog

    with bootstrap.shop(settings) as opened:
        kept = opened.workspace.decisions
        queue = Queue(opened.store, DecisionLog(kept), who)
        services = replace(bootstrap.services(opened), queue=queue, intake=None)
        _listen(settings, services, lambda page: say(f"{_address(settings)}{ADDRESS}: decisions of {who} go to {kept}"))


def lessons(settings: Settings, out: Path) -> dict[str, Any]:
    """What people decided as rows to train on, written to a file."""
    from api.labelling import write_lessons
    from mining.decisions import DecisionLog

    with bootstrap.shop(settings) as opened:
        return write_lessons(opened.store, DecisionLog(opened.workspace.decisions), out)


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until interrupted; ``say`` is told the address."""
    with bootstrap.shop(settings) as opened:
        services = bootstrap.serving(opened)
        if has("spacy"):
            services.taking().warm()

        def told(page: bool) -> None:
            what = "page and API" if page else "API (the page needs the extra 'ui')"
            say(f"{what} on {_address(settings)}")

        _listen(settings, services, told)


def _address(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.port}"


def _listen(settings: Settings, services: Services, ready: Callable[[bool], None]) -> None:
    """Serve until interrupted; ``ready`` hears whether there is a page."""
    import uvicorn

    from api.app import create_app
    from api.page.mount import mount

    app = create_app(services)
    ready(mount(app, services))
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning")

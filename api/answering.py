"""The commands that only read, and the service. Imports neither torch nor spaCy; ``serve`` brings spaCy in beside its
start, to read the products that are put: where the extra ``nlp`` is missing it answers all else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from api import bootstrap
from api.bootstrap import Shop
from api.errors import NotTrained
from api.extras import has
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


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until interrupted; ``say`` is told the address."""
    import uvicorn

    from api.app import create_app
    from api.page.mount import mount

    with bootstrap.shop(settings) as opened:
        services = bootstrap.services(opened)
        if has("spacy"):
            services.taking().warm()
        app = create_app(services)
        page = mount(app, services)
        what = "page and API" if page else "API (the page needs the extra 'ui')"
        say(f"{what} on http://{settings.host}:{settings.port}")
        uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning")

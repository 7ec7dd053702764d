"""The composition root: settings and flags become open stores, extractors and services."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.deps import Services
from api.metrics import Metrics
from api.serving import ModelHolder
from api.settings import Settings
from api.workspace import Workspace
from kg.events import EventLog
from kg.store import GraphStore
from kg.stores import open_store
from mining.extraction.llm import LLMExtractor
from mining.extraction.rules import RuleExtractor
from mining.language_model import Budget, LanguageModel, OpenAIModel, ReplyCache, local_server
from mining.reviews.extractor import ReviewExtractor
from mining.samples import sample_shop
from mining.types import Extractor
from recommender.recommender import Recommender


@dataclass(frozen=True, slots=True)
class Shop:
    """One open workspace: its graph and its event log."""

    settings: Settings
    workspace: Workspace
    store: GraphStore
    log: EventLog


@contextmanager
def shop(settings: Settings, *, write: bool = False) -> Iterator[Shop]:
    """Open the workspace's stores, with the writer's lock where asked; close them at the end."""
    workspace = Workspace(settings.workspace)
    with ExitStack() as stack:
        if write:
            stack.enter_context(workspace.writing())
        else:
            workspace.open()
        store = stack.enter_context(open_store(settings.store or workspace.store_url, auth=settings.store_auth()))
        log = stack.enter_context(EventLog(workspace.events))
        yield Shop(settings, workspace, store, log)


@contextmanager
def extractors(opened: Shop, llm_budget: str) -> Iterator[list[Extractor]]:
    """What reads the texts: rules and review rules always; a language model, or replies that it has given before."""
    budget = Budget.parse(llm_budget)
    replies, shipped = opened.workspace.cache / "replies.db", _shipped()
    chosen: list[Extractor] = [RuleExtractor(), ReviewExtractor()]
    with ExitStack() as stack:
        if budget.limit or replies.exists() or shipped:
            cache = stack.enter_context(ReplyCache(replies, shipped=shipped))
            model = stack.enter_context(_language_model(opened.settings)) if budget.limit else None
            chosen.append(LLMExtractor(model, cache=cache, budget=budget))
        yield chosen


def _shipped() -> tuple[Path, ...]:
    """Replies of a larger model to the sample shop's texts, where they ship."""
    replies = sample_shop().catalog.with_name("replies.jsonl")
    return (replies,) if replies.exists() else ()


@contextmanager
def _language_model(settings: Settings) -> Iterator[LanguageModel]:
    """The configured endpoint, or a small local one on loopback."""
    if settings.llm_base_url is None:
        with local_server(settings.llm_model) as server:
            yield server.model()
        return
    key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else None
    model = OpenAIModel(settings.llm_base_url, settings.llm_model or "default", api_key=key)
    try:
        yield model
    finally:
        model.close()


def services(opened: Shop) -> Services:
    """What the HTTP service and the page answer from."""

    def load(folder: Path) -> Recommender:
        return Recommender.load(folder, opened.store, opened.log)

    models = ModelHolder(opened.workspace.models, load)
    return Services(opened.store, opened.log, models, opened.workspace, Metrics())

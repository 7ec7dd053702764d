"""Recommendations for a chosen user: what they did, what they seem to care about, what to show them, and why."""

from dataclasses import dataclass

from nicegui import events, ui

from api import phrases, profiles
from api.deps import Services
from api.nouns import iso
from api.page.frame import COLORS, MUTED, OTHER, card, chip, entity_link, link, muted, people
from api.page.proof import Proof, draw_proofs, proofs_of
from kg import ids
from kg.types import Entity, Interaction, Reason, Recommendation, Triple

USERS = 500  # offered in the list; any other can be typed
HISTORY = 12
K = 10


@dataclass(frozen=True, slots=True)
class Person:
    """Everything that the page of one user draws; ``model`` is None where nothing has been trained."""

    user: str
    users: list[str]
    model: str | None
    history: list[Interaction]
    interests: list[profiles.Interest]
    found: list[Recommendation]
    entities: dict[str, Entity]
    proofs: dict[Triple, list[Proof]]


def gather(services: Services, user: str) -> Person:
    """For "" what a stranger would see."""
    served = services.models.current
    history = services.log.history(user, limit=profiles.RECENT) if user else ()
    rules = services.rules.holding()
    found = served.recommender.recommend(user_id=user or None, k=K, rules=rules, max_reasons=3) if served else []
    facts = [f for r in found for reason in r.reasons for f in reason.facts]
    recent = list(reversed(history[-HISTORY:]))
    products = {r.product_id for r in found} | {e.product_id for r in found for p in r.reasons for e in p.events}
    products |= {e.product_id for e in recent}
    return Person(
        user=user,
        users=services.log.users(limit=USERS),
        model=served.name if served else None,
        history=recent,
        interests=profiles.interests(services.reader, history, limit=10),
        found=found,
        entities=services.entities(facts, map(ids.product, products)),
        proofs=proofs_of(services.reader, facts),
    )


def draw(person: Person) -> None:
    with ui.grid().classes("w-full grid-cols-1 lg:grid-cols-12 gap-4 items-start"):
        with ui.column().classes("lg:col-span-4 gap-4 min-w-0 w-full"):
            _chooser(person)
            _interests(person)
            _history(person)
        with ui.column().classes("lg:col-span-8 gap-3 min-w-0 w-full"):
            _recommendations(person)


def _chooser(person: Person) -> None:
    users = [*person.users, *([person.user] if person.user and person.user not in person.users else [])]
    with card("For whom?"):
        select = ui.select(users, label="User", value=person.user or None, with_input=True, new_value_mode="add-unique")
        select.classes("w-full").props('clearable outlined dense data-testid="user"').on_value_change(_go)
        muted("Choose a user of the log, or type any id. Nobody chosen: what a stranger sees.")


def _go(change: events.ValueChangeEventArguments[str | None]) -> None:
    ui.navigate.to(people(str(change.value)) if change.value else "/recommendations")


def _interests(person: Person) -> None:
    if not person.interests:
        return
    most = max(interest.weight for interest in person.interests)
    with card("Seems to care about", "from the facts of what they looked at and bought"):
        for interest in person.interests:
            with ui.row().classes("w-full items-center no-wrap gap-3").props('data-testid="interest"'):
                with ui.column().classes("w-24 shrink-0"):
                    chip(interest.entity.type, COLORS.get(interest.entity.type, OTHER))
                with ui.link(target=link(interest.entity.id)).classes("min-w-0 grow no-underline text-slate-900"):
                    ui.label(phrases.spoken(interest.entity)).classes("truncate text-sm")
                with ui.element("div").classes("w-20 h-1.5 rounded-full bg-slate-100 shrink-0"):
                    bar = ui.element("div").classes("h-1.5 rounded-full bg-slate-500")
                    bar.style(f"width: {interest.weight / most:.0%}")


def _history(person: Person) -> None:
    if not person.user:
        return
    with card("What they did", "newest first"):
        if not person.history:
            muted("Nothing that the log knows of: the answer is a fallback, and says so.")
        for event in person.history:
            with ui.row().classes("w-full items-center no-wrap gap-3"):
                ui.label((iso(event.at) or "")[:10]).classes(f"{MUTED} shrink-0 tabular-nums")
                ui.label(phrases.DID[event.action]).classes("text-sm text-slate-600 w-24 shrink-0")
                entity_link(_product(person, event.product_id), "text-sm")


def _recommendations(person: Person) -> None:
    who = person.user or "someone new"
    if person.model is None:
        with card(f"For {who}"):
            ui.label("There is no model yet: run `shopgraph train`.")
        return
    with ui.row().classes("items-baseline gap-3"):
        ui.label(f"For {who}").classes("text-xl font-semibold text-slate-900 break-all")
        muted(f"model {person.model}")
    for item in person.found:
        _recommendation(person, item)
    if not person.found:
        muted("Nobody has anything to say about this user.")


def _recommendation(person: Person, item: Recommendation) -> None:
    with card():
        with ui.row().classes("w-full items-center no-wrap gap-3").props('data-testid="recommendation"'):
            ui.label(str(item.rank)).classes("text-2xl font-light text-slate-400 w-8 shrink-0 tabular-nums")
            entity_link(_product(person, item.product_id), "text-base font-semibold")
            ui.space()
            chip(item.origin, "#2563eb")
            ui.label(f"{item.score:.3f}").classes(f"{MUTED} tabular-nums").tooltip(
                "score, comparable within one origin"
            )
        for reason in item.reasons:
            _reason(person, reason, item.score)
        if not item.reasons:
            muted("No path of facts carries this one.").classes("pl-11")


def _reason(person: Person, reason: Reason, score: float) -> None:
    spoken = {i: phrases.spoken(entity) for i, entity in person.entities.items()}
    with ui.row().classes("w-full items-start no-wrap gap-2 pl-11 rounded hover:bg-amber-50"):
        ui.icon("subdirectory_arrow_right").classes("text-slate-400 pt-0.5")
        ui.label(phrases.sentence(reason, spoken)).classes("text-sm text-slate-700 grow").props('data-testid="reason"')
        if reason.contribution is not None and score:
            share = ui.label(f"+{reason.contribution:.3f}").classes(f"{MUTED} whitespace-nowrap tabular-nums pt-0.5")
            share.tooltip(f"{reason.contribution / score:.0%} of the score")
        with ui.tooltip().classes("bg-white text-slate-800 shadow-lg border border-slate-300 p-3 max-w-xl"):
            for fact in reason.facts:
                draw_proofs(_heading(spoken, fact.head, fact.tail), person.proofs[fact.triple], len(fact.evidence))


def _heading(spoken: dict[str, str], head: str, tail: str) -> str:
    return f"{spoken.get(head, head)} — {spoken.get(tail, tail)}"


def _product(person: Person, shop_id: str) -> Entity:
    entity_id = ids.product(shop_id)
    return person.entities.get(entity_id) or Entity(entity_id, "Product", shop_id)

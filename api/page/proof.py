"""Why a fact is believed, as a person reads it: the quote inside its text, or the counts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial

from nicegui import ui

from api.page.frame import MUTED, chip, muted
from api.phrases import counted
from kg.errors import UnknownDocument
from kg.store import GraphReader
from kg.types import Evidence, Fact, Triple

AROUND = 140  # code points of context on each side of a quote
MOST = 3  # pieces of evidence shown


@dataclass(frozen=True, slots=True)
class Proof:
    """One piece of evidence. ``quote`` is "" where there are only counts, and then ``after`` tells them."""

    source: str
    method: str
    confidence: float
    field: str
    before: str
    quote: str
    after: str

    @property
    def short(self) -> str:
        return f"“{self.quote}”" if self.quote else self.after


def proofs_of(reader: GraphReader, facts: Iterable[Fact]) -> dict[Triple, list[Proof]]:
    """By triple, the best evidence first: quotes, then counts, the most confident of each. Each text is read once."""
    text_of = cache(partial(_text, reader))
    found = {}
    for fact in facts:
        best = sorted(fact.evidence, key=lambda e: (e.quote is None, -e.confidence, e.key))
        found[fact.triple] = [_proof(text_of, evidence) for evidence in best[:MOST]]
    return found


def _text(reader: GraphReader, document_id: str) -> str:
    try:
        return reader.document(document_id).text
    except UnknownDocument:
        return ""


def _proof(text_of: Callable[[str], str], e: Evidence) -> Proof:
    if e.quote is None or e.start is None or e.end is None:
        return Proof(e.source, e.method, e.confidence, e.field or "", "", "", counted(e))
    text = text_of(e.source)
    before, after = text[max(0, e.start - AROUND) : e.start], text[e.end : e.end + AROUND]
    return Proof(
        source=e.source,
        method=e.method,
        confidence=e.confidence,
        field=e.field or "",
        before=("…" if e.start > AROUND else "") + before,
        quote=e.quote,
        after=after + ("…" if e.end + AROUND < len(text) else ""),
    )


def draw_proofs(heading: str, proofs: list[Proof], evidence: int) -> None:
    with ui.column().classes("gap-2"):
        ui.label(heading).classes("text-sm font-semibold")
        for proof in proofs:
            draw_proof(proof)
        if evidence > len(proofs):
            muted(f"and {evidence - len(proofs)} more")


def draw_proof(proof: Proof) -> None:
    """The quote inside its text, or the counts; then who says so and how sure."""
    with ui.column().classes("gap-1"):
        # Inline pieces, so that the quote stays where it stands in its text.
        with ui.element("div").classes("text-sm whitespace-pre-wrap break-words leading-snug"):
            if proof.before:
                ui.label(proof.before).classes("inline text-slate-500")
            if proof.quote:
                mark = ui.label(proof.quote).classes("inline bg-amber-200 text-slate-900 rounded px-0.5 font-medium")
                mark.props('data-testid="quote"')
            ui.label(proof.after).classes("inline text-slate-500" if proof.quote else "inline")
        with ui.row().classes("items-center gap-2"):
            chip(proof.method)
            ui.label(f"confidence {proof.confidence:.2f}").classes(MUTED)
            ui.label(" · ".join(filter(None, (proof.source, proof.field)))).classes(f"{MUTED} font-mono")

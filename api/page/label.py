"""The queue on the page: one fact at a time, the least sure first; a key accepts, corrects, rejects or passes over."""

from dataclasses import replace

from nicegui import run, ui
from nicegui.events import KeyEventArguments

from api.errors import FrontDoorError
from api.labelling import Proposal, Queue
from api.page.frame import card, entity_link, frame, muted
from api.page.proof import Proof, draw_proof, proofs_of

KEYS = {"a": "accept", "c": "correct", "r": "reject", "s": "pass over"}
ADDRESS = "/label"


class Desk:
    """What one person has before them. Decisions are kept one by one, as they are taken."""

    def __init__(self, queue: Queue, waiting: list[Proposal]) -> None:
        self._queue, self._waiting, self._at = queue, waiting, 0
        self._proofs = [_proof(queue, proposal) for proposal in waiting]
        self._box: ui.input | None = None

    @property
    def current(self) -> Proposal | None:
        return self._waiting[self._at] if self._at < len(self._waiting) else None

    def press(self, event: KeyEventArguments) -> None:
        """Keys count where nobody writes into a field."""
        if event.action.keydown and not event.action.repeat and not event.modifiers.ctrl and not event.modifiers.meta:
            self.do(KEYS.get(str(event.key.name).lower(), ""))

    def do(self, what: str) -> None:
        proposal = self.current
        if proposal is None or not what:
            return
        if what == "correct":
            if self._box is not None:
                self._box.run_method("focus")
                self._box.run_method("select")
            return
        if what in ("accept", "reject"):
            self._queue.decide(proposal, "accept" if what == "accept" else "reject")
        self._next()

    def correct(self) -> None:
        """Take the words of the field; what does not stand in the text is said and not taken."""
        proposal = self.current
        if proposal is None or self._box is None:
            return
        try:
            self._queue.decide(proposal, "correct", str(self._box.value or ""))
        except FrontDoorError as error:
            ui.notify(str(error), type="negative")
            return
        self._next()

    def _next(self) -> None:
        self._at += 1
        self.draw.refresh()

    @ui.refreshable_method
    def draw(self) -> None:
        proposal = self.current
        left = len(self._waiting) - self._at
        with card(
            "Is this what the text says?", f"{left:,} waiting, {self._queue.decided:,} decided by {self._queue.who}"
        ):
            if proposal is None:
                self._box = None
                ui.label("Nothing waits. Run `shopgraph mine`: it takes the decisions over.").props(
                    'data-testid="done"'
                )
                return
            entity_link(proposal.head, "text-lg font-medium")
            with ui.row().classes("items-baseline gap-2"):
                ui.label(f"{proposal.said}:").classes("text-slate-600")
                ui.label(proposal.evidence.quote or "").classes("text-xl font-semibold").props('data-testid="proposal"')
            draw_proof(self._proofs[self._at])
            self._answer(proposal)

    def _answer(self, proposal: Proposal) -> None:
        with ui.row().classes("items-center gap-3 pt-2"):
            for key, what in KEYS.items():
                ui.button(f"{what} ({key})", on_click=lambda what=what: self.do(what)).props("no-caps outline dense")
            self._box = ui.input("the right words of the text", value=proposal.evidence.quote or "").classes("w-80")
            self._box.props('data-testid="right" dense outlined')
            self._box.on("keydown.enter", self.correct)
        muted("c moves into the field; Enter takes what it says. A correction quotes the text, letter by letter.")


def _proof(queue: Queue, proposal: Proposal) -> Proof:
    fact = replace(proposal.fact, evidence=(proposal.evidence,))
    (proof,) = proofs_of(queue.reader, [fact])[fact.triple]
    return proof


async def show(queue: Queue) -> None:
    """The page; what waits is gathered once, away from the event loop."""
    desk = await run.io_bound(lambda: Desk(queue, queue.waiting()))
    if desk is None:  # the service is shutting down
        return
    with frame("Label", here="Label"):
        desk.draw()
    ui.keyboard(on_key=desk.press)

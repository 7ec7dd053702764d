"""How a stage says how far it is: a protocol that a progress bar fits, and silence."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """One stage at a time: ``start``, then ``advance``, then ``finish``."""

    def start(self, stage: str, total: int | None = None) -> None: ...

    def advance(self, amount: int = 1) -> None: ...

    def finish(self) -> None: ...


class Silent:
    """Nobody watches."""

    def start(self, stage: str, total: int | None = None) -> None: ...

    def advance(self, amount: int = 1) -> None: ...

    def finish(self) -> None: ...


def watched(progress: Progress, stage: str, items: Iterable[T], total: int | None = None) -> Iterator[T]:
    """The items, with one step of the stage after each; the stage is finished however the loop ends."""
    progress.start(stage, total)
    try:
        for item in items:
            yield item
            progress.advance()
    finally:
        progress.finish()

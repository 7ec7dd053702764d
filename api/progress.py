"""Progress bars on stderr, for every stage that takes a while; silent where stderr is no terminal."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Bars:
    """One bar a stage. Where no terminal watches, one line a finished stage instead; nothing at all if ``quiet``."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(file=sys.stderr, quiet=quiet)
        self._bars = Progress(
            TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=self._console, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._task: TaskID | None = None
        self._stage = ""
        self._done = 0

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, stage: str, total: int | None = None) -> None:
        self._stage, self._done = stage, 0
        self._task = self._bars.add_task(stage, total=total)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        if self._task is not None:
            self._bars.advance(self._task, amount)

    def finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, total=self._done or 1, completed=self._done or 1)
        if not self._console.is_terminal:
            self._console.print(f"{self._stage}: {self._done:,}", highlight=False)
        self._task = None

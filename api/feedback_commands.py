"""Commands about what the service has logged of its answers: ``shopgraph compare`` and ``shopgraph forget``."""

from typing import Annotated

import typer

from api import comparing
from api.bootstrap import shop
from api.flags import JsonFlag, SeedFlag, StoreFlag, WorkspaceFlag, refusing, settings, told
from api.progress import Bars
from kg.types import ACTIONS


def _action(text: str) -> str:
    if text not in ACTIONS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(ACTIONS)}")
    return text


ActionFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--action", parser=_action, metavar="|".join(ACTIONS),
        help="What counts as a reward (repeatable); by default all but ratings.",
    ),
]  # fmt: skip
FromFlag = Annotated[
    str | None, typer.Option("--since", help="Only answers from this time on (ISO 8601 or Unix seconds).")
]
BeforeFlag = Annotated[
    str | None, typer.Option("--until", help="Only answers before this time (ISO 8601 or Unix seconds).")
]


@refusing
def compare(
    a: Annotated[str, typer.Argument(help="A model: its id in models/, current, or a folder.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    action: ActionFlag = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Judge the first ranks only, so many.")] = 10,
    since: FromFlag = None,
    until: BeforeFlag = None,
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    seed: SeedFlag = 0,
    as_json: JsonFlag = False,
) -> None:
    """Say which of two models earns more, from the answers that serve --log-answers kept. Reads, and writes nothing.

    Answers in which chance filled ranks (--explore-from) say what each model's order would have earned; answers that
    both drafted (--interleave) say whose products were preferred.
    """
    from api import stages

    when = (stages.moment(since, "--since"), stages.moment(until))
    with shop(settings(workspace, store), existing=True) as opened, Bars() as bars:
        report = comparing.compare(opened, a, b, bars, actions=action, k=k, seed=seed, since=when[0], until=when[1])
    told(report, as_json, comparing.told(report))


@refusing
def forget(
    user: Annotated[str, typer.Argument(help="The user's id in the log.")],
    workspace: WorkspaceFlag = None,
    store: StoreFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Erase a person: their events and the answers they were shown; says which models still know them."""
    from api import forgetting

    with shop(settings(workspace, store), write=True) as opened:
        report = forgetting.forget(opened, user)
    told(report, as_json, forgetting.told(report))

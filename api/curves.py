"""The epochs of a small model as curves: TensorBoard's files, and a run of Weights & Biases where the machine names its
project. Both are told epoch by epoch, so a killed training has told what it did."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from api.errors import FrontDoorError
from api.extras import need
from api.settings import WeightsAndBiases

if TYPE_CHECKING:
    from mining.extraction.tagger_training import Epoch

Hear: TypeAlias = "Callable[[Epoch], None]"


def can_draw(tensorboard: Path | None, board: WeightsAndBiases | None) -> None:
    """Raises MissingExtra where what would hear of the epochs is not installed."""
    if tensorboard is not None:
        need("tensorboardX", "plots")
    if board is not None and board.project:
        need("wandb", "wandb")


@contextmanager
def curves(tensorboard: Path | None, board: WeightsAndBiases | None, told: Mapping[str, Any]) -> Iterator[Hear]:
    """Hears epochs and writes them where it was asked for, if anywhere. ``told``: how is trained, for the board.

    Raises MissingExtra, FrontDoorError where Weights & Biases refuses.
    """
    can_draw(tensorboard, board)
    with ExitStack() as opened:
        heard: list[Hear] = []
        if tensorboard is not None:
            heard.append(opened.enter_context(_files(tensorboard)))
        if board is not None and board.project:
            heard.append(opened.enter_context(_run(board, told)))

        def hear(epoch: "Epoch") -> None:
            for one in heard:
                one(epoch)

        yield hear


def _scalars(epoch: "Epoch") -> dict[str, float]:
    dev = {"precision": epoch.dev.precision, "recall": epoch.dev.recall, "f1": epoch.dev.f1}
    learned = {"training/loss": epoch.loss, "training/rate": epoch.rate}
    return learned | {f"held back/{name}": value for name, value in dev.items()}


@contextmanager
def _files(folder: Path) -> Iterator[Hear]:
    """``<folder>/network-1/`` and so on, a step an epoch."""
    from tensorboardX import SummaryWriter

    with ExitStack() as opened:
        writers: dict[int, Any] = {}

        def hear(epoch: "Epoch") -> None:
            if epoch.member not in writers:
                run = str(folder / f"network-{epoch.member + 1}")
                writers[epoch.member] = opened.enter_context(SummaryWriter(run, flush_secs=1))
            for tag, value in _scalars(epoch).items():
                writers[epoch.member].add_scalar(tag.replace(" ", "-"), value, epoch.number)

        yield hear


@contextmanager
def _run(board: WeightsAndBiases, told: Mapping[str, Any]) -> Iterator[Hear]:
    """One run, the networks side by side. Numbers and options alone: no output, no code, nothing of the machine."""
    wandb: Any = import_module("wandb")
    quiet = wandb.Settings(
        console="off", disable_git=True, save_code=False, x_disable_meta=True, x_disable_stats=True,
        x_save_requirements=False,
    )  # fmt: skip
    try:
        run = wandb.init(
            project=board.project, entity=board.entity, mode=board.mode, dir=board.folder and str(board.folder),
            config=dict(told), settings=quiet,
        )  # fmt: skip
    except wandb.errors.Error as error:
        ways = "WANDB_MODE=offline keeps the run on this machine, without WANDB_PROJECT there is none"
        raise FrontDoorError(f"Weights & Biases took no run ({error}); {ways}") from error
    with run as opened:
        # networks learn one after the other, each from its first epoch; the board's own step only rises
        opened.define_metric("*", step_metric="epoch")
        yield lambda epoch: opened.log(
            {"epoch": epoch.number}
            | {f"network {epoch.member + 1} {name}": value for name, value in _scalars(epoch).items()}
        )

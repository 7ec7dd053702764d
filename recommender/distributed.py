"""Several processes that train one model: what the loop needs of torch's process group.

Data parallel, with torch's DistributedDataParallel (Li et al.: "PyTorch distributed: experiences on accelerating data
parallel training", VLDB 2020, https://arxiv.org/abs/2006.15704). Every process holds the whole model and data, draws
the same batches by the same chance, and learns from its own part of each; gradients are averaged before every step. So
how many there are changes nothing but the order in which numbers are added. Alone, all of this is nothing. Leaf module:
imports torch.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from recommender.errors import ConfigurationError

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: the first alone validates and writes."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of ``count`` processes, as torchrun tells it: its ``rank`` among all, its ``local`` rank on this machine
    (which is the CUDA device it takes), where they meet, and how often all were started again after one had died."""

    rank: int = 0
    count: int = 1
    local: int = 0
    address: str = "127.0.0.1"
    port: int = 29500
    attempt: int = 0


@contextmanager
def joined(member: Member, device: Literal["cpu", "cuda"] = "cpu") -> Iterator[None]:
    """Trainings inside are shared with the other members: gloo between CPUs, NCCL between GPUs.

    Raises ConfigurationError where the members do not find each other, or a member has no device of its own.
    """
    if member.count == 1:
        yield
        return
    if device == "cuda":
        _take_device(member)
    where = f"{member.address}:{member.port}"
    try:
        meeting, *_ = next(rendezvous(f"tcp://{where}", member.rank, member.count, timeout=PATIENCE))
        # the dead have left their addresses in it
        store = dist.PrefixStore(f"attempt {member.attempt}", meeting)  # type: ignore[attr-defined]
        backend = "nccl" if device == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=member.rank, world_size=member.count, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        found = f"process {member.rank} of {member.count} did not meet the others at {where}"
        raise ConfigurationError(f"{found}: {error}") from error
    try:
        yield
        dist.barrier()  # who takes its end of a connection away while another still works may abort that one
    finally:
        dist.destroy_process_group()


def _take_device(member: Member) -> None:
    there = torch.cuda.device_count()
    if member.local >= there:
        raise ConfigurationError(
            f"no CUDA device is left for process {member.local} of this machine: torch sees {there} of them"
        )
    torch.cuda.set_device(member.local)


def rank() -> int:
    """0 for the one that writes, and for one alone."""
    return dist.get_rank() if _together() else 0


def count() -> int:
    return dist.get_world_size() if _together() else 1


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()


def part(length: int) -> slice:
    """Which of ``length`` rows are this process's: stretches of equal length, but for one."""
    bounds = [length * place // count() for place in (rank(), rank() + 1)]
    return slice(*bounds)


def parallel(module: nn.Module) -> nn.Module:
    """The module with its gradients averaged over the processes; the first one's parameters are everybody's."""
    if not _together():
        return module
    from torch.nn.parallel import DistributedDataParallel  # brings a compiler along, which takes seconds

    return DistributedDataParallel(module, broadcast_buffers=False)


def total(value: float) -> float:
    """The sum of what each process says."""
    if not _together():
        return value
    box = torch.tensor([value], dtype=torch.float64, device=_device())
    dist.all_reduce(box)
    return float(box.item())


def largest(value: int) -> int:
    """The most that any process says."""
    if not _together():
        return value
    box = torch.tensor([value], dtype=torch.int64, device=_device())
    dist.all_reduce(box, dist.ReduceOp.MAX)
    return int(box.item())


def first_says(value: float | None) -> float:
    """What the first process says; the others' values are not looked at."""
    if not _together():
        assert value is not None
        return value
    box = torch.tensor([0.0 if value is None else value], dtype=torch.float64, device=_device())
    dist.broadcast(box, 0)
    return float(box.item())


def first_sends(content: bytes | None) -> bytes | None:
    """The first process's bytes, None where it has none: machines need not share a disk."""
    if not _together():
        return content
    length = first_says(-1.0 if content is None else float(len(content)))
    if length <= 0:
        return None if length < 0 else b""
    box = torch.empty(int(length), dtype=torch.uint8, device=_device())
    if content is not None and rank() == 0:
        box.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    dist.broadcast(box, 0)
    return box.cpu().numpy().tobytes()


def check_alike(fingerprint: str) -> None:
    """Raises ConfigurationError where the processes are about to train different things."""
    if not _together():
        return
    own = torch.frombuffer(bytearray(hashlib.sha256(fingerprint.encode()).digest()), dtype=torch.uint8).to(_device())
    all_of_them: list[Tensor] = [torch.empty_like(own) for _ in range(count())]
    dist.all_gather(all_of_them, own)
    if any(not torch.equal(own, other) for other in all_of_them):
        raise ConfigurationError(
            f"the processes train different models or data (this one: {fingerprint}); give all of them the same "
            "command, files and versions"
        )


def _device() -> str:
    """Where the process group moves tensors."""
    return "cuda" if dist.get_backend() == "nccl" else "cpu"

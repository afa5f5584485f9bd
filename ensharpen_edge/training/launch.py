"""Devices, processes and precision: Lightning Fabric, set up from the command line and from torchrun's environment."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ensharpen_edge.errors import UsageError, require

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from ensharpen_edge.training.config import TrainConfig


@dataclass(frozen=True)
class Hardware:
    """Where a run computes. The data are the same wherever crops are degraded on CPUs; GPUs draw other noise.

    Attributes:
        accelerator: `auto`, `cpu` or `cuda`.
        threads: CPU threads of each process; 0 takes its share of the cores.
        workers: Processes that prepare batches for each training process.
        deterministic: Refuse operations whose result depends on timing.
    """

    accelerator: str = "auto"
    threads: int = 0
    workers: int = 1
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.accelerator not in ("auto", "cpu", "cuda"):
            raise UsageError(f"accelerator must be auto, cpu or cuda, got {self.accelerator!r}")
        if self.accelerator == "cuda" and not torch.cuda.is_available():
            raise UsageError("no CUDA device is available to torch", hint="--accelerator cpu")
        if self.threads < 0 or self.workers < 0:
            raise UsageError("threads and workers must not be negative")


def emulates_bf16() -> bool:
    """Return whether this processor has no arithmetic in bfloat16, so that `bf16-mixed` is slower on it than float32.

    Known of x86-64; elsewhere False.
    """
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return capabilities.get("architecture") == "x86_64" and not (
        capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    )


def device_name(device: torch.device) -> str:
    """Return the name of the device that a run computes on: a GPU's own name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def shared_out(config: TrainConfig, processes: int) -> TrainConfig:
    """Return the run with groups so small that every stage's batch is shared out evenly.

    Args:
        config: The run.
        processes: All over all machines.

    Raises:
        UsageError: A batch has fewer crops than there are processes, or a rest.
    """
    if processes == 1:
        return config
    uneven = [stage for stage in config.stages if stage.batch % processes]
    if uneven:
        raise UsageError(
            f"stage {uneven[0].title!r}: a batch of {uneven[0].batch} cannot be shared by {processes} processes",
            hint=f"make it a multiple of {processes} in the recipe",
        )
    return dataclasses.replace(
        config, group=math.gcd(config.group, *(stage.batch // processes for stage in config.stages))
    )


def start(config: TrainConfig, hardware: Hardware) -> Fabric:
    """Return a launched Fabric: one process, or as many as torchrun started.

    Raises:
        MissingToolError: Lightning Fabric is not installed.
        UsageError: A precision that the device does not have.
    """
    fabric_module = require("lightning_fabric", "train")
    strategies = require("lightning_fabric.strategies", "train")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(hardware.threads or max(1, (os.cpu_count() or 1) // local))
    if hardware.deterministic:
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # cuBLAS is reproducible only with a fixed workspace
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(hardware.deterministic)
    on_cuda = hardware.accelerator == "cuda" or (hardware.accelerator == "auto" and torch.cuda.is_available())
    if config.precision == "16-mixed" and not on_cuda:
        raise UsageError("16-mixed is for GPUs: CPUs train in bfloat16 or float32", hint="--precision bf16-mixed")
    strategy = "auto"
    if world > 1:
        unused = any(stage.depth < 1.0 for stage in config.stages) or config.model.heads != ("sharpen",)
        strategy = strategies.DDPStrategy(
            process_group_backend="nccl" if on_cuda else "gloo", find_unused_parameters=unused
        )
    fabric: Fabric = fabric_module.Fabric(
        accelerator="cuda" if on_cuda else "cpu",
        devices=local,
        num_nodes=world // local,
        strategy=strategy,
        precision=config.precision,
    )
    fabric.launch()
    return fabric

"""The whole state of a run in one safetensors file, so that a killed run goes on as if it had not been."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.training.ema import WeightAverage
from ensharpen_edge.whole_file import whole_file


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        step: Optimisation steps done.
        total_steps: Length of the schedule.
        best_psnr: Best validation PSNR so far, dB.
        seconds: Time spent training, over all starts.
    """

    step: int
    total_steps: int
    best_psnr: float
    seconds: float


def save_state(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    generator: torch.Generator,
    progress: Progress,
    config: dict[str, Any],
) -> None:
    """Write model, optimiser, average, random generator and progress; replaces `path` only when complete."""
    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.average.items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    tensors["generator"] = generator.get_state()
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    metadata = {
        "progress": json.dumps(vars(progress)),
        "config": json.dumps(config),
        "updates": str(average.updates),
    }
    with whole_file(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_state(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    generator: torch.Generator,
    config: dict[str, Any],
) -> Progress:
    """Restore what `save_state` wrote.

    Raises:
        IntegrityError: Not such a file, or of a run with another configuration.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        progress = Progress(**json.loads(metadata["progress"]))
        saved = json.loads(metadata["config"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{path}: not a readable training state ({error})") from error
    wanted = json.loads(json.dumps(config))
    changed = sorted(key for key in saved.keys() | wanted.keys() if saved.get(key) != wanted.get(key))
    if changed:
        details = "; ".join(f"{key}: {saved.get(key)} -> {wanted.get(key)}" for key in changed)
        raise IntegrityError(f"{path}: belongs to a run with other settings ({details})", hint="choose another --out")
    model.load_state_dict(_below("model.", tensors))
    average.load(_below("average.", tensors), int(metadata["updates"]))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in _below("optimizer.", tensors).items():
        index, slot = int(key.split(".", 1)[0]), key.split(".", 1)[1]
        like = parameters[index]
        # The parameter's memory layout, channels-last, is part of what makes a resumed run equal bit for bit.
        slots.setdefault(index, {})[slot] = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": slots, "param_groups": groups})
    generator.set_state(tensors["generator"])
    return progress


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}

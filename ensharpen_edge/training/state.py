"""The whole state of a run in one safetensors file, so that a killed run goes on as if it had not been."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ensharpen_edge.errors import BadInputError, IntegrityError
from ensharpen_edge.files import whole_file
from ensharpen_edge.training.ema import WeightAverage
from ensharpen_edge.training.state_checks import infinite_tensors, state_hash, uneven_slots

_AGAIN = "start again in another --out"


@dataclass(frozen=True)
class Standing:
    """The point that a run has reached.

    Attributes:
        step: Optimisation steps done.
        stage_steps: Length of each stage; empty until it is known.
        best_psnr: Best validation PSNR so far, dB.
        best_step: Step of that validation.
        best_start: PSNR of what the network was given there.
        best_cases: PSNR of each of its cases: given, returned.
        best_sha256: Hash of the file of the best weights.
        seconds: Time spent training, over all starts.
        scaler: State of the loss scaler of half-precision arithmetic; empty when there is none.
    """

    step: int = 0
    stage_steps: tuple[int, ...] = ()
    best_psnr: float = float("-inf")
    best_step: int = 0
    best_start: float = float("-inf")
    best_cases: dict[str, tuple[float, float]] = field(default_factory=dict)
    best_sha256: str = ""
    seconds: float = 0.0
    scaler: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunState:
    """Everything that changes during a run. No random generator: batches follow from seed and step.

    Attributes:
        modules: Trained modules, by name.
        optimizers: Optimizers, by name; each with the parameters of one or several modules.
        average: Moving average of the network's weights.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    average: WeightAverage


def save_state(path: Path, state: RunState, standing: Standing, config: dict[str, Any]) -> None:
    """Write everything; replaces `path` only when complete.

    Raises:
        BadInputError: The file cannot be written, as on a full disk; an earlier one is untouched.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in state.modules.items():
        tensors |= {f"module.{name}.{key}": value for key, value in module.state_dict().items()}
    for name, optimizer in state.optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{name}.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    tensors |= {f"average.{key}": value for key, value in state.average.average.items()}
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    metadata = {
        "progress": json.dumps(vars(standing)),
        "config": json.dumps(config),
        "updates": str(state.average.updates),
    }
    metadata["sha256"] = state_hash(tensors, metadata)
    try:
        with whole_file(path) as temporary:
            save_file(tensors, temporary, metadata=metadata)
    except (OSError, SafetensorError) as error:
        kept = "the earlier state is untouched" if path.exists() else "nothing is saved yet"
        raise BadInputError(
            f"{path}: cannot save the run at step {standing.step} ({error}); {kept}",
            hint="free some space and go on with --resume",
        ) from error


def load_state(path: Path, state: RunState, config: dict[str, Any]) -> Standing:
    """Restore what `save_state` wrote, in place.

    Raises:
        IntegrityError: The file is unreadable, altered or incomplete, holds NaN or Inf, or belongs to a run with
            another configuration.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        stored = json.loads(metadata["progress"])
        standing = Standing(**{**stored, "stage_steps": tuple(stored["stage_steps"])})
        saved = json.loads(metadata["config"])
        stated = metadata.pop("sha256", None)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{path}: not a readable training state ({error})") from error
    # States of earlier versions have no hash.
    if stated is not None and stated != state_hash(tensors, metadata):
        raise IntegrityError(f"{path}: the training state was altered after it was saved", hint=_AGAIN)
    _refuse_other_settings(path, saved, json.loads(json.dumps(config)))
    if infinite := infinite_tensors(tensors):
        raise IntegrityError(f"{path}: {infinite[0]} holds NaN or Inf", hint=_AGAIN)
    try:
        for name, module in state.modules.items():
            module.load_state_dict(_below(f"module.{name}.", tensors))
        for name, optimizer in state.optimizers.items():
            _load_optimizer(optimizer, _below(f"optimizer.{name}.", tensors))
        if standing.step and not standing.scaler and not _below("optimizer.", tensors):
            raise KeyError("the optimizer's state is missing")
        average = _below("average.", tensors)
        if missing := sorted(state.average.average.keys() - average.keys()):
            raise KeyError(f"average.{missing[0]} is missing")
        state.average.load(average, int(metadata["updates"]))
    except (RuntimeError, KeyError, ValueError, IndexError) as error:
        raise IntegrityError(f"{path}: does not hold this run's networks ({error})") from error
    return standing


def save_weights(path: Path, average: WeightAverage) -> None:
    """Write averaged weights alone.

    Raises:
        BadInputError: The file cannot be written; an earlier one is untouched.
    """
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in average.average.items()}
    try:
        with whole_file(path) as temporary:
            save_file(tensors, temporary)
    except (OSError, SafetensorError) as error:
        raise BadInputError(f"{path}: cannot be written ({error})", hint="free some space") from error


def load_weights(path: Path, network: nn.Module) -> None:
    """Read what `save_weights` wrote.

    Raises:
        IntegrityError: Damaged, or of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch each raise several classes here
        raise IntegrityError(f"{path}: not the weights of this run ({error})") from error


def _refuse_other_settings(path: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    changed = sorted(key for key in saved.keys() | wanted.keys() if saved.get(key) != wanted.get(key))
    if changed:
        details = "; ".join(
            "the photographs, labels or teacher have changed"
            if key == "materials"
            else f"{key}: {saved.get(key)} -> {wanted.get(key)}"
            for key in changed
        )
        raise IntegrityError(f"{path}: belongs to a run with other settings ({details})", hint="choose another --out")


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, slot = int(key.split(".", 1)[0]), key.split(".", 1)[1]
        like = parameters[index]
        # The parameter's memory layout, channels-last, is part of what makes a resumed run equal bit for bit.
        slots.setdefault(index, {})[slot] = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
    if uneven := uneven_slots(slots):
        raise KeyError(f"the optimizer's state of parameter {uneven[0]} is incomplete")
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}

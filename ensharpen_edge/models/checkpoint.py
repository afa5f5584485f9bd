"""Checkpoints: `NAME.safetensors` with the weights and `NAME.json`, the card. Nothing is ever unpickled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError, require, unknown_name
from ensharpen_edge.files import sha256_of, whole_file
from ensharpen_edge.models.config import QUANTIZED, StudentConfig
from ensharpen_edge.models.student import Student


@dataclass(frozen=True)
class Checkpoint:
    """A network with trained weights and its card.

    Attributes:
        network: The network, in evaluation mode.
        card: Description of the weights: configuration, training data and licences, degradations, metrics, sha256.
        path: The safetensors file.
    """

    network: Student
    card: dict[str, Any]
    path: Path

    @property
    def sha256(self) -> str:
        """Hash of the weights file, as verified on load."""
        return str(self.card["sha256"])


def save_checkpoint(network: Student, path: Path, card: dict[str, Any]) -> dict[str, Any]:
    """Write weights and card; returns the card with configuration and hash filled in.

    Scores that were measured for these very weights stay on a card that is replaced. Dense weights are stored in
    half precision, which halves a large file and is far below what can be measured of its images.

    Args:
        network: The network, in training or folded form.
        path: Ends in `.safetensors`; the card goes beside it.
        card: Everything the configuration does not say.

    Raises:
        BadInputError: The files cannot be written; earlier ones are untouched.
    """
    safetensors = require("safetensors.torch", "train")
    kind = torch.float16 if network.config.dense else torch.float32
    state = {key: value.detach().to("cpu", kind).contiguous().clone() for key, value in network.state_dict().items()}
    try:
        with whole_file(path.with_suffix(".json")) as card_file, whole_file(path) as weights:
            safetensors.save_file(state, weights, metadata={"format": "pt"})
            full = {**card, "config": network.config.to_dict(), "sha256": sha256_of(weights)}
            if not full.get("scores"):
                full["scores"] = _measured(path.with_suffix(".json"), full["sha256"])
            card_file.write_text(json.dumps(full, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except (OSError, require("safetensors", "train").SafetensorError) as error:
        raise BadInputError(f"{path}: cannot be written ({error})", hint="free some space") from error
    return full


def _measured(card_path: Path, sha256: str) -> list[Any]:
    """Return the scores on an earlier card, if it is of the same weights."""
    try:
        earlier = json.loads(card_path.read_text(encoding="utf-8"))
        return list(earlier["scores"]) if earlier["sha256"] == sha256 else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def load_checkpoint(path: Path) -> Checkpoint:
    """Read weights and card, check the hash and every tensor.

    Raises:
        UsageError: It is a quantized checkpoint.
        IntegrityError: Card or weights missing, altered, or not of the card's configuration.
        BadInputError: A weight is NaN or infinite.
    """
    safetensors = require("safetensors.torch", "train")
    card_path = path.with_suffix(".json")
    if not path.is_file():
        raise IntegrityError(f"{path}: no such checkpoint", hint="a training writes it under its network's name")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        stated, config = card["sha256"], StudentConfig.from_dict(card["config"])
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        raise IntegrityError(f"{card_path}: no readable card for {path.name} ({error})") from error
    if "quantization" in card:
        raise UsageError(
            f"{path}: holds a network trained in 8 bits, which is exported with the float one it belongs to",
            hint=f"ensharpen-export --precision int8 --trained {path} --model and the float one",
        )
    if sha256_of(path) != stated:
        raise IntegrityError(f"{path}: differs from the sha256 on its card", hint="fetch or train it again")
    try:
        network = Student(config)
        network.load_state_dict(safetensors.load_file(path))
    except Exception as error:  # safetensors and torch each raise several classes here
        raise IntegrityError(f"{path}: does not hold a {config.name} ({error})") from error
    broken = [name for name, value in network.state_dict().items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise BadInputError(f"{path}: {broken[0]} holds NaN or Inf ({len(broken)} tensors do)")
    return Checkpoint(network.eval(), card, path)


def shipped_models() -> dict[str, Path]:
    """Return the names and files of the float checkpoints that come with the package."""
    folder = Path(str(resources.files("ensharpen_edge.weights")))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors")) if QUANTIZED not in path.stem}


def find_checkpoint(model: str) -> Checkpoint:
    """Load a shipped model by name, or any checkpoint by path.

    Raises:
        UsageError: Neither; names the nearest shipped model.
    """
    shipped = shipped_models()
    if model in shipped:
        return load_checkpoint(shipped[model])
    if model.endswith(".safetensors"):
        return load_checkpoint(Path(model))
    raise unknown_name("model", model, shipped)

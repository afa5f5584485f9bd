"""Quantized checkpoints: `NAME-int8.safetensors` with codes and steps, and `NAME-int8.json`, the card.

The file holds numbers only, and reading it needs no torch. For every convolution there are `NAME.weight`, its codes
(int8), and `NAME.weight:steps`, a step for each output channel; biases, and weights that stay float, are kept as they
are (float32). For every site, by the tensor's name in the graph, there are `TENSOR:step`, `TENSOR:first_step` (that
training began with) and `TENSOR:codes`: zero point, lowest and highest code, so that a value is
`(code - zero point) * step`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.calibration.qat.placement import Placement, find_placement
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError, require
from ensharpen_edge.files import sha256_of, whole_file
from ensharpen_edge.models.config import QUANTIZED

if TYPE_CHECKING:
    from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph

F32 = NDArray[np.float32]
I8 = NDArray[np.int8]

SUFFIX = QUANTIZED
_STEPS, _STEP, _FIRST, _CODES = ":steps", ":step", ":first_step", ":codes"
_LOWEST_INT8 = -128
_AGAIN = "fetch or train it again"


@dataclass(frozen=True)
class CodedWeight:
    """Weights of one convolution; their values are `codes * steps`.

    Attributes:
        codes: int8 (O, I / groups, rows, columns), from -127 to 127.
        steps: float32 (O,).
    """

    codes: I8
    steps: F32

    @property
    def values(self) -> F32:
        """float32, of the codes' shape."""
        return np.asarray(self.codes.astype(np.float32) * self.steps[:, None, None, None])


@dataclass(frozen=True)
class ActivationCodes:
    """Codes of one tensor, int8; their values are `(code - zero_point) * step`.

    Attributes:
        step: Difference between two codes' values, as float32.
        zero_point: Code of zero.
        lowest, highest: Ends of the codes. A lowest code that equals the zero point is a ReLU.
    """

    step: float
    zero_point: int
    lowest: int
    highest: int


IMAGE_CODES = ActivationCodes(float(np.float32(1.0 / 255.0)), -128, -128, 127)
"""Codes of the image, in and out, where a placement wants everything in codes: those of an 8-bit file, less 128."""


@dataclass(frozen=True)
class QuantizedCheckpoint:
    """A network trained in 8 bits.

    Attributes:
        placement: Where numbers become codes.
        weights: By initializer.
        floats: Biases, and weights that stay float, by initializer.
        sites: By tensor.
        card: What the network is: parent, graph, placement, settings, data, scores, sha256.
        path: The safetensors file.
    """

    placement: Placement
    weights: Mapping[str, CodedWeight]
    floats: Mapping[str, F32]
    sites: Mapping[str, ActivationCodes]
    card: Mapping[str, Any]
    path: Path = field(default=Path())

    @property
    def sha256(self) -> str:
        """Hash of the file, as verified on load."""
        return str(self.card["sha256"])

    @property
    def parent(self) -> str:
        """sha256 of the float checkpoint that it was trained from."""
        return str(self.card["quantization"]["parent"]["sha256"])

    @property
    def graph(self) -> str:
        """Hash of the float graph; see `calibration.run.graph_hash`."""
        return str(self.card["quantization"]["graph"])


def save_quantized(network: QuantizedGraph, path: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """Write codes and card; returns the card with the hash filled in.

    Args:
        network: Trained.
        path: Ends in `.safetensors`; the card goes beside it.
        card: See `card.quantized_card`.

    Raises:
        BadInputError: The files cannot be written; a number is NaN or infinite, or a step was never trained. Earlier
            files are untouched.
    """
    safetensors = require("safetensors.numpy", "train")
    arrays = _arrays(network)
    _check_numbers(path, arrays)
    _check_moved(path, arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path.with_suffix(".json")) as card_file, whole_file(path) as numbers:
            safetensors.save_file(arrays, numbers)
            full = {**card, "sha256": sha256_of(numbers)}
            card_file.write_text(json.dumps(full, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except (OSError, require("safetensors", "train").SafetensorError) as error:
        raise BadInputError(f"{path}: cannot be written ({error})", hint="free some space") from error
    return full


def _arrays(network: QuantizedGraph) -> dict[str, NDArray[Any]]:
    from ensharpen_edge.calibration.qat.fake_quant import weight_codes, weight_steps

    arrays: dict[str, NDArray[Any]] = {}
    for operation in network.network.convolutions:
        assert operation.weight is not None
        weight = network.tensor(operation.weight).detach().cpu()
        if operation.layer in network.placed.float_layers:
            arrays[operation.weight] = weight.numpy().copy()
        else:
            steps = weight_steps(weight)
            arrays[operation.weight] = weight_codes(weight, steps).numpy().astype(np.int8)
            arrays[operation.weight + _STEPS] = steps.numpy().astype(np.float32)
        if operation.bias:
            arrays[operation.bias] = network.tensor(operation.bias).detach().cpu().numpy().copy()
    for site in network.placed.sites:
        quantizer = network.quantizer(site.tensor)
        lowest, highest = quantizer.codes
        zero = 0 if network.placed.placement.symmetric else _LOWEST_INT8 - lowest
        arrays[site.tensor + _STEP] = np.array([quantizer.step], dtype=np.float32)
        arrays[site.tensor + _FIRST] = np.array([np.exp(float(quantizer.first_log_step))], dtype=np.float32)
        arrays[site.tensor + _CODES] = np.array([zero, lowest + zero, highest + zero], dtype=np.int32)
    return arrays


def load_quantized(path: Path, parent: str | None = None, graph: str | None = None) -> QuantizedCheckpoint:
    """Read codes and card, and check the hash and every number.

    Args:
        path: The safetensors file.
        parent: sha256 of the float checkpoint that it must belong to, or None for any.
        graph: Hash of the float graph that it must belong to, or None for any.

    Raises:
        IntegrityError: File or card missing or altered, not of this kind, or of another parent or graph.
        BadInputError: A number is NaN or infinite; a step is zero, or was never trained.
    """
    safetensors = require("safetensors.numpy", "train")
    card_path = path.with_suffix(".json")
    if not path.is_file():
        raise IntegrityError(f"{path}: no such checkpoint", hint="ensharpen-train quantize writes it")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        stated, about = card["sha256"], card["quantization"]
        placement, belongs = find_placement(about["placement"]), (about["parent"]["sha256"], about["graph"])
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        raise IntegrityError(f"{card_path}: no readable card for {path.name} ({error})", hint=_AGAIN) from error
    if sha256_of(path) != stated:
        raise IntegrityError(f"{path}: differs from the sha256 on its card", hint=_AGAIN)
    for what, wanted, found in (("checkpoint", parent, belongs[0]), ("graph", graph, belongs[1])):
        if wanted is not None and wanted != found:
            raise IntegrityError(
                f"{path}: was trained from another float {what} ({found[:12]}, this one is {wanted[:12]})",
                hint="quantize this network anew, or give the one that it was trained from",
            )
    try:
        arrays = safetensors.load_file(path)
    except Exception as error:  # safetensors raises several classes here
        raise IntegrityError(f"{path}: holds no numbers ({error})", hint=_AGAIN) from error
    _check_numbers(path, arrays)
    _check_moved(path, arrays)
    try:
        return QuantizedCheckpoint(placement, *_sorted(arrays), card, path)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise IntegrityError(f"{path}: is no quantized checkpoint ({error})", hint=_AGAIN) from error


def _sorted(
    arrays: Mapping[str, NDArray[Any]],
) -> tuple[dict[str, CodedWeight], dict[str, F32], dict[str, ActivationCodes]]:
    """Weights, floats and sites.

    Raises:
        KeyError: A part is missing.
        ValueError: One has another type or shape than it must.
    """
    weights, floats, sites = {}, {}, {}
    for name, values in arrays.items():
        if name.endswith(_CODES):
            tensor = name.removesuffix(_CODES)
            zero, lowest, highest = (int(code) for code in values)
            if not _LOWEST_INT8 <= lowest <= zero <= highest <= 127:
                raise ValueError(f"{name}: codes {lowest} to {highest} around {zero}")
            sites[tensor] = ActivationCodes(float(arrays[tensor + _STEP][0]), zero, lowest, highest)
        elif values.dtype == np.int8:
            steps = arrays[name + _STEPS]
            if values.ndim != 4 or steps.shape != values.shape[:1]:
                raise ValueError(f"{name}: codes of {values.shape}, steps of {steps.shape}")
            weights[name] = CodedWeight(values, steps)
        elif not name.endswith((_STEPS, _STEP, _FIRST)):
            floats[name] = np.asarray(values, dtype=np.float32)
    if not weights or not sites:
        raise ValueError("no codes in it")
    return weights, floats, sites


def _check_numbers(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise BadInputError(f"{path}: {name} holds NaN or Inf", hint=_AGAIN)
        if name.endswith((_STEPS, _STEP)) and not (values > 0.0).all():
            raise BadInputError(f"{path}: {name} is zero or negative, so nothing can be rounded to it", hint=_AGAIN)


def _check_moved(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    steps = {name.removesuffix(_STEP): value for name, value in arrays.items() if name.endswith(_STEP)}
    still = [tensor for tensor, step in steps.items() if np.array_equal(step, arrays.get(tensor + _FIRST, np.nan))]
    if still:
        raise BadInputError(
            f"{path}: {len(still)} of {len(steps)} steps between codes are those that training began with, the first "
            f"that of {still[0]}: they were never trained",
            hint="train longer, or without what freezes them",
        )


def restored(model: Any, checkpoint: QuantizedCheckpoint) -> QuantizedGraph:  # noqa: ANN401 (onnx.ModelProto)
    """The network of a checkpoint, in evaluation mode, as it was validated.

    Args:
        model: Its float graph, in which the numbers are replaced.
        checkpoint: Quantized checkpoint of that graph.

    Raises:
        IntegrityError: Not of that graph.
    """
    import torch

    from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph

    network = QuantizedGraph(model, checkpoint.placement)
    values = {name: weight.values for name, weight in checkpoint.weights.items()} | dict(checkpoint.floats)
    wanted = {name for o in network.network.convolutions for name in (o.weight, o.bias) if name}
    sites = {site.tensor for site in network.placed.sites}
    if values.keys() != wanted or checkpoint.sites.keys() != sites:
        odd = sorted((values.keys() ^ wanted) | (checkpoint.sites.keys() ^ sites))
        raise IntegrityError(f"{checkpoint.path}: does not fit the graph, which differs in {odd[0]} ({len(odd)} names)")
    try:
        with torch.no_grad():
            for name, numbers in values.items():
                network.tensor(name).copy_(torch.from_numpy(numbers))
    except RuntimeError as error:
        raise IntegrityError(f"{checkpoint.path}: does not fit the graph ({error})") from error
    for tensor, codes in checkpoint.sites.items():
        ends = codes.lowest - codes.zero_point, codes.highest - codes.zero_point
        network.quantizer(tensor).set_range(codes.step, *ends)
    network.on_grid = True
    return network.eval()

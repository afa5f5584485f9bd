"""A quantized file operator by operator: each is given the file's own codes, and must write what the reference would.

Compared end to end, files of integers differ from their simulation, because differences of one code grow from layer to
layer. One operator at a time, they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.errors import ParityError

if TYPE_CHECKING:
    from torch import Tensor

    from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph

Tensors = Callable[[F32], Mapping[str, F32]]
"""Run a file on float32 (1, 3, H, W) in [0, 1]: every tensor that it holds in codes, as float32 (1, C, H, W), by its
name in the graph."""

WITHIN_ONE_CODE = 0.999
"""Smallest share of an operator's values that must be within one code of the reference."""

_PIXEL = 1.0 / 255.0


@dataclass(frozen=True)
class OperatorReport:
    """One operator, over all images.

    Attributes:
        tensor: What it writes, by the name in the graph.
        kind: Operator.
        equal: Share of values in the reference's very code.
        within_one: Share of values within one code.
        worst: Largest difference in codes.
    """

    tensor: str
    kind: str
    equal: float
    within_one: float
    worst: float


def compare_operators(reference: QuantizedGraph, tensors: Tensors, images: Iterable[F32]) -> tuple[OperatorReport, ...]:
    """Compare every operator whose output the file holds.

    Args:
        reference: The network as it was trained, in evaluation mode.
        tensors: Runs the file.
        images: float32 (1, 3, H, W) in [0, 1].

    Raises:
        ParityError: The file does not hold all of the reference's tensors in codes.
    """
    counted: dict[tuple[str, str], _Count] = {}
    for image in images:
        found, wanted = tensors(image), _coded(reference)
        missing = [name for name in wanted if name not in found]
        if missing:
            raise ParityError(
                f"the file does not hold {missing[0]} in codes, as it was trained ({len(missing)} of {len(wanted)} "
                "tensors)"
            )
        differences = _differences if reference.placed.placement.everything else _read_differences
        for key, codes in differences(reference, found, image):
            counted.setdefault(key, _Count()).add(codes)
    return tuple(count.report(*key) for key, count in counted.items())


class _Count:
    """Counts differences of one operator."""

    def __init__(self) -> None:
        self._all = self._equal = self._within_one = 0
        self._worst = 0.0

    def add(self, codes: F32) -> None:
        """Add the differences of one image, in codes; what is no number differs by infinitely many."""
        self._all += codes.size
        self._equal += int((codes == 0).sum())
        self._within_one += int((codes <= 1).sum())
        self._worst = max(self._worst, float(codes.max()))

    def report(self, tensor: str, kind: str) -> OperatorReport:
        return OperatorReport(tensor, kind, self._equal / self._all, self._within_one / self._all, self._worst)


def check_operators(reports: Iterable[OperatorReport]) -> None:
    """Hold every operator to `WITHIN_ONE_CODE`.

    Raises:
        ParityError: Names the first one that computes something else.
    """
    for report in reports:
        if not report.within_one >= WITHIN_ONE_CODE:
            raise ParityError(
                f"{report.kind} writes other codes than it was trained with: {1 - report.within_one:.2%} of "
                f"{report.tensor} are off by more than one, up to {report.worst:.0f}",
                hint="the operators before it are right: its weights, steps or geometry are not",
            )


def _coded(reference: QuantizedGraph) -> list[str]:
    """Return the tensors that the file must hold in codes: what is written so, or else what convolutions read so."""
    if reference.placed.placement.everything:
        return [site.tensor for site in reference.placed.sites]
    return list(dict.fromkeys(o.inputs[0] for o in reference.network.operations if reference.read_site(o)))


def _read_differences(
    reference: QuantizedGraph, found: Mapping[str, F32], image: F32
) -> Iterable[tuple[tuple[str, str], F32]]:
    """The same where convolutions read codes, and everything else what was not rounded: the codes that each reads are
    compared with what the operators before it make of the codes that the convolutions before it read."""
    import torch

    network = reference.network
    values, kinds = {network.image: reference.entered(torch.from_numpy(image))}, {network.image: "image"}
    looked_at: set[str] = set()
    with torch.inference_mode():
        for operation in network.operations:
            inputs = [values[name] for name in operation.inputs]
            site, name = reference.read_site(operation), operation.inputs[0]
            if site is not None:
                if name not in looked_at:
                    looked_at.add(name)
                    codes = _codes_between(
                        reference.quantizer(site)(inputs[0]), found[name], reference.quantizer(site).step
                    )
                    yield (name, kinds[name]), codes
                inputs[0] = torch.from_numpy(np.ascontiguousarray(found[name]))
            values[operation.output] = reference.computed(operation, inputs)
            kinds[operation.output] = operation.kind


def _codes_between(value: Tensor, held: F32, step: float) -> F32:
    codes = np.rint(np.abs(value.numpy() - held) / np.float32(step))
    return np.asarray(np.nan_to_num(codes, nan=np.inf, posinf=np.inf))


def _differences(
    reference: QuantizedGraph, found: Mapping[str, F32], image: F32
) -> Iterable[tuple[tuple[str, str], F32]]:
    import torch

    network = reference.network
    values = {network.image: reference.entered(torch.from_numpy(image))}
    final = network.source(network.sharp)
    with torch.inference_mode():
        for operation in network.operations:
            inputs = [values[name] for name in operation.inputs]
            value = reference.computed(operation, inputs)
            held = found.get(operation.output)
            if held is None:
                values[operation.output] = value
                continue
            values[operation.output] = torch.from_numpy(np.ascontiguousarray(held))
            if operation.output in reference.placed or operation.output == final:
                step = _PIXEL if operation.output == final else reference.quantizer(operation.output).step
                yield (operation.output, operation.kind), _codes_between(value, held, step)

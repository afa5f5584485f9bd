"""Distance of a network from the limits of this machine, layer by layer.

Roofline model: Williams, Waterman, Patterson: Roofline, an insightful visual performance model, 2009. A layer cannot
take less than its multiplications over the machine's peak, nor less than its bytes over the bandwidth. Both are
measured here, on graphs of one operator in the runtime that runs the network, instead of being read off a data sheet.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.speed.onnx_model import OnnxModel
from ensharpen_edge.benchmarks.speed.operator_times import NodeTime, node_times, profile_onnx
from ensharpen_edge.benchmarks.speed.statistics import summarize
from ensharpen_edge.benchmarks.speed.subjects import timed_size
from ensharpen_edge.benchmarks.speed.timing import Effort, measure
from ensharpen_edge.errors import require
from ensharpen_edge.progress import Progress, no_progress, of_part

DENSE, POINTWISE, DEPTHWISE = "dense 3x3", "pointwise", "depthwise 3x3"
FLOAT, CODES = "fp32", "int8"

_SIDE = 128
_CHANNELS = (16, 32, 64)
_DEPTH = 4
"""Number of layers in a row, so that one of them finds its input where the last one left it."""

_ROUNDS = 10


@dataclass(frozen=True)
class Peaks:
    """Best rates of this machine, with the given number of threads.

    Attributes:
        threads: CPU threads of the runtime; 0 for `OMP_NUM_THREADS`, or all cores.
        rates: Billions of multiply-adds per second, by (kind of convolution, numbers).
        bandwidth: Billions of bytes per second read and written, by numbers too large for the caches.
    """

    threads: int
    rates: dict[tuple[str, str], float]
    bandwidth: float


@dataclass(frozen=True)
class LayerRoof:
    """One node against the limits of the machine.

    Attributes:
        node: The node as it ran.
        kind: Kind of convolution, or the operator.
        numbers: Numbers that it computes with, fp32 or int8.
        gmacs: Billions of multiply-adds.
        megabytes: Megabytes read and written, weights included.
        attainable: Milliseconds that the machine would need at least.
    """

    node: NodeTime
    kind: str
    numbers: str
    gmacs: float
    megabytes: float
    attainable: float

    @property
    def share(self) -> float:
        """Attainable over achieved time; 1 is the limit, and small layers that stay in caches can exceed it."""
        return self.attainable / self.node.milliseconds if self.node.milliseconds else 0.0


@dataclass(frozen=True)
class RooflineRequest:
    """An artifact, and how to time it.

    Attributes:
        artifact: Folder of an ONNX artifact.
        size: (height, width) of the image, for artifacts that take any.
        threads: CPU threads.
        rounds: Number of runs; the median of each layer counts.
    """

    artifact: Path
    size: tuple[int, int] = (512, 512)
    threads: int = 1
    rounds: int = 15


@dataclass(frozen=True)
class Roofline:
    """A network against what the machine would allow.

    Attributes:
        size: (height, width) of the image.
        peaks: Best rates of the machine.
        layers: Every node, in the order they ran.
    """

    size: tuple[int, int]
    peaks: Peaks
    layers: tuple[LayerRoof, ...]

    @property
    def milliseconds(self) -> float:
        """Time of all layers."""
        return sum(layer.node.milliseconds for layer in self.layers)

    @property
    def attainable(self) -> float:
        """Milliseconds that the machine would allow; a layer that is faster than its limit needs no faster."""
        return sum(min(layer.attainable, layer.node.milliseconds) for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON types."""
        rates = self.peaks.rates.items()
        return {
            "threads": self.peaks.threads,
            "peaks": [{"kind": kind, "numbers": numbers, "gmacs": rate} for (kind, numbers), rate in rates],
            "gigabytes_per_second": self.peaks.bandwidth,
            "layers": [{**dataclasses.asdict(layer), "share": layer.share} for layer in self.layers],
            "milliseconds": self.milliseconds,
            "attainable": self.attainable,
        }


def measure_roofline(request: RooflineRequest, progress: Progress = no_progress) -> Roofline:
    """Measure this machine's peaks, then every layer of a network against what they allow.

    Raises:
        UsageError: The artifact's file is no ONNX file.
        MissingToolError: onnx or onnxruntime is not installed.
        IntegrityError: The artifact is damaged.
    """
    artifact = Artifact.open(request.artifact)
    size = timed_size(artifact, request.size)
    peaks = measure_peaks(request.threads, of_part(progress, "peaks"))
    progress("timing layers")
    return Roofline(size, peaks, tuple(layer_roofs(artifact, size, peaks, request.rounds)))


def measure_peaks(threads: int, progress: Progress = no_progress) -> Peaks:
    """Return the best rates over several widths, each a few layers deep.

    Raises:
        MissingToolError: onnx or onnxruntime is not installed.
    """
    rates: dict[tuple[str, str], float] = {}
    for numbers in (FLOAT, CODES):
        for kind in (DENSE, POINTWISE, DEPTHWISE):
            progress(f"{kind}, {numbers}")
            rates[kind, numbers] = max(_rate(kind, numbers, channels, threads) for channels in _CHANNELS)
    progress("bandwidth")
    return Peaks(threads, rates, _bandwidth(threads))


def layer_roofs(artifact: Artifact, size: tuple[int, int], peaks: Peaks, rounds: int) -> list[LayerRoof]:
    """Return every node of an ONNX artifact, in the order they ran.

    Raises:
        UsageError: The artifact's file is no ONNX file.
    """
    nodes = node_times(artifact, size, peaks.threads, rounds)
    return [_roof(node, peaks) for node in nodes]


def _roof(node: NodeTime, peaks: Peaks) -> LayerRoof:
    numbers = CODES if node.operator.startswith(("QLinear", "ConvInteger")) else FLOAT
    kind, gmacs = _work(node)
    megabytes = node.moved / 1e6
    by_bandwidth = megabytes / peaks.bandwidth
    by_compute = 1000 * gmacs / peaks.rates[kind, numbers] if gmacs else 0.0
    return LayerRoof(node, kind, numbers, gmacs, megabytes, max(by_bandwidth, by_compute))


def _work(node: NodeTime) -> tuple[str, float]:
    """Return the kind of a convolution and its billions of multiply-adds; the operator and 0 for anything else.

    Channels that the runtime pads to full blocks count, because it computes them.
    """
    if "Conv" not in node.operator or not node.outputs:
        return node.operator, 0.0
    kernels = [shape for shape in node.inputs[1:] if len(shape) == 4]
    if not kernels:
        return node.operator, 0.0
    outputs, per_group, rows, columns = kernels[0]
    # A transposed kernel is (in, out, rows, columns), and every input pixel meets all of it.
    pixels = math.prod((node.inputs if "Transpose" in node.operator else node.outputs)[0][2:])
    gmacs = pixels * outputs * per_group * rows * columns / 1e9
    if per_group == 1 and outputs > 1:
        return DEPTHWISE, gmacs
    return (POINTWISE if rows == columns == 1 else DENSE), gmacs


def _rate(kind: str, numbers: str, channels: int, threads: int) -> float:
    """Return billions of multiply-adds per second of the fastest of a few equal layers, without conversions."""
    model, gmacs = _stack(kind, numbers, channels)
    batch = np.ones((1, channels, _SIDE, _SIDE), dtype=np.float32)
    nodes = profile_onnx(model, {_wire(0): batch}, threads, _ROUNDS)
    fastest = min(node.milliseconds for node in nodes if "Conv" in node.operator)
    return 1000 * gmacs / _DEPTH / fastest


def _stack(kind: str, numbers: str, channels: int) -> tuple[bytes, float]:
    """Return a graph of equal layers and its billions of multiply-adds; 8-bit layers hand on codes."""
    onnx: Any = require("onnx", "onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    side, groups = (1, 1) if kind == POINTWISE else (3, channels if kind == DEPTHWISE else 1)
    per_group = channels // groups
    weight = np.random.default_rng(0).normal(0, 0.05, (channels, per_group, side, side)).astype(np.float32)
    options = {"kernel_shape": [side, side], "pads": [side // 2] * 4, "group": groups}
    nodes, constants = [], []
    if numbers == FLOAT:
        constants.append(numpy_helper.from_array(weight, "w"))
        for layer in range(_DEPTH):
            nodes.append(helper.make_node("Conv", [_wire(layer), "w"], [_wire(layer + 1)], **options))
    else:
        codes = np.clip(np.rint(weight * 400), -63, 63).astype(np.int8)  # 7 bits: older x86 cores saturate with 8
        scale, zero = np.float32(0.01), np.uint8(128)
        for name, value in (("w", codes), ("s", scale), ("z", zero), ("ws", np.float32(0.0025)), ("wz", np.int8(0))):
            constants.append(numpy_helper.from_array(np.asarray(value), name))
        nodes.append(helper.make_node("QuantizeLinear", ["x0", "s", "z"], ["q0"]))
        for layer in range(_DEPTH):
            inputs = [f"q{layer}", "s", "z", "w", "ws", "wz", "s", "z"]
            nodes.append(helper.make_node("QLinearConv", inputs, [f"q{layer + 1}"], **options))
        nodes.append(helper.make_node("DequantizeLinear", [f"q{_DEPTH}", "s", "z"], [_wire(_DEPTH)]))
    shape = [1, channels, _SIDE, _SIDE]
    graph = helper.make_graph(
        nodes,
        "stack",
        [helper.make_tensor_value_info(_wire(0), onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(_wire(_DEPTH), onnx.TensorProto.FLOAT, shape)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    gmacs = _DEPTH * channels * per_group * side * side * _SIDE * _SIDE / 1e9
    return model.SerializeToString(), gmacs


def _wire(layer: int) -> str:
    return f"x{layer}"


def _bandwidth(threads: int) -> float:
    """Measure ONNX Runtime's addition of a constant to 64 MB: each value is read once and written once."""
    onnx: Any = require("onnx", "onnx")
    helper, count = onnx.helper, 16 * 1024 * 1024
    shape = [1, 16, 1024, count // (16 * 1024)]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "c"], ["y"])],
        "add",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(np.float32(1.0).reshape(()), "c")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    session = OnnxModel(model, "add", threads)
    batch = np.ones(shape, dtype=np.float32)
    (seconds,) = measure([lambda: session.run(batch)], Effort(fewest=8, most=8))
    return 2 * 4 * count / summarize(seconds).minimum / 1e9

"""The quantizer: everything that decides a quantized network but the choice of its layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ensharpen_edge.arrays import F64
from ensharpen_edge.calibration.fake_quantize import fake_quantized
from ensharpen_edge.calibration.image_ends import IMAGE_RANGE, image_tensors
from ensharpen_edge.calibration.layers import Layer, find_layers
from ensharpen_edge.calibration.quantize import quantizable, quantize, quantized_reads
from ensharpen_edge.calibration.ranges import METHODS, Range, RangeConfig, find_range
from ensharpen_edge.calibration.rounding import ROUNDINGS, rounded_weights
from ensharpen_edge.calibration.schemes import QuantizationScheme, find_scheme
from ensharpen_edge.calibration.table import CalibrationTable
from ensharpen_edge.errors import unknown_name

Reads = Mapping[str, frozenset[str] | None]


@dataclass(frozen=True)
class QuantizationSettings:
    """Names of the scheme, the range method and the rounding of weights.

    Attributes:
        scheme: Name in `schemes.SCHEMES`.
        method: Range method in `ranges.METHODS`.
        rounding: Name in `rounding.ROUNDINGS`.
    """

    scheme: str = "onnx"
    method: str = "percentile"
    rounding: str = "moments"

    def __post_init__(self) -> None:
        find_scheme(self.scheme)
        for kind, name, known in (("range method", self.method, METHODS), ("rounding", self.rounding, ROUNDINGS)):
            if name not in known:
                raise unknown_name(kind, name, known)


class GraphQuantizer(ABC):
    """A float graph that is ready to be quantized in any choice of layers.

    Args:
        model: onnx.ModelProto.
        scheme: How the target wants its numbers.
    """

    def __init__(self, model: Any, scheme: QuantizationScheme) -> None:  # noqa: ANN401
        self.model = model
        self.scheme = scheme
        self.layers: tuple[Layer, ...] = quantizable(find_layers(model), scheme)

    @property
    @abstractmethod
    def ranges(self) -> Mapping[str, Range]:
        """Range of every tensor, by name."""

    @abstractmethod
    def rounded(self, layers: Sequence[Layer]) -> tuple[Any, Mapping[str, F64]]:
        """Return a float graph whose weights lie on the grid of their codes, and their (O,) steps by initializer."""

    def reads(self, layers: Sequence[Layer]) -> Reads:
        """Return the tensors that are read in codes with these layers quantized (see `quantize.quantized_reads`)."""
        return quantized_reads(layers, self.scheme)

    def quantized(self, layers: Sequence[Layer]) -> Any:  # noqa: ANN401
        """Return the graph with quantize / dequantize pairs."""
        rounded, steps = self.rounded(layers)
        return quantize(rounded, layers, self.ranges, self.scheme, steps)


class Quantizer(GraphQuantizer):
    """A float graph with its calibration.

    Args:
        model: onnx.ModelProto, the equalised graph whose tensors the table describes.
        table: The graph's calibration table.
        settings: See `QuantizationSettings`.
    """

    def __init__(self, model: Any, table: CalibrationTable, settings: QuantizationSettings) -> None:  # noqa: ANN401
        super().__init__(model, find_scheme(settings.scheme))
        self.table = table
        self.settings = settings

    @cached_property
    def ranges(self) -> dict[str, Range]:
        """Range of every tensor, by name."""
        config = RangeConfig(self.settings.method)
        found = {
            name: find_range(histogram, self.scheme.activations, config)
            for name, histogram in self.table.histograms.items()
        }
        wide = self.scheme.headroom
        found = {name: Range(span.low * wide, span.high * wide) for name, span in found.items()}
        images = image_tensors(self.model) if self.scheme.image_codes else frozenset()
        return {**found, **dict.fromkeys(images, IMAGE_RANGE)}

    def simulated(self, layers: Sequence[Layer], reads: Reads) -> Any:  # noqa: ANN401
        """Return a float graph that rounds the weights of some layers, and some activations for some readers."""
        return fake_quantized(self.rounded(layers)[0], reads, self.ranges, self.scheme.activations)

    def rounded(self, layers: Sequence[Layer]) -> tuple[Any, dict[str, F64]]:
        """Return a float graph whose weights lie on the grid of their codes, and their (O,) steps by initializer."""
        return rounded_weights(
            self.model, layers, self.table.moments, self.scheme.largest_weight, self.settings.rounding
        )

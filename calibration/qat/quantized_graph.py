"""The network as its integer file will compute it: weights and activations rounded, every operation otherwise exact."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ensharpen_edge.calibration.qat.fake_quant import FakeQuantizer, rounded_weight
from ensharpen_edge.calibration.qat.graph_module import RELU, GraphModule, Operation, parameter_key
from ensharpen_edge.calibration.qat.placement import Placement, place
from ensharpen_edge.degrade.soft_photo import to_eight_bit


class QuantizedGraph(GraphModule):
    """A graph with rounding at the sites of a placement.

    In evaluation mode the image in and the image out are rounded to the 256 codes of a file where the placement wants
    everything in codes; training gives it such images, and leaves the output free.

    Args:
        model: onnx.ModelProto; see `graph_module.read_network`.
        placement: What is rounded.

    Attributes:
        placed: The sites.
        quantizers: By site; see `quantizer`.
        rounds: Whether anything is rounded at all; see `exactly`.
        on_grid: The weights lie on the grid of their codes already, as those of a quantized checkpoint do.
    """

    def __init__(self, model: Any, placement: Placement) -> None:  # noqa: ANN401 (onnx.ModelProto)
        super().__init__(model)
        self.placed = place(self.network, placement)
        self.quantizers = nn.ModuleDict({parameter_key(site.tensor): FakeQuantizer() for site in self.placed.sites})
        self.rounds = True
        self.on_grid = False
        self._final = self.network.source(self.network.sharp)
        self._positive = {site.tensor for site in self.placed.sites if site.positive}
        self._written = {site.tensor for site in self.placed.sites} if placement.everything else set()
        self._read = {} if placement.everything else {
            operation.output: self.network.source(operation.inputs[0])
            for operation in self.network.convolutions
            if operation.layer not in self.placed.float_layers
        }  # fmt: skip

    def quantizer(self, tensor: str) -> FakeQuantizer:
        """The rounding of a site."""
        found = self.quantizers[parameter_key(tensor)]
        assert isinstance(found, FakeQuantizer)
        return found

    def weight_parameters(self) -> list[nn.Parameter]:
        """Weights and biases."""
        return list(self.tensors.values())

    def step_parameters(self) -> list[nn.Parameter]:
        """Logarithms of the sites' steps, in the order of the sites."""
        return [self.quantizer(site.tensor).log_step for site in self.placed.sites]

    @contextmanager
    def exactly(self) -> Iterator[None]:
        """Within the block nothing is rounded."""
        self.rounds = False
        try:
            yield
        finally:
            self.rounds = True

    def weight(self, operation: Operation) -> Tensor:
        """See `GraphModule.weight`."""
        plain = super().weight(operation)
        if not self.rounds or self.on_grid or operation.layer in self.placed.float_layers:
            return plain
        return rounded_weight(plain)

    def entered(self, image: Tensor) -> Tensor:
        """See `GraphModule.entered`."""
        return to_eight_bit(image) if self._rounds_images() else image

    def computed(self, operation: Operation, inputs: list[Tensor]) -> Tensor:
        """See `GraphModule.computed`."""
        if not self.rounds:
            return super().computed(operation, inputs)
        if operation.output in self._read:
            inputs = [self.quantizer(self._read[operation.output])(inputs[0])]
        if operation.output in self._written:
            # Codes that begin at zero are a ReLU by themselves.
            value = inputs[0] if operation.kind == RELU else super().computed(operation, inputs)
            rounded: Tensor = self.quantizer(operation.output)(value)
            return rounded
        value = super().computed(operation, inputs)
        if operation.output == self._final and self._rounds_images():
            return to_eight_bit(value)
        return value

    def read_site(self, operation: Operation) -> str | None:
        """Return the site whose step a convolution's input is rounded with; None where operations read what was rounded
        when it was written, or what is not rounded."""
        return self._read.get(operation.output)

    def _rounds_images(self) -> bool:
        return self.rounds and not self.training and self.placed.placement.everything

"""A network that was trained in 8 bits, on its way into a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensharpen_edge.calibration.layers import Layer
from ensharpen_edge.calibration.qat.checkpoint import QuantizedCheckpoint, load_quantized, restored
from ensharpen_edge.calibration.qat.trained_quantizer import TrainedQuantizer
from ensharpen_edge.calibration.run import FloatGraph
from ensharpen_edge.calibration.schemes import find_scheme
from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.proof.ladder import Rung

if TYPE_CHECKING:
    from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph


@dataclass(frozen=True)
class Trained:
    """A quantized checkpoint with the float graph that it belongs to.

    Attributes:
        quantizer: The graph with the checkpoint's numbers.
        checkpoint: The checkpoint.
        reference: The network in torch, as it was trained and judged: what a file must compute.
    """

    quantizer: TrainedQuantizer
    checkpoint: QuantizedCheckpoint
    reference: QuantizedGraph

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers in codes."""
        return self.quantizer.layers

    @property
    def key(self) -> str | None:
        """There is no calibration table."""
        return None

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """No form on the way computes what the float network does."""
        return ()

    def describe(self) -> dict[str, Any]:
        """Return the facts for the report and the manifest, as JSON types."""
        floats = sorted(self.checkpoint.floats.keys() - {layer.bias for layer in self.layers})
        return {
            "scheme": self.quantizer.scheme.name,
            "trained": {
                "checkpoint_sha256": self.checkpoint.sha256,
                "placement": self.checkpoint.placement.name,
                "file": self.checkpoint.path.name,
            },
            "largest_weight": self.quantizer.scheme.largest_weight,
            "int8_layers": len(self.layers),
            "float_layers": floats,
            "skipped": [],
        }


def open_trained(path: Path, graph: FloatGraph, scheme: str) -> Trained:
    """Read a quantized checkpoint for a float graph.

    Args:
        path: Its safetensors file.
        graph: The float graph of the network that is exported.
        scheme: Name of the target's scheme.

    Raises:
        IntegrityError: The file is damaged, or belongs to another network.
        BadInputError: A number in it is none.
        UsageError: Its placement is not one of the scheme's.
    """
    checkpoint = load_quantized(path, graph.weights, graph.sha256)
    placement, row = checkpoint.placement.name, find_scheme(scheme)
    if placement not in row.placements:
        raise UsageError(
            f"{path}: rounds {placement!r}, which files of the scheme {scheme!r} cannot; they take "
            f"{', '.join(row.placements)}",
            hint=f"ensharpen-train quantize --placement '{row.placements[0]}'",
        )
    quantizer = TrainedQuantizer(graph.model, checkpoint, row)
    return Trained(quantizer, checkpoint, restored(graph.model, checkpoint))

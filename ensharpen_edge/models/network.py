"""The network protocol: what calibration, export and the release gate ask of a network, whatever kind it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ensharpen_edge.arrays import F32
from ensharpen_edge.models.geometry import Geometry


@dataclass(frozen=True)
class NetworkFacts:
    """Origin of a network's weights, for manifests, cards and the keys of calibration tables.

    Attributes:
        sha256: Hash of the file that holds the weights.
        licence: Licence of the weights.
        training: Training data and settings, as JSON types; empty where nothing is known.
    """

    sha256: str = ""
    licence: str = "not stated"
    training: Mapping[str, Any] = field(default_factory=dict)


class Network(Protocol):
    """A network of one input and one output image, RGB in [0, 1]."""

    @property
    def name(self) -> str:
        """Short name, fit for file names."""
        ...

    @property
    def task(self) -> str:
        """One of `models.config.HEAD_SCALES`."""
        ...

    @property
    def enlarges(self) -> int:
        """How many times as high and wide as the input the output is."""
        ...

    @property
    def geometry(self) -> Geometry:
        """Stride, halo and receptive radius in input pixels, and whether tiles can equal the whole frame."""
        ...

    @property
    def fixed_size(self) -> bool:
        """Whether a graph of it holds one input size, so that it must be traced at the size it will run at."""
        ...

    @property
    def expected_operators(self) -> frozenset[str]:
        """ONNX operators that its options bring, and that would be a mistake in the graph of another network."""
        ...

    @property
    def config(self) -> dict[str, Any]:
        """Shape of the network as JSON types, for the manifest."""
        ...

    @property
    def facts(self) -> NetworkFacts:
        """Origin of the weights."""
        ...

    @property
    def definition(self) -> Any:  # noqa: ANN401
        """The object that computes it. `export.graph.onnx_graph.export_graph` makes the float ONNX graph of every type
        of object that is registered there."""
        ...

    def fold(self) -> Network:
        """Return a copy of plain convolutions that computes the same function."""
        ...

    def run(self, batch: F32) -> F32:
        """Compute float32 (1, 3, H, W) -> float32 (1, 3, sH, sW), both in [0, 1], where s is `enlarges`."""
        ...

"""A student with the card of its checkpoint, as a `Network`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ensharpen_edge.arrays import F32
from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.checkpoint import Checkpoint, find_checkpoint
from ensharpen_edge.models.config import HEAD_SCALES, StudentConfig
from ensharpen_edge.models.folding import fold_branches
from ensharpen_edge.models.geometry import Geometry, geometry
from ensharpen_edge.models.network import NetworkFacts
from ensharpen_edge.models.student import Student

_INTERPOLATION = frozenset({"Resize"})
_ATTENTION = frozenset({"Reshape", "Transpose"})


@dataclass(frozen=True)
class StudentNetwork:
    """Implements `models.network.Network`.

    Attributes:
        definition: The student, in evaluation mode.
        facts: Origin of its weights.

    Raises:
        UsageError: The student has several heads, and so returns several images.
    """

    definition: Student
    facts: NetworkFacts = field(default_factory=NetworkFacts)

    def __post_init__(self) -> None:
        heads = self.definition.config.heads
        if len(heads) > 1:
            raise UsageError(
                f"{self.name}: has {len(heads)} heads ({', '.join(heads)}), an artifact returns one image",
                hint="train one head, or take the ONNX graph from export.graph.onnx_graph.export_graph",
            )

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> StudentNetwork:
        """Return the network of a checkpoint."""
        card = checkpoint.card
        facts = NetworkFacts(
            checkpoint.sha256, str(card.get("licence", NetworkFacts.licence)), card.get("training", {})
        )
        return cls(checkpoint.network, facts)

    @property
    def name(self) -> str:
        """See `Network.name`."""
        return self.definition.config.name

    @property
    def task(self) -> str:
        """See `Network.task`."""
        return self.definition.config.heads[0]

    @property
    def enlarges(self) -> int:
        """See `Network.enlarges`."""
        return HEAD_SCALES[self.task]

    @property
    def geometry(self) -> Geometry:
        """See `Network.geometry`."""
        return geometry(self.definition.config)

    @property
    def fixed_size(self) -> bool:
        """See `Network.fixed_size`: attention cuts the frame into windows, whose number becomes a constant."""
        return self.definition.config.windows > 0

    @property
    def expected_operators(self) -> frozenset[str]:
        """See `Network.expected_operators`."""
        return expected_operators(self.definition.config)

    @property
    def config(self) -> dict[str, Any]:
        """See `Network.config`."""
        return self.definition.config.to_dict()

    def fold(self) -> StudentNetwork:
        """See `Network.fold`."""
        return replace(self, definition=fold_branches(self.definition))

    def run(self, batch: F32) -> F32:
        """See `Network.run`."""
        with torch.inference_mode():
            output: F32 = self.definition(torch.from_numpy(batch)).numpy()
        return output


def expected_operators(config: StudentConfig) -> frozenset[str]:
    """Return the ONNX operators that a student's options bring."""
    operators: frozenset[str] = frozenset()
    if config.upsampling in ("nearest", "bilinear") or config.attention == "block":
        operators |= _INTERPOLATION
    if config.windows:
        operators |= _ATTENTION
    return operators


def find_network(model: str) -> StudentNetwork:
    """Load a shipped model by name, or any checkpoint by path.

    Raises:
        UsageError: There is no such model (names the nearest), or it returns several images.
        IntegrityError: The weights are missing, altered, or not those of their card.
        BadInputError: A weight is NaN or infinite.
    """
    return StudentNetwork.of_checkpoint(find_checkpoint(model))

"""The network that a run starts with: fresh weights, or those of a smaller network."""

from __future__ import annotations

from dataclasses import dataclass

from ensharpen_edge.models.checkpoint import find_checkpoint
from ensharpen_edge.models.growth import grow
from ensharpen_edge.models.student import Student
from ensharpen_edge.training.config import TrainConfig


@dataclass(frozen=True)
class FirstNetwork:
    """A network before its first step.

    Attributes:
        network: Random where it is fresh, from torch's global generator.
        key: sha256 of the checkpoint that it grew from, empty without one.
    """

    network: Student
    key: str = ""


def first_network(config: TrainConfig) -> FirstNetwork:
    """Return the network of a run.

    Raises:
        UsageError: A checkpoint that does not fit into the network.
        IntegrityError: The checkpoint is damaged.
    """
    if config.start is None:
        return FirstNetwork(Student(config.model))
    checkpoint = find_checkpoint(config.start)
    return FirstNetwork(grow(checkpoint.network, config.model), checkpoint.sha256)

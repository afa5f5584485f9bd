"""What a run starts with: fresh weights, or those of a smaller student."""

from __future__ import annotations

from dataclasses import dataclass

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.checkpoint import find_checkpoint
from ensharpen_edge.models.config import StudentConfig
from ensharpen_edge.models.growth import grow
from ensharpen_edge.models.network import Network, build_network, require_student
from ensharpen_edge.training.config import TrainConfig


@dataclass(frozen=True)
class FirstNetwork:
    """A network before its first step.

    Attributes:
        network: Random where it is fresh, from torch's global generator.
        key: sha256 of the checkpoint that it grew from, empty without one.
    """

    network: Network
    key: str = ""


def first_network(config: TrainConfig) -> FirstNetwork:
    """The network of a run.

    Raises:
        UsageError: A teacher that should grow, or a checkpoint that does not fit into the network.
        IntegrityError: The checkpoint is damaged.
    """
    if config.start is None:
        return FirstNetwork(build_network(config.model))
    if not isinstance(config.model, StudentConfig):
        raise UsageError(f"{config.model.name!r} is a teacher: only students grow from a checkpoint")
    checkpoint = find_checkpoint(config.start)
    return FirstNetwork(grow(require_student(checkpoint.network), config.model), checkpoint.sha256)

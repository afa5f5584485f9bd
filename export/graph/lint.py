"""Demands of a network against what an artifact can be: checked before any conversion starts."""

from __future__ import annotations

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.network import Network


def check_exportable(network: Network, size: tuple[int, int] | None) -> None:
    """Refuse what no artifact can hold, with the reason.

    Args:
        network: The network to export.
        size: Static (height, width), or None for free sizes.

    Raises:
        UsageError: Names the network's property and what to do instead.
    """
    shape = network.geometry
    if size is None:
        if network.fixed_size:
            raise UsageError(
                f"{network.name}: cuts the frame into windows, as many as it holds, so its graph needs a fixed size",
                hint="add --size 512x512",
            )
        return
    if not shape.tile_exact:
        raise UsageError(
            f"{network.name}: looks at the whole frame, so a fixed size cannot be tiled exactly",
            hint="train with attention: block, or leave --size out for a target that takes any size",
        )
    if any(side % shape.total_stride for side in size):
        raise UsageError(
            f"--size {size[0]}x{size[1]}: the sides must be multiples of {shape.total_stride} for {network.name}"
        )
    smallest = 2 * shape.halo + shape.total_stride
    if min(size) < smallest:
        raise UsageError(
            f"--size {size[0]}x{size[1]}: larger photographs could not be cut for it",
            hint=f"{network.name} needs windows of at least {smallest}x{smallest}: a halo of {shape.halo} on each side",
        )

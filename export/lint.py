"""What a network needs, against what the exported artifact can be: checked before any conversion starts."""

from __future__ import annotations

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.config import StudentConfig
from ensharpen_edge.models.geometry import geometry

_INTERPOLATION = frozenset({"Resize"})
_ATTENTION = frozenset({"Reshape", "Transpose"})


def check_exportable(config: StudentConfig, size: tuple[int, int] | None) -> None:
    """Refuse what no artifact can hold, with the reason.

    Args:
        config: Of the network.
        size: Static (height, width), or None for free sizes.

    Raises:
        UsageError: Names the option and what to do instead.
    """
    if len(config.heads) > 1:
        raise UsageError(
            f"{config.name}: has {len(config.heads)} heads ({', '.join(config.heads)}), an artifact returns one image",
            hint="train one head, or take the ONNX graph from export.targets.onnx.export_graph",
        )
    if config.windows and size is None:
        raise UsageError(
            f"{config.name}: window attention cuts the frame into windows, and its graph needs a fixed size",
            hint="add --size 512x512",
        )
    if config.attention == "channel" and size is not None:
        raise UsageError(
            f"{config.name}: channel attention looks at the whole frame, so a fixed size cannot be tiled exactly",
            hint="train with attention: block, or leave --size out for a target that takes any size",
        )
    if size and any(side % config.total_stride for side in size):
        raise UsageError(
            f"--size {size[0]}x{size[1]}: the sides must be multiples of {config.total_stride} for {config.name}"
        )
    shape = geometry(config)
    smallest = 2 * shape.halo + shape.total_stride
    if size and min(size) < smallest:
        raise UsageError(
            f"--size {size[0]}x{size[1]}: larger photographs could not be cut for it",
            hint=f"{config.name} needs windows of at least {smallest}x{smallest}: a halo of {shape.halo} on each side",
        )


def expected_operators(config: StudentConfig) -> frozenset[str]:
    """Operators that the options of a network bring, and that would be a mistake in the graph of another."""
    operators: frozenset[str] = frozenset()
    if config.upsampling in ("nearest", "bilinear") or config.attention == "block":
        operators |= _INTERPOLATION
    if config.windows:
        operators |= _ATTENTION
    return operators

"""Smaller weights by coremltools' own compression: fewer bits on a line, or indices into a palette of values."""

from __future__ import annotations

from typing import Any

from ensharpen_edge.export.precision import Precision

_SMALLEST = 256
"""Weights of fewer values are left alone."""


def compress_weights(model: Any, precision: Precision) -> Any:  # noqa: ANN401 (coremltools.models.MLModel)
    """Return a model with weights of a compressed precision; it computes in floats.

    Palettes are found by k-means; steps on a line are symmetric, one for each output channel.
    """
    import coremltools.optimize.coreml as tools

    bits = precision.weight_bits
    if precision.palette:
        palette = tools.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=_SMALLEST)
        return tools.palettize_weights(model, tools.OptimizationConfig(global_config=palette))
    line = tools.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype=f"int{bits}", granularity="per_channel", weight_threshold=_SMALLEST
    )
    return tools.linear_quantize_weights(model, tools.OptimizationConfig(global_config=line))


def oldest_system(precision: Precision) -> str:
    """Return the oldest system that reads weights of a compressed precision."""
    return "iOS18" if precision.weight_bits < 8 and not precision.palette else "iOS16"

"""Smaller weights by coremltools' own compression. A new way is one line in `COMPRESSIONS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Compress = Callable[[Any, Any], Any]
"""(coremltools.optimize.coreml, model) -> model."""


def _palette(bits: int) -> Compress:
    def compress(tools: Any, model: Any) -> Any:  # noqa: ANN401
        settings = tools.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=_SMALLEST)
        return tools.palettize_weights(model, tools.OptimizationConfig(global_config=settings))

    return compress


def _linear(bits: int) -> Compress:
    """Symmetric, a step for each output channel."""

    def compress(tools: Any, model: Any) -> Any:  # noqa: ANN401
        settings = tools.OpLinearQuantizerConfig(
            mode="linear_symmetric", dtype=f"int{bits}", granularity="per_channel", weight_threshold=_SMALLEST
        )
        return tools.linear_quantize_weights(model, tools.OptimizationConfig(global_config=settings))

    return compress


_SMALLEST = 256
"""Weights of fewer values are left alone."""


@dataclass(frozen=True)
class Compression:
    """One way.

    Attributes:
        compress: See `Compress`.
        deployment: The oldest system that reads it.
    """

    compress: Compress
    deployment: str = "iOS16"


COMPRESSIONS: dict[str, Compression] = {
    "int8-weights": Compression(_linear(8)),
    "int4-weights": Compression(_linear(4), "iOS18"),
    "palette8": Compression(_palette(8)),
    "palette6": Compression(_palette(6)),
    "palette4": Compression(_palette(4)),
}


def compress_weights(model: Any, name: str) -> Any:  # noqa: ANN401
    """A model with weights compressed by one of `COMPRESSIONS`; it computes in floats."""
    import coremltools.optimize.coreml as tools

    return COMPRESSIONS[name].compress(tools, model)

"""Smaller weights by coremltools' own compression. A new way is one line in `COMPRESSIONS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Compress = Callable[[Any, Any], Any]
"""(coremltools.optimize.coreml, model) -> model."""


def _palette(bits: int) -> Compress:
    def compress(tools: Any, model: Any) -> Any:  # noqa: ANN401
        settings = tools.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=_SMALLEST)
        return tools.palettize_weights(model, tools.OptimizationConfig(global_config=settings))

    return compress


def _linear(model_tools: Any, model: Any) -> Any:  # noqa: ANN401
    settings = model_tools.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=_SMALLEST)
    return model_tools.linear_quantize_weights(model, model_tools.OptimizationConfig(global_config=settings))


_SMALLEST = 256
"""Weights of fewer values are left alone."""

COMPRESSIONS: dict[str, Compress] = {
    "int8-weights": _linear,
    "palette8": _palette(8),
    "palette6": _palette(6),
    "palette4": _palette(4),
}


def compress_weights(model: Any, name: str) -> Any:  # noqa: ANN401
    """A model with weights compressed by one of `COMPRESSIONS`; it computes in floats."""
    import coremltools.optimize.coreml as tools

    return COMPRESSIONS[name](tools, model)

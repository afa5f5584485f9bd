"""Rounding to codes and back inside a float graph: what quantizing some tensors would do, whatever the target."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ensharpen_edge.calibration.ranges import Range, Scheme


def fake_quantized(
    model: Any,  # noqa: ANN401 (onnx.ModelProto)
    reads: Mapping[str, Collection[str] | None],
    ranges: Mapping[str, Range],
    scheme: Scheme,
) -> Any:  # noqa: ANN401
    """Return a copy of the graph in which some nodes read some tensors rounded to codes and back.

    Args:
        model: Float graph.
        reads: Nodes that read an activation rounded, by activation, or None for all of its readers; the graph's own
            outputs keep their values.
        ranges: Ranges of at least those tensors.
        scheme: The codes' number of bits and symmetry.
    """
    from onnx import ModelProto, helper, numpy_helper

    copied = ModelProto.FromString(model.SerializeToString())
    # A fixed order, so that equal requests give equal graphs.
    pairs: dict[str, list[Any]] = {}
    for number, name in enumerate(sorted(reads)):
        prefix = f"fake{number}"
        low, high, step = _codes(ranges[name], scheme)
        for suffix, value in (("low", low), ("high", high), ("step", step)):
            copied.graph.initializer.append(
                numpy_helper.from_array(np.array(value, dtype=np.float32), f"{prefix}_{suffix}")
            )
        pairs[name] = [
            helper.make_node("Div", [name, f"{prefix}_step"], [f"{prefix}_scaled"], f"{prefix}_scale"),
            helper.make_node("Round", [f"{prefix}_scaled"], [f"{prefix}_rounded"], f"{prefix}_round"),
            helper.make_node(
                "Clip",
                [f"{prefix}_rounded", f"{prefix}_low", f"{prefix}_high"],
                [f"{prefix}_clipped"],
                f"{prefix}_clip",
            ),
            helper.make_node("Mul", [f"{prefix}_clipped", f"{prefix}_step"], [f"{prefix}_value"], f"{prefix}_back"),
        ]
        readers = reads[name]
        for node in copied.graph.node:
            for position, source in enumerate(node.input):
                if source == name and (readers is None or node.name in readers):
                    node.input[position] = f"{prefix}_value"
    nodes = list(pairs.get(copied.graph.input[0].name, []))
    for node in copied.graph.node:
        nodes.append(node)
        for output in node.output:
            nodes.extend(pairs.get(output, []))
    del copied.graph.node[:]
    copied.graph.node.extend(nodes)
    return copied


def _codes(span: Range, scheme: Scheme) -> tuple[float, float, float]:
    """Return the smallest and largest code relative to the code of zero, and the step."""
    step = max((span.high - span.low) / scheme.steps, 1e-12)
    if scheme.symmetric:
        most = scheme.steps // 2
        return -most, most, step
    zero = round(-span.low / step)
    return -zero, scheme.steps - zero, step

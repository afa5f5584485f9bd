"""The layers of an engine, from the inspector: how many, their precisions, and how many only move data."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


def layer_report(text: str) -> dict[str, Any]:
    """Count an engine's layers.

    Args:
        text: JSON of TensorRT's inspector; 8.5 to 10 name tensors `Inputs`/`Outputs` with `Format/Datatype`, 11 splits
            the two.

    Returns:
        `layers`, `reformats`, and `outputs`: the layers by the type that they write.
    """
    try:
        layers = json.loads(text)["Layers"]
    except (ValueError, KeyError, TypeError):
        return {"layers": 0, "reformats": 0, "outputs": {}}
    described = [layer for layer in layers if isinstance(layer, dict)]
    reformats = sum("reformat" in str(layer.get("LayerType", layer.get("Name", ""))).lower() for layer in described)
    outputs = Counter(_type(layer) for layer in described)
    return {"layers": len(layers), "reformats": reformats, "outputs": dict(outputs.most_common())}


def _type(layer: dict[str, Any]) -> str:
    for tensor in layer.get("Outputs", []):
        text = str(tensor.get("Datatype", tensor.get("DataType", tensor.get("Format/Datatype", ""))))
        for name, marks in (("int8", ("int8",)), ("fp16", ("fp16", "half", "float16")), ("fp32", ("fp32", "float"))):
            if any(mark in text.lower() for mark in marks):
                return name
    return "other"

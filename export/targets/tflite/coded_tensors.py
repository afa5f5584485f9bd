"""The tensors that a TFLite file holds in codes, to be looked at one by one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.errors import require
from ensharpen_edge.export.proof.operators import Tensors


def coded_tensors(path: Path) -> Tensors:
    """Return a function that runs a file and gives every activation that is in 8-bit codes.

    LiteRT's own kernels run it: delegates keep nothing of what is between their ends.

    Args:
        path: The file; it is read when it is first run.
    """
    opened = cache(lambda: _opened(path.read_bytes()))
    return lambda image: opened()(image)


def _opened(content: bytes) -> Tensors:
    litert = require("ai_edge_litert.interpreter", "tflite")
    interpreter = litert.Interpreter(
        model_content=content,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )

    def run(image: F32) -> Mapping[str, F32]:
        details = interpreter.get_input_details()[0]
        batch = image.transpose(0, 2, 3, 1)
        interpreter.resize_tensor_input(details["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(details["index"], _as_fed(batch, details["dtype"]))
        interpreter.invoke()
        return {
            tensor["name"]: _values(interpreter.get_tensor(tensor["index"]), *tensor["quantization"])
            for tensor in interpreter.get_tensor_details()
            if len(tensor["shape"]) == 4 and tensor["dtype"] in (np.int8, np.uint8) and tensor["quantization"][0]
            if tensor["shape_signature"][0] == 1
        }

    return run


def _as_fed(batch: F32, dtype: Any) -> Any:  # noqa: ANN401
    if dtype == np.float32:
        return np.ascontiguousarray(batch)
    return (np.rint(batch * 255.0) - (128 if dtype == np.int8 else 0)).astype(dtype)


def _values(codes: Any, step: float, zero: int) -> F32:  # noqa: ANN401
    values: F32 = (codes.astype(np.float32) - zero) * np.float32(step)
    return values.transpose(0, 3, 1, 2)

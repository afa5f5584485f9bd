"""Any ONNX file that sharpens images, as a method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.errors import BadInputError, require
from ensharpen_edge.processor_cores import usual_threads

GRID = 32
"""Multiple that sides are mirrored up to, pixels: most networks want one of up to 32."""


class OnnxModel:
    """A network with one float32 input (1, 3, H, W), RGB in [0, 1], whose last output is of the same kind.

    Args:
        model: ONNX file, or its content.
        name: Name in error texts.
        threads: CPU threads; 0 for `OMP_NUM_THREADS`, or all cores.

    Raises:
        BadInputError: The file is no such model.
    """

    def __init__(self, model: Path | bytes, name: str, threads: int) -> None:
        ort = require("onnxruntime", "onnx")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or usual_threads()
        options.log_severity_level = 3
        source = str(model) if isinstance(model, Path) else model
        try:
            self._session: Any = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own, one for each kind of damage
            raise BadInputError(f"{name}: not an ONNX model ({error})") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            raise BadInputError(f"{name}: takes {[(i.name, i.type, i.shape) for i in inputs]}, not one image")
        self._name, self._input = name, inputs[0].name
        sides = inputs[0].shape[2:]
        self.size: tuple[int, int] | None = (sides[0], sides[1]) if all(isinstance(s, int) for s in sides) else None

    def run(self, batch: F32) -> F32:
        """Run a batch, (1, 3, H, W); returns the last output.

        Raises:
            BadInputError: The model cannot take it.
        """
        try:
            return np.asarray(self._session.run(None, {self._input: batch})[-1], dtype=np.float32)
        except Exception as error:
            raise BadInputError(f"{self._name}: does not run on {batch.shape} ({error})") from error

    def sharpen(self, image: F32) -> F32:
        """Sharpen an image, (H, W, 3), mirrored up to a size that the model takes; returns the same size.

        Raises:
            BadInputError: The model changes the size, or cannot take the image's.
        """
        height, width = image.shape[:2]
        wanted = self.size or (-(-height // GRID) * GRID, -(-width // GRID) * GRID)
        if wanted[0] < height or wanted[1] < width:
            raise BadInputError(f"{self._name}: takes {wanted} only, the photograph is {height}x{width}")
        padded = np.pad(image, ((0, wanted[0] - height), (0, wanted[1] - width), (0, 0)), mode="reflect")
        result = self.run(np.ascontiguousarray(padded.transpose(2, 0, 1)[None], dtype=np.float32))
        if result.shape != (1, 3, *wanted):
            raise BadInputError(f"{self._name}: returns {result.shape} for an image of {wanted}")
        return np.asarray(result[0].transpose(1, 2, 0)[:height, :width])

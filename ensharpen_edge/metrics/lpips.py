"""Learned perceptual distance (LPIPS, AlexNet, version 0.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.errors import require
from ensharpen_edge.metrics.luminance import check_pair
from ensharpen_edge.metrics.psnr import to_code_values

SMALLEST_SIDE = 32


class Lpips:
    """The metric with its network loaded once.

    Raises:
        MissingToolError: torch or safetensors is not installed.
        IntegrityError: The weights are missing or damaged.
    """

    def __init__(self) -> None:
        self._torch: Any = require("torch", "bench")
        require("safetensors", "bench")
        self._network = require("ensharpen_edge.metrics.lpips_network", "bench").load_lpips()

    def __call__(self, a: NDArray[Any], b: NDArray[Any], *, data_range: float, rounded: bool = True) -> float:
        """Return the distance of (H, W, 3) pairs, at least 32x32; 0 for equal images, lower is better.

        Raises:
            ValueError: Different shapes, or too small.
        """
        check_pair(a, b, SMALLEST_SIDE, "LPIPS")
        tensors = []
        for image in (a, b):
            values = to_code_values(image, data_range) / 255.0 if rounded else np.asarray(image) / data_range
            planes = np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)
            tensors.append(self._torch.from_numpy(planes))
        with self._torch.inference_mode():
            return float(self._network(*tensors))

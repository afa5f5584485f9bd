"""Arrays of any kind that images have, as frames that the pipeline runs, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ensharpen_edge.arrays import F32, U8
from ensharpen_edge.errors import BadInputError, UsageError

Array = NDArray[Any]

_WHITE = {"uint8": 255, "uint16": 65535, "float32": 1, "float64": 1}
"""White by the dtypes that are taken."""

_GREY_CHANNELS, _ALPHA_CHANNELS = (1, 2), (2, 4)


@dataclass(frozen=True)
class ArrayImage:
    """An image that was taken apart.

    Attributes:
        frame: (H, W, 3), uint8 where the array is uint8, else float32 in [0, 1].
        alpha: (H, W) in the array's own dtype, or None.
        grey: Whether the array has one colour channel.
        shape: The array's shape.
        dtype: The array's dtype, by name.
    """

    frame: U8 | F32
    alpha: Array | None
    grey: bool
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, array: Array) -> ArrayImage:
        """Take an array apart.

        Args:
            array: (H, W) grey, (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB, or (H, W, 4) RGB and alpha;
                uint8, uint16, or float32 or float64 in [0, 1].

        Raises:
            UsageError: Another shape or dtype.
            BadInputError: Floats that are not finite, or outside [0, 1].
        """
        array = np.asarray(array)
        dtype = array.dtype.name  # without the byte order
        channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
        if dtype not in _WHITE:
            raise UsageError(
                f"images are arrays of {', '.join(_WHITE)}, this one is of {dtype}", hint="convert it with .astype"
            )
        if channels not in (1, 2, 3, 4) or 0 in array.shape:
            raise UsageError(
                f"images are (height, width) or (height, width, channels) with 1 to 4 channels, this one is "
                f"{array.shape}",
                hint="one image at a time, channels last: batch[0].transpose(1, 2, 0)",
            )
        if array.dtype.kind == "f":
            _check_range(array)
        planes = array.astype(dtype, copy=False).reshape(*array.shape[:2], channels)
        alpha = planes[:, :, -1] if channels in _ALPHA_CHANNELS else None
        grey = channels in _GREY_CHANNELS
        colours = np.repeat(planes[:, :, :1], 3, axis=2) if grey else planes[:, :, :3]
        if dtype == "uint16":
            colours = colours.astype(np.float32) / np.float32(65535)
        frame = colours if dtype == "uint8" else colours.astype(np.float32, copy=False)
        return cls(frame, alpha, grey, array.shape, dtype)

    def with_frame(self, frame: U8 | F32) -> Array:
        """Return an array of the same kind with other colours: those of `frame`, which may be larger.

        Grey is the mean of the three channels; uint16 is rounded here and nowhere before; floats are not rounded.
        """
        # The network may leave the three channels a little apart: their mean, not one of them, is the grey.
        colours: Array = frame.mean(axis=2, dtype=np.float32, keepdims=True) if self.grey else frame
        if self.dtype == "uint16":
            colours = np.clip(colours, 0.0, 1.0) * np.float32(65535)
        if self.dtype in ("uint8", "uint16"):
            colours = np.rint(colours)
        planes = [colours.astype(self.dtype)]
        if self.alpha is not None:
            planes.append(enlarge_alpha(self.alpha, *frame.shape[:2])[:, :, None])
        return np.concatenate(planes, axis=2).reshape(*frame.shape[:2], *self.shape[2:])


def enlarge_alpha(alpha: Array, height: int, width: int) -> Array:
    """Return a plane of opacity, (H, W), at another size, by bicubic interpolation; itself where it has that size."""
    if alpha.shape == (height, width):
        return alpha
    if alpha.dtype == np.uint8:
        return np.asarray(Image.fromarray(alpha).resize((width, height), Image.Resampling.BICUBIC))
    white = _WHITE[alpha.dtype.name]
    plane = Image.fromarray(alpha.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    values: Array = np.clip(np.asarray(plane), 0, white)
    return np.asarray(np.rint(values) if alpha.dtype.kind == "u" else values, dtype=alpha.dtype)


def _check_range(array: Array) -> None:
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise BadInputError("the image holds NaN or Inf", hint="replace them, e.g. by numpy.nan_to_num")
    if low < 0 or high > 1:
        raise BadInputError(
            f"floats are images in [0, 1], this one reaches from {low:g} to {high:g}",
            hint="divide by the value of white, or numpy.clip",
        )

"""Evaluation suites: published conditions that sharp photographs are degraded by, and real pairs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ensharpen_edge.arrays import F32, U8
from ensharpen_edge.benchmarks.quality.motion_kernels import centred, read_kernels, stroke
from ensharpen_edge.benchmarks.quality.protocol import (
    KERNEL_SIZE,
    GaussianCase,
    add_noise,
    blur_circular,
    degrade,
    gaussian_kernel,
)
from ensharpen_edge.errors import BadInputError, UsageError, unknown_name
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.judging.pairs import read_pair

LITERATURE_NOISE, HIGH_NOISE = 2.55, 7.65
"""Standard deviations of noise in code values: 1 % and 3 % of white."""


@dataclass(frozen=True)
class Case:
    """One condition.

    Attributes:
        name: Name in tables, unique over all suites.
        degrade: Function from uint8 (H, W, 3) to float32 (H, W, 3), in 0..1 apart from noise.
        kernel: Kernel that it blurs with, (k, k), for methods that are told; None where one kernel does not say it all.
        factor: Whole number by which the degraded photograph is lower and narrower than the sharp one.
    """

    name: str
    degrade: Callable[[U8], F32]
    kernel: NDArray[np.float64] | None = None
    factor: int = 1


@dataclass(frozen=True)
class Pair:
    """A photograph as a method gets it, and as it should be.

    Attributes:
        name: Name of the file or photograph.
        degraded: Input of the method, float32 (h, w, 3), in 0..1 apart from noise.
        sharp: Ground truth, uint8 (H, W, 3), a whole number of times as high and wide.
    """

    name: str
    degraded: F32
    sharp: U8

    @property
    def truth(self) -> F32:
        """The ground truth as float32 (H, W, 3) in [0, 1]."""
        return self.sharp.astype(np.float32) / np.float32(255)


def gaussian_case(blur: float, noise: float) -> Case:
    """Return the condition of a Gaussian blur (standard deviation in pixels) and noise (in code values, 0..255)."""
    name = f"gaussian {blur:g}/{noise:g}"
    return Case(name, lambda sharp: degrade(sharp, GaussianCase(blur, noise)), gaussian_kernel(blur))


def _kernel_case(name: str, kernel: NDArray[np.float64], noise: float) -> Case:
    return Case(name, lambda sharp: add_noise(blur_circular(sharp.astype(np.float64), kernel), noise), kernel)


def disk_kernel(radius: float, size: int = KERNEL_SIZE, oversampling: int = 8) -> NDArray[np.float64]:
    """Return a uniform disk that sums to 1, (size, size); pixels of the rim weigh by their share inside."""
    axis = (np.arange(size * oversampling) + 0.5) / oversampling - size / 2
    inside = np.hypot(axis[:, None], axis[None, :]) <= radius
    blocks = inside.reshape(size, oversampling, size, oversampling).mean(axis=(1, 3))
    return np.asarray(blocks / blocks.sum())


def _motion(length: float, angle: float = 30.0) -> Case:
    return _kernel_case(f"motion {length:g}", stroke(length, angle, KERNEL_SIZE), LITERATURE_NOISE)


def _jpeg(quality: int, blur: float = 1.2) -> Case:
    def compress(sharp: U8) -> F32:
        blurred = blur_circular(sharp.astype(np.float64), gaussian_kernel(blur))
        buffer = io.BytesIO()
        codes = np.rint(np.clip(blurred, 0, 255)).astype(np.uint8)
        Image.fromarray(codes).save(buffer, format="JPEG", quality=quality)
        with Image.open(buffer) as decoded:
            return np.asarray(decoded, dtype=np.float32) / np.float32(255)

    return Case(f"gaussian {blur:g}, JPEG {quality}", compress)


def _noise(level: float) -> Case:
    return Case(f"noise {level:g}", lambda sharp: add_noise(sharp.astype(np.float64), level))


def _reduced(factor: int) -> Case:
    def reduce(sharp: U8) -> F32:
        size = sharp.shape[1] // factor, sharp.shape[0] // factor
        small = Image.fromarray(sharp).resize(size, Image.Resampling.BICUBIC)
        return np.asarray(small, dtype=np.float32) / np.float32(255)

    return Case(f"reduced {factor}x", reduce, factor=factor)


def levin_cases(kernels: Path, centre: bool = False) -> tuple[Case, ...]:
    """Return the conditions of camera shake, one for each kernel of a file.

    The published ones are the eight of Levin et al., Understanding and evaluating blind deconvolution, 2009.

    Args:
        kernels: npz file with `k1` to `k8`, each (k, k) with odd k, summing to 1.
        centre: Move each kernel's centre of mass to its middle. A blind method cannot know how far a kernel moved the
            photograph as a whole, up to 4.3 pixels here, and PSNR punishes that harder than any blur: Levin et al.
            align before they compare.

    Raises:
        BadInputError: Not such a file.
    """
    suite = LEVIN_CENTRED if centre else LEVIN
    return tuple(
        _kernel_case(f"{suite} {name}", centred(kernel) if centre else kernel, LITERATURE_NOISE)
        for name, kernel in read_kernels(kernels).items()
    )


SUITES: dict[str, tuple[Case, ...]] = {
    "gaussian": tuple(
        gaussian_case(blur, noise) for blur in (1.0, 1.6, 2.0, 3.0) for noise in (0.0, LITERATURE_NOISE, HIGH_NOISE)
    ),
    "disk": tuple(_kernel_case(f"disk {radius:g}", disk_kernel(radius), LITERATURE_NOISE) for radius in (1.5, 2.5, 4)),
    "motion": tuple(_motion(length) for length in (4.0, 8.0, 12.0, 16.0)),
    "jpeg": tuple(_jpeg(quality) for quality in (50, 75, 90)),
    "noise": tuple(_noise(level) for level in (5.0, 15.0, 25.0, 50.0)),
    "upscale2": (_reduced(2),),
    "upscale4": (_reduced(4),),
    "identity": (Case("sharp", lambda sharp: np.asarray(sharp, dtype=np.float32) / np.float32(255)),),
}
LEVIN, LEVIN_CENTRED, PAIRS = "levin", "levin-centred", "pairs"
FROM_FILE = (LEVIN, LEVIN_CENTRED)
"""Suites whose kernels come from a file."""
_PILLOW_SMALL = "reduced by Pillow (bicubic, 8 bits); what keeps the size is given the photograph enlarged bicubically"
_CIRCULAR = "circular borders, noise seed 0 per image, not clipped"
PROTOCOLS: dict[str, str] = {
    "gaussian": f"25x25 kernel, {_CIRCULAR}",
    "disk": f"25x25 kernel, {_CIRCULAR}",
    "motion": f"strokes of that many pixels at 30 degrees, 25x25 kernel, {_CIRCULAR}",
    LEVIN: f"kernels of the file, {_CIRCULAR}",
    LEVIN_CENTRED: f"kernels of the file, their centres of mass moved to the middle, {_CIRCULAR}",
    "jpeg": "25x25 kernel, circular borders, rounded, compressed by Pillow",
    "noise": "white noise of that many code values, seed 0 per image, not clipped",
    "upscale2": _PILLOW_SMALL,
    "upscale4": _PILLOW_SMALL,
    "identity": "sharp photographs as they are",
    PAIRS: "as photographed",
}
"""Protocol of each suite: how its pairs come about. In all of them, outputs are rounded to 8 bits and then measured."""
NAMES = (*SUITES, *FROM_FILE, PAIRS)


def find_cases(suite: str, kernels: Path | None) -> tuple[Case, ...]:
    """Return the conditions of a suite that degrades sharp photographs.

    Args:
        suite: Name of the suite, in `SUITES` or `FROM_FILE`.
        kernels: npz file for the suites of camera shake.

    Raises:
        UsageError: The suite is unknown, or is one of camera shake and has no kernels.
        BadInputError: The kernels cannot be read.
    """
    if suite in FROM_FILE:
        if kernels is None:
            raise UsageError(f"the suite {suite!r} needs its kernels", hint="--kernels levin09.npz")
        return levin_cases(kernels, centre=suite == LEVIN_CENTRED)
    if suite not in SUITES:
        raise unknown_name("suite", suite, NAMES)
    return SUITES[suite]


def degraded_pairs(files: list[Path], case: Case) -> Iterator[Pair]:
    """Yield every photograph with its degraded version.

    Raises:
        BadInputError: A photograph is unreadable, or smaller than the kernel.
    """
    return degraded_photos(((file.name, read_photo(file).rgb) for file in files), case)


def degraded_photos(photos: Iterable[tuple[str, U8]], case: Case) -> Iterator[Pair]:
    """Yield photographs that are in memory already, given by name, with their degraded versions.

    Raises:
        BadInputError: A photograph is smaller than the kernel.
    """
    needed = max((KERNEL_SIZE, *(() if case.kernel is None else case.kernel.shape)))
    for name, sharp in photos:
        if min(sharp.shape[:2]) < needed:
            raise BadInputError(f"{name}: smaller than {needed} pixels, the protocol's kernel does not fit")
        height, width = (side - side % case.factor for side in sharp.shape[:2])
        cut = sharp[:height, :width]
        yield Pair(name, case.degrade(cut), cut)


def real_pairs(files: list[tuple[Path, Path]]) -> Iterator[Pair]:
    """Yield every real pair.

    Raises:
        BadInputError: A photograph is unreadable, or the two of a pair differ in size.
    """
    for blurred_file, sharp_file in files:
        blurred, sharp = read_pair(blurred_file, sharp_file)
        yield Pair(blurred_file.name, blurred.astype(np.float32) / np.float32(255), sharp)

"""Evaluation suites: published conditions that sharp photographs are degraded by, and real pairs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ensharpen_edge.benchmarks.motion_kernels import centred, read_kernels, stroke
from ensharpen_edge.benchmarks.protocol import (
    F32,
    KERNEL_SIZE,
    GaussianCase,
    add_noise,
    blur_circular,
    degrade,
    gaussian_kernel,
)
from ensharpen_edge.errors import BadInputError, UsageError, unknown_name
from ensharpen_edge.imaging.decode import SUFFIXES, read_photo
from ensharpen_edge.imaging.photo import U8

LITERATURE_NOISE, HIGH_NOISE = 2.55, 7.65
"""Code values: 1 % and 3 % of white."""


@dataclass(frozen=True)
class Case:
    """One condition.

    Attributes:
        name: For tables.
        degrade: uint8 (H, W, 3) -> float32 (H, W, 3), 0..1 apart from noise.
        kernel: That it blurs with, (k, k), for methods that are told; None where one kernel does not say it all.
        factor: How many times lower and narrower than the photograph the degraded one is.
    """

    name: str
    degrade: Callable[[U8], F32]
    kernel: NDArray[np.float64] | None = None
    factor: int = 1


@dataclass(frozen=True)
class Pair:
    """A photograph as a method gets it, and as it should be: of the same size, or a whole number of times as large."""

    name: str
    degraded: F32
    sharp: U8


def gaussian_case(blur: float, noise: float) -> Case:
    """A Gaussian of standard deviation `blur` pixels, then noise of standard deviation `noise` code values."""
    name = f"gaussian {blur:g}/{noise:g}"
    return Case(name, lambda sharp: degrade(sharp, GaussianCase(blur, noise)), gaussian_kernel(blur))


def _kernel_case(name: str, kernel: NDArray[np.float64], noise: float) -> Case:
    return Case(name, lambda sharp: add_noise(blur_circular(sharp.astype(np.float64), kernel), noise), kernel)


def disk_kernel(radius: float, size: int = KERNEL_SIZE, oversampling: int = 8) -> NDArray[np.float64]:
    """(size, size) uniform disk that sums to 1; rim pixels weigh by their share inside."""
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
    """The eight camera-shake kernels of Levin et al., Understanding and evaluating blind deconvolution, 2009.

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
"""How the pairs of a suite come about; of all of them, the output is rounded to 8 bits before it is measured."""
NAMES = (*SUITES, *FROM_FILE, PAIRS)


def find_cases(suite: str, kernels: Path | None) -> tuple[Case, ...]:
    """The conditions of a suite that degrades sharp photographs.

    Raises:
        UsageError: Unknown, or one of camera shake without its kernels.
        BadInputError: The kernels cannot be read.
    """
    if suite in FROM_FILE:
        if kernels is None:
            raise UsageError(f"the suite {suite!r} needs its kernels", hint="--kernels levin09.npz")
        return levin_cases(kernels, centre=suite == LEVIN_CENTRED)
    if suite not in SUITES:
        raise unknown_name("suite", suite, NAMES)
    return SUITES[suite]


def photo_files(folder: Path) -> list[Path]:
    """Photographs directly in a folder.

    Raises:
        BadInputError: No such folder, or no photographs in it.
    """
    if not folder.is_dir():
        raise BadInputError(
            f"{folder}: no such folder of photographs", hint="ensharpen-train data list says where evaluation sets are"
        )
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise BadInputError(f"{folder}: holds no photographs", hint="give the folder of an evaluation set with --data")
    return files


def degraded_pairs(files: list[Path], case: Case) -> Iterator[Pair]:
    """Every photograph, degraded.

    Raises:
        BadInputError: Unreadable, or smaller than the kernel.
    """
    return degraded_photos(((file.name, read_photo(file).rgb) for file in files), case)


def degraded_photos(photos: Iterable[tuple[str, U8]], case: Case) -> Iterator[Pair]:
    """Photographs that are in memory already, by name, degraded.

    Raises:
        BadInputError: Smaller than the kernel.
    """
    needed = max((KERNEL_SIZE, *(() if case.kernel is None else case.kernel.shape)))
    for name, sharp in photos:
        if min(sharp.shape[:2]) < needed:
            raise BadInputError(f"{name}: smaller than {needed} pixels, the protocol's kernel does not fit")
        height, width = (side - side % case.factor for side in sharp.shape[:2])
        cut = sharp[:height, :width]
        yield Pair(name, case.degrade(cut), cut)


def pair_files(folder: Path) -> list[tuple[Path, Path]]:
    """Real pairs: files of one name in `blur/` and `sharp/`.

    Raises:
        BadInputError: One of the folders is missing, or a photograph has no partner.
    """
    for part in (folder / "blur", folder / "sharp"):
        if not part.is_dir():
            raise BadInputError(f"{part}: no such folder", hint="pairs are files of one name in blur/ and sharp/")
    blurred, sharp = photo_files(folder / "blur"), photo_files(folder / "sharp")
    if [p.name for p in blurred] != [p.name for p in sharp]:
        alone = sorted({p.name for p in blurred} ^ {p.name for p in sharp})
        raise BadInputError(f"{folder}: without a partner: {', '.join(alone[:5])}")
    return list(zip(blurred, sharp, strict=True))


def real_pairs(files: list[tuple[Path, Path]]) -> Iterator[Pair]:
    """Every real pair.

    Raises:
        BadInputError: Unreadable, or of two sizes.
    """
    for blurred_file, sharp_file in files:
        blurred, sharp = read_photo(blurred_file).rgb, read_photo(sharp_file).rgb
        if blurred.shape != sharp.shape:
            raise BadInputError(f"{blurred_file}: {blurred.shape[:2]} pixels, its sharp partner {sharp.shape[:2]}")
        yield Pair(blurred_file.name, blurred.astype(np.float32) / np.float32(255), sharp)

"""The judge of a quantization: images with their float output, and how much each of them may change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ensharpen_edge.arrays import F32, F64
from ensharpen_edge.calibration.degraded_crops import sharp_crop
from ensharpen_edge.calibration.photo_choice import CropChoice
from ensharpen_edge.calibration.session import Run
from ensharpen_edge.calibration.settings import CalibrationSettings
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.degrade.soft_photo import gate_cases, soft_photo
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.bundled import WINDOWS, bundled_photos
from ensharpen_edge.imaging.crops import centre_crop
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.imaging.synthetic import synthetic_images
from ensharpen_edge.judging.scores import closeness, kept_gain, truth_psnr
from ensharpen_edge.metrics.psnr import mse
from ensharpen_edge.runtime.tiling import round_up

PHOTOS, SIDE = 12, 128


@dataclass(frozen=True)
class JudgeLimits:
    """Limits that a plan must keep; a little more than the release gate asks for, which looks at other photographs.

    Attributes:
        max_drop: Largest mean loss of PSNR against the truth, dB.
        photo_psnr: Smallest PSNR against the float network on any photograph, dB.
        synthetic_psnr: The same on images that no camera takes.
        retained: Smallest share of the sharpening gain.
    """

    max_drop: float = 0.02
    photo_psnr: float = 49.0
    synthetic_psnr: float = 22.0
    retained: float = 0.985


@dataclass(frozen=True)
class JudgeImage:
    """One image that networks are judged on.

    Attributes:
        name: Name for messages.
        degraded: float32 (1, 3, H, W): what the network gets.
        sharp: The truth, or None when only the difference to the float network counts.
        photograph: Whether a camera could take it.
    """

    name: str
    degraded: F32
    sharp: F32 | None
    photograph: bool = True


@dataclass(frozen=True)
class Verdict:
    """The judgement on a quantized network.

    Attributes:
        errors: (N,) mean squared difference to the float network, photographs first.
        worst_photo, worst_synthetic: Smallest PSNR against it, dB.
        drop: Mean loss of PSNR against the truth, dB.
        retained: Share of the sharpening gain, None where the float network gains too little.
        passed: Whether it is within the limits.
    """

    errors: F64
    worst_photo: float
    worst_synthetic: float
    drop: float
    retained: float | None
    passed: bool


class Judge:
    """Compares quantized forms of a network with its float form.

    Args:
        images: The images to judge on, at least one photograph among them.
        run: The float network.
        limits: See `JudgeLimits`.
    """

    def __init__(self, images: Sequence[JudgeImage], run: Run, limits: JudgeLimits | None = None) -> None:
        self.limits = limits or JudgeLimits()
        self.images = sorted(images, key=lambda image: image.sharp is None)
        self._references = [run(image.degraded) for image in self.images]
        self._truths = [image.sharp for image in self.images if image.sharp is not None]
        if not self._truths:
            raise BadInputError("a plan needs at least one photograph to be judged on")
        self._degraded = _mean_psnr(zip([image.degraded for image in self.images], self._truths, strict=False))
        self._reference = _mean_psnr(zip(self._references, self._truths, strict=False))

    @property
    def photographs(self) -> int:
        """Number of images with a truth; they come first."""
        return len(self._truths)

    @property
    def allowed(self) -> F64:
        """(N,) mean squared error that each image may have."""
        limits = self.limits
        psnr = [limits.photo_psnr if image.photograph else limits.synthetic_psnr for image in self.images]
        return np.asarray(10.0 ** (-np.array(psnr) / 10.0))

    def errors(self, run: Run, numbers: Sequence[int] | None = None) -> F64:
        """Return the mean squared differences to the float network, (N,) on all images or on those of these numbers."""
        chosen = range(len(self.images)) if numbers is None else numbers
        return np.array([mse(run(self.images[i].degraded), self._references[i]) for i in chosen], dtype=np.float64)

    def _errors(self, outputs: Sequence[F32]) -> F64:
        return np.array([mse(output, reference) for output, reference in zip(outputs, self._references, strict=True)])

    def with_images(self, images: Sequence[JudgeImage], run: Run) -> Judge:
        """Return a judge of more images; `run` is the float network."""
        return Judge([*self.images, *images], run, self.limits)

    def verdict(self, run: Run) -> Verdict:
        """Return the judgement on a quantized network."""
        outputs = [run(image.degraded) for image in self.images]
        errors = self._errors(outputs)
        photographs = np.array([image.photograph for image in self.images])
        mean = _mean_psnr(zip(outputs, self._truths, strict=False))
        drop = self._reference - mean
        retained = kept_gain(mean, self._reference, self._degraded)
        passed = (
            bool((errors <= self.allowed).all())
            and drop <= self.limits.max_drop
            and (retained is None or retained >= self.limits.retained)
        )
        return Verdict(
            errors,
            closeness(float(errors[photographs].max())),
            closeness(float(errors[~photographs].max(initial=0.0))),
            drop,
            retained,
            passed,
        )


def judge_images(
    photos: PhotoSet, choices: Sequence[CropChoice], settings: CalibrationSettings, multiple_of: int, task: str
) -> tuple[list[JudgeImage], list[JudgeImage]]:
    """Return images for a judge, and others to find out whether it missed something.

    The images are the windows with the steepest edges, one a photograph, degraded the way the release gate does it, and
    synthetic ones. The others are such windows of every photograph, hardly degraded and as they are, where activations
    are largest: a range that cuts off too much is wrong on few photographs, so it takes many to find one. The bundled
    photographs are among them, for every export is compared with its float network on these.

    Args:
        photos: Photographs that the choices were made from.
        choices: Crops of the calibration.
        settings: Settings of the calibration.
        multiple_of: Sides are cut to multiples of this, as the network needs.
        task: Task of the network.
    """
    side = min(SIDE, settings.crop) // multiple_of * multiple_of
    windows: dict[str, tuple[float, str, torch.Tensor]] = {}
    for choice in choices:
        edges, window = _busiest(sharp_crop(photos, choice, settings), side)
        if choice.sha256 not in windows or edges > windows[choice.sha256][0]:
            windows[choice.sha256] = (edges, choice.photo, window)
    images, others = [], []
    cases = gate_cases(task)
    for number, (_, name, sharp) in enumerate(sorted(windows.values(), key=lambda entry: -entry[0])):
        others.append(JudgeImage(f"{name}, sharp", _array(sharp), None))
        for blur, noise in cases if number < PHOTOS else cases[:1]:
            degraded = _array(soft_photo(sharp, blur, noise, torch.Generator().manual_seed(number)))
            title = f"{name}, blur {blur}, noise {noise}"
            if number < PHOTOS:
                images.append(JudgeImage(title, degraded, _array(sharp)))
            else:
                others.append(JudgeImage(title, degraded, None))
    for size in dict.fromkeys((side, multiple_of)):
        for name, image in synthetic_images(size, size).items():
            images.append(JudgeImage(f"{name} {size}x{size}", to_planes(image), None, photograph=False))
    return images, [*others, *_bundled(side, multiple_of)]


def _bundled(side: int, multiple_of: int) -> list[JudgeImage]:
    """Return windows of the bundled photographs, on which every export is compared with its float network.

    They are the centre and the corners, and the very windows that exports are compared on.
    """
    found = []
    for name, photo in bundled_photos():
        height, width = photo.shape[0] - side, photo.shape[1] - side
        corners = [(height // 2, width // 2), (0, 0), (0, width), (height, 0), (height, width)]
        for top, left in dict.fromkeys(corners):
            window = to_planes(photo[top : top + side, left : left + side])
            found.append(JudgeImage(f"{name} at {top}, {left}", window, None))
        for size in WINDOWS:
            rows, columns = (round_up(length, multiple_of) for length in size)
            found.append(JudgeImage(f"{name} {rows}x{columns}", to_planes(centre_crop(photo, rows, columns)), None))
    return found


def _busiest(crop: torch.Tensor, side: int) -> tuple[float, torch.Tensor]:
    """Return the window of a (1, 3, S, S) crop with the steepest slopes, and their mean."""
    grey = crop.mean(dim=1, keepdim=True)
    slopes = (grey[..., 1:, :-1] - grey[..., :-1, :-1]).abs() + (grey[..., :-1, 1:] - grey[..., :-1, :-1]).abs()
    means = torch.nn.functional.avg_pool2d(slopes, side - 1, stride=8)[0, 0]
    top, left = divmod(int(means.argmax()), means.shape[1])
    return float(means.max()), crop[..., 8 * top : 8 * top + side, 8 * left : 8 * left + side]


def _array(image: torch.Tensor) -> F32:
    return np.ascontiguousarray(image.numpy())


def _mean_psnr(pairs: Iterable[tuple[F32, F32]]) -> float:
    return float(np.mean([truth_psnr(image, truth, rounded=False) for image, truth in pairs]))

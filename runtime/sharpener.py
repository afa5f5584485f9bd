"""An artifact that is ready to sharpen: files, Pillow's images and arrays, from several threads."""

from __future__ import annotations

import os
import threading
import time
import warnings
from pathlib import Path
from typing import Any, overload

from numpy.typing import NDArray
from PIL import Image

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.encode import check_writable, to_image, write_photo
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.imaging.views import check_views
from ensharpen_edge.progress import Progress, no_progress, of_part
from ensharpen_edge.runtime.array_images import ArrayImage
from ensharpen_edge.runtime.engines.base import EngineFacts, Runner
from ensharpen_edge.runtime.engines.registry import check_request, open_engine
from ensharpen_edge.runtime.photo_result import PhotoResult
from ensharpen_edge.runtime.pillow_images import array_of, image_like
from ensharpen_edge.runtime.pipeline import (
    TileChoice,
    Timing,
    WindowBuffer,
    check_tileable,
    plan_for,
    sharpen_frame,
    sharpen_photo,
)
from ensharpen_edge.runtime.self_ensemble import SelfEnsemble
from ensharpen_edge.runtime.self_test import SelfTest, self_test

PathLike = str | os.PathLike[str]


class PhotoWarning(UserWarning):
    """A change that an image needed, which its pixels alone do not show: frames or colours that were left out."""


def load(
    artifact: PathLike | Artifact,
    engine: str | None = None,
    device: str = "cpu",
    threads: int = 0,
    *,
    self_ensemble: int = 1,
    cuda_backend: str | None = None,
    self_test: bool | None = None,
) -> Sharpener:
    """Open an artifact, ready to sharpen.

    Args:
        artifact: The folder that `ensharpen-export` wrote, or an artifact that is open.
        engine, device, threads, self_ensemble, cuda_backend, self_test: See `Sharpener`.

    Raises:
        IntegrityError: The folder holds no artifact, or a file of it is missing or altered.
        EnsharpenError: See `Sharpener`.
    """
    opened = artifact if isinstance(artifact, Artifact) else Artifact.open(Path(artifact))
    return Sharpener(
        opened,
        engine,
        device,
        threads,
        self_ensemble=self_ensemble,
        cuda_backend=cuda_backend,
        self_test=self_test,
    )


class Sharpener:
    """A network on an engine. Close it, or use it in a `with` block. It may be used from several threads.

    Args:
        artifact: A verified artifact.
        engine: An engine's name, or None for the preferred one of the artifact's format.
        device: The device to run on: `cpu`, `cuda`, `cuda:1`, ..., see the engine's `devices`.
        threads: The number of CPU threads, 0 for `OMP_NUM_THREADS`, or all cores.
        self_ensemble: 1, or average 2, 4 or 8 mirrored and turned views: sharper, and so many times slower.
        cuda_backend: TensorRT's way to CUDA: `cuda.bindings`, `cudart` or `pycuda`; None takes the first that is found.
        self_test: Replay the golden image before the first photograph: None where this machine has not passed with
            this artifact and engine before, True in any case, False never.

    Attributes:
        artifact: The artifact.
        tested: What came of the golden image; None where it was not asked for.

    Raises:
        UsageError: An unknown engine, device or number of views, or an option that this engine does not take.
        MissingToolError: The backend, or its part for this device, is not installed or does not start.
        IntegrityError: The backend cannot load the file.
        OutOfMemoryError: The file does not fit into memory.
        ParityError: This device computes something else than the file says.
    """

    def __init__(
        self,
        artifact: Artifact,
        engine: str | None = None,
        device: str = "cpu",
        threads: int = 0,
        *,
        self_ensemble: int = 1,
        cuda_backend: str | None = None,
        self_test: bool | None = None,
    ) -> None:
        check_views(self_ensemble)
        check_request(artifact, engine, threads, cuda_backend=cuda_backend)
        self.artifact = artifact
        self._engine = open_engine(artifact, device, threads, engine, cuda_backend=cuda_backend)
        self.tested = self._replayed(self_test)
        self._runner: Runner = self._engine
        if self_ensemble > 1:
            self._runner = SelfEnsemble(
                self._engine, artifact.manifest.io, artifact.manifest.shape, self_ensemble
            )  # fmt: skip
        self._buffers = threading.local()

    def _replayed(self, wanted: bool | None) -> SelfTest | None:
        if wanted is False:
            return None
        try:
            return self_test(self.artifact, self._engine, again=wanted is True)
        except BaseException:
            self._engine.close()
            raise

    @property
    def engine(self) -> EngineFacts:
        """The engine's name, and the device and provider that it really runs on."""
        return self._engine.facts

    @overload
    def sharpen(self, image: PathLike, *, tile: TileChoice = ..., progress: Progress = ...) -> Image.Image: ...

    @overload
    def sharpen(self, image: Image.Image, *, tile: TileChoice = ..., progress: Progress = ...) -> Image.Image: ...

    @overload
    def sharpen(self, image: NDArray[Any], *, tile: TileChoice = ..., progress: Progress = ...) -> NDArray[Any]: ...

    def sharpen(
        self,
        image: PathLike | Image.Image | NDArray[Any],
        *,
        tile: TileChoice = "auto",
        progress: Progress = no_progress,
    ) -> Image.Image | NDArray[Any]:
        """Sharpen an image and return the same kind of image, enlarged where the network enlarges.

        A path is read as `ensharpen-run` reads it and gives a `PIL.Image`, upright, with profile and EXIF in `info`.

        A `PIL.Image` of mode L, LA, RGB, RGBA or I;16 keeps its mode and its `info`; P, PA and 1 are converted to RGB,
        RGBA and L. Its EXIF orientation is left as it is, and so are the pixels.

        An array is (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB, or (H, W, 4) RGB and alpha, and keeps its
        dtype. uint16 runs as floats and is rounded at the end; float32 and float64 are in [0, 1] and are not rounded,
        computed in float32. Files that take integers see any image in 8 bits.

        Alpha is carried over, not sharpened. A change that the image needed, such as a conversion, is a `PhotoWarning`.

        Args:
            image: The image.
            tile: `auto`, `off`, or the side of tiles in pixels. It never changes the result.
            progress: Told how many tiles are done.

        Raises:
            UsageError: A mode, shape or dtype that is not known, a tile that the artifact does not take, or this
                sharpener is closed.
            BadInputError: A file that cannot be read, floats outside [0, 1], or NaN.
            OutOfMemoryError: A window does not fit into memory; smaller tiles may.
            QualityError: The network returned NaN or Inf.
        """
        self.check_tile(tile)
        if isinstance(image, Image.Image):
            array, notes = array_of(image)
            sharp: Image.Image | NDArray[Any] = image_like(image, self._sharpen_array(array, tile, progress))
        elif isinstance(image, (str, os.PathLike)):
            photo, _ = self.sharpen_photo(read_photo(Path(image)), tile, progress)
            sharp, notes = _as_image(photo), photo.notes
        else:
            sharp, notes = self._sharpen_array(image, tile, progress), ()
        for note in notes:
            warnings.warn(note, PhotoWarning, stacklevel=2)
        return sharp

    def sharpen_photo(
        self, photo: Photo, tile: TileChoice = "auto", progress: Progress = no_progress
    ) -> tuple[Photo, Timing]:
        """Sharpen a decoded photograph; alpha, profile and EXIF are carried over.

        Raises:
            EnsharpenError: See `sharpen`.
        """
        return sharpen_photo(self.artifact, self._runner, photo, tile, progress, self._buffer())

    def sharpen_file(
        self,
        source: PathLike,
        target: PathLike,
        overwrite: bool = False,
        *,
        tile: TileChoice = "auto",
        progress: Progress = no_progress,
    ) -> PhotoResult:
        """Sharpen a photograph from file to file, as `ensharpen-run` does: alpha, profile and EXIF are carried over.

        Args:
            source: A JPEG, PNG, WebP or TIFF file.
            target: The file to write, whole or not at all; its ending chooses the format.
            overwrite: Replace a file that is there. The source itself is never replaced.
            tile: `auto`, `off`, or the side of tiles in pixels. It never changes the result.
            progress: Told how many tiles are done.

        Returns:
            Sizes, times, and notes on what was changed.

        Raises:
            UsageError: The target exists, is the source, or has an ending that is not written; see also `sharpen`.
            BadInputError: The source cannot be read, or the target cannot be written.
            OutOfMemoryError: A window does not fit into memory; smaller tiles may.
            QualityError: The network returned NaN or Inf.
        """
        source, target = Path(source), Path(target)
        self.check_tile(tile)
        if source.is_dir():
            raise BadInputError(f"{source}: is a folder", hint=f"give {source}/*.jpg")
        _check_target(source, target, overwrite)
        start = time.perf_counter()
        photo = read_photo(source)
        decoded = time.perf_counter()
        check_writable(target)
        height, width, notes = photo.height, photo.width, photo.notes
        sharp, timing = self.sharpen_photo(photo, tile, of_part(progress, source.name))
        del photo  # a 48-megapixel source need not stay in memory while its result is encoded
        before_encode = time.perf_counter()
        notes += write_photo(sharp, target)
        encode = time.perf_counter() - before_encode
        return PhotoResult(source, target, None, width, height, decoded - start, encode, timing, notes)

    def check_tile(self, tile: TileChoice) -> None:
        """Refuse a tile that the artifact does not take, before anything is read.

        Raises:
            UsageError: Not `auto`, `off` or a positive number, or an artifact that takes one size or the whole only.
        """
        number = isinstance(tile, int) and not isinstance(tile, bool)
        if not (tile in ("auto", "off") if not number else tile > 0):  # type: ignore[operator]
            raise UsageError(f"--tile must be 'auto', 'off' or a number of pixels, got {tile!r}")
        shape = self.artifact.manifest.shape
        if tile != "auto" and shape.height is not None:
            raise UsageError(
                f"--tile: {self.artifact.path} takes windows of {shape.width}x{shape.height} pixels only",
                hint="leave --tile out",
            )
        if number:
            check_tileable(self.artifact)

    def close(self) -> None:
        """Close the engine. May be called again."""
        self._engine.close()

    def __enter__(self) -> Sharpener:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _sharpen_array(self, array: NDArray[Any], tile: TileChoice, progress: Progress) -> NDArray[Any]:
        image = ArrayImage.of(array)
        plan = plan_for(self.artifact, image.frame.shape[0], image.frame.shape[1], tile)
        sharp, _ = sharpen_frame(  # type: ignore[type-var]  # one type or the other, known when it runs
            self._runner, self.artifact.manifest.io, plan, image.frame, progress, self._buffer()
        )
        return image.with_frame(sharp)

    def _buffer(self) -> WindowBuffer:
        """Return this thread's window buffer."""
        if not hasattr(self._buffers, "own"):
            self._buffers.own = WindowBuffer()
        buffer: WindowBuffer = self._buffers.own
        return buffer


def _as_image(photo: Photo) -> Image.Image:
    image = to_image(photo)
    image.info.update({key: value for key, value in (("icc_profile", photo.icc), ("exif", photo.exif)) if value})
    return image


def _check_target(source: Path, target: Path, overwrite: bool) -> None:
    if target.resolve() == source.resolve():
        raise UsageError(f"{target}: is the photograph itself", hint="write to another file")
    if os.path.lexists(target) and not overwrite:
        raise UsageError(f"{target}: exists already", hint="choose another file, or overwrite=True (--overwrite)")

"""Teachers: a checkpoint of this project, or any ONNX file that maps an RGB image to one of the same size."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ensharpen_edge.errors import BadInputError, require
from ensharpen_edge.imaging.views import VIEWS, check_views, from_view, to_view
from ensharpen_edge.models.checkpoint import find_checkpoint
from ensharpen_edge.models.student import Student
from ensharpen_edge.training.distillation.onnx_files import read_onnx_files


class Teacher(Protocol):
    """A network that is already good.

    Attributes:
        key: sha256 of its file, or of all its files, for caches and cards.
        size: (height, width) that it is fixed to, or None.
    """

    key: str
    size: tuple[int, int] | None

    def __call__(self, images: Tensor) -> Tensor:
        """float (N, 3, H, W) in [0, 1] -> the same, clipped; no gradients."""
        ...


class CheckpointTeacher:
    """A shipped model by name, or a checkpoint by path."""

    size: tuple[int, int] | None = None

    def __init__(self, model: str, device: torch.device | None = None) -> None:
        checkpoint = find_checkpoint(model)
        self.key = checkpoint.sha256
        network = checkpoint.network.to(device or torch.device("cpu")).eval().requires_grad_(False)
        self.network: Student = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.network.config.heads != ("sharpen",):
            raise BadInputError(
                f"{model}: a teacher must return one sharpened image, this one has {self.network.config.heads}"
            )

    def __call__(self, images: Tensor) -> Tensor:
        """See `Teacher`."""
        with torch.no_grad():
            output: Tensor = self.network(images)
            return output.clamp(0.0, 1.0)

    def features(self, images: Tensor) -> Tensor:
        """Return the bottleneck features (N, C, H/8, W/8)."""
        with torch.no_grad():
            features: Tensor = self.network.bottleneck(images)
            return features


class OnnxTeacher:
    """An ONNX file run by ONNX Runtime on the CPU (on a GPU where its provider is installed).

    The layout is read from the file: the axis of length 3 holds the channels.

    Raises:
        BadInputError: Not a readable ONNX file, weights that are missing or outside the model's folder, or an input and
            an output that are not one RGB image each.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise BadInputError(f"{path}: no such teacher")
        onnxruntime = require("onnxruntime", "train")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        with read_onnx_files(path) as files:
            try:
                self._session = onnxruntime.InferenceSession(files.source, options, providers=providers)
            except Exception as error:  # ONNX Runtime raises classes of its own extension module
                raise BadInputError(f"{path}: not a model that ONNX Runtime can open ({error})") from error
        self.key = files.key
        self._path = path
        self._channels_last, self._batch, self.size = self._check_io()

    def _check_io(self) -> tuple[bool, int | None, tuple[int, int] | None]:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        described = (
            f"inputs {[(i.name, i.type, i.shape) for i in inputs]}, outputs {[(o.name, o.shape) for o in outputs]}"
        )
        shape: list[Any] = inputs[0].shape if inputs else []
        fits = len(inputs) == 1 and len(outputs) == 1 and inputs[0].type == "tensor(float)" and len(shape) == 4
        if not fits or 3 not in (shape[1], shape[3]):
            raise BadInputError(
                f"{self._path}: a teacher needs one float32 RGB image as input and one as output; found {described}",
                hint="export it with input (N, 3, H, W) or (N, H, W, 3) in [0, 1]",
            )
        last = shape[1] != 3
        spatial = shape[1:3] if last else shape[2:4]
        size = (int(spatial[0]), int(spatial[1])) if all(isinstance(side, int) for side in spatial) else None
        batch = shape[0] if isinstance(shape[0], int) else None
        return last, batch, size

    def __call__(self, images: Tensor) -> Tensor:
        """See `Teacher`.

        Raises:
            BadInputError: The images are not of the size that the file is fixed to, or the output is of another.
        """
        if self.size is not None and tuple(images.shape[-2:]) != self.size:
            raise BadInputError(f"{self._path}: is fixed to {self.size} pixels, got {tuple(images.shape[-2:])}")
        array = images.detach().cpu().float().numpy()
        if self._channels_last:
            array = np.ascontiguousarray(array.transpose(0, 2, 3, 1))
        output = self._run(array)
        if output.shape != array.shape:
            raise BadInputError(f"{self._path}: returned {output.shape} for {array.shape}; a teacher keeps the size")
        if output.dtype.kind != "f" or not -1.0 < float(output.mean()) < 2.0:
            raise BadInputError(
                f"{self._path}: returned {output.dtype} with a mean of {float(output.mean()):.3g}; a teacher's image "
                "is floating point in [0, 1]"
            )
        output = output.astype(np.float32)
        if self._channels_last:
            output = np.ascontiguousarray(output.transpose(0, 3, 1, 2))
        return torch.from_numpy(output).clamp(0.0, 1.0).to(images.device)

    def _run(self, array: NDArray[np.float32]) -> NDArray[Any]:
        """The model on any number of images, in batches of the size it is fixed to."""
        name = self._session.get_inputs()[0].name
        step = self._batch or len(array)
        missing = -len(array) % step
        padded = np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
        try:
            parts = [self._session.run(None, {name: padded[i : i + step]})[0] for i in range(0, len(padded), step)]
        except Exception as error:  # ONNX Runtime raises classes of its own extension module
            raise BadInputError(f"{self._path}: cannot run on images of {array.shape} ({error})") from error
        return np.concatenate(parts)[: len(array)]


class SelfEnsembleTeacher:
    """The mean of another teacher's answers to `views` mirrored and turned views (see `runtime.self_ensemble`).

    Raises:
        UsageError: An unknown number of views.
        BadInputError: The teacher is fixed to a size that cannot be turned by 90 degrees.
    """

    def __init__(self, teacher: Teacher, views: int) -> None:
        check_views(views)
        self.key, self.size = f"{teacher.key} x{views}", teacher.size
        if views == VIEWS[-1] and self.size is not None and self.size[0] != self.size[1]:
            raise BadInputError(f"the teacher is fixed to {self.size} pixels: turned images do not fit")
        self._teacher, self._views = teacher, views

    def __call__(self, images: Tensor) -> Tensor:
        """See `Teacher`."""
        total = torch.zeros_like(images)
        for view in range(self._views):
            seen = torch.from_numpy(to_view(images.cpu().numpy(), view, 2, 3)).to(images.device)
            total += torch.from_numpy(from_view(self._teacher(seen).cpu().numpy(), view, 2, 3).copy()).to(total)
        return total / self._views


def open_teacher(name: str, device: torch.device | None = None) -> CheckpointTeacher | OnnxTeacher:
    """Return a teacher by name or path; `.onnx` files are opened by ONNX Runtime."""
    if name.endswith(".onnx"):
        return OnnxTeacher(Path(name))
    return CheckpointTeacher(name, device)

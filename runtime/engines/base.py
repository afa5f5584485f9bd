"""The base class of engines: checks, errors and closing, the same for every backend."""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import EnsharpenError, IntegrityError, OutOfMemoryError, UsageError
from ensharpen_edge.processor_cores import usual_threads

Batch = NDArray[Any]
EngineT = TypeVar("EngineT", bound="Engine")


class Runner(Protocol):
    """Anything that turns one batch into another: an engine, or a self-ensemble of one."""

    def run(self, batch: Batch) -> Batch:
        """Return the result for a batch, see `Engine.run`."""
        ...


@dataclass(frozen=True)
class EngineFacts:
    """Where a model file runs.

    Attributes:
        name: The engine's name in the registry.
        device: The device that it really runs on, e.g. `cpu`, `cuda:1`, `interpreter`.
        provider: The part of the backend that runs it, e.g. `CUDAExecutionProvider`, `ai_edge_litert`.
        is_reference: True where an engine shows what a file computes, but not how fast it is.
    """

    name: str
    device: str
    provider: str
    is_reference: bool


class Engine(ABC):
    """A loaded model file. It is made from a verified artifact, and closed by `close` or by a `with` block.

    `run` may be called from several threads; engines that are not re-entrant run one batch at a time.

    A backend defines the class variables, `devices`, `_load`, `_run` and `_release`, and sets `device`, `provider` and,
    where they are not the class's, `is_reference` and `reentrant` while it loads.

    Args:
        artifact: A verified artifact whose file has one of the engine's formats.
        device: The device to run on, one of `devices()`.
        threads: The number of CPU threads, 0 for the usual one (`processor_cores.usual_threads`). Ignored by engines
            that take none.
        options: Further options by name, see `options`. Empty texts and None count as not given.

    Attributes:
        device: The device that the engine really runs on.
        provider: The part of the backend that runs the file.
        is_reference: True where the engine shows what a file computes, but not how fast it is.
        reentrant: Whether the backend itself may run several batches at once.

    Raises:
        UsageError: The device is unknown, the file is of another format, or an option is not one of this engine's.
        MissingToolError: The backend, or its part for this device, is not installed or does not start.
        IntegrityError: The backend cannot load the file, or the file has other tensors than its manifest says.
        OutOfMemoryError: The file does not fit into memory.
    """

    name: ClassVar[str]
    """The name by which users choose the engine."""
    title: ClassVar[str]
    """The backend's own name, for messages."""
    formats: ClassVar[frozenset[str]]
    """The values of `manifest.traits.format` that it runs."""
    needs: ClassVar[str]
    """The line that installs the backend."""
    distributions: ClassVar[tuple[str, ...]]
    """The distributions that bring the backend, one of which is installed."""
    takes_threads: ClassVar[bool]
    """Whether a number of CPU threads means anything to it."""
    options: ClassVar[frozenset[str]] = frozenset()
    """The names of further options that it takes."""

    device: str
    provider: str
    is_reference: bool = False
    reentrant: bool = False

    def __init__(self, artifact: Artifact, device: str = "cpu", threads: int = 0, **options: str | None) -> None:
        given = {option: value for option, value in options.items() if value}
        self.check_options(given)
        self._check_device(device)
        self._closed = False
        self._lock = threading.Lock()
        self._io = artifact.manifest.io
        self._multiple = artifact.manifest.shape.multiple_of
        self._file = artifact.model_path
        if artifact.manifest.traits.format not in self.formats:
            raise UsageError(
                f"{self.name} runs {', '.join(sorted(self.formats))} files, {artifact.path} holds a file of format "
                f"{artifact.manifest.traits.format!r}"
            )
        try:
            with self._loading():
                self._load(artifact, device, threads or usual_threads(), MappingProxyType(given))
        except EnsharpenError:
            self.close()
            raise

    @classmethod
    @abstractmethod
    def devices(cls) -> tuple[str, ...]:
        """Return the devices that can be asked for on this machine, with the backend as it is installed.

        Empty where the backend is not installed. A device that is listed may still fail to start.
        """

    @classmethod
    def check_options(cls, given: Mapping[str, str | None]) -> None:
        """Refuse options that this engine does not take.

        Raises:
            UsageError: An option is not one of `options`.
        """
        for option in given:
            if option not in cls.options:
                raise UsageError(f"{cls.title} engines have no option {_flag(option)}", hint="leave it out")

    @classmethod
    @abstractmethod
    def _check_device(cls, device: str) -> None:
        """Raise `UsageError` for a device that this engine does not know, installed or not."""

    @abstractmethod
    def _load(self, artifact: Artifact, device: str, threads: int, options: Mapping[str, str]) -> None:
        """Load the file, compare its tensors by `_check_tensors`, set `device` and `provider`.

        An exception that is not one of ours becomes an `IntegrityError`.
        """

    @abstractmethod
    def _run(self, batch: Batch) -> Batch:
        """Run a batch whose dtype and channels are right. Exceptions are translated by `_translated`."""

    @abstractmethod
    def _release(self) -> None:
        """Give back what `_load` took; it may have failed halfway."""

    @property
    def facts(self) -> EngineFacts:
        """The engine's name, and where it really runs."""
        return EngineFacts(self.name, self.device, self.provider, self.is_reference)

    def run(self, batch: Batch) -> Batch:
        """Run the network on one image.

        Args:
            batch: (1, 3, H, W) or (1, H, W, 3), as the manifest's layout, dtype and range say. H and W must be sizes
                that the file takes.

        Returns:
            An array of the same layout and dtype, `io.enlarges` times as high and wide.

        Raises:
            UsageError: The engine is closed, or the batch is not one that the file takes.
            OutOfMemoryError: A window of this size does not fit into memory.
        """
        self._check_batch(batch)
        with contextlib.nullcontext() if self.reentrant else self._lock:
            if self._closed:
                raise UsageError(f"{self.name}: this engine is closed", hint="open the artifact again")
            try:
                output = self._run(batch)
            except EnsharpenError:
                raise
            except Exception as error:  # backends raise classes of their own extension modules
                raise self._translated(error, batch.shape) from error
        return np.asarray(output, dtype=self._io.dtype)

    def close(self) -> None:
        """Release memory and threads. May be called again."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()

    def __enter__(self: EngineT) -> EngineT:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _check_batch(self, batch: Batch) -> None:
        channels = batch.shape[1 if self._io.layout == "NCHW" else 3] if batch.ndim == 4 else 0
        if batch.ndim != 4 or batch.shape[0] != 1 or channels != 3 or batch.dtype != self._io.dtype:
            raise UsageError(
                f"{self.name} cannot run a window of {batch.shape}, {batch.dtype}: the file takes one image, "
                f"{self._io.layout} with 3 channels, {self._io.dtype}"
            )
        sides = batch.shape[2:] if self._io.layout == "NCHW" else batch.shape[1:3]
        # Not every backend looks at the sides of its input: OpenVINO reads beyond the end of one that does not fit.
        if any(side % self._multiple or not side for side in sides):
            raise UsageError(
                f"{self.name} cannot run a window of {sides[1]}x{sides[0]} pixels: sides must be multiples of "
                f"{self._multiple}"
            )

    def _check_tensors(self, names: Sequence[str], dtypes: Sequence[str]) -> None:
        """Compare the file's tensors, its input and its output, with the manifest's.

        Raises:
            IntegrityError: Other names, or other types.
        """
        stated = [self._io.input_name, self._io.output_name]
        if list(names) != stated:
            raise IntegrityError(
                f"{self._file}: has tensors {list(names)}, the manifest says {stated}", hint="export it again"
            )
        if list(dtypes) != [self._io.dtype] * 2:
            raise IntegrityError(
                f"{self._file}: has tensors of {list(dtypes)}, the manifest says {self._io.dtype}",
                hint="export it again",
            )

    @contextlib.contextmanager
    def _loading(self) -> Iterator[None]:
        try:
            yield
        except EnsharpenError:
            raise
        except MemoryError as error:
            raise OutOfMemoryError(f"{self._file}: not enough memory to load it ({error})") from error
        except Exception as error:  # see `run`
            raise IntegrityError(f"{self._file}: {self.title} cannot load it ({error})") from error

    def _translated(self, error: Exception, shape: tuple[int, ...]) -> EnsharpenError:
        """Return our error for a backend's: these raise nothing more specific than a text."""
        text = str(error).lower()
        if isinstance(error, MemoryError) or "allocate" in text or "out of memory" in text:
            return OutOfMemoryError(f"not enough memory for a window of {shape}")
        return UsageError(f"{self.title} cannot run a window of {shape} ({error})")


def unknown_device(engine: type[Engine], device: str, known: Sequence[str]) -> UsageError:
    """Return the error for a device that an engine does not know."""
    return UsageError(f"{engine.name}: unknown device {device!r}", hint=f"known: {', '.join(known)}")


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"

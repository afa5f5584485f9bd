"""Which engines run files of which format. A new engine is one file and one line here."""

from __future__ import annotations

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import UsageError, unknown_name
from ensharpen_edge.runtime.engines.base import Engine
from ensharpen_edge.runtime.engines.coreml import CoremlEngine
from ensharpen_edge.runtime.engines.litert import LiteRtEngine
from ensharpen_edge.runtime.engines.onnxruntime import OnnxRuntimeEngine
from ensharpen_edge.runtime.engines.openvino import OpenVinoEngine
from ensharpen_edge.runtime.engines.tensorrt import TensorRtEngine

ENGINES: tuple[type[Engine], ...] = (OnnxRuntimeEngine, OpenVinoEngine, LiteRtEngine, CoremlEngine, TensorRtEngine)
"""All engines, in order of preference."""


def engines_for(file_format: str) -> tuple[type[Engine], ...]:
    """Return the engines that run files of a format (`manifest.traits.format`), the preferred one first."""
    return tuple(engine for engine in ENGINES if file_format in engine.formats)


def choose_engine(artifact: Artifact, name: str | None = None) -> type[Engine]:
    """Return the engine's class for an artifact: the one of that name, or the preferred one.

    Raises:
        UsageError: No such engine, or one that does not run files of this format.
    """
    file_format = artifact.manifest.traits.format
    able = engines_for(file_format)
    if name is None and able:
        return able[0]
    if name is not None and name not in {engine.name for engine in ENGINES}:
        raise unknown_name("engine", name, [engine.name for engine in ENGINES])
    for engine in able:
        if engine.name == name:
            return engine
    wrong = f"{name} does not run" if name else "no engine runs"
    raise UsageError(
        f"{artifact.path}: {wrong} files of format {file_format!r}",
        hint=f"engines that run it: {', '.join(engine.name for engine in able) or 'none'}",
    )


def check_request(artifact: Artifact, engine: str | None = None, threads: int = 0, **options: str | None) -> None:
    """Refuse what the artifact's engine would ignore or does not take, before anything is opened.

    Args:
        artifact: The artifact.
        engine: An engine's name, or None for the preferred one.
        threads: The number of CPU threads that was asked for, 0 for none in particular.
        options: Further options; those without a value are passed over.

    Raises:
        UsageError: Threads for an engine that takes none, an option of another engine, or an unknown engine.
    """
    chosen = choose_engine(artifact, engine)
    for option, value in options.items():
        if value and option not in chosen.options:
            takers = ", ".join(other.title for other in ENGINES if option in other.options) or "no"
            raise UsageError(
                f"--{option.replace('_', '-')} is for {takers} engines, {artifact.path} is run by {chosen.name}",
                hint="leave it out",
            )
    if threads and not chosen.takes_threads:
        raise UsageError(
            f"--threads is for CPUs' own runtimes, {artifact.path} is run by {chosen.name}", hint="leave it out"
        )


def open_engine(
    artifact: Artifact, device: str = "cpu", threads: int = 0, engine: str | None = None, **options: str | None
) -> Engine:
    """Open an engine that runs the artifact's file.

    Args:
        artifact: A verified artifact.
        device: A device of the engine, see `Engine.devices`.
        threads: The number of CPU threads, 0 for `OMP_NUM_THREADS`, or all cores. Engines that take none ignore it.
        engine: An engine's name, or None for the preferred one of this format.
        options: Further options of that engine, such as TensorRT's `cuda_backend`.

    Raises:
        UsageError: No such engine, one that does not run this format, an unknown device or option.
        MissingToolError: The backend, or its part for this device, is not installed or does not start.
        IntegrityError: The backend cannot load the file, or the file has other tensors than its manifest says.
        OutOfMemoryError: The file does not fit into memory.
    """
    return choose_engine(artifact, engine)(artifact, device, threads, **options)

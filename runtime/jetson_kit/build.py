"""Building an engine: one path for TensorRT 8.5 to 11."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable  # noqa: UP035 (collections.abc's takes no arguments in JetPack 5's Python 3.8)

from .faults import BAD_INPUT, INTEGRITY, MISSING, USAGE, DeviceError
from .graph_choice import Attempt, cache_header, parse_version
from .onnx_external_data import check_whole

Report = Callable[[str], None]


@dataclass(frozen=True)
class BuildOptions:
    """How an engine is built.

    Attributes:
        shapes: The smallest, usual and largest shape of the input.
        workspace: The bytes that a layer may use, 0 for TensorRT's choice.
        level: The optimization level 0 to 5, None for TensorRT's choice; from 8.6 on.
        timing_cache: The folder of timing caches, or None.
        dla: The DLA core, or None for the GPU.
    """

    shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    workspace: int = 0
    level: int | None = None
    timing_cache: Path | None = None
    dla: int | None = None


@dataclass(frozen=True)
class Built:
    """A finished engine.

    Attributes:
        engine: The engine's bytes.
        attempt: The attempt that built it.
        failures: The attempts before it, and why they failed.
    """

    engine: bytes
    attempt: Attempt
    failures: tuple[str, ...]


def check_shapes(shapes: tuple[tuple[int, ...], ...], stride: int) -> None:
    """Raise `DeviceError` for shapes that are out of order, or no multiples of the network's stride."""
    for shape in shapes:
        if len(shape) != 4 or any(side % stride or side <= 0 for side in shape[2:]):
            raise DeviceError(USAGE, f"shape {shape}: height and width must be multiples of {stride}")
    for smaller, larger in ((shapes[0], shapes[1]), (shapes[1], shapes[2])):
        if any(smaller[axis] > larger[axis] for axis in range(4)):
            raise DeviceError(USAGE, f"shape {smaller} is larger than {larger}: give smallest, usual, largest")


def build_first(trt: Any, tries: tuple[Attempt, ...], folder: Path, options: BuildOptions, report: Report) -> Built:
    """Build the first attempt that builds.

    Args:
        trt: The module `tensorrt`.
        tries: The attempts, in order.
        folder: The folder of the graphs.
        options: How they are built.
        report: Called with a line on every step.

    Raises:
        DeviceError: None builds; the message gives every reason.
    """
    failures: list[str] = []
    for attempt in tries:
        report(f"building {attempt.precision} from {attempt.graph}.onnx")
        try:
            return Built(build_engine(trt, attempt, folder, options, report), attempt, tuple(failures))
        except DeviceError as error:
            if error.code == INTEGRITY:
                raise
            failures.append(f"{attempt.graph} ({attempt.precision}): {error}")
            report(f"failed: {error}")
    raise DeviceError(
        BAD_INPUT, "no engine could be built: " + "; ".join(failures), "see the log above; try --workspace"
    )


def build_engine(trt: Any, attempt: Attempt, folder: Path, options: BuildOptions, report: Report) -> bytes:
    """Parse and build one graph.

    Raises:
        DeviceError: The graph is not whole, or TensorRT refused it, found no implementation, or ran out of memory.
    """
    path = folder / f"{attempt.graph}.onnx"
    content = path.read_bytes()
    check_whole(path.name, content)
    version = parse_version(trt.__version__)
    log = logger(trt, report)
    builder = _made(trt.Builder, log)
    network = builder.create_network(network_flags(trt, attempt, version))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(content):
        reasons = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise DeviceError(BAD_INPUT, f"{path.name}: TensorRT {trt.__version__} does not parse it: {reasons}")
    config = builder.create_builder_config()
    configure(trt, config, attempt, options)
    calibrator = None
    if options.dla is not None and "INT8" in attempt.flags:
        # Kept in a variable: TensorRT holds no reference of its own.
        calibrator = cached_scales(trt, (folder / "dla.cache").read_text(encoding="utf-8"))
        config.int8_calibrator = calibrator
    profile = builder.create_optimization_profile()
    profile.set_shape(network.get_input(0).name, *options.shapes)
    config.add_optimization_profile(profile)
    cache = _load_cache(trt, config, options, content)
    _show_progress(trt, config, report)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        reason = log.errors[-1] if log.errors else "TensorRT gave no reason"
        if any("memory" in error.lower() for error in log.errors):
            raise DeviceError(
                BAD_INPUT, f"out of memory while building ({reason})", "close other programs, --workspace 512"
            )
        raise DeviceError(BAD_INPUT, reason)
    if cache is not None:
        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            cache.write_bytes(bytes(config.get_timing_cache().serialize()))
        except OSError as error:
            report(f"the timings are not kept ({error})")
    return bytes(plan)


def _made(factory: Any, log: Any) -> Any:
    """Return a TensorRT object; its constructors raise TypeError where CUDA does not start."""
    try:
        made = factory(log)
    except TypeError as error:
        raise DeviceError(MISSING, f"TensorRT does not start: {(log.errors or [str(error)])[-1]}") from error
    if made is None:
        raise DeviceError(MISSING, "TensorRT does not start")
    return made


def network_flags(trt: Any, attempt: Attempt, version: tuple[int, int]) -> int:
    """Return the flags of the network: strong types where wanted; explicit batch where it still is a flag."""
    known = trt.NetworkDefinitionCreationFlag
    if attempt.strong:
        # From 11 on every network is strongly typed, and the flag is kept for old callers.
        return 1 << int(known.STRONGLY_TYPED) if hasattr(known, "STRONGLY_TYPED") else 0
    return 1 << int(known.EXPLICIT_BATCH) if hasattr(known, "EXPLICIT_BATCH") and version < (10, 0) else 0


def configure(trt: Any, config: Any, attempt: Attempt, options: BuildOptions) -> None:
    """Set what the options ask for; what this TensorRT does not have is an error, not a silent omission.

    Raises:
        DeviceError: An option that this version lacks.
    """
    for flag in attempt.flags:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if options.workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if options.level is not None:
        _require(config, "builder_optimization_level", trt)
        config.builder_optimization_level = options.level
    if options.dla is not None:
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = options.dla
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def cached_scales(trt: Any, cache: str) -> Any:
    """Return a calibrator that runs no network: it hands out the scales of a kit, under this version's header."""
    content = "\n".join([cache_header(trt.__version__), *cache.splitlines()[1:]]).encode() + b"\n"

    class Scales(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: Any) -> None:
            return None

        def read_calibration_cache(self) -> bytes:
            return content

        def write_calibration_cache(self, cache: Any) -> None:
            return None

    return Scales()


def _require(owner: Any, name: str, trt: Any) -> None:
    if not hasattr(owner, name):
        raise DeviceError(USAGE, f"TensorRT {trt.__version__} has no {name}", "leave that option out")


def logger(trt: Any, report: Report) -> Any:
    """Return a logger that keeps errors for our own messages and passes warnings on."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(message)
            elif severity == trt.ILogger.Severity.WARNING:
                report(f"TensorRT: {message}")

    return Log()


def _show_progress(trt: Any, config: Any, report: Report) -> None:
    """Report the phases of the build, from TensorRT 10 on."""
    if not hasattr(trt, "IProgressMonitor") or not hasattr(config, "progress_monitor"):
        return

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, name: str, parent: Any, steps: int) -> None:
            self.steps[name] = steps

        def step_complete(self, name: str, step: int) -> bool:
            if step + 1 in (self.steps.get(name, 0) // 2, self.steps.get(name, 0)):
                report(f"{name}: {step + 1}/{self.steps.get(name, 0)}")
            return True

        def phase_finish(self, name: str) -> None:
            self.steps.pop(name, None)

    config.progress_monitor = Monitor()


def _load_cache(trt: Any, config: Any, options: BuildOptions, content: bytes) -> Path | None:
    """Timings of an earlier build of this graph by this TensorRT on this GPU; the folder is the GPU's."""
    if options.timing_cache is None:
        return None
    key = hashlib.sha256(content).hexdigest()[:16]
    path = options.timing_cache / f"{trt.__version__}-{key}.timing"
    cache = config.create_timing_cache(path.read_bytes() if path.is_file() else b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    return path

"""The Python API: what the commands do, as functions. `import ensharpen_edge as ee` offers these names.

Each function loads what it needs when it is called: sharpening never loads torch, and a missing package is a
`MissingToolError` that names the line which installs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import EnsharpenError, ExitCode, require
from ensharpen_edge.progress import Progress, no_progress

if TYPE_CHECKING:
    from ensharpen_edge.benchmarks.benchmark import BenchmarkResult
    from ensharpen_edge.calibration.calibrate import CalibrateResult
    from ensharpen_edge.calibration.planning import PlanRequest
    from ensharpen_edge.export.bundles.manifest import BundleManifest
    from ensharpen_edge.export.pipeline import ExportResult
    from ensharpen_edge.export.proof.gate import GateLimits
    from ensharpen_edge.export.quantization import QuantizationRequest
    from ensharpen_edge.export.targets.options import TargetOptions
    from ensharpen_edge.runtime.sharpener import Sharpener
    from ensharpen_edge.training.train import TrainResult

__all__ = [
    "Artifact",
    "EnsharpenError",
    "ExitCode",
    "benchmark",
    "bundle",
    "calibrate",
    "export",
    "load",
    "shipped_models",
    "targets",
    "train",
]

PathLike = str | Path
Folders = PathLike | Sequence[PathLike]


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
    """Open an artifact, ready to sharpen photographs. Close it, or use it in a `with` block.

    Args:
        artifact: Folder that `export` wrote, or an artifact that is open. Every hash is checked.
        engine: Name of an engine (`onnxruntime`, `litert`, `coreml`, `tensorrt`); None takes the first that runs the
            file.
        device: Where the engine runs: `cpu`, `cuda`, `cuda:1`, ... What is asked for is used, or refused.
        threads: CPU threads; 0 takes OMP_NUM_THREADS, or all cores.
        self_ensemble: 1, or the mean of 2, 4 or 8 mirrored and turned views.
        cuda_backend: How TensorRT engines reach CUDA (`cuda.bindings`, `cudart`, `pycuda`); None takes the first found.
        self_test: Replay the artifact's golden image on this device first: None where this machine has not passed with
            this artifact and engine before, True in any case, False never.

    Returns:
        An object with `sharpen(image)`, which returns what it is given (a path or PIL image gives a PIL image; uint8,
        uint16 and float arrays of (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) give the same dtype), and
        `sharpen_file(source, target)`. It may be used from several threads.

    Raises:
        IntegrityError: There is no artifact, or a file of it is missing, altered or cannot be loaded.
        MissingToolError: The engine, or its part for the device, is not installed or does not start.
        ParityError: This device computes something else than the file says.
        UsageError: An unknown engine or device, or an option that the engine does not take.
    """
    from ensharpen_edge.runtime import sharpener

    return sharpener.load(
        artifact,
        engine,
        device,
        threads,
        self_ensemble=self_ensemble,
        cuda_backend=cuda_backend,
        self_test=self_test,
    )


def export(
    model: PathLike = "nano",
    target: str = "onnx",
    precision: str = "fp32",
    out: PathLike = "build",
    *,
    size: tuple[int, int] | None = None,
    data: Folders = (),
    quantization: QuantizationRequest | None = None,
    image_dtype: str | None = None,
    options: TargetOptions | None = None,
    limits: GateLimits | None = None,
    drill: str | None = None,
    progress: Progress = no_progress,
) -> ExportResult:
    """Export a model through the parity ladder and the release gate, or leave nothing but a report.

    Args:
        model: Name of a shipped model (see `shipped_models`), or a `.safetensors` checkpoint.
        target: Name of a target (see `targets`).
        precision: One of the target's precisions, e.g. `fp32`, `fp16`, `int8`.
        out: Folder for the artifact's folder and its report.
        size: (height, width) of a static graph in pixels; None for the target's default.
        data: Folders of sharp photographs or real pairs that the gate judges with; none takes those of the package.
        quantization: Photographs or table, plan and scheme of calibrated precisions; a shipped model has its own.
        image_dtype: numpy dtype of the file's images; None takes the target's usual one.
        options: Options that only the target has, e.g. `export.targets.coreml.options.CoremlOptions`.
        limits: Limits of the release gate; None takes the usual ones.
        drill: Stage to damage on purpose, to see the gate refuse it.
        progress: Told about each stage.

    Raises:
        UsageError: An unknown name, or something that could have no effect.
        MissingToolError: A package that the target needs is not installed.
        IntegrityError, BadInputError: The checkpoint, the table or a photograph cannot be used.
        ParityError: The exported file computes something else than the network.
        QualityError: It computes nearly the same, but sharpens less.
    """
    require("torch", "onnx")
    from ensharpen_edge.export.pipeline import export_model
    from ensharpen_edge.export.proof.gate import GateLimits
    from ensharpen_edge.export.request import ExportRequest

    request = ExportRequest(
        str(model),
        target,
        precision,
        Path(out),
        size,
        _paths(data),
        drill,
        limits or GateLimits(),
        quantization,
        image_dtype,
        options,
    )
    return export_model(request, progress)


def calibrate(
    artifact: PathLike,
    data: PathLike,
    *,
    out: PathLike | None = None,
    plan: PlanRequest | None = None,
    search: bool = True,
    sensitivity: bool = False,
    compare: bool = False,
    progress: Progress = no_progress,
    **settings: Any,  # noqa: ANN401 (fields of CalibrationSettings)
) -> CalibrateResult:
    """See what photographs do to every tensor of a network, and find the layers that can take 8 bits.

    Args:
        artifact: Folder of an fp32 ONNX artifact.
        data: Folder of sharp photographs.
        out: Folder of the table and what belongs to it; None stands for `ARTIFACT-calibration`.
        plan: Scheme, range method, rounding, layers that stay float, and what the plan may cost.
        search: Whether a plan is searched for.
        sensitivity: Whether every layer and tensor is measured, alone and left out.
        compare: Whether every range method and rounding is measured.
        progress: Told about each step.
        settings: `count`, `crop`, `seed`, `allow_few`, `mix`, `samples`, `equalise`, `threads`, `cache` of
            `calibration.settings.CalibrationSettings`.

    Raises:
        UsageError: Another artifact than fp32 ONNX, or a setting out of its range.
        MissingToolError: A package is not installed.
        IntegrityError, BadInputError: The artifact or the photographs cannot be used.
        QualityError: No plan keeps enough.
    """
    require("torch", "onnx")
    require("imagehash", "train")
    from ensharpen_edge.calibration import calibrate as room
    from ensharpen_edge.calibration.planning import PlanRequest
    from ensharpen_edge.calibration.settings import CalibrationSettings
    from ensharpen_edge.data.cache import default_cache

    chosen = CalibrationSettings(Path(data), **{"cache": default_cache(), **settings})
    folder = None if out is None else Path(out)
    request = room.CalibrateRequest(Path(artifact), chosen, plan or PlanRequest(), folder, search, sensitivity, compare)
    return room.calibrate(request, progress)


def train(
    data: PathLike,
    recipe: str = "nano",
    *,
    out: PathLike | None = None,
    validation: PathLike | None = None,
    evaluation: Folders = (),
    cache: PathLike | None = None,
    accelerator: str = "auto",
    threads: int = 0,
    workers: int = 1,
    deterministic: bool = False,
    progress: Progress = no_progress,
    **choices: Any,  # noqa: ANN401 (fields of TrainRequest)
) -> TrainResult:
    """Train a network to sharpen, on your own photographs.

    Args:
        data: Folder of sharp photographs, or WebDataset shards (`set-{000..063}.tar`).
        recipe: Name of a shipped recipe, or a YAML file.
        out: Folder of the run; None stands for `runs/RECIPE`.
        validation: Folder of held-out photographs; None holds one in 16 out.
        evaluation: Folders that the result will be judged on: none of their photographs may be trained on.
        cache: Folder of decoded photographs; None for the user's.
        accelerator: `auto`, `cpu` or `cuda`.
        threads: CPU threads of each process; 0 shares all cores out.
        workers: Processes that prepare batches.
        deterministic: Whether operations that depend on timing are refused (GPU).
        progress: Told about the photographs and the steps.
        choices: `minutes`, `steps`, `seed`, `precision`, `teacher`, `labels`, `resume`, `tensorboard`, `licence`,
            `source` of `training.train.TrainRequest`.

    Raises:
        UsageError: An unknown recipe or choice, or a folder that holds a run already.
        MissingToolError: A package is not installed.
        BadInputError: The photographs cannot be used.
    """
    for package in ("torch", "safetensors", "lightning_fabric"):
        require(package, "train")
    from ensharpen_edge.data.cache import default_cache
    from ensharpen_edge.training import train as room
    from ensharpen_edge.training.launch import Hardware
    from ensharpen_edge.training.run import DataPaths

    held = None if validation is None else Path(validation)
    photos = DataPaths(str(data), held, _paths(evaluation), default_cache() if cache is None else Path(cache))
    hardware = Hardware(accelerator, threads, workers, deterministic)
    folder = None if out is None else Path(out)
    return room.train(room.TrainRequest(photos, recipe, folder, hardware=hardware, **choices), progress)


def benchmark(
    artifacts: Folders,
    *,
    size: int | tuple[int, int] | None = None,
    threads: int = 0,
    rounds: int | None = None,
    quality: Folders = (),
    progress: Progress = no_progress,
) -> BenchmarkResult:
    """Time artifacts in turns and, where photographs are given, measure how well they sharpen.

    Args:
        artifacts: Artifact folders, or folders of them.
        size: Side, or (height, width), of the timed image in pixels, for artifacts that take any; 512 by default.
        threads: CPU threads of every engine; 0 takes OMP_NUM_THREADS, or all cores.
        rounds: Timed rounds; None goes on until the medians are known to 2 %.
        quality: Folders of sharp photographs; without any, only speed is measured.
        progress: Told what is going on.

    Raises:
        UsageError: There is nothing to measure, or a number is out of its range.
        MissingToolError: A package is not installed.
        IntegrityError, BadInputError: An artifact is damaged, or a folder holds nothing.
    """
    for package in ("scipy", "skimage"):
        require(package, "bench")
    from ensharpen_edge.benchmarks import benchmark as room

    return room.benchmark(artifacts, size=size, threads=threads, rounds=rounds, quality=quality, progress=progress)


def shipped_models() -> tuple[str, ...]:
    """Return the names of the networks that come with the package."""
    folder = Path(__file__).parent / "weights"
    return tuple(sorted(path.stem for path in folder.glob("*.safetensors")))


def targets() -> tuple[str, ...]:
    """Return the names of the targets that `export` takes.

    Raises:
        MissingToolError: torch, which exporting needs, is not installed.
    """
    require("torch", "onnx")
    from ensharpen_edge.export.targets.registry import TARGETS

    return tuple(TARGETS)


def bundle(
    platform: str,
    artifacts: Folders,
    out: PathLike,
    *,
    progress: Progress = no_progress,
    **options: Any,  # noqa: ANN401 (the platform's own)
) -> BundleManifest:
    """Make a bundle: artifacts, the code that runs them on a platform, and the hashes of everything.

    Args:
        platform: Name of a platform: `web`.
        artifacts: Artifact folders, one or several.
        out: Folder of the bundle. An earlier bundle there is replaced.
        progress: Told what is going on.
        options: The platform's own, e.g. `onnxruntime_web` of `export.bundles.web.platform.WebPlatform`.

    Returns:
        What is in the bundle, with the hash of every file.

    Raises:
        UsageError: An unknown platform or option, or an artifact that the platform cannot run.
        IntegrityError: An artifact is damaged or without golden vectors.
        BadInputError: The folder cannot be written.
    """
    from ensharpen_edge.export.bundles import bundle as room
    from ensharpen_edge.export.bundles.registry import find_platform

    return room.make_bundle(find_platform(platform, **options), _paths(artifacts), Path(out), progress)


def _paths(folders: Folders) -> tuple[Path, ...]:
    """Return one folder or several as paths."""
    return (Path(folders),) if isinstance(folders, (str, Path)) else tuple(Path(folder) for folder in folders)

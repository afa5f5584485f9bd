"""Artifacts, classical methods and other networks side by side: quality on the same pixels, time in the same rounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32, U8
from ensharpen_edge.benchmarks.peers.networks.registry import NETWORKS, network_onnx
from ensharpen_edge.benchmarks.quality.classical.methods import CLASSICAL, ClassicalMethod, Sharpen
from ensharpen_edge.benchmarks.quality.scoring import DEGRADED, artifact_method, run_method
from ensharpen_edge.benchmarks.quality.suites import SUITES, Case, degraded_photos, levin_cases
from ensharpen_edge.benchmarks.speed.onnx_model import GRID, OnnxModel
from ensharpen_edge.benchmarks.speed.statistics import summarize
from ensharpen_edge.benchmarks.speed.subjects import NotRun, noise_image, open_subjects
from ensharpen_edge.benchmarks.speed.timing import Effort, Run, measure
from ensharpen_edge.errors import EnsharpenError, unknown_name
from ensharpen_edge.files import distinct_names
from ensharpen_edge.metrics.registry import load_metrics
from ensharpen_edge.progress import Progress, no_progress

CONDITIONS = ("gaussian 1.6/2.55", "gaussian 2/2.55", "disk 2.5")
"""Names of the conditions that methods compete in, where no others are given."""

BLIND, ORACLE, SPEED_ONLY = "blind", "told the kernel", "speed only, random weights"


@dataclass(frozen=True)
class Contender:
    """One method.

    Attributes:
        title: Name in tables.
        kind: `BLIND`, `ORACLE` or `SPEED_ONLY`.
        settings: Functions to try, by name of the setting; empty where there is nothing to see.
        runs: Functions to time, by the same names; empty where time says nothing.
        megapixels: Size of the timed image.
    """

    title: str
    kind: str
    settings: dict[str, Sharpen]
    runs: dict[str, Run]
    megapixels: float


@dataclass(frozen=True)
class Standing:
    """Result of one method.

    Attributes:
        title, kind: Title and kind of the contender.
        psnr, ssim: Means over the photographs by condition, with the best setting of that condition; empty for speed
            only.
        setting: The best setting of the first condition, where several were tried; it is the one that was timed.
        per_megapixel: Median milliseconds of a megapixel, or None.
        noise: Noise of the times.
    """

    title: str
    kind: str
    psnr: dict[str, float]
    ssim: dict[str, float]
    setting: str
    per_megapixel: float | None
    noise: float

    @property
    def mean_psnr(self) -> float | None:
        """Mean PSNR over the conditions, dB, or None."""
        return float(np.mean(list(self.psnr.values()))) if self.psnr else None


@dataclass(frozen=True)
class Contest:
    """Methods that compete, and photographs that they compete on.

    Attributes:
        artifacts: Artifact folders.
        classical, networks: Registry names of classical methods and public networks.
        models: ONNX files.
        cases: Conditions; they must have a kernel.
        photos: Name and pixels, uint8 (H, W, 3), of each photograph.
        size: (height, width) of the timed image.
        threads: CPU threads of every engine; classical methods run as their libraries do.
    """

    artifacts: Sequence[Path]
    classical: Sequence[str]
    networks: Sequence[str]
    models: Sequence[Path]
    cases: Sequence[Case]
    photos: Sequence[tuple[str, U8]]
    size: tuple[int, int]
    threads: int

    def __post_init__(self) -> None:
        for kind, names, registry in (
            ("method", self.classical, CLASSICAL),
            ("network", self.networks, NETWORKS),
        ):
            _check_names(kind, names, registry)


@dataclass(frozen=True)
class ContestResult:
    """Quality and speed of all methods that competed.

    Attributes:
        standings: Result of each method.
        not_run: Methods that cannot run or be timed here, with the reason.
    """

    standings: tuple[Standing, ...]
    not_run: tuple[NotRun, ...]

    @property
    def noise(self) -> float:
        """The largest noise of the times."""
        return max(standing.noise for standing in self.standings)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON types."""
        return {
            "standings": [dataclasses.asdict(standing) for standing in self.standings],
            "not_run": {entry.name: entry.reason for entry in self.not_run},
        }


def contest_cases(kernels: Path | None = None) -> tuple[Case, ...]:
    """Return the conditions that methods compete in.

    Args:
        kernels: npz file of camera-shake kernels, a condition more for each; or None.

    Raises:
        BadInputError: The file holds no kernels.
    """
    named = {case.name: case for cases in SUITES.values() for case in cases}
    return (*(named[name] for name in CONDITIONS), *(levin_cases(kernels) if kernels else ()))


def _check_names(kind: str, names: Sequence[str], registry: Mapping[str, object]) -> None:
    for name in names:
        if name not in registry:
            raise unknown_name(kind, name, registry)


def run_contest(contest: Contest, effort: Effort, progress: Progress = no_progress) -> ContestResult:
    """Measure all methods on the same pixels, and time them in the same rounds.

    Args:
        contest: Methods and photographs.
        effort: How long to time.
        progress: Told what is going on.

    Raises:
        BadInputError: A file is no model, or a photograph is too small.
        IntegrityError: An artifact is damaged.
    """
    standings: list[Standing] = []
    with ExitStack() as stack:
        contenders, absent = _enter(contest, stack)
        scores = [_score(contender, contest, progress) for contender in contenders]
        progress("timing")
        timed = [
            (number, contender.runs[scores[number][2]]) for number, contender in enumerate(contenders) if contender.runs
        ]
        taken = measure([run for _, run in timed], effort)
    times = {number: summarize(seconds) for (number, _), seconds in zip(timed, taken, strict=True)}
    for number, (contender, (psnr, ssim, setting)) in enumerate(zip(contenders, scores, strict=True)):
        summary = times.get(number)
        standings.append(
            Standing(
                contender.title,
                contender.kind,
                psnr,
                ssim,
                setting,
                None if summary is None else 1000 * summary.median / contender.megapixels,
                0.0 if summary is None else summary.noise,
            )
        )
    return ContestResult(tuple(standings), tuple(absent))


def _enter(contest: Contest, stack: ExitStack) -> tuple[list[Contender], list[NotRun]]:
    found = [Contender(DEGRADED, BLIND, {"": lambda image, _kernel: image}, {}, 1.0)]
    subjects, absent = stack.enter_context(
        open_subjects(contest.artifacts, contest.size, contest.threads, distinct_names(contest.artifacts), untimed=True)
    )
    for subject in subjects:
        if subject.artifact.manifest.io.enlarges != 1:
            absent.append(NotRun(subject.name, "not run: it enlarges, the methods beside it keep the size"))
            continue
        method = artifact_method(subject.artifact, subject.engine)
        runs: dict[str, Run] = {} if subject.untimed else {"": subject.run}
        found.append(Contender(subject.name, BLIND, {"": _ignoring(method)}, runs, subject.megapixels))
        absent += [NotRun(subject.name, subject.untimed)] if subject.untimed else []
    for path, name in zip(contest.models, distinct_names(contest.models), strict=True):
        model = OnnxModel(path, str(path), contest.threads)
        size = model.size or _on_grid(contest.size, GRID)
        found.append(Contender(name, BLIND, {"": _ignoring(model.sharpen)}, {"": _timed(model, size)}, _area(size)))
    for name in contest.classical:
        peer = CLASSICAL[name]
        try:
            peer.check_available()
        except EnsharpenError as error:
            absent.append(NotRun(peer.title, f"not run: {error}"))
            continue
        found.append(_classical(peer, contest))
    for name in contest.networks:
        network = NETWORKS[name]
        size = _on_grid(contest.size, network.grid)
        try:
            model = OnnxModel(network_onnx(network, size), network.title, contest.threads)
        except EnsharpenError as error:
            absent.append(NotRun(network.title, f"not run: {error}"))
            continue
        found.append(Contender(network.title, SPEED_ONLY, {}, {"": _timed(model, size)}, _area(size)))
    return found, absent


def _area(size: tuple[int, int]) -> float:
    return size[0] * size[1] / 1e6


def _on_grid(size: tuple[int, int], step: int) -> tuple[int, int]:
    return -(-size[0] // step) * step, -(-size[1] // step) * step


def _classical(peer: ClassicalMethod, contest: Contest) -> Contender:
    frame = noise_image(contest.size).astype(np.float32) / np.float32(255)
    kernel = contest.cases[0].kernel

    def run_of(sharpen: Sharpen) -> Run:
        return lambda: sharpen(frame, kernel)  # type: ignore[arg-type]

    settings = dict(peer.settings)
    runs = {name: run_of(sharpen) for name, sharpen in settings.items()}
    return Contender(peer.title, ORACLE if peer.oracle else BLIND, settings, runs, _area(contest.size))


def _ignoring(method: Callable[[F32], F32]) -> Sharpen:
    return lambda image, _kernel: method(image)


def _timed(model: OnnxModel, size: tuple[int, int]) -> Run:
    batch = np.zeros((1, 3, *size), dtype=np.float32)
    return lambda: model.run(batch)


def _score(
    contender: Contender, contest: Contest, progress: Progress
) -> tuple[dict[str, float], dict[str, float], str]:
    psnr: dict[str, float] = {}
    ssim: dict[str, float] = {}
    first = ""
    for case in contest.cases if contender.settings else ():
        progress(f"{contender.title}, {case.name}")
        best = max(
            ((*_means(sharpen, case, contest.photos), name) for name, sharpen in contender.settings.items()),
            key=lambda entry: entry[0],
        )
        psnr[case.name], ssim[case.name], setting = best
        first = first or setting
    return psnr, ssim, first


def _means(sharpen: Sharpen, case: Case, photos: Sequence[tuple[str, U8]]) -> tuple[float, float]:
    measures = load_metrics(("psnr", "ssim"))
    rows = list(_values(sharpen, case, photos, measures))
    return float(np.mean([row[0] for row in rows])), float(np.mean([row[1] for row in rows]))


def _values(
    sharpen: Sharpen, case: Case, photos: Sequence[tuple[str, U8]], measures: dict[str, Any]
) -> Iterator[tuple[float, float]]:
    for pair in degraded_photos(photos, case):
        output = run_method(lambda image: sharpen(image, case.kernel), pair)  # type: ignore[arg-type]
        target = pair.truth
        yield (
            float(measures["psnr"](output, target, data_range=1.0)),
            float(measures["ssim"](output, target, data_range=1.0)),
        )

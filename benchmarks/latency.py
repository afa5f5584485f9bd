"""Artifacts against each other: interleaved runs of the bare engines, whole and operator by operator."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.litert_operators import litert_operator_times
from ensharpen_edge.errors import BadInputError, UsageError, require
from ensharpen_edge.imaging.photo import U8
from ensharpen_edge.runtime.pipeline import to_batch
from ensharpen_edge.runtime.registry import open_engine

WARM_UP = 3
_REST = 0.15
"""Seconds before each run: thread pools go on spinning for a while, on the cores of the engine that comes next."""
EQUAL = 100.0
"""dB: agreement from which on two outputs differ by rounding of floats only."""


@dataclass(frozen=True)
class Latency:
    """One artifact at one number of threads.

    Attributes:
        name: Of the artifact's folder.
        kib: Size of its model file.
        drop: Largest mean loss of PSNR against the truth in any condition of its release gate, dB.
        agreement: Smallest PSNR against the network on any photograph of the gate, dB.
        megapixels: Of the timed image.
        threads: Of the engine.
        milliseconds: Of each timed run.
        ratio: Median over rounds of this artifact's time against the first one's in the same round.
    """

    name: str
    kib: float
    drop: float
    agreement: float
    megapixels: float
    threads: int
    milliseconds: tuple[float, ...]
    ratio: float

    @property
    def median(self) -> float:
        """Milliseconds."""
        return median(self.milliseconds)

    @property
    def per_megapixel(self) -> float:
        """Milliseconds."""
        return self.median / self.megapixels


def compare_latency(artifacts: list[Path], size: tuple[int, int], threads: int, rounds: int) -> list[Latency]:
    """Run every artifact once per round, so that all of them see the same machine.

    Raises:
        UsageError: Nothing to run.
    """
    if not artifacts or rounds < 1:
        raise UsageError("latency needs at least one artifact and one round")
    opened = [Artifact.open(path) for path in artifacts]
    batches = [to_batch(_noise(size), artifact.manifest.io) for artifact in opened]
    engines = [open_engine(artifact, threads=threads) for artifact in opened]
    times: list[list[float]] = [[] for _ in engines]
    try:
        for number in range(-WARM_UP, rounds):
            for engine, batch, taken in zip(engines, batches, times, strict=True):
                time.sleep(_REST)
                start = time.perf_counter()
                engine.run(batch)
                if number >= 0:
                    taken.append(1000 * (time.perf_counter() - start))
    finally:
        for engine in engines:
            engine.close()
    megapixels = size[0] * size[1] / 1e6
    return [
        Latency(
            path.name,
            artifact.model_bytes / 1024,
            *_gate(artifact),
            megapixels,
            threads,
            tuple(taken),
            median(a / b for a, b in zip(taken, times[0], strict=True)),
        )
        for path, artifact, taken in zip(artifacts, opened, times, strict=True)
    ]


def _gate(artifact: Artifact) -> tuple[float, float]:
    """Drop and agreement, as the export measured them on this file."""
    conditions = artifact.manifest.gate["conditions"]
    drops = [condition["student"] - condition["exported"] for condition in conditions]
    return max(drops), min(condition["worst_agreement"] for condition in conditions)


def operator_times(path: Path, size: tuple[int, int], threads: int, rounds: int) -> dict[str, float]:
    """Milliseconds per run by operator: from ONNX Runtime's profiler, or from LiteRT operator by operator.

    Raises:
        UsageError: An artifact of another target.
        BadInputError: The profiler wrote nothing.
    """
    artifact = Artifact.open(path)
    if artifact.manifest.target == "tflite":
        return litert_operator_times(artifact, size, threads, rounds)
    if artifact.manifest.target != "onnx":
        raise UsageError(f"{path}: operators are timed in ONNX and TFLite artifacts only")
    ort = require("onnxruntime", "onnx")
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(artifact.read_model(), options, providers=["CPUExecutionProvider"])
        batch = to_batch(_noise(size), artifact.manifest.io)
        for _ in range(rounds):
            session.run(None, {artifact.manifest.io.input_name: batch})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    totals: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            totals[event["args"]["op_name"]] += event["dur"]
    if not totals:
        raise BadInputError(f"{path}: the profiler recorded no operators")
    return {name: total / 1000 / rounds for name, total in totals.most_common()}


def _noise(size: tuple[int, int]) -> U8:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)

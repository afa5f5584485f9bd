"""The float graph of the shipped nano, and one short training of it on real photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ensharpen_edge.calibration.qat.config import QatConfig
from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph
from ensharpen_edge.calibration.qat.run import QatRun, prepare_run
from ensharpen_edge.models.checkpoint import Checkpoint, find_checkpoint
from ensharpen_edge.training.launch import Hardware
from ensharpen_edge.training.provenance import Statement
from ensharpen_edge.training.run import DataPaths
from ensharpen_edge.training.trainer import Intervals

SHORT = QatConfig(steps=20, batch=4, crop=32, crops=24, range_crops=16, ema=0.9)


@dataclass(frozen=True)
class Trained:
    """A run at its end, its network, its records, and its checkpoint."""

    run: QatRun
    network: QuantizedGraph
    records: list[dict[str, Any]]
    path: Path


@pytest.fixture(scope="session")
def parent() -> Checkpoint:
    return find_checkpoint("nano")


@pytest.fixture(scope="session")
def float_graph(parent) -> Any:
    """onnx.ModelProto, verified."""
    from ensharpen_edge.export.graph.onnx_graph import verified_graph
    from ensharpen_edge.models.student_network import StudentNetwork

    return verified_graph(StudentNetwork.of_checkpoint(parent), None)[0]


@pytest.fixture(scope="session")
def make_run(float_graph, parent, photo_folder):
    """A run on the bundled photographs, on one thread."""

    def make(folder: Path, config: QatConfig = SHORT, **given: Any) -> QatRun:
        hardware, intervals = Hardware("cpu", 1, 0), Intervals(log_steps=5, validations=2)
        return prepare_run(
            float_graph, parent, DataPaths(str(photo_folder)), config, folder, hardware, intervals, **given
        )

    return make


@pytest.fixture(scope="session")
def trained(make_run, tmp_path_factory) -> Trained:
    run = make_run(tmp_path_factory.mktemp("qat"))
    records: list[dict[str, Any]] = []
    network = run.trainer.run(records.append)
    path, _ = run.write(network, Statement("CC0-1.0", "five photographs"))
    return Trained(run, network, records, path)

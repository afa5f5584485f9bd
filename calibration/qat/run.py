"""From a float graph and a folder of photographs to a network trained in 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensharpen_edge.calibration.qat.card import quantized_card
from ensharpen_edge.calibration.qat.checkpoint import SUFFIX, save_quantized
from ensharpen_edge.calibration.qat.config import QatConfig, crops_config
from ensharpen_edge.calibration.qat.graph_module import read_network
from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph
from ensharpen_edge.calibration.qat.train import QatTrainer
from ensharpen_edge.calibration.qat.validation import QatScore, outputs_of, validate_quantized
from ensharpen_edge.calibration.run import graph_hash, refuse_enlarging
from ensharpen_edge.models.checkpoint import Checkpoint
from ensharpen_edge.models.config import HEAD_SCALES
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.training.launch import Hardware, start
from ensharpen_edge.training.provenance import Statement
from ensharpen_edge.training.run import DataPaths, Gathered, gather
from ensharpen_edge.training.trainer import Intervals


@dataclass(frozen=True)
class QatRun:
    """A run that is ready to start or to go on.

    Attributes:
        trainer: Trainer of the run.
        gathered: The photographs.
        parent: The float checkpoint.
        graph: Hash of its float graph; see `calibration.run.graph_hash`.
    """

    trainer: QatTrainer
    gathered: Gathered
    parent: Checkpoint
    graph: str

    @property
    def name(self) -> str:
        """Name of the quantized network."""
        return self.parent.network.config.name + SUFFIX + self.trainer.config.places.suffix

    def write(self, network: QuantizedGraph, stated: Statement) -> tuple[Path, QatScore]:
        """Validate a trained network and write its checkpoint into the run's folder; its path and its score.

        Args:
            network: In evaluation mode.
            stated: Licence and origin, for the card.

        Raises:
            BadInputError: The files cannot be written; or a step was never trained.
        """
        judges = self.trainer.materials.validation
        score = validate_quantized(network, outputs_of(self.trainer.parent, judges), judges)
        path = self.trainer.folder / f"{self.name}.safetensors"
        save_quantized(network, path, quantized_card(self, score, stated))
        return path, score


def prepare_run(
    model: Any,  # noqa: ANN401 (onnx.ModelProto)
    parent: Checkpoint,
    paths: DataPaths,
    config: QatConfig,
    folder: Path,
    hardware: Hardware,
    intervals: Intervals,
    progress: Progress = no_progress,
) -> QatRun:
    """Load the photographs and set the run up.

    Args:
        model: The verified float graph of the parent, for free sizes.
        parent: Its checkpoint.
        paths: Where the photographs are.
        config: The run.
        folder: Folder of the run.
        hardware: Device and threads.
        intervals: How often it reports, validates and saves.
        progress: Told how many photographs are decoded.

    Raises:
        UsageError: A network that enlarges, or with operators or crops that cannot be trained so.
        BadInputError: Unfit photographs.
    """
    student = parent.network.config
    refuse_enlarging(student.name, HEAD_SCALES[student.heads[0]])
    read_network(model)
    crops = crops_config(config, student, parent.card.get("training", {}))
    fabric = start(crops, hardware)
    gathered = gather(fabric, crops, paths, progress)
    trainer = QatTrainer(model, parent.sha256, config, crops, gathered.materials, folder, fabric.device, intervals)
    return QatRun(trainer, gathered, parent, graph_hash(model))

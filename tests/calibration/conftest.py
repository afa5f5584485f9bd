"""A small calibration of the shipped network, made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.calibration.planning import Planning, PlanRequest, prepare_planning
from ensharpen_edge.calibration.run import ChosenPhotos, FloatGraph, choose_photos, run_calibration, table_provenance
from ensharpen_edge.calibration.settings import CalibrationSettings
from ensharpen_edge.calibration.table import CalibrationTable
from ensharpen_edge.degrade.mixes import MIXES


@pytest.fixture(scope="session")
def graph(artifact: Artifact) -> FloatGraph:
    return FloatGraph.of_artifact(artifact)


@pytest.fixture(scope="session")
def settings(photo_folder: Path) -> CalibrationSettings:
    return CalibrationSettings(photo_folder, 24, 64, allow_few=True, mix=MIXES["soft"])


@pytest.fixture(scope="session")
def chosen(graph: FloatGraph, settings: CalibrationSettings) -> ChosenPhotos:
    return choose_photos(graph, settings)


@pytest.fixture(scope="session")
def table_folder(graph, chosen, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    run_calibration(graph, chosen, folder)
    return folder


@pytest.fixture(scope="session")
def calibrated(graph, chosen, table_folder) -> CalibrationTable:
    from ensharpen_edge.calibration.table import load_table

    return load_table(table_folder, table_provenance(graph, chosen))


@pytest.fixture(scope="session")
def planning(graph, calibrated, chosen, table_folder) -> Planning:
    """With a judge of few images, so that searches take seconds."""
    from ensharpen_edge.calibration.judge import Judge
    from ensharpen_edge.calibration.sensitivity import DamageMeter
    from ensharpen_edge.calibration.session import graph_run

    whole = prepare_planning(graph, calibrated, chosen, PlanRequest(), table_folder)
    images = [image for image in whole.judge.images if "blur 1.0" not in image.name and "8x8" not in image.name]
    judge = Judge(images, graph_run(graph.model))
    return replace(whole, judge=judge, meter=DamageMeter(whole.quantizer, judge, table_folder / "few.jsonl"))

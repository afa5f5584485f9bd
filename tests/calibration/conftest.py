"""A small calibration of the shipped network, made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.calibration.degraded_crops import Preprocessing
from ensharpen_edge.calibration.photo_choice import ChoiceConfig
from ensharpen_edge.calibration.planning import Planning, PlanRequest, prepare_planning
from ensharpen_edge.calibration.run import CalibrationRequest, ChosenPhotos, FloatGraph, choose_photos, run_calibration
from ensharpen_edge.calibration.table import CalibrationTable
from ensharpen_edge.degrade.mixes import MIXES

SETTINGS = Preprocessing(MIXES["soft"], 96)


@pytest.fixture(scope="session")
def graph(artifact: Artifact) -> FloatGraph:
    return FloatGraph.of_artifact(artifact)


@pytest.fixture(scope="session")
def request_(photo_folder: Path) -> CalibrationRequest:
    return CalibrationRequest(photo_folder, ChoiceConfig(24, SETTINGS.chosen_side, 0, True), SETTINGS)


@pytest.fixture(scope="session")
def chosen(graph: FloatGraph, request_: CalibrationRequest) -> ChosenPhotos:
    return choose_photos(graph, request_)


@pytest.fixture(scope="session")
def table_folder(graph, request_, chosen, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    run_calibration(graph, request_, chosen, folder)
    return folder


@pytest.fixture(scope="session")
def calibrated(graph, request_, chosen, table_folder) -> CalibrationTable:
    from ensharpen_edge.calibration.table import load_table

    return load_table(table_folder, chosen.provenance)


@pytest.fixture(scope="session")
def planning(graph, calibrated, chosen, table_folder) -> Planning:
    """With a judge of few images, so that searches take seconds."""
    from ensharpen_edge.calibration.judge import Judge
    from ensharpen_edge.calibration.sensitivity import DamageMeter
    from ensharpen_edge.calibration.session import graph_run

    whole = prepare_planning(graph, calibrated, chosen, SETTINGS, PlanRequest(), table_folder)
    images = [image for image in whole.judge.images if "blur 1.0" not in image.name and "8x8" not in image.name]
    judge = Judge(images, graph_run(graph.model))
    return replace(whole, judge=judge, meter=DamageMeter(whole.quantizer, judge, table_folder / "few.jsonl"))

"""Calibrating from Python: one call, one result."""

from __future__ import annotations

import json

import pytest

from ensharpen_edge.calibration.calibrate import CalibrateRequest, calibrate
from ensharpen_edge.calibration.settings import CalibrationSettings
from ensharpen_edge.calibration.table import load_table
from ensharpen_edge.errors import UsageError


def test_a_call_returns_what_it_wrote_and_tells_how_far_it_is(artifact, photo_folder, tmp_path):
    settings = CalibrationSettings(photo_folder, 6, 64, allow_few=True)
    told = []
    result = calibrate(
        CalibrateRequest(artifact.path, settings, out=tmp_path / "table", search=False),
        lambda doing, done=0, total=0: told.append((doing, done, total)),
    )
    assert [entry for entry in told if entry[0] == "calibrating"] == [("calibrating", done, 6) for done in range(1, 7)]
    table = load_table(result.folder)
    assert table.provenance.key == result.table.provenance.key
    assert table.provenance.preprocessing == json.loads(json.dumps(result.chosen.settings.preprocessing()))
    assert (result.plan, result.plan_path, result.chart) == (None, None, None)
    report = json.loads(json.dumps(result.to_dict()))
    assert (report["key"], report["crops"], report["plan"]) == (table.provenance.key, 6, None)


@pytest.mark.parametrize("wrong", [{"count": 1}, {"crop": 8}, {"samples": -1}, {"threads": -1}], ids=str)
def test_settings_out_of_range_are_refused(photo_folder, wrong):
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} must be at least"):
        CalibrationSettings(photo_folder, **wrong)


def test_a_network_that_takes_other_crops_is_named(artifact, photo_folder, tmp_path):
    settings = CalibrationSettings(photo_folder, 6, 60, allow_few=True)
    with pytest.raises(UsageError, match="multiple of 8"):
        calibrate(CalibrateRequest(artifact.path, settings, out=tmp_path / "table"))
    assert not (tmp_path / "table").exists()

"""Training from Python: one call, one result."""

from __future__ import annotations

import json

import pytest
import yaml

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.checkpoint import load_checkpoint
from ensharpen_edge.training.launch import Hardware
from ensharpen_edge.training.run import DataPaths
from ensharpen_edge.training.train import TrainRequest, train

RECIPE = {
    "model": {"like": "nano", "name": "tiny", "widths": [8, 8, 16], "depths": [1, 1, 1, 1, 1]},
    "warm_up": 2,
    "group": 2,
    "stages": [{"mix": "soft", "crop": 32, "batch": 4}],
}


def test_a_call_returns_what_it_wrote_and_tells_how_far_it_is(named_folder, tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    hardware = Hardware("cpu", threads=1, workers=0)
    request = TrainRequest(
        DataPaths(str(named_folder)), str(recipe), tmp_path / "run", steps=6, hardware=hardware, licence="CC0"
    )
    told = []
    result = train(request, lambda doing, done=0, total=0: told.append((doing, done, total)))
    assert ("decoding", 5, 5) in told
    assert told[-1] == ("training", 6, 6)
    card = load_checkpoint(result.checkpoint).card
    assert card["licence"] == "CC0"
    assert card["validation"]["psnr"] == pytest.approx(result.psnr, abs=1e-3)
    assert (result.steps, result.heads, result.skipped) == (6, ("sharpen",), ())
    assert max(r["val_psnr"] for r in result.curves() if "val_psnr" in r) == pytest.approx(result.psnr, abs=1e-3)
    assert json.loads(json.dumps(result.to_dict()))["checkpoint"] == str(result.checkpoint)
    with pytest.raises(UsageError, match="holds a run already"):
        train(request)


@pytest.mark.parametrize("wrong", [{"minutes": 0}, {"steps": -1}, {"precision": "bf16"}], ids=str)
def test_requests_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UsageError):
        TrainRequest(DataPaths("photos"), **wrong)

"""Self-ensembles: the mean of eight views, tile by tile, for any file that can be turned."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.benchmarks.quality.protocol import GaussianCase, degrade
from ensharpen_edge.errors import UsageError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.views import from_view, to_view
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.pipeline import plan_for, sharpen_frame
from ensharpen_edge.runtime.self_ensemble import SelfEnsemble


@pytest.fixture(scope="module")
def engine(artifact):
    with open_engine(artifact, threads=2) as opened:
        yield opened


def ensemble(engine, artifact, views):
    return SelfEnsemble(engine, artifact.manifest.io, artifact.manifest.shape, views)


def test_the_eight_views_are_different_and_can_be_undone(rng):
    image = rng.integers(0, 255, (1, 3, 8, 8))
    views = [to_view(image, view, 2, 3) for view in range(8)]
    assert len({view.tobytes() for view in views}) == 8
    for index, view in enumerate(views):
        assert np.array_equal(from_view(view, index, 2, 3), image)
    assert to_view(image[..., :4], 5, 2, 3).shape == (1, 3, 4, 8)


def test_it_is_the_mean_over_flips_and_quarter_turns(artifact, engine, photo):
    batch = photo[:64, :96].transpose(2, 0, 1)[None].astype(np.float32) / 255
    turns = [(turn, mirrored) for turn in range(4) for mirrored in (False, True)]
    expected = np.zeros_like(batch)
    for turn, mirrored in turns:
        seen = np.rot90(batch, turn, (2, 3))
        answer = engine.run(np.ascontiguousarray(seen[..., ::-1] if mirrored else seen))
        expected += np.rot90(answer[..., ::-1] if mirrored else answer, -turn, (2, 3)) / 8
    assert np.abs(ensemble(engine, artifact, 8).run(batch) - expected).max() < 1e-5
    assert np.array_equal(ensemble(engine, artifact, 1).run(batch), engine.run(batch))


def test_more_views_sharpen_better(artifact, engine, photo_folder):
    gains = []
    for path in sorted(photo_folder.glob("*.png")):
        sharp = read_photo(path).rgb[:256, :256]
        soft = degrade(sharp, GaussianCase(1.6, 2.55))
        reached = []
        for views in (1, 2, 8):
            averaged = ensemble(engine, artifact, views)
            output, _ = sharpen_frame(averaged, artifact.manifest.io, plan_for(artifact, *soft.shape[:2]), soft)
            reached.append(psnr(output, sharp.astype(np.float32) / 255, data_range=1.0))
        gains.append(np.diff(reached))
    halves, rest = np.mean(gains, axis=0)
    assert halves > 0.03
    assert rest > 0.03


def test_tiles_still_fit_together(artifact, engine, photo):
    averaged, io = ensemble(engine, artifact, 8), artifact.manifest.io
    frame = photo[:200, :312]
    whole, tiled = (
        sharpen_frame(averaged, io, plan_for(artifact, 200, 312, tile), frame)[0] for tile in ("off", 96)
    )  # fmt: skip
    assert np.array_equal(whole, tiled)


def test_windows_that_cannot_be_turned_are_refused(static_artifact, photo):
    with open_engine(static_artifact, threads=2) as engine:
        frame = photo[:150, :190]
        plan = plan_for(static_artifact, 150, 190)
        with pytest.raises(UsageError, match="windows of 192x160 pixels, but not turned"):
            sharpen_frame(ensemble(engine, static_artifact, 8), static_artifact.manifest.io, plan, frame)
        once, four = (
            sharpen_frame(ensemble(engine, static_artifact, views), static_artifact.manifest.io, plan, frame)[0]
            for views in (1, 4)
        )
    assert 0 < np.abs(once.astype(int) - four).max() < 40


def test_files_with_limits_take_square_windows_turned(artifact, engine, photo):
    shape = dataclasses.replace(artifact.manifest.shape, smallest=(64, 64), largest=(128, 256))
    averaged = SelfEnsemble(engine, artifact.manifest.io, shape, 8)
    batch = photo[:128, :256].transpose(2, 0, 1)[None].astype(np.float32) / 255
    assert averaged.run(np.ascontiguousarray(batch[..., :128])).shape == (1, 3, 128, 128)
    with pytest.raises(UsageError, match="256x128 pixels, but not turned") as refused:
        averaged.run(batch)
    assert "square tiles" in str(refused.value.hint)


class AddsTheRow:
    """An engine on int8 codes whose answer depends on where a pixel lies."""

    def run(self, batch):
        return np.clip(batch.astype(int) + np.arange(batch.shape[1])[None, :, None, None], -128, 127).astype(np.int8)

    def close(self):
        self.closed = True


def test_codes_are_averaged_and_rounded(artifact):
    io = dataclasses.replace(artifact.manifest.io, layout="NHWC", dtype="int8")
    inner = AddsTheRow()
    with SelfEnsemble(inner, io, artifact.manifest.shape, 4) as averaged:
        output = averaged.run(np.full((1, 4, 2, 3), -100, dtype=np.int8))
    assert output.dtype == np.int8
    assert set(np.unique(output)) == {-98}, "rows 0 to 3, from above and from below: 1.5 on average"
    assert inner.closed


def test_run_command_averages(command, artifact, tmp_path, photo):
    soft = np.rint(np.clip(degrade(photo[:160, :200], GaussianCase(1.6, 2.55)), 0, 1) * 255).astype(np.uint8)
    Image.fromarray(soft).save(tmp_path / "soft.png")
    reached = {}
    for views in (1, 8):
        done = command(
            "ensharpen-run", artifact.path, tmp_path / "soft.png", "-o", tmp_path / str(views),
            "--self-ensemble", views, "--json",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["self_ensemble"] == views
        reached[views] = psnr(
            read_photo(tmp_path / str(views) / "soft.png").rgb, photo[:160, :200], data_range=255
        )  # fmt: skip
    assert reached[8] > reached[1] + 0.05


def test_three_views_are_none(command, artifact, tmp_path, photo):
    Image.fromarray(photo[:64, :64]).save(tmp_path / "a.png")
    done = command("ensharpen-run", artifact.path, tmp_path / "a.png", "-o", tmp_path / "o", "--self-ensemble", 3)
    assert done.returncode == 2
    assert "1, 2, 4, 8 views, not 3" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "o").exists()

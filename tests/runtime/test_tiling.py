from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import UsageError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.pipeline import WindowBuffer, plan_for, sharpen_frame
from ensharpen_edge.runtime.tiling import plan_axis, plan_fixed, plan_tiles


@pytest.fixture(scope="module")
def canvas(photo_folder):
    """A large frame of real texture."""
    photos = [read_photo(photo_folder / f"{name}.png").rgb for name in ("raft", "motocross", "kitten")]
    row = np.concatenate(photos, axis=1)
    return np.concatenate([row, row[:, ::-1]], axis=0)


def test_a_fixed_window_is_no_reason_to_cut_what_cannot_be_cut(static_artifact):
    shape = dataclasses.replace(static_artifact.manifest.shape, tile_exact=False)
    whole_only = Artifact(static_artifact.path, dataclasses.replace(static_artifact.manifest, shape=shape))
    assert len(plan_for(whole_only, 150, 190)) == 1
    for tile in ("auto", "off", 64):
        with pytest.raises(UsageError, match="seams would show"):
            plan_for(whole_only, 300, 400, tile)


@pytest.fixture(scope="module")
def engine(artifact):
    with open_engine(artifact, threads=2) as opened:
        yield opened


def check_cover(spans, length, halo, stride):
    kept = 0
    for span in spans:
        assert span.start % stride == 0
        assert 0 <= span.start < span.end <= length
        assert span.keep_start == kept < span.keep_end
        assert span.start == 0 or span.keep_start - span.start >= halo
        assert span.end == length or span.end - span.keep_end >= halo
        kept = span.keep_end
    assert kept == length


@pytest.mark.parametrize("seed", range(200))
def test_plans_cover_every_pixel_once_with_enough_context(seed):
    rng = random.Random(seed)
    stride = rng.choice([4, 8, 16])
    halo = stride * rng.randint(0, 9)
    height, width, tile = rng.randint(1, 900), rng.randint(1, 900), rng.randint(1, 600)
    plan = plan_tiles(height, width, tile=tile, halo=halo, stride=stride)
    check_cover(plan.rows, plan.height, halo, stride)
    check_cover(plan.columns, plan.width, halo, stride)
    assert 0 <= plan.height - height < stride
    assert {(s.end - s.start) for s in plan.rows} == {plan.window[0]}
    assert max(s.keep_end - s.keep_start for s in plan.rows) <= -(-tile // stride) * stride + 2 * halo


def test_fixed_windows_cover_small_and_large_frames():
    for height, width in ((1, 1), (100, 500), (160, 192), (161, 1000)):
        plan = plan_fixed(height, width, window=(160, 192), halo=56, stride=8)
        assert plan.window == (160, 192)
        check_cover(plan.rows, plan.height, 56, 8)
        check_cover(plan.columns, plan.width, 56, 8)


def test_impossible_windows_are_refused():
    with pytest.raises(UsageError, match="leaves nothing between two halos of 56"):
        plan_axis(1000, 112, 56, 8)
    with pytest.raises(UsageError, match="--tile"):
        plan_tiles(100, 100, tile=0, halo=56, stride=8)


@pytest.mark.parametrize("seed", range(50))
def test_tiled_equals_untiled_bit_for_bit(artifact, engine, canvas, seed):
    """Random sizes, random places in real photographs, random tile sides."""
    rng = random.Random(seed)
    height, width = rng.randint(200, 420), rng.randint(260, 620)
    top, left = rng.randint(0, canvas.shape[0] - height), rng.randint(0, canvas.shape[1] - width)
    frame = canvas[top : top + height, left : left + width]
    tile = rng.choice([8, 40, 64, 100, 128])
    if tile < 40:  # very small tiles make thousands of windows
        frame = frame[:180, :170]
    io = artifact.manifest.io
    whole_plan = plan_for(artifact, *frame.shape[:2], "off")
    whole, _ = sharpen_frame(engine, io, whole_plan, frame)
    plan = plan_for(artifact, *frame.shape[:2], tile)
    tiled, timing = sharpen_frame(engine, io, plan, frame)
    assert len(whole_plan) == 1
    assert len(plan) > 1
    assert timing.tiles == len(plan)
    assert np.array_equal(tiled, whole)


@pytest.mark.parametrize("seed", range(6))
def test_floats_are_bit_equal_too(artifact, engine, canvas, seed):
    """Before rounding to 8 bits, where a wrong halo could hide."""
    rng = random.Random(seed)
    height, width = 8 * rng.randint(20, 40), 8 * rng.randint(20, 60)
    frame = canvas[:height, :width]
    batch = np.ascontiguousarray(frame.transpose(2, 0, 1)[None]).astype(np.float32) / np.float32(255)
    whole = engine.run(batch)[0]
    for tile in plan_tiles(height, width, tile=96, halo=artifact.manifest.shape.halo, stride=8):
        rows, columns = tile.rows, tile.columns
        part = engine.run(np.ascontiguousarray(batch[:, :, rows.start : rows.end, columns.start : columns.end]))[0]
        kept = part[
            :,
            rows.keep_start - rows.start : rows.keep_end - rows.start,
            columns.keep_start - columns.start : columns.keep_end - columns.start,
        ]
        assert np.array_equal(kept, whole[:, rows.keep_start : rows.keep_end, columns.keep_start : columns.keep_end])


def limited(artifact, smallest: tuple[int, int], largest: tuple[int, int]) -> Artifact:
    """The artifact as if its file took windows of these sizes only, as an engine does."""
    shape = dataclasses.replace(artifact.manifest.shape, smallest=smallest, largest=largest)
    return Artifact(artifact.path, dataclasses.replace(artifact.manifest, shape=shape))


def test_windows_keep_to_what_the_file_takes(artifact, engine, canvas):
    for smallest, largest in (((64, 64), (256, 256)), ((96, 160), (208, 320))):
        shy = limited(artifact, smallest, largest)
        for height, width in ((40, 30), (200, 300), (480, 640), (3000, 4000)):
            window = plan_for(shy, height, width).window
            assert all(low <= side <= high for low, side, high in zip(smallest, window, largest, strict=True))
        frame = canvas[:320, :480]
        whole, _ = sharpen_frame(engine, artifact.manifest.io, plan_for(artifact, 320, 480, "off"), frame)
        cut, _ = sharpen_frame(engine, artifact.manifest.io, plan_for(shy, 320, 480), frame)
        assert np.array_equal(cut, whole)
    with pytest.raises(UsageError, match="leaves nothing between"):
        plan_for(limited(artifact, (8, 8), (112, 112)), 300, 300)


def test_a_shared_buffer_changes_nothing(artifact, engine, canvas):
    io, buffer = artifact.manifest.io, WindowBuffer()
    for height, width in ((300, 200), (64, 64), (300, 200)):
        frame = canvas[:height, :width]
        plan = plan_for(artifact, height, width, 96)
        alone, _ = sharpen_frame(engine, io, plan, frame)
        assert np.array_equal(sharpen_frame(engine, io, plan, frame, buffer=buffer)[0], alone)


def test_float_frames_are_not_rounded(artifact, engine, canvas):
    frame = canvas[:64, :80] / np.float32(255)
    io, plan = artifact.manifest.io, plan_for(artifact, 64, 80)
    output, _ = sharpen_frame(engine, io, plan, frame)
    coded, _ = sharpen_frame(engine, io, plan, canvas[:64, :80])
    assert output.dtype == np.float32
    assert np.abs(output * 255 - coded).max() <= 0.501
    assert np.abs(output * 255 - np.rint(output * 255)).max() > 0.1


def test_a_short_halo_would_show(artifact, engine, canvas):
    """The exactness above is not vacuous."""
    frame = canvas[:320, :480]
    io, halo = artifact.manifest.io, artifact.manifest.shape.halo
    whole, _ = sharpen_frame(engine, io, plan_for(artifact, 320, 480, "off"), frame)
    short = plan_tiles(320, 480, tile=96, halo=8, stride=8)
    assert halo > 8
    assert not np.array_equal(sharpen_frame(engine, io, short, frame)[0], whole)


def test_static_artifact_equals_dynamic_on_its_window_and_above(artifact, engine, static_artifact, canvas):
    with open_engine(static_artifact, threads=2) as static_engine:
        for height, width in ((160, 192), (333, 450)):
            frame = canvas[:height, :width]
            plan = plan_for(static_artifact, height, width)
            fixed, _ = sharpen_frame(static_engine, static_artifact.manifest.io, plan, frame)
            free, _ = sharpen_frame(engine, artifact.manifest.io, plan_for(artifact, height, width, "off"), frame)
            assert np.array_equal(fixed, free)
        tiny, _ = sharpen_frame(
            static_engine, static_artifact.manifest.io, plan_for(static_artifact, 5, 3), canvas[:5, :3]
        )
        assert tiny.shape == (5, 3, 3)

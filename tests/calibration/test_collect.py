"""One pass over real photographs through the real graph, against onnxruntime's own calibrators; and the table."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest

from ensharpen_edge.calibration.collect import Observer, PhotoInput, all_tensors
from ensharpen_edge.calibration.moments import Moments
from ensharpen_edge.calibration.photo_choice import choose_crops
from ensharpen_edge.calibration.ranges import RangeConfig, Scheme, find_range
from ensharpen_edge.calibration.settings import CalibrationSettings
from ensharpen_edge.calibration.table import (
    HISTOGRAMS,
    TABLE,
    CalibrationTable,
    Provenance,
    load_table,
    photo_keys,
    save_table,
)
from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.degrade.mix import MARGIN
from ensharpen_edge.errors import BadInputError, IntegrityError


@pytest.fixture(scope="module")
def model(artifact) -> onnx.ModelProto:
    return onnx.load(str(artifact.path / artifact.manifest.model_file))


@pytest.fixture(scope="module")
def choices(photo_folder):
    settings = CalibrationSettings(photo_folder, 6, 64 - 2 * MARGIN, allow_few=True)
    return tuple(choose_crops(load_photos(photo_folder), settings))


@pytest.fixture(scope="module")
def inputs(photo_folder, choices) -> list[PhotoInput]:
    photos = load_photos(photo_folder)
    found = []
    for choice in choices:
        image = photos.images[photos.names.index(choice.photo)]
        crop = image[choice.top : choice.top + 64, choice.left : choice.left + 64]
        batch = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)
        found.append(PhotoInput(choice.photo, batch))
    return found


@pytest.fixture(scope="module")
def histograms(model, inputs):
    return Observer(model, samples=0, names=all_tensors(model)).collect(inputs)


def test_every_tensor_is_seen_exactly(model, inputs, histograms):
    from onnxruntime import InferenceSession

    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = np.stack([session.run(None, {"image": photo.batch})[0] for photo in inputs])
    seen = histograms[model.graph.output[0].name]
    assert (seen.low, seen.high) == pytest.approx((outputs.min(), outputs.max()), abs=1e-6)
    assert seen.counts.sum() == outputs.size
    assert len(histograms) == 1 + sum(node.op_type != "Constant" for node in model.graph.node)
    assert histograms["image"].low == min(photo.batch.min() for photo in inputs)


def test_ranges_agree_with_onnxruntimes_calibrators(model, inputs, histograms, tmp_path):
    """Min-max and percentile on the same photographs, within a bin's width."""
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter(inputs)

        def get_next(self):
            photo = next(self.rest, None)
            return None if photo is None else {"image": photo.batch}

    path = tmp_path / "model.onnx"
    onnx.save_model(model, str(path))
    bins = 4096
    for method, config, options in (
        (CalibrationMethod.MinMax, RangeConfig("min-max"), {}),
        (CalibrationMethod.Percentile, RangeConfig("percentile", percentile=99.9),
         {"num_bins": bins, "percentile": 99.9, "symmetric": False}),
    ):  # fmt: skip
        calibrator = create_calibrator(
            str(path), None, str(tmp_path / "augmented.onnx"), calibrate_method=method, extra_options=options
        )
        calibrator.collect_data(Reader())
        compared = 0
        for name, theirs in calibrator.compute_data().items():
            if name not in histograms:
                continue
            low, high = (float(np.asarray(value).item()) for value in theirs.range_value)
            seen = histograms[name]
            ours = find_range(seen, Scheme(), config)
            # Their bins are as wide as the range of the first photographs divided by their number.
            width = 3 * max(seen.width, (seen.high - seen.low) / bins)
            assert ours.high == pytest.approx(max(high, 0.0), abs=width + 1e-6), (name, method)
            assert ours.low == pytest.approx(min(low, 0.0), abs=width + 1e-6), (name, method)
            compared += 1
        assert compared >= 30


def test_only_what_layers_read_or_write_is_watched_unless_told_otherwise(model):
    names = Observer(model).names
    assert names[0] == "image"
    assert len(names) == 57
    assert "/encoder/level1/level1.0/expand/Conv_output_0" not in names, "its ReLU's output is"


def test_samples_change_ranges_little(model, inputs, histograms):
    sampled = Observer(model, samples=4096, names=all_tensors(model)).collect(inputs)
    for name, every in histograms.items():
        some = sampled[name]
        assert (some.low, some.high, some.reach) == (every.low, every.high, every.reach)
        a, b = (find_range(h, Scheme(), RangeConfig("percentile", percentile=99.0)) for h in (every, some))
        span = max(every.high - every.low, 1e-6)
        assert abs(a.high - b.high) < 0.05 * span
        assert abs(a.low - b.low) < 0.05 * span


def test_what_is_not_a_number_is_named(model, inputs):
    broken = onnx.ModelProto.FromString(model.SerializeToString())
    weight = broken.graph.initializer[0]
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[0] = np.nan
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    with pytest.raises(BadInputError, match=f"weight '{weight.name}' holds NaN"):
        Observer(broken)
    bad = [PhotoInput("broken.jpg", np.full((1, 3, 64, 64), np.inf, np.float32))]
    with pytest.raises(BadInputError, match=r"'image'.*broken\.jpg"):
        Observer(model).collect(bad)
    with pytest.raises(BadInputError, match="no photograph"):
        Observer(model).collect([])


@pytest.fixture
def table(histograms, choices) -> CalibrationTable:
    provenance = Provenance("w" * 64, "g" * 64, photo_keys(choices), {"blur": 1.6}, {"samples": 0})
    scales = {"image": np.array([1.0, 2.0, 0.5])}
    moments = {"stem": Moments(np.ones((1, 4)), np.eye(4)[None])}
    return CalibrationTable(provenance, choices, histograms, scales, moments)


def test_table_round_trip(table, tmp_path):
    save_table(table, tmp_path)
    loaded = load_table(tmp_path, table.provenance)
    assert loaded.provenance == table.provenance
    assert loaded.choices == table.choices
    assert loaded.histograms.keys() == table.histograms.keys()
    for name, histogram in table.histograms.items():
        other = loaded.histograms[name]
        assert np.array_equal(other.counts, histogram.counts)
        assert dataclasses.replace(other, counts=histogram.counts) == histogram
    assert loaded.scales.keys() == table.scales.keys()
    assert np.array_equal(loaded.scales["image"], table.scales["image"])
    assert np.array_equal(loaded.moments["stem"].mean, table.moments["stem"].mean)
    assert np.array_equal(loaded.moments["stem"].second, table.moments["stem"].second)


def test_a_stale_table_is_refused_with_what_changed(table, tmp_path):
    save_table(table, tmp_path)
    now = dataclasses.replace(
        table.provenance, weights="x" * 64, photos=(*table.provenance.photos[1:], "new:0:0"), collector={"samples": 9}
    )
    with pytest.raises(IntegrityError) as error:
        load_table(tmp_path, now)
    for part in ("weights: wwww", "photos: 1 gone, 1 new", 'collector: {"samples": 0} -> {"samples": 9}'):
        assert part in str(error.value)
    with pytest.raises(IntegrityError, match="another order"):
        load_table(tmp_path, dataclasses.replace(table.provenance, photos=table.provenance.photos[::-1]))


@pytest.mark.parametrize("damage", ["cut", "flip", "json", "gone", "edited"])
def test_damaged_tables_are_refused(table, tmp_path, damage):
    save_table(table, tmp_path)
    arrays, text = tmp_path / HISTOGRAMS, tmp_path / TABLE
    if damage == "cut":
        arrays.write_bytes(arrays.read_bytes()[:-50])
    elif damage == "flip":
        data = bytearray(arrays.read_bytes())
        data[len(data) // 2] ^= 1
        arrays.write_bytes(bytes(data))
    elif damage == "json":
        text.write_text("{")
    elif damage == "gone":
        arrays.unlink()
    else:
        text.write_text(text.read_text().replace("w" * 64, "v" * 64))
    with pytest.raises(IntegrityError):
        load_table(tmp_path)

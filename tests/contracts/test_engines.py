"""One contract that every engine of the registry meets, with a real artifact of a format that it runs."""

from __future__ import annotations

import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact, seal
from ensharpen_edge.errors import EnsharpenError, IntegrityError, UsageError
from ensharpen_edge.runtime.engines.registry import ENGINES, choose_engine, engines_for, open_engine
from ensharpen_edge.runtime.sharpener import Sharpener

pytestmark = pytest.mark.slow

FIXTURES = {"onnx": "artifact", "tflite": "tflite_artifact", "mlpackage": "coreml_artifact"}
"""The fixture that exports a file of each format. Engines of TensorRT are built on the device that runs them."""


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine_class(request):
    if not request.param.devices():
        pytest.skip(f"{request.param.name} does not run on this machine (install: {request.param.needs})")
    return request.param


@pytest.fixture
def own(engine_class, request):
    """An artifact of a format that the engine runs."""
    for file_format, fixture in FIXTURES.items():
        if file_format in engine_class.formats:
            return request.getfixturevalue(fixture)
    pytest.skip(f"no fixture builds {', '.join(engine_class.formats)} files: tests/runtime/jetson_kit/test_gpu.py does")


@pytest.fixture
def opened(engine_class, own):
    with open_engine(own, engine=engine_class.name) as engine:
        yield engine


def batch_for(artifact: Artifact, height: int | None = None, width: int | None = None) -> np.ndarray:
    """Noise of a size that the artifact takes, or of the given one."""
    shape, io = artifact.manifest.shape, artifact.manifest.io
    size = (height or shape.height or 64, width or shape.width or 72)
    full = (1, 3, *size) if io.layout == "NCHW" else (1, *size, 3)
    return np.random.default_rng(0).random(full, dtype=np.float32).astype(io.dtype)


def resealed(artifact: Artifact, folder: Path, **io: str) -> Artifact:
    """A copy whose manifest says something else of the file, with hashes that fit."""
    shutil.copytree(artifact.path, folder, dirs_exist_ok=True)
    manifest = dataclasses.replace(artifact.manifest, io=dataclasses.replace(artifact.manifest.io, **io))
    return Artifact(folder, seal(folder, manifest))


def test_what_a_class_declares_is_whole(engine_class):
    assert engine_class in engines_for(next(iter(engine_class.formats)))
    assert "install" in engine_class.needs
    assert isinstance(engine_class.takes_threads, bool)
    assert len(set(engine_class.devices())) == len(engine_class.devices())


def test_it_opens_names_its_device_and_runs(opened, own, engine_class):
    facts = opened.facts
    assert facts.name == engine_class.name
    assert facts.device in engine_class.devices()
    assert facts.provider
    batch = batch_for(own)
    output = opened.run(batch)
    assert (output.shape, output.dtype) == (batch.shape, batch.dtype)
    assert np.isfinite(output).all()
    assert not np.array_equal(output, batch)


def test_it_reproduces_the_golden_vectors(opened, own):
    golden, output = own.golden(), opened.run(own.golden().input)
    if type(opened) is engines_for(own.manifest.traits.format)[0]:
        assert np.array_equal(output, golden.expected), "they were made by this engine"
    assert np.abs(output - golden.expected).max() < 1e-5


def test_every_device_that_it_lists_opens_or_says_why(own, engine_class):
    for device in engine_class.devices():
        try:
            open_engine(own, device, engine=engine_class.name).close()
        except EnsharpenError as error:
            assert error.hint, f"{device}: {error}"  # noqa: PT017 (opening is right, too)


def test_unknown_devices_and_options_are_refused(own, engine_class):
    with pytest.raises(UsageError, match="unknown device 'abacus'"):
        open_engine(own, "abacus", engine=engine_class.name)
    with pytest.raises(UsageError, match="have no option --colour"):
        open_engine(own, engine=engine_class.name, colour="red")
    open_engine(own, engine=engine_class.name, colour=None).close()


def test_files_of_other_formats_are_refused(own, engine_class, artifact, tflite_artifact):
    for other in (artifact, tflite_artifact):
        if other.manifest.traits.format not in engine_class.formats:
            with pytest.raises(UsageError, match="does not run files of format") as error:
                choose_engine(other, engine_class.name)
            assert engines_for(other.manifest.traits.format)[0].name in str(error.value.hint)
            with pytest.raises(UsageError, match="holds a file of format"):
                engine_class(other)


@pytest.mark.parametrize("end", ["input_name", "output_name"])
def test_other_tensor_names_are_refused(own, engine_class, tmp_path, end):
    with pytest.raises(IntegrityError, match=r"has tensors .* the manifest says") as error:
        open_engine(resealed(own, tmp_path / "copy", **{end: "another"}), engine=engine_class.name)
    assert error.value.hint


def test_another_dtype_is_refused(own, engine_class, tmp_path):
    with pytest.raises(IntegrityError, match=r"the manifest says uint8"):
        open_engine(resealed(own, tmp_path / "copy", dtype="uint8"), engine=engine_class.name)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_truncated_files_are_refused(own, engine_class, tmp_path, kept):
    """The hash fits, so that only the backend can tell."""
    folder = tmp_path / "copy"
    shutil.copytree(own.path, folder)
    top = own.manifest.model_file.split("/")[0]
    model = max(
        (path for path in folder.rglob("*") if path.is_file() and top in path.parts), key=lambda p: p.stat().st_size
    )
    model.write_bytes(model.read_bytes()[: int(model.stat().st_size * kept)])
    with pytest.raises(IntegrityError, match=str(folder)) as error:
        open_engine(Artifact(folder, seal(folder, own.manifest)), engine=engine_class.name)
    assert error.value.exit_code == 8


def test_windows_that_the_file_does_not_take_are_refused_and_the_next_one_runs(opened, own):
    good = batch_for(own)
    wanted = opened.run(good)
    for height, width in ((13, 16), (64, 71)):
        with pytest.raises(UsageError):
            opened.run(batch_for(own, height, width))
    for wrong in (good[0], np.concatenate([good, good]), good.astype(np.float64), np.moveaxis(good, 1, 3), good[:0]):
        with pytest.raises(UsageError, match="cannot run a window"):
            opened.run(wrong)
    assert np.array_equal(opened.run(good), wanted)


def test_it_closes_twice_and_does_not_run_closed(own, engine_class):
    engine = open_engine(own, engine=engine_class.name)
    batch = batch_for(own)
    engine.run(batch)
    engine.close()
    engine.close()
    with pytest.raises(UsageError, match="this engine is closed") as error:
        engine.run(batch)
    assert error.value.hint
    sharpener = Sharpener(own, engine=engine_class.name)
    sharpener.close()
    sharpener.close()
    with pytest.raises(UsageError, match="closed"):
        sharpener.sharpen(np.zeros((32, 32, 3), np.uint8))


def test_two_threads_get_what_one_gets(own, engine_class, photo):
    """Different images, and of different sizes where the file takes any, at the same time."""
    sizes = [(64, 80), (40, 56), (64, 80), (96, 48)] if own.manifest.shape.height is None else [(100, 120), (150, 90)]
    images = [photo[10 * n : 10 * n + height, :width] for n, (height, width) in enumerate(sizes)]
    with Sharpener(own, engine=engine_class.name) as sharpener:
        alone = [sharpener.sharpen(image) for image in images]
        with ThreadPoolExecutor(2) as pool:
            together = list(pool.map(sharpener.sharpen, images * 2))
    for one, other in zip(alone * 2, together, strict=True):
        assert np.array_equal(one, other)


def test_it_tiles_exactly_or_says_that_it_cannot(own, engine_class, photo):
    frame = photo[:150, :260].astype(np.float32) / np.float32(255)
    with Sharpener(own, engine=engine_class.name) as sharpener:
        if own.manifest.shape.height is None:
            whole = sharpener.sharpen(frame, tile="off")
            counts = []
            tiled = sharpener.sharpen(frame, tile=64, progress=lambda _doing, _done, total: counts.append(total))
            assert counts[0] > 1
            assert np.array_equal(tiled, whole)
        else:
            with pytest.raises(UsageError, match="pixels only"):
                sharpener.sharpen(frame, tile=64)
    shape = dataclasses.replace(own.manifest.shape, tile_exact=False)
    whole_only = Artifact(own.path, dataclasses.replace(own.manifest, shape=shape))
    with Sharpener(whole_only, engine=engine_class.name) as sharpener, pytest.raises(UsageError) as error:
        sharpener.sharpen(photo[:300, :300], tile=64)
    assert error.value.hint


def test_unknown_engines_are_refused_with_those_that_there_are(artifact):
    with pytest.raises(UsageError, match="unknown engine 'onnxruntim'") as error:
        open_engine(artifact, engine="onnxruntim")
    assert all(engine.name in str(error.value.hint) for engine in ENGINES)
    assert "Did you mean 'onnxruntime'" in str(error.value)


def test_every_format_has_an_engine_and_every_engine_a_format():
    from ensharpen_edge.artifact_manifest import FORMATS

    assert all(engines_for(file_format) for file_format in FORMATS)
    assert engines_for("flac") == ()
    assert {name for engine in ENGINES for name in engine.formats} <= set(FORMATS)
    assert len({engine.name for engine in ENGINES}) == len(ENGINES)

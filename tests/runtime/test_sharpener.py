"""`load(...).sharpen(...)`: every kind of image comes back as the same kind, sharpened as the command does."""

from __future__ import annotations

import dataclasses
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.runtime.array_images import ArrayImage, enlarge_alpha
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.sharpener import PhotoWarning, Sharpener, load


@pytest.fixture(scope="module")
def sharpener(artifact):
    with load(artifact.path, threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def pixels(photo):
    return np.ascontiguousarray(photo[:72, :96])


def network(artifact, image: np.ndarray) -> np.ndarray:
    """The bare network on floats (H, W, 3) whose sides it takes."""
    with open_engine(artifact, threads=1) as engine:
        batch = np.ascontiguousarray(image.astype(np.float32).transpose(2, 0, 1)[None])
        return engine.run(batch)[0].transpose(1, 2, 0)


def test_facts(sharpener, artifact):
    assert sharpener.artifact.manifest == artifact.manifest
    facts = sharpener.engine
    assert (facts.name, facts.device, facts.is_reference) == ("onnxruntime", "cpu", False)


def test_uint8_is_the_network_rounded(sharpener, artifact, pixels):
    sharp = sharpener.sharpen(pixels)
    assert (sharp.shape, sharp.dtype) == (pixels.shape, np.uint8)
    expected = network(artifact, pixels / np.float32(255))
    assert np.abs(sharp - expected * 255).max() <= 0.5001


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_not_rounded(sharpener, artifact, pixels, dtype):
    image = pixels.astype(dtype) / 255
    sharp = sharpener.sharpen(image)
    assert sharp.dtype == dtype
    assert np.array_equal(sharp, network(artifact, image).astype(dtype))


def test_uint16_keeps_its_bits(sharpener, artifact, pixels):
    """Values between those of 8 bits go in and come out: the result is the network's, rounded to 16 bits."""
    image = pixels.astype(np.uint16) * 257 + np.arange(96, dtype=np.uint16)[None, :, None] % 128
    sharp = sharpener.sharpen(np.clip(image, 0, 65535))
    assert sharp.dtype == np.uint16
    expected = network(artifact, image / np.float32(65535)) * np.float64(65535)
    assert np.abs(sharp - expected).max() <= 0.51
    assert (sharp % 257 != 0).mean() > 0.9
    assert np.array_equal(sharpener.sharpen(image.astype(">u2")), sharp)


def test_sixteen_bits_survive_a_network_that_does_nothing():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for array in (values, np.stack([values] * 3, axis=2), np.stack([values] * 4, axis=2)):
        image = ArrayImage.of(array)
        assert np.array_equal(image.with_frame(image.frame), array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_grey_and_alpha(sharpener, pixels, rng, dtype):
    white = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    colour = (pixels / 255 * white).astype(dtype)
    alpha = (rng.random(pixels.shape[:2]) * white).astype(dtype)
    grey = colour[:, :, 1]
    sharp = sharpener.sharpen(np.dstack([colour, alpha]))
    assert np.array_equal(sharp[:, :, 3], alpha)
    assert np.array_equal(sharp[:, :, :3], sharpener.sharpen(colour))
    plain = sharpener.sharpen(grey)
    assert (plain.shape, plain.dtype) == (grey.shape, grey.dtype)
    assert not np.array_equal(plain, grey)
    mean = sharpener.sharpen(np.stack([grey] * 3, axis=2)).mean(axis=2)
    assert np.abs(plain - mean).max() <= (1 if dtype.startswith("u") else 1e-6)
    both = sharpener.sharpen(np.dstack([grey, alpha]))
    assert np.array_equal(both[:, :, 0], plain)
    assert np.array_equal(both[:, :, 1], alpha)
    assert np.array_equal(sharpener.sharpen(grey[:, :, None]), plain[:, :, None])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pillow_modes_are_kept(sharpener, pixels, mode):
    image = Image.fromarray(pixels).convert(mode)
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(pixels[:, :, 2]))
    image.info["icc_profile"] = b"profile"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sharp = sharpener.sharpen(image)
    assert (sharp.mode, sharp.size) == (mode, image.size)
    assert sharp.info["icc_profile"] == b"profile"
    assert np.array_equal(np.asarray(sharp), sharpener.sharpen(np.asarray(image)))


def test_pillow_in_sixteen_bits(sharpener, pixels):
    values = pixels[:, :, 0].astype(np.uint16) * 257 + 3
    sharp = sharpener.sharpen(Image.fromarray(values))
    assert sharp.mode == "I;16"
    assert np.array_equal(np.asarray(sharp), sharpener.sharpen(values))


def test_other_pillow_modes_are_converted_and_said_or_refused(sharpener, pixels):
    palette = Image.fromarray(pixels).convert("P")
    with pytest.warns(PhotoWarning, match="from mode P to RGB"):
        sharp = sharpener.sharpen(palette)
    assert np.array_equal(np.asarray(sharp), sharpener.sharpen(np.asarray(palette.convert("RGB"))))
    palette.info["transparency"] = 3
    with pytest.warns(PhotoWarning, match="from mode P to RGBA"):
        clear = sharpener.sharpen(palette)
    assert np.array_equal(np.asarray(clear)[:, :, 3] == 0, np.asarray(palette) == 3)
    assert "transparency" not in clear.info
    grey = Image.fromarray(pixels[:, :, 0])
    grey.info["transparency"] = 90
    with pytest.warns(PhotoWarning, match="from mode L to LA"):
        assert sharpener.sharpen(grey).mode == "LA"
    with pytest.warns(PhotoWarning, match="from mode 1 to L"):
        assert sharpener.sharpen(Image.fromarray(pixels).convert("1")).mode == "L"
    for mode in ("CMYK", "F", "YCbCr", "HSV"):
        with pytest.raises(UsageError, match=f"mode '{mode}'") as error:
            sharpener.sharpen(Image.fromarray(pixels).convert("L" if mode == "F" else "RGB").convert(mode))
        assert 'convert("RGB")' in str(error.value.hint)


def test_a_path_gives_an_image_as_the_command_writes_it(sharpener, pixels, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A camera", 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif, icc_profile=b"x" * 132)
    sharp = sharpener.sharpen(tmp_path / "turned.png")
    assert sharp.size == (72, 96), "upright"
    assert sharp.getexif()[0x010F] == "A camera"
    assert 0x0112 not in sharp.getexif()
    assert sharp.info["icc_profile"] == b"x" * 132
    result = sharpener.sharpen_file(str(tmp_path / "turned.png"), tmp_path / "out.png")
    assert np.array_equal(np.asarray(sharp), read_photo(tmp_path / "out.png").rgb)
    assert (result.width, result.height, result.output) == (72, 96, tmp_path / "out.png")
    assert result.timing.engine > 0
    Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    with pytest.warns(PhotoWarning, match="reduced to 8 bits"):
        assert sharpener.sharpen(str(tmp_path / "deep.png")).mode == "L"


def test_files_are_not_replaced_unasked(sharpener, pixels, tmp_path):
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    Image.fromarray(pixels).save(source)
    target.write_bytes(b"somebody's")
    with pytest.raises(UsageError, match="exists already"):
        sharpener.sharpen_file(source, target)
    assert target.read_bytes() == b"somebody's"
    assert sharpener.sharpen_file(source, target, overwrite=True).output == target
    before = source.read_bytes()
    (tmp_path / "link.png").symlink_to(source)
    for same in (source, tmp_path / "." / "a.png", tmp_path / "link.png"):
        with pytest.raises(UsageError, match="photograph itself"):
            sharpener.sharpen_file(source, same, overwrite=True)
    assert source.read_bytes() == before
    with pytest.raises(UsageError, match="cannot write this format"):
        sharpener.sharpen_file(source, tmp_path / "c.bmp")
    with pytest.raises(BadInputError, match="no such file"):
        sharpener.sharpen_file(tmp_path / "nowhere.png", tmp_path / "d.png")
    with pytest.raises(BadInputError, match="is a folder"):
        sharpener.sharpen_file(tmp_path, tmp_path / "d.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "link.png"]


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((8, 8, 3), np.int32), UsageError, "this one is of int32"),
        (np.zeros((8, 8, 3), np.float16), UsageError, "this one is of float16"),
        (np.zeros((8, 8, 3), bool), UsageError, "this one is of bool"),
        (np.zeros((1, 8, 8, 3), np.uint8), UsageError, "this one is"),
        (np.zeros((3, 8, 8), np.uint8), UsageError, "channels last"),
        (np.zeros((0, 8, 3), np.uint8), UsageError, "this one is"),
        (np.zeros(8, np.uint8), UsageError, "this one is"),
        (np.full((8, 8, 3), 1.5), BadInputError, "from 1.5 to 1.5"),
        (np.full((8, 8, 3), -0.1, np.float32), BadInputError, "from -0.1"),
        (np.full((8, 8, 3), np.nan, np.float32), BadInputError, "NaN or Inf"),
        (np.full((8, 8, 3), np.inf), BadInputError, "NaN or Inf"),
    ],
)
def test_arrays_that_are_no_images(sharpener, array, error, message):
    with pytest.raises(error) as raised:
        sharpener.sharpen(array)
    assert message in f"{raised.value} {raised.value.hint}"


def test_tiles_never_change_the_result_and_impossible_ones_are_refused(sharpener, artifact, static_artifact, photo):
    frame = photo[:200, :220].astype(np.float32) / np.float32(255)
    whole = sharpener.sharpen(frame, tile="off")
    assert np.array_equal(sharpener.sharpen(frame, tile=64), whole)
    for wrong in ("sometimes", 0, -5, True, None, 1.5):
        with pytest.raises(UsageError, match="--tile must be"):
            sharpener.sharpen(frame, tile=wrong)
    with Sharpener(static_artifact) as fixed:
        assert np.array_equal(fixed.sharpen(frame), whole)
        with pytest.raises(UsageError, match="192x160 pixels only"):
            fixed.sharpen(frame, tile=64)
    shape = dataclasses.replace(artifact.manifest.shape, tile_exact=False)
    whole_only = Artifact(artifact.path, dataclasses.replace(artifact.manifest, shape=shape))
    with load(whole_only) as shy, pytest.raises(UsageError, match="looks at the whole frame"):
        shy.sharpen(frame, tile=64)


def test_threads_share_a_sharpener_and_not_its_buffer(sharpener, photo):
    images = [photo[n : n + 80, n : n + 96] for n in range(0, 120, 10)]
    alone = [sharpener.sharpen(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(sharpener.sharpen, images))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_self_ensembles(artifact, sharpener, pixels):
    with load(artifact, self_ensemble=8) as eight:
        averaged = eight.sharpen(pixels)
        assert eight.engine == sharpener.engine
    assert 0 < np.abs(averaged.astype(int) - sharpener.sharpen(pixels)).max() < 30
    with pytest.raises(UsageError, match="views, not 3"):
        load(artifact, self_ensemble=3)


def test_what_cannot_be_opened(artifact, coreml_artifact, tmp_path):
    with pytest.raises(IntegrityError, match="not an artifact"):
        load(tmp_path)
    with pytest.raises(UsageError, match="unknown engine"):
        load(artifact, engine="abacus")
    with pytest.raises(UsageError, match="litert does not run files of format 'onnx'") as error:
        load(artifact, engine="litert")
    assert "onnxruntime" in str(error.value.hint)
    with pytest.raises(UsageError, match="--cuda-backend is for TensorRT engines"):
        load(artifact, cuda_backend="cudart")
    with pytest.raises(UsageError, match="--threads is for CPUs' own runtimes"):
        load(coreml_artifact, threads=2)


def test_alpha_is_enlarged_in_its_own_dtype():
    ramp = np.linspace(0, 1, 16).reshape(1, 16).repeat(8, axis=0)
    for dtype, white in (("uint8", 255), ("uint16", 65535), ("float32", 1), ("float64", 1)):
        plane = (ramp * white).astype(dtype)
        assert enlarge_alpha(plane, 8, 16) is plane
        larger = enlarge_alpha(plane, 16, 32)
        assert (larger.shape, larger.dtype) == ((16, 32), np.dtype(dtype))
        assert 0 <= larger.min() < larger.max() <= white
        assert np.abs(larger[::2, ::2] / white - ramp).max() < 0.06

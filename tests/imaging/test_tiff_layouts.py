"""Every layout of TIFF samples is read right or refused: compared with the arrays that were written."""

from __future__ import annotations

import importlib.util
import io
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.decode import decode_photo

pytestmark = pytest.mark.slow

_spec = importlib.util.spec_from_file_location("tiff_writer", Path(__file__).with_name("tiff_writer.py"))
writer = importlib.util.module_from_spec(_spec)
sys.modules["tiff_writer"] = writer
_spec.loader.exec_module(writer)
Layout = writer.Layout

FILE = Path("a.tif")
HEIGHT, WIDTH = 21, 37
KINDS = {  # colours, number of samples, extra samples
    "negative": (writer.MIN_IS_WHITE, 1, ()),
    "grey": (writer.MIN_IS_BLACK, 1, ()),
    "grey and more": (writer.MIN_IS_BLACK, 2, (0,)),
    "grey premultiplied": (writer.MIN_IS_BLACK, 2, (1,)),
    "grey and alpha": (writer.MIN_IS_BLACK, 2, (2,)),
    "rgb": (writer.RGB, 3, ()),
    "four channels": (writer.RGB, 4, ()),
    "rgb and more": (writer.RGB, 4, (0,)),
    "rgb premultiplied": (writer.RGB, 4, (1,)),
    "rgb and alpha": (writer.RGB, 4, (2,)),
    "rgb, alpha and more": (writer.RGB, 5, (2, 0)),
    "rgb and two more": (writer.RGB, 5, (0, 0)),
    "palette": (writer.PALETTE, 1, ()),
    "palette and more": (writer.PALETTE, 2, (0,)),
    "palette and alpha": (writer.PALETTE, 2, (2,)),
    "cmyk": (writer.CMYK, 4, ()),
    "cmyk and more": (writer.CMYK, 5, (0,)),
    "ycbcr": (writer.YCBCR, 3, ()),
    "luminance": (writer.YCBCR, 1, ()),
    "lab": (writer.LAB, 3, ()),
}


def samples_of(kind: str, bits: int) -> np.ndarray:
    """Gradients of different slopes; mild colours where most triples are outside of RGB."""
    photometric, channels, _ = KINDS[kind]
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    values = np.stack([(rows * (3 + c) + columns * (5 - c % 3) + 20 * c) % 97 / 96 for c in range(channels)], axis=2)
    if photometric in (writer.YCBCR, writer.LAB) and channels == 3:
        values = np.stack([0.3 + values[..., 0] / 4, 0.45 + values[..., 1] / 10, 0.45 + values[..., 2] / 10], axis=2)
    return (values * ((1 << bits) - 1)).round().astype(np.int64)


def expected(kind: str, samples: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray | None]:
    """RGB, (H, W, 3), and alpha, (H, W), of 0 to 255, not rounded."""
    photometric, _, extra = KINDS[kind]
    values = samples * (255 / ((1 << bits) - 1))

    def converted(mode: str, channels: int) -> np.ndarray:
        flat = np.ascontiguousarray(values[..., :channels].round().astype(np.uint8))
        return np.asarray(Image.frombytes(mode, (WIDTH, HEIGHT), flat.tobytes()).convert("RGB")).astype(float)

    if photometric == writer.PALETTE:
        colours = np.array([(17 * i) % 256 for i in range(3 << min(bits, 8))], float).reshape(3, -1)
        rgb = colours[:, samples[..., 0]].transpose(1, 2, 0)
    elif photometric == writer.CMYK:
        rgb = converted("CMYK", 4)
    elif photometric == writer.LAB:
        rgb = converted("LAB", 3)
    elif photometric == writer.YCBCR and values.shape[2] == 3:
        rgb = converted("YCbCr", 3)
    elif photometric == writer.RGB:
        rgb = values[..., :3]
    else:
        grey = 255 - values[..., :1] if photometric == writer.MIN_IS_WHITE else values[..., :1]
        rgb = np.repeat(grey, 3, axis=2)
    colours_alone = {writer.MIN_IS_BLACK: 1, writer.RGB: 3, writer.PALETTE: 1}.get(photometric)
    has_alpha = extra[:1] in ((1,), (2,)) or kind == "four channels"
    alpha = values[..., colours_alone] if has_alpha else None
    if alpha is not None and extra[:1] == (1,):
        rgb = np.minimum(rgb * 255 / np.maximum(alpha, 1)[..., None], 255)
    return rgb, alpha


def outcome(kind: str, layout) -> str:
    """ "right", "refused", or what is wrong."""
    samples = samples_of(kind, layout.bits)
    try:
        photo = decode_photo(writer.tiff(samples, layout), FILE)
    except BadInputError as error:
        named = "a TIFF of" in str(error) or "32-bit samples beyond" in str(error)
        return "refused" if named and "\n" not in str(error) else f"refused without a reason: {error}"
    rgb, alpha = expected(kind, samples, layout.bits)
    difference = np.abs(photo.rgb - rgb)
    if "premultiplied" in kind:
        difference = difference[alpha > 40]
    allowed = 8 if "premultiplied" in kind else 2.01 if layout.photometric in (writer.CMYK, writer.YCBCR) else 1.01
    if difference.max() > allowed:
        return f"colours {difference.max():.0f} off"
    if (alpha is None) != (photo.alpha is None):
        return "alpha lost" if photo.alpha is None else "alpha invented"
    if alpha is not None and np.abs(photo.alpha - alpha).max() > 1.01:
        return f"alpha {np.abs(photo.alpha - alpha).max():.0f} off"
    return "right"


def layouts(kind: str, bits: int):
    photometric, _, extra = KINDS[kind]
    compressions = (writer.NONE, writer.LZW, writer.DEFLATE, writer.PACKBITS)
    cuts = ({"rows": 10}, {"rows": None}, {"tile": (16, 32)})
    for planar, compression, order, cut in itertools.product((False, True), compressions, "<>", cuts):
        for fill_order, predictor in ((1, 1), (2, 1), (1, 2)):
            if predictor == 2 and (compression not in (writer.LZW, writer.DEFLATE) or bits not in (8, 16)):
                continue
            if fill_order == 2 and (order == ">" or cut == {"rows": None}):
                continue
            yield Layout(
                bits=bits, photometric=photometric, order=order, planar=planar, compression=compression,
                extra=extra, predictor=predictor, fill_order=fill_order, **cut,
            )  # fmt: skip


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16, 32])
@pytest.mark.parametrize("kind", KINDS)
def test_layouts_are_read_right_or_refused(kind, bits):
    found = [(outcome(kind, layout), layout) for layout in layouts(kind, bits)]
    wrong = [f"{result}: {layout}" for result, layout in found if result not in ("right", "refused")]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize("compression", [writer.NONE, writer.LZW, writer.DEFLATE, writer.PACKBITS, writer.LZMA])
@pytest.mark.parametrize("cut", [{"rows": 10}, {"tile": (16, 32)}])
def test_what_photographs_are_stored_as_is_read(order, compression, cut, big):
    """The list of what is refused must not grow."""
    common = {"order": order, "compression": compression, "big": big, **cut}
    for kind, bits in itertools.product(("grey", "rgb", "rgb and more", "rgb and alpha", "rgb premultiplied"), (8, 16)):
        if kind != "grey" or not big:
            photometric, _, extra = KINDS[kind]
            assert outcome(kind, Layout(bits=bits, photometric=photometric, extra=extra, **common)) == "right", kind
    for kind, bits in (("palette", 8), ("palette", 4), ("cmyk", 8), ("cmyk", 16), ("grey", 1), ("negative", 8)):
        assert outcome(kind, Layout(bits=bits, photometric=KINDS[kind][0], **common)) == "right", (kind, bits)
    for bits in (8,) if compression == writer.NONE else (8, 16):
        assert outcome("rgb", Layout(bits=bits, planar=True, **common)) == "right"


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (Layout(bits=16, planar=True), "planar 16-bit RGB .* is not read"),
        (Layout(bits=8, photometric=writer.MIN_IS_BLACK, sample_format=writer.SIGNED), "signed samples"),
        (Layout(bits=16, photometric=writer.MIN_IS_BLACK, sample_format=writer.SIGNED), "signed samples"),
        (Layout(bits=32, sample_format=writer.SIGNED), "signed samples"),
        (Layout(bits=8, sample_format=writer.SIGNED), "signed samples"),
        (Layout(bits=32, sample_format=writer.FLOAT), "no defined white"),
        (Layout(bits=32, photometric=writer.MIN_IS_BLACK, sample_format=writer.FLOAT), "no defined white"),
        (Layout(tags={258: (8, 8, 16)}), "different depths"),
        (Layout(tags={259: (6,)}), "compression 6"),
        (Layout(tags={259: (4,)}), "fax compression"),
        (Layout(photometric=writer.YCBCR, tags={530: (2, 2)}), "subsampled"),
        (Layout(photometric=writer.YCBCR, compression=writer.DEFLATE), "subsampled, or compressed"),
        (Layout(photometric=writer.RGB, extra=(2,)), "8-bit RGB with alpha"),
        (Layout(photometric=32803), "photometric interpretation 32803"),
    ],
)
def test_refusals_name_their_reason(layout, reason):
    channels = 1 if layout.photometric == writer.MIN_IS_BLACK else 3
    samples = np.zeros((HEIGHT, WIDTH, channels), np.float32 if layout.sample_format == writer.FLOAT else np.int64)
    with pytest.raises(BadInputError, match=reason) as raised:
        decode_photo(writer.tiff(samples, layout), FILE)
    assert raised.value.hint


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [writer.NONE, writer.LZW, writer.DEFLATE, writer.PACKBITS])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("sample_format", [writer.UNSIGNED, writer.SIGNED])
def test_grey_of_32_bits_is_taken_for_16(order, compression, planar, sample_format):
    """As Pillow writes its pictures of whole numbers: right, or refused, and beyond 16 bits always refused."""
    layout = Layout(
        bits=32, photometric=writer.MIN_IS_BLACK, order=order, compression=compression, planar=planar,
        sample_format=sample_format, rows=10,
    )  # fmt: skip
    samples = samples_of("grey", 16)
    raw = compression == writer.NONE
    readable = not (planar and raw) and (order == "<" or (raw and sample_format == writer.SIGNED))
    if readable:
        found = decode_photo(writer.tiff(samples, layout), FILE).rgb
        assert np.abs(found - samples / 257).max() <= 0.51
    else:
        with pytest.raises(BadInputError, match="a TIFF of"):
            decode_photo(writer.tiff(samples, layout), FILE)
    for beyond in (-1, 65_536):
        samples[3, 3] = beyond
        with pytest.raises(BadInputError):
            decode_photo(writer.tiff(samples, layout), FILE)


def test_cielab():
    """Half the lightness without colour is sRGB 119, on a scale that is the file's: a and b are signed in it."""
    samples = np.zeros((HEIGHT, WIDTH, 3), np.int64)
    samples[..., 0] = 128
    samples[:, 20:, 1] = 60
    rgb = decode_photo(writer.tiff(samples, Layout(photometric=writer.LAB)), FILE).rgb.astype(int)
    assert np.abs(rgb[:, :20] - 119).max() <= 2
    assert (rgb[:, 20:, 0] - rgb[:, 20:, 1]).min() > 100, "a is red against green"


def test_big_endian_bigtiff():
    with pytest.raises(BadInputError, match="BigTIFF in big-endian order is not read"):
        decode_photo(writer.tiff(samples_of("rgb", 8), Layout(order=">", big=True)), FILE)


def test_planar_hint():
    samples = np.zeros((HEIGHT, WIDTH, 3), np.int64)
    with pytest.raises(BadInputError) as raised:
        decode_photo(writer.tiff(samples, Layout(bits=16, planar=True)), FILE)
    assert raised.value.hint == "save it with interleaved channels"


@pytest.mark.parametrize(("mode", "allowed"), [("L", 3), ("RGB", 3), ("YCbCr", 5), ("CMYK", 3)])
def test_jpeg_in_tiff(photo, mode, allowed):
    image = Image.fromarray(photo[:100, :120]).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", compression="jpeg", quality=95)
    difference = np.abs(decode_photo(buffer.getvalue(), FILE).rgb - np.asarray(image.convert("RGB"), int))
    assert difference.mean() < allowed

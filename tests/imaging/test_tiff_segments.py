"""A TIFF that lacks strips, tiles or bytes of them is refused, and the error says what is missing."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.decode import decode_photo, read_photo

_spec = importlib.util.spec_from_file_location("tiff_writer", Path(__file__).with_name("tiff_writer.py"))
writer = importlib.util.module_from_spec(_spec)
sys.modules["tiff_writer"] = writer
_spec.loader.exec_module(writer)
Layout = writer.Layout

FILE = Path("a.tif")
CODED = (writer.LZW, writer.DEFLATE, writer.OLD_DEFLATE, writer.PACKBITS, writer.LZMA, writer.JPEG)
LAYOUTS = [
    Layout(photometric=photometric, compression=compression, planar=planar, **cut)
    for photometric in (writer.MIN_IS_BLACK, writer.RGB, writer.CMYK)
    for compression in (writer.NONE, *CODED)
    for planar in ((False, True) if photometric == writer.RGB and compression != writer.JPEG else (False,))
    for cut in ({"rows": 20}, {"tile": (32, 32)})
]


@pytest.fixture
def samples(rng) -> np.ndarray:
    """Noise, so that every strip is larger than what a decoder may take for its end."""
    return rng.integers(0, 256, (60, 64, 4))


def of(samples: np.ndarray, layout) -> np.ndarray:
    return samples[..., : {writer.MIN_IS_BLACK: 1, writer.RGB: 3, writer.CMYK: 4}[layout.photometric]]


def name(layout) -> str:
    return f"{layout.photometric}-{layout.compression}-{'planar' if layout.planar else ''}-{'tile' * bool(layout.tile)}"


@pytest.mark.parametrize("layout", LAYOUTS, ids=name)
def test_strips_that_are_cut_or_gone(samples, layout):
    samples = of(samples, layout)
    parts = writer.segments(samples, layout)
    part = "tile" if layout.tile else "strip"
    whole = decode_photo(writer.pack(samples.shape, parts, layout), FILE).rgb
    for number in (0, 1, len(parts) - 1):
        for kept in (1, len(parts[number]) // 2, len(parts[number]) - 40):
            cut = [*parts]
            cut[number] = cut[number][:kept]
            with pytest.raises(BadInputError, match=r"not whole|without a frame header"):
                decode_photo(writer.pack(samples.shape, cut, layout), FILE)
        empty = [*parts]
        empty[number] = b""
        with pytest.raises(BadInputError, match=f"{part} {number + 1} of {len(parts)} is empty"):
            decode_photo(writer.pack(samples.shape, empty, layout), FILE)
    with pytest.raises(BadInputError, match=f"1 of {len(parts)} {part}s is missing"):
        decode_photo(writer.pack(samples.shape, parts[:-1], layout), FILE)
    with pytest.raises(BadInputError, match=f"{len(parts) - 1} of {len(parts)} {part}s are missing"):
        decode_photo(writer.pack(samples.shape, parts[:1], layout), FILE)
    with pytest.raises(BadInputError, match=f"{len(parts) + 1} {part}s where the picture's size takes {len(parts)}"):
        decode_photo(writer.pack(samples.shape, [*parts, parts[0]], layout), FILE)
    with pytest.raises(BadInputError, match=f"{len(parts) - 1} byte counts for {len(parts)} {part}s"):
        decode_photo(writer.pack(samples.shape, parts, layout, [len(p) for p in parts[1:]]), FILE)
    assert np.array_equal(decode_photo(writer.pack(samples.shape, parts, layout), FILE).rgb, whole)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout.compression in CODED], ids=name)
def test_streams_that_end_early_though_they_are_well_formed(samples, layout):
    """A strip of half the rows, complete in itself."""
    samples = of(samples, layout)
    half = {"tile": (16, 32)} if layout.tile else {"rows": 10}
    parts = writer.segments(samples, layout)
    parts[1] = writer.segments(samples, dataclasses.replace(layout, **half))[1]
    with pytest.raises(BadInputError, match="not whole"):
        decode_photo(writer.pack(samples.shape, parts, layout), FILE)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout.compression in CODED[:5]], ids=name)
def test_only_a_checksum_may_lack(samples, layout):
    """What is accepted although bytes lack has all of its pixels."""
    samples = of(samples, layout)
    parts = writer.segments(samples, layout)
    whole = decode_photo(writer.pack(samples.shape, parts, layout), FILE).rgb
    for fewer in range(1, 40):
        cut = [parts[0][:-fewer], *parts[1:]]
        try:
            found = decode_photo(writer.pack(samples.shape, cut, layout), FILE).rgb
        except BadInputError:
            continue
        assert np.array_equal(found, whole), fewer


@pytest.mark.parametrize("layout", LAYOUTS, ids=name)
def test_files_that_end_early(tmp_path, samples, layout):
    """The directory lies behind the strips here, so it is moved to the front before the end is cut off."""
    samples = of(samples, layout)
    parts = writer.segments(samples, layout)
    content = bytearray(writer.pack(samples.shape, parts, layout))
    moved = len(content)  # the same strips once more, at the end
    content += b"".join(parts)
    shifted = dict(zip(range(8, moved), range(moved, len(content)), strict=False))
    places = offsets_of(content)
    for place, offset in places:
        content[place : place + 4] = struct.pack("<I", shifted[offset])
    (tmp_path / "whole.tif").write_bytes(content)
    read_photo(tmp_path / "whole.tif")
    for fewer in (1, len(parts[-1]) + 1):
        (tmp_path / "cut.tif").write_bytes(content[:-fewer])
        with pytest.raises(BadInputError, match="lies beyond the file's"):
            read_photo(tmp_path / "cut.tif")


def offsets_of(content: bytes) -> list[tuple[int, int]]:
    """Where a little-endian file states the offsets of its strips or tiles, and the offsets."""
    (at,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, at)
    for number in range(entries):
        tag, _, count, value = struct.unpack_from("<HHII", content, at + 2 + 12 * number)
        if tag in (273, 324):
            first = at + 2 + 12 * number + 8 if count == 1 else value
            return [(first + 4 * i, struct.unpack_from("<I", content, first + 4 * i)[0]) for i in range(count)]
    raise AssertionError("no offsets")


@pytest.mark.parametrize("offset", [0, 4, 1 << 31, (1 << 32) - 1])
@pytest.mark.parametrize("compression", [writer.NONE, writer.DEFLATE])
def test_offsets_outside_the_file(samples, compression, offset):
    layout = Layout(compression=compression, rows=20)
    content = bytearray(writer.tiff(samples[..., :3], layout))
    content[(place := offsets_of(content)[1][0]) : place + 4] = struct.pack("<I", offset)
    with pytest.raises(BadInputError, match="strip 2 of 3 lies beyond the file's"):
        decode_photo(bytes(content), FILE)


def test_uncompressed_strips_need_no_counts(samples):
    """Old writers leave them out; the picture's size says what they are."""
    layout = Layout(rows=20)
    parts = writer.segments(samples[..., :3], layout)
    content = writer.pack((60, 64, 3), parts, layout, counts=[])
    assert np.array_equal(decode_photo(content, FILE).rgb, samples[..., :3])
    packed = dataclasses.replace(layout, compression=writer.DEFLATE)
    with pytest.raises(BadInputError, match="byte counts of its strips are missing"):
        decode_photo(writer.pack((60, 64, 3), writer.segments(samples[..., :3], packed), packed, counts=[]), FILE)


def test_strips_that_share_their_bytes(samples):
    """Equal strips may, but not so often that each of a small file's must be read again and again."""
    layout = Layout(rows=1, compression=writer.DEFLATE)
    row = writer.segments(samples[:1, :, :3], layout)[0]
    content = bytearray(writer.pack((5_000, 64, 3), [row] * 5_000, layout))
    for place, _ in offsets_of(content):
        content[place : place + 4] = struct.pack("<I", 8)
    found = decode_photo(bytes(content), FILE).rgb
    assert (found == samples[:1, :, :3]).all()
    counts = [100_000] * 5_000
    with pytest.raises(BadInputError, match="share their bytes too often"):
        decode_photo(writer.pack((5_000, 64, 3), [row] * 5_000, layout, counts) + bytes(100_000), FILE)


def test_scans_of_jpeg_strips_are_counted(samples):
    layout = Layout(compression=writer.JPEG, photometric=writer.MIN_IS_BLACK)
    buffer = io.BytesIO()
    Image.fromarray(samples[..., 0].astype(np.uint8)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content.rindex(b"\xff\xda")
    repeated = content[:last] + content[last:-2] * 200 + content[-2:]
    with pytest.raises(BadInputError, match="strip 1 of 1 has more than 64 scans"):
        decode_photo(writer.pack((60, 64, 1), [repeated], layout), FILE)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({256: ()}, "ImageWidth is missing"),
        ({262: ()}, "PhotometricInterpretation is missing"),
        ({273: ()}, "neither StripOffsets nor TileOffsets"),
        ({324: (8, 8, 8)}, "it has strips and tiles"),
        ({322: (16,), 323: (16,)}, "it has strips and tiles"),
        ({277: (7,)}, "7 channels"),
        ({258: (8, 8)}, "BitsPerSample has 2 values for 3 samples"),
        ({278: (0,)}, "strips or tiles of 64x0 pixels"),
        ({257: (0,)}, "64x0 pixels"),
    ],
)
def test_directories_that_describe_no_picture(samples, tags, reason):
    with pytest.raises(BadInputError, match=reason):
        decode_photo(writer.tiff(samples[..., :3], Layout(rows=20, tags=tags)), FILE)


def test_no_damage_of_a_tiff_escapes(samples):
    """Bytes flipped at random in the directories of several layouts: a picture, or one line."""
    rng = np.random.default_rng(1)
    for layout in LAYOUTS[::3]:
        original = writer.tiff(of(samples, layout), layout)
        (at,) = struct.unpack_from("<I", original, 4)
        for _ in range(60):
            content = bytearray(original)
            for position in rng.integers(at, len(content), 3):
                content[position] = int(rng.integers(0, 256))
            try:
                decode_photo(bytes(content), FILE)
            except BadInputError as error:
                assert "\n" not in str(error)  # noqa: PT017

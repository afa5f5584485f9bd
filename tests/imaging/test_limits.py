"""Pictures that exhaust memory or time are refused from their headers, and no global limit of Pillow's is touched."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.decode import decode_photo, read_photo
from ensharpen_edge.imaging.headers import Header, read_header
from ensharpen_edge.imaging.limits import check_limits, peak_memory

pytestmark = pytest.mark.slow


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, *chunks: bytes) -> bytes:
    """A PNG whose pixels are missing: its header alone must decide."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def tiff(fields: dict[int, int], more_directories: int = 0) -> bytes:
    """A little-endian TIFF of LONG fields without pixels, followed by empty directories."""
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
    at = 8 + 2 + len(entries) + 4
    chain = b"".join(
        struct.pack("<HI", 0, at + 6 * (number + 1) if number + 1 < more_directories else 0)
        for number in range(more_directories)
    )
    head = struct.pack("<2sHIH", b"II", 42, 8, len(fields))
    return head + entries + struct.pack("<I", at if more_directories else 0) + chain


def grey_tiff(width: int, height: int, **fields: int) -> dict[int, int]:
    numbers = {"rows": 278, "tile_width": 322, "tile_height": 323}
    return {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1} | {numbers[k]: v for k, v in fields.items()}


def webp(width: int, height: int, frames: int = 0) -> bytes:
    """An extended WebP, animated, of empty frames."""
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = (
        b"WEBPVP8X" + struct.pack("<IB3x", 10, 0x02) + canvas + (b"ANMF" + struct.pack("<I", 16) + bytes(16)) * frames
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def with_scans(progressive: bytes, repeats: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    last = progressive.rindex(b"\xff\xda")
    return progressive[:last] + progressive[last:-2] * repeats + progressive[-2:]


STRIP, TILE = {273: 8, 279: 1}, {324: 8, 325: 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png(22_360, 22_360, 1, 0), "more than 250 megapixels"),
        (png(300_000, 2, 8, 2), "a side may have 200,000"),
        (png(2, 300_000, 8, 2), "a side may have 200,000"),
        (png(9, 9, 8, 2, chunk(b"acTL", struct.pack(">II", 9_999, 0))), "more than 4,096 frames"),
        (png(9, 9, 8, 2, *[chunk(b"tEXt", b"")] * 10_001), "10,000 PNG chunks"),
        (tiff(grey_tiff(20_000, 20_000) | STRIP), "more than 250 megapixels"),
        (tiff(grey_tiff(44, 9_240_607) | STRIP), "a side may have"),
        (tiff(grey_tiff(4_000, 4_000, tile_width=8, tile_height=1) | TILE), "strips or tiles"),
        (tiff(grey_tiff(9, 9, tile_width=65_536, tile_height=131_072) | TILE), "8.0 GiB"),
        (tiff(grey_tiff(9, 9) | STRIP, 4_900), "more than 4,096 frames"),
        (webp(8_323_116, 31), "a side may have"),
        (webp(16_383, 16_000), "more than 250 megapixels"),
        (webp(16_000, 15_000), "GiB"),
        (webp(9, 9, 5_000), "more than 4,096 frames"),
        (webp(9, 9, 10_001), "10,000 WebP chunks"),
        (b"\xff\xd8" + b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03" + bytes(9), "more than 250 megapixels"),
        (b"\xff\xd8" + b"\xff\xfe\0\2" * 10_001, "10,000 JPEG segments"),
    ],
)
def test_bombs_are_refused_from_their_headers(content, reason):
    with pytest.raises(BadInputError, match=reason):
        decode_photo(content, Path("bomb"))


@pytest.mark.parametrize("embedded", [False, True])
def test_scans_are_counted(photo, embedded):
    image = Image.fromarray(photo)
    content = saved(image, "JPEG", progressive=True, restart_marker_blocks=3)
    if embedded:  # a thumbnail's scans are not the picture's
        exif = image.getexif()
        exif[0x927C] = with_scans(saved(image.resize((32, 32)), "JPEG", progressive=True), 60)[:60_000]
        content = saved(image, "JPEG", progressive=True, exif=exif)
    header = read_header(io.BytesIO(content), Path("a.jpg"))
    assert (header.width, header.height, header.samples, header.scans) == (512, 384, 3, 10)
    assert read_header(io.BytesIO(saved(image, "JPEG")), Path("a.jpg")).scans == 1
    assert decode_photo(with_scans(content, 55), Path("a.jpg")).width == 512
    with pytest.raises(BadInputError, match="more than 64 scans"):
        decode_photo(with_scans(content, 200), Path("a.jpg"))


@pytest.mark.parametrize(
    "header",
    [
        *(Header(kind, 16_384, 12_288, samples) for kind in ("JPEG", "PNG", "WEBP", "TIFF") for samples in (1, 3, 4)),
        Header("JPEG", 16_384, 12_288, 3, scans=40),
        Header("PNG", 65_600, 3, 3),
        Header("WEBP", 9, 9, 4, frames=1_000),
        Header("TIFF", 9, 200_000, 3, segments=200_000),
    ],
)
def test_photographs_of_the_largest_phones_are_within_the_limits(header):
    check_limits(header, Path("photo"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_sizes_are_read_without_decoding(photo, kind):
    image = Image.fromarray(photo)
    for shown, samples in ((image, 3), (image.convert("L"), 3 if kind == "WEBP" else 1)):
        header = read_header(io.BytesIO(saved(shown, kind)), Path("a"))
        assert (header.format, header.width, header.height, header.samples) == (kind, 512, 384, samples)


def test_lossless_and_animated_webp(photo):
    image = Image.fromarray(photo)
    assert read_header(io.BytesIO(saved(image, "WEBP", lossless=True)), Path("a")).height == 384
    animation = saved(image, "WEBP", save_all=True, append_images=[image.rotate(180)])
    assert read_header(io.BytesIO(animation), Path("a")).frames == 2
    assert "2 frames" in decode_photo(animation, Path("a")).notes[0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}])
def test_the_limit_of_the_process_neither_counts_nor_changes(monkeypatch, tmp_path, photo, kind, options):
    """It is watched at every moment: another thread would see a change that lasts only while a file is open."""
    (tmp_path / "a").write_bytes(saved(Image.fromarray(photo), kind, **(options if kind == "TIFF" else {})))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr("ensharpen_edge.imaging.decode._BAND", 100 * 512)
    seen = set()

    def watch(frame, event, argument):
        seen.add(Image.MAX_IMAGE_PIXELS)

    sys.setprofile(watch)
    try:
        assert read_photo(tmp_path / "a").width == 512
        assert decode_photo((tmp_path / "a").read_bytes(), Path("a")).width == 512
    finally:
        sys.setprofile(None)
    assert seen == {100}


def test_threads_leave_the_limit_of_the_process_alone(monkeypatch, tmp_path, photo):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(photo), "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    failures = []

    def read() -> None:
        for _ in range(20):
            try:
                read_photo(tmp_path / "a.png")
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Image.MAX_IMAGE_PIXELS == 100


MEASURE = """
import re, sys
from pathlib import Path
from ensharpen_edge.imaging.decode import read_photo
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
read_photo(Path(sys.argv[1]))
before = peak()
read_photo(Path(sys.argv[2]))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measured through /proc")
@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGB", "PNG", {}),
        ("RGBA", "PNG", {}),
        ("I;16", "PNG", {}),
        ("CMYK", "JPEG", {"progressive": True, "subsampling": 0}),
        ("RGB", "JPEG", {}),
        ("RGBA", "WEBP", {"method": 0}),
        ("RGBA", "TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_the_estimate_of_memory_is_an_upper_one(tmp_path, mode, kind, options):
    """Measured on pictures that EXIF turns by a quarter, which takes a copy."""
    grey = Image.linear_gradient("L").resize((4_000, 3_000))
    image = (
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.merge("RGBA" if mode == "RGBA" else "RGB", [grey] * (4 if mode == "RGBA" else 3)).convert(mode)
    )
    exif = image.getexif()
    exif[0x0112] = 6
    turned = {"tiffinfo": {0x0112: 6}} if kind == "TIFF" else {"exif": exif}
    for name, shown in (("small", image.resize((64, 48))), ("large", image)):
        (tmp_path / name).write_bytes(saved(shown, kind, **turned, **options))
    with (tmp_path / "large").open("rb") as stream:
        estimate = peak_memory(read_header(stream, tmp_path / "large"))
    command = [sys.executable, "-c", MEASURE, tmp_path / "small", tmp_path / "large"]
    used = 1024 * int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    band = 48 << 20  # of a million pixels, and what allocators keep
    assert used < estimate + band
    assert used > estimate / 4, "an estimate far above what is used refuses photographs"


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK"])
def test_turned_tiffs(tmp_path, photo, mode, orientation, compression):
    """Pillow maps some uncompressed files into memory, and those at the size that they have once they are turned."""
    image = Image.fromarray(photo[:60, :80])
    image = image.quantize(64) if mode == "P" else image.convert(mode)
    image.save(tmp_path / "a.tif", tiffinfo={0x0112: orientation}, compression=compression)
    ways = [None, 0, 3, 1, 5, 4, 6, 2]  # Image.Transpose, EXIF 2.32, table 7
    way = ways[orientation - 1]
    expected = np.asarray((image if way is None else image.transpose(Image.Transpose(way))).convert("RGB"))
    assert np.array_equal(read_photo(tmp_path / "a.tif").rgb, expected)


def test_large_pictures_are_converted_in_bands(monkeypatch, tmp_path, photo):
    """Whatever the bands, every mode gives the same pixels and alpha."""
    image = Image.fromarray(photo[:61, :80])
    clear = image.copy()
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    deep = Image.fromarray(np.asarray(image)[..., 0].astype(np.uint16) * 257)
    files = {
        "palette.png": (image.quantize(32), {"transparency": bytes(range(32))}),
        "key.png": (image, {"transparency": image.getpixel((5, 5))}),
        "grey.png": (clear.convert("LA"), {}),
        "deep.png": (deep, {"transparency": deep.getpixel((3, 3))}),
        "clear.webp": (clear, {"lossless": True}),
        "print.jpg": (image.convert("CMYK"), {}),
        "lab.tif": (lab, {}),
        "palette.tif": (clear.quantize(32), {}),
    }
    for name, (shown, options) in files.items():
        shown.save(tmp_path / name, **options)
    whole = {name: read_photo(tmp_path / name) for name in files}
    monkeypatch.setattr("ensharpen_edge.imaging.decode._BAND", 7 * 80)
    for name, expected in whole.items():
        found = read_photo(tmp_path / name)
        assert np.array_equal(found.rgb, expected.rgb), name
        assert (found.alpha is None) == (expected.alpha is None), name
        assert found.alpha is None or np.array_equal(found.alpha, expected.alpha), name

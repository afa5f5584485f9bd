"""Every colour mode and every kind of damage, on real files."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import Photo


@pytest.fixture
def picture(photo) -> Image.Image:
    return Image.fromarray(photo[:60, :80])


def png_sixteen_bit_rgb(values: np.ndarray) -> bytes:
    """A 16-bit RGB PNG, which Pillow cannot write itself."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
def test_lossless_formats_round_trip(tmp_path, photo, suffix):
    path = tmp_path / f"a{suffix}"
    write_photo(Photo(photo), path)
    assert np.array_equal(read_photo(path).rgb, photo)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats_are_close(tmp_path, photo, suffix):
    path = tmp_path / f"a{suffix}"
    write_photo(Photo(photo), path)
    difference = np.abs(read_photo(path).rgb.astype(int) - photo.astype(int))
    assert difference.mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(tmp_path, picture, orientation):
    exif = picture.getexif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    picture.save(tmp_path / "a.png", exif=exif)
    photo = read_photo(tmp_path / "a.png")
    expected = Image.open(tmp_path / "a.png")
    turned = orientation >= 5
    assert (photo.width, photo.height) == ((60, 80) if turned else (80, 60))
    write_photo(photo, tmp_path / "b.png")
    again = Image.open(tmp_path / "b.png")
    assert again.getexif().get(0x0112, 1) == 1
    assert again.getexif()[0x010F] == "Maker"
    assert expected.size == (80, 60)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_states_the_size_that_the_picture_has(tmp_path, picture, suffix):
    """A photograph held upright comes as a lying one with an orientation; enlarged, it has other sizes still."""
    exif = picture.getexif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769).update({0xA002: 80, 0xA003: 60, 0x9003: "2024:05:06 07:08:09"})
    exif.get_ifd(0x8825)[0x0001] = "N"
    picture.save(tmp_path / "a.jpg", exif=exif)
    photo = read_photo(tmp_path / "a.jpg")
    large = dataclasses.replace(photo, rgb=photo.rgb.repeat(2, axis=0).repeat(2, axis=1))
    for number, (shown, size) in enumerate(((photo, (60, 80)), (large, (120, 160)))):
        write_photo(shown, tmp_path / f"{number}{suffix}")
        again = Image.open(tmp_path / f"{number}{suffix}")
        written = again.getexif()
        camera = written.get_ifd(0x8769)
        assert again.size == (camera[0xA002], camera[0xA003]) == size
        assert camera[0x9003] == "2024:05:06 07:08:09"
        assert written[0x010F] == "Maker"
        assert written.get_ifd(0x8825)[0x0001] == "N"


def test_greyscale_stays_greyscale(tmp_path, picture):
    picture.convert("L").save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert photo.grey
    write_photo(photo, tmp_path / "b.png")
    assert Image.open(tmp_path / "b.png").mode == "L"


def test_palette_is_expanded(tmp_path, picture):
    indexed = picture.quantize(64)
    indexed.save(tmp_path / "a.png")
    assert np.array_equal(read_photo(tmp_path / "a.png").rgb, np.asarray(indexed.convert("RGB")))


def test_alpha_is_carried_through(tmp_path, picture):
    mask = Image.linear_gradient("L").resize(picture.size)
    picture.putalpha(mask)
    picture.save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.alpha, np.asarray(mask))
    write_photo(photo, tmp_path / "b.webp")
    assert Image.open(tmp_path / "b.webp").mode == "RGBA"
    write_photo(photo, tmp_path / "b.jpg")
    corner = Image.open(tmp_path / "b.jpg").getpixel((40, 0))
    assert min(corner) > 240, "transparent pixels lie over white in a JPEG"


def test_transparent_palette_colour(tmp_path, picture):
    indexed = picture.quantize(16)
    indexed.save(tmp_path / "a.png", transparency=0)
    assert read_photo(tmp_path / "a.png").alpha is not None


def test_grey_with_alpha(tmp_path, picture):
    grey = picture.convert("LA")
    grey.putalpha(128)
    grey.save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert photo.grey
    write_photo(photo, tmp_path / "b.png")
    assert Image.open(tmp_path / "b.png").mode == "LA"


def test_cmyk_jpeg(tmp_path, picture):
    picture.convert("CMYK").save(tmp_path / "a.jpg", quality=95, subsampling=0)
    photo = read_photo(tmp_path / "a.jpg")
    assert np.abs(photo.rgb.astype(int) - np.asarray(picture).astype(int)).mean() < 4
    assert "CMYK" in photo.notes[0]


def test_sixteen_bit_grey(tmp_path):
    ramp = np.linspace(0, 65535, 80 * 60).reshape(60, 80).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert photo.grey
    assert np.abs(photo.rgb[..., 0] - ramp / 257).max() <= 0.51
    assert "16-bit" in photo.notes[0]


def test_sixteen_bit_grey_keeps_its_profile(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ramp = np.linspace(0, 65535, 80 * 60).reshape(60, 80).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png", icc_profile=profile)
    write_photo(read_photo(tmp_path / "a.png"), tmp_path / "b.png")
    assert Image.open(tmp_path / "b.png").info["icc_profile"] == profile


def test_sixteen_bit_grey_with_a_transparent_value(tmp_path):
    ramp = np.linspace(0, 65535, 80 * 60).reshape(60, 80).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png", transparency=int(ramp[10, 10]))
    photo = read_photo(tmp_path / "a.png")
    assert np.abs(photo.rgb[..., 0] - ramp / 257).max() <= 0.51
    if photo.alpha is not None:
        assert photo.alpha[10, 10] == 0
        assert (photo.alpha == 0).sum() == 1


def test_grey_with_a_transparent_value_stays_grey(tmp_path, picture):
    picture.convert("L").save(tmp_path / "a.png", transparency=100)
    photo = read_photo(tmp_path / "a.png")
    assert photo.grey
    assert photo.alpha is not None


def test_broken_exif_costs_only_the_exif(tmp_path, picture):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x03\0\x12\x01\x03\0\xff\xff\xff\x7f\xff\xff\xff\xff")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    assert read_photo(tmp_path / "a.jpg").width == 80


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_no_damage_escapes_as_another_exception(tmp_path, picture, suffix):
    """Two hundred files of each format with bytes flipped at random: a picture, or `BadInputError`."""
    exif = picture.getexif()
    exif[0x010F] = "Maker"
    picture.save(tmp_path / f"a{suffix}", exif=exif)
    original = (tmp_path / f"a{suffix}").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(original)
        for position in rng.integers(0, min(len(data), 600), 4):
            data[position] = int(rng.integers(0, 256))
        (tmp_path / f"b{suffix}").write_bytes(bytes(data))
        with contextlib.suppress(BadInputError):
            write_photo(read_photo(tmp_path / f"b{suffix}"), tmp_path / "c.png")


def test_cmyk_with_a_broken_profile(tmp_path, picture):
    picture.convert("CMYK").save(tmp_path / "a.jpg", quality=95, icc_profile=b"garbage" * 40)
    photo = read_photo(tmp_path / "a.jpg")
    assert np.abs(photo.rgb.astype(int) - np.asarray(picture).astype(int)).mean() < 6


def test_sixteen_bit_colour(tmp_path, rng):
    values = rng.integers(0, 65536, (20, 30, 3))
    (tmp_path / "a.png").write_bytes(png_sixteen_bit_rgb(values))
    photo = read_photo(tmp_path / "a.png")
    assert np.abs(photo.rgb - values / 257).max() <= 1.01, "Pillow keeps the high byte"
    assert "16-bit" in photo.notes[0]


def grey_tiff(stored: np.ndarray, bits: int, photometric: int) -> bytes:
    """One uncompressed strip; samples of 12 bits are packed without gaps, as TIFF 6.0 demands."""
    height, width = stored.shape
    strip = stored.astype("<u2").tobytes()
    if bits == 12:
        planes = np.unpackbits(stored.astype(">u2").view(np.uint8).reshape(height, width, 2), axis=2)
        strip = np.packbits(planes[..., 4:].reshape(height, -1), axis=1).tobytes()
    entries = ((256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1),
               (278, height), (279, len(strip)))  # fmt: skip
    short = 3
    directory = b"".join(struct.pack("<HHIHH", tag, short, 1, value, 0) for tag, value in entries)
    header = struct.pack("<2sHI", b"II", 42, 8 + len(strip))
    return header + strip + struct.pack("<H", len(entries)) + directory + bytes(4)


@pytest.mark.parametrize(("bits", "negative"), [(12, False), (16, True), (16, False)])
def test_grey_tiffs_of_other_ranges(tmp_path, bits, negative):
    """Pillow passes samples of 12 bits and of negatives on as they are stored."""
    white = (1 << bits) - 1
    values = np.tile(np.linspace(0, white, 64).round().astype(np.uint16), (8, 1))
    file = tmp_path / "grey.tif"
    file.write_bytes(grey_tiff(white - values if negative else values, bits, 0 if negative else 1))
    expected = np.linspace(0, 255, 64)
    assert np.abs(read_photo(file).rgb[0, :, 0] - expected).max() <= 1


def test_a_grey_profile_is_not_given_to_colours(tmp_path, picture):
    picture.save(tmp_path / "colour.png")
    profile = b"\0" * 16 + b"GRAY" + b"\0" * 108
    photo = dataclasses.replace(read_photo(tmp_path / "colour.png"), grey=True, icc=profile)
    assert "grey colour profile" in write_photo(photo, tmp_path / "a.webp")[0]
    assert write_photo(photo, tmp_path / "a.png") == ()
    with Image.open(tmp_path / "a.png") as kept, Image.open(tmp_path / "a.webp") as dropped:
        assert kept.info["icc_profile"] == profile
        assert "icc_profile" not in dropped.info


def test_pictures_of_large_phones_are_not_refused(monkeypatch, tmp_path, picture):
    picture.save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_photo(tmp_path / "a.png").megapixels > 0.001
    assert Image.MAX_IMAGE_PIXELS == 100


def test_bilevel(tmp_path, picture):
    picture.convert("1").save(tmp_path / "a.png")
    assert set(np.unique(read_photo(tmp_path / "a.png").rgb)) == {0, 255}


def test_profile_is_kept(tmp_path, picture):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(tmp_path / "a.jpg", icc_profile=profile)
    photo = read_photo(tmp_path / "a.jpg")
    write_photo(photo, tmp_path / "b.webp")
    assert Image.open(tmp_path / "b.webp").info["icc_profile"] == profile


@pytest.mark.parametrize("target", ["b.tif", "b.jpg"])
def test_tiff_tags_that_describe_are_kept_and_layout_is_not(tmp_path, photo, target):
    source = Image.fromarray(photo)
    source.save(tmp_path / "a.tif", tiffinfo={0x010F: "Maker", 0x8298: "Someone"}, compression="tiff_lzw")
    decoded = read_photo(tmp_path / "a.tif")
    smaller = Photo(decoded.rgb[:50, :60], exif=decoded.exif)
    write_photo(smaller, tmp_path / target)
    again = Image.open(tmp_path / target)
    assert again.size == (60, 50)
    assert again.getexif()[0x010F] == "Maker"
    assert np.abs(np.asarray(again).astype(int) - smaller.rgb).mean() < 3


def test_camera_data_reaches_every_format(tmp_path, picture):
    exif = picture.getexif()
    exif[0x010F] = "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FNumber] = 2.8
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    picture.save(tmp_path / "a.jpg", exif=exif)
    for name in ("b.jpg", "b.png", "b.webp", "b.tif"):
        write_photo(read_photo(tmp_path / "a.jpg"), tmp_path / name)
        again = read_photo(tmp_path / name)
        kept = Image.Exif()
        kept.load(again.exif)
        assert kept[0x010F] == "Maker"
        assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FNumber] == pytest.approx(2.8)
        assert kept.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"


def test_several_frames(tmp_path, picture):
    picture.save(tmp_path / "a.tif", save_all=True, append_images=[picture.rotate(90)])
    photo = read_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.rgb, np.asarray(picture))
    assert "2 frames" in photo.notes[0]


def truncated(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    return buffer.getvalue()[:-600]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"not a picture at all", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "a.png"),
    ],
)
def test_damaged_files(tmp_path, content, reason):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(BadInputError, match=reason):
        read_photo(tmp_path / "a.png")


def test_truncated_jpeg(tmp_path, picture):
    (tmp_path / "a.jpg").write_bytes(truncated(picture))
    with pytest.raises(BadInputError, match="truncated"):
        read_photo(tmp_path / "a.jpg")


def test_missing_folder_and_float(tmp_path):
    with pytest.raises(BadInputError, match="no such file"):
        read_photo(tmp_path / "nowhere.png")
    with pytest.raises(BadInputError, match="folder"):
        read_photo(tmp_path)
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(BadInputError, match="no defined white"):
        read_photo(tmp_path / "f.tif")


def test_writing_is_whole_or_not_at_all(tmp_path, photo):
    with pytest.raises(UsageError, match="cannot write this format"):
        write_photo(Photo(photo), tmp_path / "a.bmp")
    with pytest.raises(BadInputError, match="cannot write"):
        write_photo(Photo(photo), tmp_path / "nowhere" / "a.png")
    huge = Photo(np.zeros((1, 70_000, 3), np.uint8))
    with pytest.raises(BadInputError, match="cannot write"):
        write_photo(huge, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())

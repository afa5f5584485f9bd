"""Folders, caches, crops, duplicates and shards of real photographs."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.data.crops import CropSampler
from ensharpen_edge.data.duplicates import SAME_PICTURE, find_overlap, fingerprint, refuse_overlap
from ensharpen_edge.data.photos import PhotoSet, held_out_of, is_held_out
from ensharpen_edge.data.shards import ShardConfig, ShardSource, shard_files
from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.photo_folder import photo_files


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def test_crops_come_from_the_photographs_and_cover_them(photo):
    sampler = CropSampler(PhotoSet(("a",), (photo,)), 64)
    crops = sampler.draw(64, torch.Generator().manual_seed(0))
    assert crops.pixels.shape == (64, 3, 64, 64)
    assert crops.names == ("a",) * 64
    present = {tuple(pixel) for pixel in photo.reshape(-1, 3).tolist()}
    sample = crops.pixels[3].transpose(1, 2, 0).reshape(-1, 3)
    assert all(tuple(pixel) in present for pixel in sample.tolist())
    assert np.array_equal(crops.pixels, sampler.draw(64, torch.Generator().manual_seed(0)).pixels)
    with pytest.raises(BadInputError, match="smaller than the"):
        CropSampler(PhotoSet(("a",), (photo,)), 500)


def test_bad_files_are_named_and_skipped(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "good.png")
    Image.fromarray(photo[:20, :20]).save(tmp_path / "small.png")
    (tmp_path / "bad.jpg").write_text("no")
    (tmp_path / "phone.HEIC").write_text("no")
    photos = load_photos(tmp_path, minimum_side=64)
    assert photos.names == ("good.png",)
    assert len(photos.skipped) == 3
    assert "1 file ending in .heic" in photos.skipped[-1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="no photographs"):
        photo_files(tmp_path / "empty")
    (tmp_path / "good.png").unlink()
    with pytest.raises(BadInputError, match="no usable"):
        load_photos(tmp_path, minimum_side=64)


def test_held_out_share_is_one_in_sixteen():
    assert np.mean([is_held_out(f"{i}.jpg") for i in range(8000)]) == pytest.approx(1 / 16, abs=0.01)


def test_few_photographs_hold_one_out_whatever_they_are_called():
    for first in range(200):
        names = [f"IMG_{first + i:04}.jpg" for i in range(12)]
        found = held_out_of(names)
        assert found == {name for name in names if is_held_out(name)} or len(found) == 1
        assert 1 <= len(found) < 12
        assert found == held_out_of(reversed(names))
    assert held_out_of(["one.jpg"]) <= {"one.jpg"}
    assert not held_out_of([])


def test_cache_decodes_once_and_holds_the_same_pixels(tmp_path, photo_folder):
    cache = tmp_path / "cache"
    calls: list[int] = []
    fresh = load_photos(photo_folder, 1, lambda _doing, done=0, total=0: calls.append(done), cache)
    assert len(calls) == len(fresh) == 5
    again = load_photos(photo_folder, 1, lambda _doing, done=0, total=0: calls.append(done), cache)
    assert len(calls) == 5, "nothing was decoded a second time"
    direct = load_photos(photo_folder)
    assert again.names == direct.names
    assert again.fingerprints == direct.fingerprints
    assert all(np.array_equal(a, b) for a, b in zip(again.images, direct.images, strict=True))
    assert all(isinstance(image, np.memmap) for image in again.images)


def test_cache_follows_the_folder_and_survives_damage(tmp_path, photo):
    folder, cache = tmp_path / "photos", tmp_path / "cache"
    folder.mkdir()
    Image.fromarray(photo).save(folder / "a.png")
    assert len(load_photos(folder, cache=cache)) == 1
    Image.fromarray(photo[::-1]).save(folder / "b.png")
    assert len(load_photos(folder, cache=cache)) == 2
    for file in cache.glob("*.u8"):
        file.write_bytes(file.read_bytes()[:-7])
    assert np.array_equal(load_photos(folder, cache=cache).images[0], photo)
    for file in cache.glob("*.json"):
        file.write_text("{")
    assert len(load_photos(folder, cache=cache)) == 2
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="cannot write decoded"):
        load_photos(folder, cache=tmp_path / "file" / "cache")


def test_broken_links_are_named_and_skipped(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "good.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    for cache in (None, tmp_path / "cache"):
        photos = load_photos(tmp_path, cache=cache)
        assert photos.names == ("good.png",)
        assert "gone.png" in photos.skipped[0]


def test_links_that_lead_back_and_strange_names(tmp_path, photo, monkeypatch):
    Image.fromarray(photo).save(tmp_path / "a.png")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert len(photo_files(tmp_path)) == 2
    with Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).open("wb") as file:
        file.write((tmp_path / "a.png").read_bytes())
    for cache in (None, tmp_path.with_name("cache")):
        photos = load_photos(tmp_path, cache=cache)
        assert photos.names == ("a.png", "b.png")
        assert "is not UTF-8" in photos.skipped[0]

    def full(path):
        raise MemoryError

    monkeypatch.setattr("ensharpen_edge.data.cache.read_photo", full)
    with pytest.raises(BadInputError, match="no usable photograph") as error:
        load_photos(tmp_path)
    assert "does not fit into memory" in str(error.value.hint)


def test_the_cache_keeps_one_state_of_a_folder(tmp_path, photo):
    folder, cache = tmp_path / "photos", tmp_path / "cache"
    folder.mkdir()
    Image.fromarray(photo).save(folder / "a.png")
    load_photos(folder, cache=cache)
    other = tmp_path / "other"
    other.mkdir()
    Image.fromarray(photo).save(other / "a.png")
    load_photos(other, cache=cache)
    abandoned = cache / ".0123-abc.u8"
    abandoned.write_bytes(b"pixels")
    os.utime(abandoned, (0, 0))
    Image.fromarray(photo[::-1].copy()).save(folder / "b.png")
    assert len(load_photos(folder, cache=cache)) == 2
    assert len(list(cache.glob("*.u8"))) == len(list(cache.glob("*.json"))) == 2
    assert not abandoned.exists()


def test_the_same_picture_is_recognised_and_others_are_not(photo_folder, tmp_path, photo):
    names = sorted(photo_folder.glob("*.png"))
    prints = [fingerprint(read_photo(name).rgb) for name in names]
    distances = [(a ^ b).bit_count() for i, a in enumerate(prints) for b in prints[i + 1 :]]
    assert min(distances) > 2 * SAME_PICTURE
    Image.fromarray(photo).resize((300, 225), Image.Resampling.LANCZOS).save(tmp_path / "small.jpg", quality=60)
    assert (fingerprint(photo) ^ fingerprint(read_photo(tmp_path / "small.jpg").rgb)).bit_count() <= SAME_PICTURE


def test_overlap_is_refused_with_names(photo_folder, tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "copy.jpg", quality=80)
    training, judged = load_photos(photo_folder), load_photos(tmp_path)
    assert find_overlap(training, judged) == [("raft.png", "copy.jpg")]
    with pytest.raises(BadInputError, match=r"1 training photographs are also in the exam: raft\.png = copy\.jpg"):
        refuse_overlap(training, judged, "the exam")
    refuse_overlap(training.subset(lambda name: name != "raft.png"), judged, "the exam")


@pytest.fixture
def shards(tmp_path, photo) -> str:
    """Three shards of four photographs each, one of them broken, one too small."""
    number = 0
    for shard in range(3):
        with tarfile.open(tmp_path / f"set-{shard:03d}.tar", "w") as tar:
            for _ in range(4):
                image = np.roll(photo[:200, :240], 7 * number, axis=1)
                content = b"broken" if number == 5 else png(image[:10] if number == 6 else image)
                for name, data in ((f"p{number}.png", content), (f"p{number}.json", json.dumps({}).encode())):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
                number += 1
    return str(tmp_path / "set-{000..002}.tar")


def test_what_shards_give_depends_on_the_step_alone(shards):
    config = ShardConfig(tuple(shard_files(shards)), window=5, per_step=2, seed=3)
    straight = ShardSource(config)
    seen = [straight.sampler(step, 64).draw(4, torch.Generator().manual_seed(step)) for step in range(12)]
    resumed = ShardSource(config)
    for step in (7, 8, 11):
        again = resumed.sampler(step, 64).draw(4, torch.Generator().manual_seed(step))
        assert np.array_equal(again.pixels, seen[step].pixels)
        assert again.names == seen[step].names
    from torch.utils.data import DataLoader

    class Windows(torch.utils.data.Dataset):
        source = ShardSource(config)

        def __getitem__(self, step: int) -> tuple[str, ...]:
            return self.source.sampler(step, 64).draw(4, torch.Generator().manual_seed(step)).names

    for workers in (1, 2):
        loader = DataLoader(Windows(), batch_size=None, sampler=range(12), num_workers=workers)
        assert [tuple(names) for names in loader] == [c.names for c in seen], f"{workers} workers see the same"
    back = straight.sampler(2, 64).draw(4, torch.Generator().manual_seed(2))
    assert np.array_equal(back.pixels, seen[2].pixels)
    assert any("p5.png" in line for line in straight.skipped)
    names = {name for crops in seen for name in crops.names}
    assert len(names) >= 8
    assert not any("p5" in name or "p6" in name for name in names)


def test_processes_read_different_shards(shards):
    files = tuple(shard_files(shards))
    seen = []
    for rank in range(3):
        source = ShardSource(ShardConfig(files, window=2, rank=rank, world=3))
        seen.append({name.split("/")[0] for name in source.sampler(0, 64).draw(8, torch.Generator()).names})
    assert all(len(names) == 1 for names in seen)
    assert len(set.union(*seen)) == 3
    with pytest.raises(BadInputError, match="cannot be shared"):
        ShardSource(ShardConfig(files[:1], rank=1, world=2)).sampler(0, 64)


def test_missing_and_useless_shards(tmp_path):
    with pytest.raises(UsageError, match="braces"):
        shard_files("set-{000..063.tar")
    with pytest.raises(BadInputError, match="2 of 2 are missing"):
        shard_files(str(tmp_path / "x-{0..1}.tar"))
    (tmp_path / "cut.tar").write_bytes(b"garbage" * 200)
    with pytest.raises(BadInputError, match=r"cut\.tar"):
        ShardSource(ShardConfig((tmp_path / "cut.tar",))).sampler(0, 64)
    with tarfile.open(tmp_path / "empty.tar", "w") as tar:
        info = tarfile.TarInfo("a.txt")
        tar.addfile(info, io.BytesIO())
    with pytest.raises(BadInputError, match="no photographs"):
        ShardSource(ShardConfig((tmp_path / "empty.tar",))).sampler(0, 64)


@pytest.mark.parametrize(
    "name",
    [
        "pipe:touch OWNED #.tar",
        "pipe:touch OWNED; cat set.tar",
        "file:set.tar",
        "http:set.tar",
        "https:set.tar",
        "s3:set.tar",
        "gs:set.tar",
        "ais:set.tar",
        "hf:set.tar",
        "htgs:set.tar",
        "{a,b}.tar",
        "set-{0..3}.tar",
        "{open.tar",
        r"\{a\}.tar",
        "a::b.tar",
        "$(touch OWNED).tar",
        "`touch OWNED`.tar",
        "a%20b.tar",
        "a?b.tar",
        "a#b.tar",
        "-.tar",
    ],
)
def test_a_shards_name_is_the_name_of_a_file_and_nothing_else(tmp_path, monkeypatch, photo, name):
    """No scheme of a URL, no command, no braces: this file is read, and nothing beside it happens."""
    monkeypatch.chdir(tmp_path)
    content = png(photo[:80, :80])
    with tarfile.open(tmp_path / name, "w") as tar:
        info = tarfile.TarInfo("p0.png")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    (file,) = shard_files(name)
    crops = ShardSource(ShardConfig((file,), window=2)).sampler(0, 64).draw(1, torch.Generator())
    assert crops.names == (f"{name}/p0.png",)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_braces_are_expanded_once(tmp_path, monkeypatch):
    """What braces make is a name: it is not taken for a pattern again, and a URL is only a file that is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "{x}-{0..1}.tar").touch()
    assert shard_files(r"{\{x\}-\{0..1\},\{x\}-\{0..1\}}.tar") == [Path("{x}-{0..1}.tar")] * 2
    for url in ("pipe:touch OWNED; cat {a,b}.tar", "https://example.org/set-{000..063}.tar", "file:///etc/{a,b}.tar"):
        with pytest.raises(BadInputError, match="no such shard"):
            shard_files(url)
    assert not (tmp_path / "OWNED").exists()

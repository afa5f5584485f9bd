from __future__ import annotations

from PIL import Image


def test_demo_shows_every_photograph_sharper(command, artifact, photo_folder, tmp_path):
    done = command("ensharpen-bench", "demo", artifact.path, "--photos", photo_folder, "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "demo" / "index.html").read_text()
    assert str(tmp_path / "demo" / "index.html") in done.stdout
    for photo in photo_folder.glob("*.png"):
        for kind in ("before", "after", "truth"):
            name = f"{photo.stem}-{kind}.png"
            assert name in page
            assert Image.open(tmp_path / "demo" / name).size == Image.open(photo).size
    assert "$" not in page.replace("${", ""), "a placeholder was not filled"
    assert "http" not in page, "the page works without a network"

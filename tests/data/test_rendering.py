"""Rendered pictures are sharp, different, repeatable, and what training can read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.data.rendering.registry import SCENES
from ensharpen_edge.data.rendering.render import find_fonts, render
from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.imaging.photo_folder import photo_files

MATPLOTLIB_FONTS = Path(pytest.importorskip("matplotlib").get_data_path()) / "fonts" / "ttf"


@pytest.mark.parametrize("scene", SCENES)
def test_scenes_have_sharp_edges_and_repeat(scene):
    first = render(scene, 3, (256, 320))
    assert first.shape == (256, 320, 3)
    assert np.array_equal(first, render(scene, 3, (256, 320)))
    assert not np.array_equal(first, render(scene, 4, (256, 320)))
    steps = np.abs(np.diff(first.astype(int), axis=1)).max(axis=2)
    assert steps.max() > 60, "an edge from one pixel to the next"
    assert 0.005 < (steps > 20).mean() < 0.6


def test_fonts_are_used_and_fonts_of_symbols_are_not():
    fonts = find_fonts(MATPLOTLIB_FONTS)
    names = {font.name for font in fonts}
    assert "DejaVuSerif.ttf" in names
    assert not names & {"cmsy10.ttf", "cmex10.ttf", "STIXSizFiveSymReg.ttf"}
    assert not np.array_equal(render("page", 0, (256, 256)), render("page", 0, (256, 256), fonts))


def test_unknown_scenes_and_folders_without_fonts_are_refused(tmp_path):
    with pytest.raises(UsageError, match="unknown scene"):
        render("moon", 0, (256, 256))
    with pytest.raises(UsageError, match="at least 256"):
        render("chart", 0, (128, 300))
    with pytest.raises(BadInputError, match="no font"):
        find_fonts(tmp_path)
    with pytest.raises(BadInputError, match="no such folder"):
        find_fonts(tmp_path / "nowhere")


def test_command_writes_photographs_for_training(command, tmp_path):
    arguments = ("ensharpen-train", "data", "render", "--out", tmp_path / "p", "--count", 6, "--side", 256)
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    files = photo_files(tmp_path / "p")
    assert [path.stem for path in files] == [
        "chart-0003", "interface-0002", "line-art-0004", "page-0000", "page-0005", "signs-0001",
    ]  # fmt: skip
    with Image.open(files[0]) as image:
        assert (image.size, image.mode) == ((256, 256), "RGB")
    assert command(*arguments, "--fonts", tmp_path / "p").returncode == 9
    before = files[0].read_bytes()
    assert command(*arguments, "--fonts", MATPLOTLIB_FONTS).returncode == 0
    assert files[0].read_bytes() != before
    (tmp_path / "file").write_bytes(b"")
    assert command(*arguments[:2], "render", "--out", tmp_path / "file").returncode == 9

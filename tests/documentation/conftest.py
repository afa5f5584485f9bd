"""Pages, what stands between their fences, and the folder in which a reader would try it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from ensharpen_edge.artifact import Artifact

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))


@dataclass(frozen=True)
class Fence:
    """One fenced block of a page.

    Attributes:
        language: First word after the backticks.
        remark: The rest of that line; it may hold a mark such as `needs: macOS` for the whole block.
        line: Number of the block's first line.
        text: What stands between the fences.
    """

    language: str
    remark: str
    line: int
    text: str


def read_fences(page: Path) -> list[Fence]:
    """The page's fenced blocks, in order."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w+)([^\n]*)\n(.*?)^```$", text, re.M | re.S)
    return [Fence(m[1], m[2].strip(), text[: m.start(3)].count("\n") + 1, m[3]) for m in found]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@pytest.fixture
def fences(page: Path) -> list[Fence]:
    return read_fences(page)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo_folder: Path, artifact: Artifact) -> Path:
    """The working folder of a reader who has followed the README's quick start and has a few photographs.

    Commands find `photo.jpg`, `holiday.jpg`, `my_photos/`, and the artifact in `build/` and, for comparisons, in
    `main/build/`. Caches go into a folder beside it.
    """
    folder = tmp_path / "workshop"
    shutil.copytree(photo_folder, folder / "my_photos")
    for build in ("build", "main/build"):
        shutil.copytree(artifact.path, folder / build / artifact.path.name)
    with Image.open(photo_folder / "raft.png") as photo:
        small = photo.convert("RGB").crop((0, 0, 192, 160))
    for name in ("photo.jpg", "holiday.jpg"):
        small.save(folder / name, quality=90)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    return folder

"""The report: complete, self-contained, and fine in a browser."""

from __future__ import annotations

import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page(command, artifact, shipped_export, tmp_path_factory):
    """ONNX, TFLite int8 and Core ML artifacts of nano, and the page about them."""
    folder = tmp_path_factory.mktemp("report")
    for shown in (artifact, shipped_export("tflite", "int8"), shipped_export("coreml", "fp16", (192, 192))):
        shutil.copytree(shown.path, folder / "build" / shown.path.name)
    done = command("ensharpen-bench", "report", folder / "build", "--rounds", 6, "--out", folder / "report.html")
    assert done.returncode == 0, done.stderr
    assert "nano-coreml-fp16: no latency here" in done.stdout
    return folder / "report.html"


def test_every_artifact_is_on_it(page, artifact):
    text = page.read_text()
    for name in (artifact.path.name, "nano-tflite-int8", "nano-coreml-fp16"):
        assert text.count(name) >= 5, name
    assert "no latency here: Core ML runs on macOS only" in text
    for heading in (
        "Summary",
        "Before and after",
        "Crops and errors",
        "Latency",
        "Operators",
        "Quantization",
        "Provenance",
    ):
        assert f"<h2>{heading}</h2>" in text
    assert text.count("<svg") >= 3
    assert "$" not in re.sub(r"<script.*?</script>|data:[^\"]*", "", text, flags=re.S)


def test_nothing_is_loaded_from_a_network(page):
    class Sources(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = []

        def handle_starttag(self, tag, attributes):
            self.found += [v for k, v in attributes if k in ("src", "href") and not v.startswith(("data:", "#"))]

    reader = Sources()
    reader.feed(page.read_text())
    assert reader.found == []
    assert "@import" not in page.read_text()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here to look at the page")
def test_a_browser_shows_it_without_complaint(page, tmp_path):
    picture = tmp_path / "page.png"
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1300,1600",
            f"--screenshot={picture}", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    shown = Image.open(picture).convert("RGB")
    assert shown.size == (1300, 1600)
    middle = np.asarray(shown.crop((0, 500, 1300, 1100)).resize((130, 60))).reshape(-1, 3)
    assert len(np.unique(middle, axis=0)) > 500, "photographs, not an empty page"


@pytest.mark.parametrize(("name", "code", "message"), [("nowhere", 8, "not an artifact"), (".", 9, "no artifacts")])
def test_mistakes(command, tmp_path, name, code, message):
    done = command("ensharpen-bench", "report", tmp_path / name, "--out", tmp_path / "r.html")
    assert done.returncode == code, done.stderr
    assert message in done.stderr

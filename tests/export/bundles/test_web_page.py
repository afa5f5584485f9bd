"""The page in a real browser: a photograph in, the Python runtime's picture out, and no request to anywhere else."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ensharpen_edge as ee
from ensharpen_edge.export.bundles.bundle import make_bundle
from ensharpen_edge.export.bundles.verify import verify_bundle
from ensharpen_edge.export.bundles.web.platform import RUNTIME, WebPlatform

from .conftest import BROWSER

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]


class Handler(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` answers, and the headers that allow threads."""

    isolated = False

    def end_headers(self) -> None:
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(artifact, packages, shared) -> Path:
    """A bundle with onnxruntime-web in it."""
    web = WebPlatform(packages / "onnxruntime-web")
    folder = shared("web-complete", lambda out: make_bundle(web, [artifact.path], out / "site"))
    return folder / "site"


@pytest.fixture(params=[False, True], ids=["plain server", "with threads"])
def address(site, request) -> Iterator[str]:
    kind = type("Served", (Handler,), {"isolated": request.param})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_page_makes_the_runtimes_picture(address, site, artifact, packages, node, photo, tmp_path, request):
    # Of sides that are no multiples of anything, and more than one window wide.
    Image.fromarray(photo[:203, :]).resize((601, 203)).save(tmp_path / "raft.png")
    shot = tmp_path / "page.png"
    line = [node, Path(__file__).with_name("drive_page.mjs"), packages / "playwright-core", BROWSER, address]
    done = subprocess.run(
        [str(part) for part in (*line, tmp_path / "raft.png", tmp_path / "sharp.png", shot)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["said"] == [], "nothing is complained about"
    assert all(url.startswith((address, "blob:")) for url in seen["asked"]), "nothing is fetched from anywhere else"
    assert "reproduces its golden picture" in seen["ready"]
    assert "raft.png: 601x203" in seen["status"]
    assert seen["name"] == "raft-sharp.png"
    assert seen["clip"] == "inset(0px 0px 0px 49%)", "the divider moves by keys"
    assert seen["same"], "no strength, no change"
    assert seen["cancelled"] == "large.png: cancelled"
    assert seen["shown"] == 601, "the photograph that was chosen last"
    assert seen["isolated"] == ("with threads" in request.node.name)
    with ee.load(artifact) as sharpener:
        expected = np.asarray(sharpener.sharpen(tmp_path / "raft.png")).astype(int)
    found = np.asarray(Image.open(tmp_path / "sharp.png").convert("RGB")).astype(int)
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 1e-3
    assert Image.open(shot).size[0] == 900


def test_a_complete_bundle_verifies(site):
    assert (site / RUNTIME / "ort.wasm.min.mjs").is_file()
    assert "npm install" not in (site / "README.md").read_text()
    assert all(check.done for check in verify_bundle(site))

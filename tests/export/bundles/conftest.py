"""A web bundle, and the npm packages that a browser needs to run it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ensharpen_edge.export.bundles.bundle import make_bundle
from ensharpen_edge.export.bundles.web.platform import RUNTIME_VERSION, WebPlatform

PLAYWRIGHT, TYPESCRIPT = "playwright-core@1.64.1", "typescript@5.6.3"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not installed")
    return found


@pytest.fixture(scope="session")
def packages(shared, node) -> Path:
    """Folder `node_modules` with onnxruntime-web, playwright-core and typescript."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")

    def install(folder: Path) -> None:
        wanted = (f"onnxruntime-web@{RUNTIME_VERSION}", PLAYWRIGHT, TYPESCRIPT)
        line = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *wanted]
        done = subprocess.run(line, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            (folder / "failed").write_text(done.stderr[-300:])

    folder = shared("npm", install)
    if (folder / "failed").exists():
        pytest.skip(f"npm installs no packages here: {(folder / 'failed').read_text()}")
    return folder / "node_modules"


@pytest.fixture(scope="session")
def bundle(artifact, shared) -> Path:
    """A web bundle without onnxruntime-web."""
    folder = shared("web", lambda out: make_bundle(WebPlatform(), [artifact.path], out / "site"))
    return folder / "site"

"""The web: onnxruntime-web runs the file, an ES module cuts and pastes windows, and a page shows the result."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ensharpen_edge._version import __version__
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.artifact_manifest import FLOAT_DTYPE
from ensharpen_edge.errors import BadInputError, ParityError, UsageError
from ensharpen_edge.export.bundles.manifest import BundledModel
from ensharpen_edge.export.bundles.platform import Check, Platform
from ensharpen_edge.export.bundles.web.readme import readme
from ensharpen_edge.files import sha256_of

RUNTIME_VERSION = "1.30.0"
"""Version of onnxruntime-web that the module is tested with."""
RUNTIME = "node_modules/onnxruntime-web/dist"
"""Folder of it in a bundle, where npm would put it."""
_RUNTIME_FILES = {
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
_SITE = Path(str(resources.files("ensharpen_edge.export.bundles.web"))) / "site"
_SECONDS, _DIFFERS = 60, 3
_RUN = ("check-tiling.mjs", "ensharpen/tiling.js")
"""Files that run when a bundle is verified."""


@dataclass(frozen=True)
class WebPlatform(Platform):
    """Bundles for browsers.

    Attributes:
        onnxruntime_web: Folder of an installed `onnxruntime-web` package, which is copied into the bundle so that it
            needs no network; None leaves that to `npm install`.
        webgpu: Whether its files for WebGPU are copied as well.
    """

    onnxruntime_web: Path | str | None = None
    webgpu: bool = False

    def __post_init__(self) -> None:
        if self.webgpu and self.onnxruntime_web is None:
            raise UsageError(
                "--webgpu: would do nothing without --onnxruntime-web", hint="npm install brings its files"
            )

    name = "web"
    title = "web"

    def check_artifact(self, artifact: Artifact) -> None:
        """Refuse what onnxruntime-web cannot be given: another format, or other images than floats."""
        known = artifact.manifest
        if known.traits.format != "onnx" or not known.traits.can_be_timed:
            raise UsageError(
                f"{artifact.path}: is for {known.target}; web bundles run ONNX files",
                hint=f"ensharpen-export --target onnx --model {known.name} --precision fp32",
            )
        if (known.io.layout, known.io.dtype, known.io.value_range) != ("NCHW", FLOAT_DTYPE, (0.0, 1.0)):
            raise UsageError(f"{artifact.path}: web bundles give floats from 0 to 1 in NCHW, this file takes others")
        if [name for name in known.files if name.startswith("model") and name != known.model_file]:
            raise UsageError(f"{artifact.path}: its weights are in a file of their own, which browsers are not given")

    def write(self, folder: Path, models: Sequence[BundledModel], artifacts: Sequence[Artifact]) -> None:
        """Write page and module, the README, and onnxruntime-web where it was given."""
        shutil.copytree(_SITE, folder, dirs_exist_ok=True)
        package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        package["version"] = __version__.split("+")[0]
        package["dependencies"]["onnxruntime-web"] = RUNTIME_VERSION
        (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n", encoding="utf-8")
        if self.onnxruntime_web is not None:
            self._copy_runtime(folder)
        text = readme(models, artifacts, RUNTIME_VERSION, self.onnxruntime_web is not None, self.webgpu)
        (folder / "README.md").write_text(text, encoding="utf-8")

    def _copy_runtime(self, folder: Path) -> None:
        assert self.onnxruntime_web is not None
        package = Path(self.onnxruntime_web)
        try:
            described = json.loads((package / "package.json").read_text(encoding="utf-8"))
            found = (described["name"], described["version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInputError(
                f"{package}: not the folder of an npm package ({error})",
                hint=f"npm install onnxruntime-web@{RUNTIME_VERSION}, then give node_modules/onnxruntime-web",
            ) from error
        if found != ("onnxruntime-web", RUNTIME_VERSION):
            raise UsageError(
                f"{package}: is {found[0]} {found[1]}; the module is tested with onnxruntime-web {RUNTIME_VERSION}",
                hint=f"npm install onnxruntime-web@{RUNTIME_VERSION}",
            )
        target = folder / RUNTIME
        target.mkdir(parents=True)
        for name in (*_RUNTIME_FILES["wasm"], *(_RUNTIME_FILES["webgpu"] if self.webgpu else ())):
            source = package / "dist" / name
            if not source.is_file():
                raise BadInputError(f"{source}: no such file", hint="install the package again")
            shutil.copy(source, target)
        shutil.copy(package / "package.json", target.parent)

    def tools(self) -> dict[str, str]:
        """Return the version of onnxruntime-web."""
        return {"onnxruntime-web": RUNTIME_VERSION}

    def verify(self, folder: Path) -> Iterator[Check]:
        """Replay the tiling vectors with the module, where Node.js is installed and the module is this version's.

        A digest is no signature: code that somebody else wrote is not run.
        """
        what, node = "tiling in JavaScript", shutil.which("node")
        altered = next((name for name in _RUN if not _is_ours(folder, name)), None)
        if altered is not None:
            yield Check(what, f"not run: {altered} is not this version's", done=False)
        elif node is None:
            yield Check(what, "not run here: Node.js is not installed", done=False)
        else:
            yield _replayed(what, node, folder)


def _is_ours(folder: Path, name: str) -> bool:
    return (folder / name).is_file() and sha256_of(folder / name) == sha256_of(_SITE / name)


def _replayed(what: str, node: str, folder: Path) -> Check:
    try:
        done = subprocess.run(
            [node, "check-tiling.mjs"], cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(what, f"not run here: {error}", done=False)
    said = (done.stderr or done.stdout).strip()[:300]
    if done.returncode == _DIFFERS:
        raise ParityError(f"{folder}: {what} differs from the vectors: {said}")
    if done.returncode:
        return Check(what, f"not run here: Node.js ended with {done.returncode}: {said}", done=False)
    return Check(what, done.stdout.strip())

"""A kit on the device: its files, and the artifact that is written when an engine has been built of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .faults import BAD_INPUT, INTEGRITY, USAGE, DeviceError
from .onnx_external_data import check_whole

MANIFEST, BUILD, GOLDEN = "manifest.json", "build.json", "golden/vectors.npz"
ENGINE = "model.engine"


@dataclass(frozen=True)
class Kit:
    """A verified kit.

    Attributes:
        folder: The kit's folder.
        manifest: The contents of `manifest.json`.
        build: The contents of `build.json`: precision, shapes, stride.
    """

    folder: Path
    manifest: dict[str, Any]
    build: dict[str, Any]

    def golden(self) -> tuple[Any, Any]:
        """Return an input, and the output that the engine must reproduce."""
        with np.load(str(self.folder / GOLDEN), allow_pickle=False) as data:
            return data["input"], data["expected"]

    def truth(self) -> Any:
        """Return the sharp photograph behind the golden input; None where only the expected output counts."""
        with np.load(str(self.folder / GOLDEN), allow_pickle=False) as data:
            return data["truth"] if "truth" in data.files else None


def open_kit(folder: Path) -> Kit:
    """Read and verify a kit.

    Raises:
        DeviceError: Not a kit, a file missing or altered, or a graph that keeps weights in other files.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        build = json.loads((folder / BUILD).read_text(encoding="utf-8"))
        files = manifest["files"]
    except (OSError, ValueError, KeyError) as error:
        raise DeviceError(INTEGRITY, f"{folder}: not a kit ({error})", "copy the whole folder") from error
    body = {key: value for key, value in manifest.items() if key != "digest"}
    if manifest.get("digest") != digest(body):
        raise DeviceError(INTEGRITY, f"{folder}: the manifest was altered", "copy the kit again")
    for name, expected in files.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != expected:
            raise DeviceError(INTEGRITY, f"{folder}: {name} is missing or altered", "copy the kit again")
        if path.suffix == ".onnx":
            check_whole(str(path), path.read_bytes())
    return Kit(folder, manifest, build)


def write_artifact(
    kit: Kit, out: Path, engine: bytes, precision: str, facts: dict[str, Any], shapes: Any, needed: float
) -> None:
    """Write an artifact with the engine and the golden vectors; it appears whole or not at all.

    Args:
        kit: The kit that it was built of.
        out: The folder to write; an older artifact there is replaced.
        engine: The serialized engine.
        precision: The precision of the engine that was kept.
        facts: The device's measurements, for the manifest.
        shapes: The smallest, usual and largest shape.
        needed: Agreement with the golden output that the engine was held to, dB.

    Raises:
        DeviceError: See `check_destination`.
    """
    check_destination(kit, out)
    out = out.resolve()
    temporary = out.with_name(f".{out.name}.new")
    shutil.rmtree(str(temporary), ignore_errors=True)
    (temporary / "golden").mkdir(parents=True)
    (temporary / ENGINE).write_bytes(engine)
    shutil.copy(str(kit.folder / GOLDEN), str(temporary / GOLDEN))
    body = {key: value for key, value in kit.manifest.items() if key != "digest"}
    fixed = list(shapes[0]) == list(shapes[2])
    shape = dict(body["shape"], largest=list(shapes[2][2:]), smallest=list(shapes[0][2:]))
    if fixed:
        shape["height"], shape["width"] = shapes[2][2:]
    if precision != body["precision"]:
        # The gate judged another graph of the kit than the one in this engine.
        body.update(quantization={}, gate=dict(body["gate"], of=body["model_file"]))
        body["golden"] = dict(body["golden"], agreement=needed)
    names = (ENGINE, GOLDEN)
    body.update(
        traits=dict(body["traits"], format="trt-engine", can_be_timed=True),
        precision=precision,
        model_file=ENGINE,
        shape=shape,
        graph=facts,
        files={name: sha256_of(temporary / name) for name in names},
    )
    text = json.dumps(dict(body, digest=digest(body)), indent=2, allow_nan=False)
    (temporary / MANIFEST).write_text(text + "\n", encoding="utf-8")
    if out.exists():
        shutil.rmtree(str(out))
    os.replace(str(temporary), str(out))


def check_destination(kit: Kit, out: Path) -> None:
    """Refuse, before anything is built, a folder that an engine cannot be written to, or that holds something else.

    Raises:
        DeviceError: It is something else, or the folder above cannot be written to.
    """
    out = out.resolve()
    if out in (kit.folder.resolve(), *kit.folder.resolve().parents) or out == out.parent:
        raise DeviceError(USAGE, f"{out}: holds the kit", "choose another --out")
    above = next(folder for folder in out.parents if folder.exists())
    if not above.is_dir() or not os.access(str(above), os.W_OK | os.X_OK):
        raise DeviceError(BAD_INPUT, f"{above}: cannot be written to", "choose another --out")
    if not out.exists():
        return
    try:
        engine = json.loads((out / MANIFEST).read_text(encoding="utf-8"))["model_file"] == ENGINE
    except (OSError, ValueError, KeyError, TypeError):
        engine = False
    if not engine:
        raise DeviceError(USAGE, f"{out}: exists and is no engine", "choose another --out")


def digest(body: dict[str, Any]) -> str:
    """Return the digest of a manifest's fields, the same as `ensharpen_edge.artifact_manifest` computes."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Return a file's sha256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

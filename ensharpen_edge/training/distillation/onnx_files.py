"""The files of an ONNX teacher: the model, and those beside it that hold its larger weights.

They are read once. What was read is hashed, and the same bytes are loaded, so a key never names other weights than
those that answered.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.runtime.jetson_kit.onnx_external_data import UnreadableOnnxError, external_tensors

_BLOCK = 1 << 20


@dataclass(frozen=True)
class OnnxFiles:
    """A model as it was read.

    Attributes:
        key: sha256 of the model file, or, where weights lie in other files, of all files' sha256 and names.
        source: What ONNX Runtime is to load: the model's bytes, or the path of a private copy of all its files.
    """

    key: str
    source: bytes | str


@contextmanager
def read_onnx_files(path: Path) -> Iterator[OnnxFiles]:
    """Read a model and the files that its tensors are in; copies last as long as the block.

    Args:
        path: The model. Its other files must lie in its folder, or below it, where links do not lead out of it.

    Raises:
        BadInputError: A file is missing, unreadable, outside the folder, or the model is no ONNX file.
    """
    try:
        content = path.read_bytes()
        locations = sorted({_location(path, tensor.location) for tensor in external_tensors(content)})
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error})") from error
    except UnreadableOnnxError as error:
        raise BadInputError(f"{path}: not a model that ONNX Runtime can open ({error})") from error
    model = hashlib.sha256(content).hexdigest()
    if not locations:
        yield OnnxFiles(model, content)
        return
    with tempfile.TemporaryDirectory(prefix="ensharpen-teacher-", ignore_cleanup_errors=True) as folder:
        try:
            hashes = [[location, _copy(path, location, Path(folder) / location)] for location in locations]
            copy = Path(folder) / path.name
            copy.write_bytes(content)
        except OSError as error:
            raise BadInputError(
                f"{path}: its weights cannot be read or copied ({error})",
                hint="they are copied to the folder for temporary files: TMPDIR names another one",
            ) from error
        yield OnnxFiles(hashlib.sha256(json.dumps([model, hashes]).encode()).hexdigest(), str(copy))


def _location(path: Path, location: str | None) -> str:
    """The name of a file of weights, if it is a plain path below the model's folder.

    Raises:
        BadInputError: It is none, or leads elsewhere.
    """
    windows = PureWindowsPath(location or "")
    # ONNX Runtime takes a path that begins with */ for an address in memory.
    odd = not location or "\0" in location or "\\" in location or location.startswith("*")
    if location is None or odd or windows.drive or windows.root or ".." in windows.parts:
        raise BadInputError(
            f"{path}: keeps weights in {location!r}, which is not a file in the model's folder",
            hint="save the model with its weights beside it, or inside",
        )
    return str(PurePosixPath(location))


def _copy(path: Path, location: str, target: Path) -> str:
    """Copy a file of weights; return the sha256 of what was copied.

    Raises:
        BadInputError: There is no such file, or a link leads out of the model's folder.
    """
    folder = path.parent.resolve()
    source = (folder / location).resolve()
    if not source.is_relative_to(folder):
        raise BadInputError(
            f"{path}: its weights {location!r} are a link to {source}, outside the model's folder",
            hint="copy the model and its weights into a folder of their own",
        )
    if not source.is_file():
        raise BadInputError(f"{path}: its weights {location!r} are missing", hint="copy them into the model's folder")
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as read, target.open("wb") as write:
        while block := read.read(_BLOCK):
            digest.update(block)
            write.write(block)
    return digest.hexdigest()

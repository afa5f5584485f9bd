"""TFLite metadata: what apps and code generators read from the file itself, and files appended to it.

The layout is `metadata_schema.fbs` (file identifier M001) of TensorFlow Lite Support; generated Python classes for it
ship in no maintained package, so the tables are written field by field.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ensharpen_edge.errors import require

TFLITE_METADATA, MINIMUM_RUNTIME = "TFLITE_METADATA", "min_runtime_version"
_IDENTIFIER, _PARSER = b"M001", "1.0.0"
_IMAGE_PROPERTIES, _NORMALIZATION = 2, 1
"""Tags of the unions `ContentProperties` and `ProcessUnitOptions`."""
_RGB = 1
_WHITE = 255.0
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Description:
    """Content of the metadata.

    Attributes:
        name, description, author, licence, version: Texts about the model.
        inputs, outputs: Names and descriptions of the images.
        files: Texts to append, by file name.
    """

    name: str
    description: str
    author: str
    licence: str
    version: str
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    files: dict[str, str]


def pack_metadata(description: Description) -> bytes:
    """Return the metadata flatbuffer.

    Raises:
        MissingToolError: flatbuffers, a dependency of ai-edge-litert, is not installed.
    """
    builder = require("flatbuffers", "tflite").Builder(1024)
    names = [_table(builder, {0: _text(builder, name)}) for name in description.files]
    files = _vector(builder, names)
    graph = _table(
        builder,
        {
            0: _text(builder, description.name),
            2: _vector(builder, [_image(builder, *image, normalised=True) for image in description.inputs]),
            3: _vector(builder, [_image(builder, *image, normalised=False) for image in description.outputs]),
        },
    )
    root = _table(
        builder,
        {
            0: _text(builder, description.name),
            1: _text(builder, description.description),
            2: _text(builder, description.version),
            3: _vector(builder, [graph]),
            4: _text(builder, description.author),
            5: _text(builder, description.licence),
            6: files,
            7: _text(builder, _PARSER),
        },
    )
    builder.Finish(root, file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def append_files(model: bytes, files: dict[str, str]) -> bytes:
    """Return a model with files behind it, as a zip archive that any tool can open; runtimes stop reading before it."""
    buffer = io.BytesIO()
    buffer.write(model)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text)
    return buffer.getvalue()


def _image(builder: Any, name: str, description: str, *, normalised: bool) -> int:  # noqa: ANN401 (flatbuffers.Builder)
    """`TensorMetadata` of an RGB image.

    Of an input that the network sees as (pixel - 0) / 255, where `normalised`. A unit at an output would be applied to
    what comes out: code that is generated from it would divide by 255 once more.
    """
    properties = _table(builder, {0: lambda slot: builder.PrependInt8Slot(slot, _RGB, 0)})
    content = _table(builder, {0: lambda slot: builder.PrependUint8Slot(slot, _IMAGE_PROPERTIES, 0), 1: properties})
    stats = _table(builder, {0: _floats(builder, [1.0] * 3), 1: _floats(builder, [0.0] * 3)})
    fields: dict[int, Field] = {0: _text(builder, name), 1: _text(builder, description), 3: content}
    if normalised:
        options = _table(builder, {0: _floats(builder, [0.0] * 3), 1: _floats(builder, [_WHITE] * 3)})
        unit = _table(builder, {0: lambda slot: builder.PrependUint8Slot(slot, _NORMALIZATION, 0), 1: options})
        fields[4] = _vector(builder, [unit])
    return _table(builder, {**fields, 5: stats})


Field = int | Callable[[int], None]


def _table(builder: Any, fields: Mapping[int, Field]) -> int:  # noqa: ANN401
    """A table whose slots hold references, or are written by a function of the slot."""
    builder.StartObject(max(fields) + 1)
    for slot, value in fields.items():
        if callable(value):
            value(slot)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, references: Sequence[int]) -> int:  # noqa: ANN401
    builder.StartVector(4, len(references), 4)
    for reference in reversed(references):
        builder.PrependUOffsetTRelative(reference)
    return int(builder.EndVector())


def _floats(builder: Any, values: Sequence[float]) -> int:  # noqa: ANN401
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _text(builder: Any, text: str) -> int:  # noqa: ANN401
    return int(builder.CreateString(text))

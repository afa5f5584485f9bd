"""Which tensors of an ONNX file keep their values in other files, read from its bytes without a protobuf library.

An ONNX file is one protobuf message. Its bytes are fields, one after another: a number that holds the field's number
and its wire type, then the value. The walk below follows the fields that lead to tensors and skips all others by their
length. Field numbers are those of onnx.proto3, the same since IR version 3, and what is followed is:

    ModelProto         7 graph, 20 training_info, 25 functions
    TrainingInfoProto  1 initialization, 2 algorithm                          (graphs)
    FunctionProto      7 node, 11 attribute_proto
    GraphProto         1 node, 5 initializer, 15 sparse_initializer
    NodeProto          5 attribute
    AttributeProto     5 t, 10 tensors, 6 g, 11 graphs, 22 sparse_tensor, 23 sparse_tensors
    SparseTensorProto  1 values, 2 indices                                    (tensors)
    TensorProto        8 name, 13 external_data, 14 data_location
    StringStringEntryProto  1 key, 2 value

ONNX Runtime and TensorRT's parser, given a model as bytes, look for its other files in the current folder. This module
is in this folder because a kit needs it on the device, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator  # noqa: UP035 (collections.abc's takes no arguments in JetPack 5's Python 3.8)

from .faults import INTEGRITY, DeviceError

_GRAPH, _TRAINING, _FUNCTION, _NODE, _ATTRIBUTE, _SPARSE, _TENSOR = range(1, 8)
_MODEL = 0
_FOLLOWED = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 10: _TENSOR, 6: _GRAPH, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
}
"""By message: which of its fields hold which message."""

_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types. 3 and 4, groups, are in no ONNX file."""

DEEPEST = 100
"""Messages in messages that protobuf's own readers go into."""

MOST_FIELDS = 2_000_000
"""Fields of the messages that are followed. The largest networks have tenths of that; more are there to take time."""

_SHORT = 5
"""Bytes of the longest tag or length: both are numbers of 32 bits."""


class UnreadableOnnxError(ValueError):
    """The bytes are no ONNX file that can be read: cut, damaged, of another format, too deep, or of too many fields."""


@dataclass(frozen=True)
class ExternalTensor:
    """A tensor whose values are not in the file.

    Attributes:
        name: As the file has it; tensors of `Constant` nodes often have none.
        location: The other file's path as the file has it, relative to the model's folder; None where it names none.
    """

    name: str
    location: str | None


def external_tensors(content: bytes) -> tuple[ExternalTensor, ...]:
    """Return the tensors of an ONNX file that keep their values in other files, wherever in the file they are.

    A tensor counts if its `data_location` is anything but DEFAULT, or if it has `external_data` at all. Bytes that two
    readers could understand differently are refused.

    Raises:
        UnreadableOnnxError: These bytes are no ONNX file.
    """
    if content[4:8] == b"ORTM":
        raise UnreadableOnnxError("it is of ONNX Runtime's own format, not ONNX")
    found = []
    allowed = iter(range(MOST_FIELDS))
    waiting = [(_MODEL, 0, len(content), 1)]
    while waiting:
        message, start, end, depth = waiting.pop()
        if depth > DEEPEST:
            raise UnreadableOnnxError(f"messages are nested more than {DEEPEST} deep")
        if message == _TENSOR:
            found += _external(content, start, end, allowed)
            continue
        followed = _FOLLOWED[message]
        for number, wire_type, first, last in _fields(content, start, end, allowed):
            if number in followed:
                _expect(_BYTES, wire_type, number)
                waiting.append((followed[number], first, last, depth + 1))
    return tuple(found)


def check_whole(name: str, content: bytes) -> None:
    """Refuse an ONNX file that keeps values of tensors in other files.

    Args:
        name: The file, for errors.
        content: Its bytes.

    Raises:
        DeviceError: It does, or is no ONNX file.
    """
    try:
        outside = external_tensors(content)
    except UnreadableOnnxError as error:
        raise DeviceError(INTEGRITY, f"{name}: not an ONNX file ({error})", "copy or export it again") from error
    if outside:
        first = outside[0]
        raise DeviceError(
            INTEGRITY,
            f"{name}: keeps tensors in other files, which no hash of the manifest covers ({len(outside)}, the first is "
            f"{first.name!r} in {first.location!r})",
            "export it again: a model file must hold its weights",
        )


def _external(content: bytes, start: int, end: int, allowed: Iterator[int]) -> list[ExternalTensor]:
    """The tensor between two offsets, if it is external."""
    name, external, entries = b"", False, {}
    for number, wire_type, first, last in _fields(content, start, end, allowed):
        if number == _NAME:
            _expect(_BYTES, wire_type, number)
            name = content[first:last]
        elif number == _DATA_LOCATION:
            _expect(_VARINT, wire_type, number)
            external = external or first != 0
        elif number == _EXTERNAL_DATA:
            _expect(_BYTES, wire_type, number)
            external = True
            key, value = _entry(content, first, last, allowed)
            entries[key] = value
    location = entries.get(b"location")
    if not external:
        return []
    return [ExternalTensor(name.decode("utf-8", "replace"), None if location is None else _text(location))]


def _entry(content: bytes, start: int, end: int, allowed: Iterator[int]) -> tuple[bytes, bytes]:
    """Key and value of one entry of `external_data`; of a field that is there twice the last counts."""
    fields = {_KEY: b"", _VALUE: b""}
    for number, wire_type, first, last in _fields(content, start, end, allowed):
        if number in fields:
            _expect(_BYTES, wire_type, number)
            fields[number] = content[first:last]
    return fields[_KEY], fields[_VALUE]


def _text(path: bytes) -> str:
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableOnnxError("a path in it is not in UTF-8") from error


def _expect(wanted: int, wire_type: int, number: int) -> None:
    """Raises `UnreadableOnnxError` for a field of another wire type than onnx.proto3 gives it."""
    if wire_type != wanted:
        raise UnreadableOnnxError(f"field {number} is of wire type {wire_type}, must be {wanted}")


def _fields(content: bytes, start: int, end: int, allowed: Iterator[int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field number, wire type, first, last) of a message's fields in order.

    `first` is the value of a varint; of every other field, `content[first:last]` is its value. Each field takes one of
    those that are allowed.

    Raises:
        UnreadableOnnxError: There are more, a field reaches beyond the message, or is of no known wire type.
    """
    at = start
    while at < end:
        if next(allowed, None) is None:
            raise UnreadableOnnxError(f"it has more than {MOST_FIELDS} fields")
        tag, at = _varint(content, at, end, _SHORT)
        number, wire_type = tag >> 3, tag & 7
        if not number or tag >> 32:
            raise UnreadableOnnxError(f"there is no field {number}")
        if wire_type == _VARINT:
            value, at = _varint(content, at, end)
            yield number, wire_type, value, at
            continue
        if wire_type == _BYTES:
            size, at = _varint(content, at, end, _SHORT)
        elif wire_type in (_FIXED64, _FIXED32):
            size = 8 if wire_type == _FIXED64 else 4
        else:
            raise UnreadableOnnxError(f"field {number} is of wire type {wire_type}, which ONNX files do not have")
        if size > end - at:
            raise UnreadableOnnxError(f"it is cut: field {number} is of {size} bytes, {end - at} are left")
        yield number, wire_type, at, at + size
        at += size


def _varint(content: bytes, at: int, end: int, longest: int = 10) -> tuple[int, int]:
    """The number at an offset, seven bits a byte and the lowest first, and the offset after it.

    Raises:
        UnreadableOnnxError: It does not end in time.
    """
    value = 0
    for index in range(min(longest, end - at)):
        byte = content[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise UnreadableOnnxError("it is cut, or damaged: a number does not end")

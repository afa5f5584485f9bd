"""A saved package as a program that numpy can run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.errors import IntegrityError, require
from ensharpen_edge.runtime.mil.operations import OPERATIONS
from ensharpen_edge.runtime.mil.quiet import quiet
from ensharpen_edge.runtime.mil.sizes import array_sizes, image_sizes

_FLOATS = {"fp16": np.float16, "fp32": np.float32}


@dataclass(frozen=True)
class Performed:
    """One operation as it ran.

    Attributes:
        kind: MIL's name of the operation.
        numbers: The type of the result: fp16, fp32, int8, ...
        shape: The shape of the result.
        kernel: (rows, columns) of a convolution's kernel, else empty.
    """

    kind: str
    numbers: str
    shape: tuple[int, ...]
    kernel: tuple[int, ...]


class MilProgram:
    """The program of a `.mlpackage`, read from its protobuf and weight file.

    Every result is rounded to the type that its operation declares, so a half-precision program computes as one;
    sums of dense convolutions are taken in double precision, others in float32.

    Args:
        path: The package.
        rounded: Off, results stay float32 whatever is declared: what a half-precision program would compute but for
            its arithmetic.

    Raises:
        MissingToolError: coremltools is not installed.
        IntegrityError: The package is damaged, or holds an operation that is not known here.
    """

    def __init__(self, path: Path, rounded: bool = True) -> None:
        self._rounded = rounded
        with quiet():
            ct = require("coremltools", "coreml")
            from coremltools.converters.mil.frontend.milproto.load import load

            try:
                model = ct.models.MLModel(str(path), skip_model_load=True)
                spec = model.get_spec()
                program = load(spec, spec.specificationVersion, model.weights_dir)
                self._function = program.functions["main"]
                self._operations = list(self._function.operations)
                self._constants = self._materialized()
            except Exception as error:  # coremltools raises whatever its readers raise
                raise IntegrityError(f"{path}: not a readable Core ML package ({error})") from error
        self.input, self.output = next(iter(self._function.inputs)), self._function.outputs[0].name
        unknown = sorted({op.op_type for op in self._operations} - set(OPERATIONS) - _constant_kinds(self._operations))
        if unknown:
            raise IntegrityError(f"{path}: holds operations that are not known here: {', '.join(unknown)}")
        taken = spec.description.input[0].type
        given = spec.description.output[0].type
        self.is_image, self.gives_image = (end.WhichOneof("Type") == "imageType" for end in (taken, given))
        self.output_size = (int(given.imageType.height), int(given.imageType.width)) if self.gives_image else None
        self.sizes = image_sizes(taken.imageType) if self.is_image else array_sizes(taken.multiArrayType)
        self.shape: tuple[int, ...] = (1, 3, *self.sizes.default)

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Return whether an input of this shape is one that the package declares."""
        return shape[:2] == (1, 3) and self.sizes.accepts((shape[2], shape[3]))

    @property
    def counts(self) -> dict[str, int]:
        """The number of times that each operation occurs, constants apart."""
        found: dict[str, int] = {}
        for op in self._operations:
            if op.op_type not in _constant_kinds(self._operations):
                found[op.op_type] = found.get(op.op_type, 0) + 1
        return dict(sorted(found.items()))

    def run(self, image: F32) -> F32:
        """Return the output for an input of a shape that the program accepts; float32."""
        return self._run(image, None)

    def performed(self) -> list[Performed]:
        """Return the operations at the default size, in order, constants apart."""
        steps: list[Performed] = []
        self._run(np.zeros(self.shape, dtype=np.float32), steps)
        return steps

    def _run(self, image: F32, steps: list[Performed] | None) -> F32:
        values: dict[str, Any] = {self.input: image, **self._constants}
        last = {var.name: number for number, op in enumerate(self._operations) for var in _read(op)}
        for number, op in enumerate(self._operations):
            if op.outputs[0].name in self._constants:
                continue
            inputs = {key: _value(var, values) for key, var in op.inputs.items() if var is not None}
            result = OPERATIONS[op.op_type](inputs)
            values[op.outputs[0].name] = result = self._as_declared(result, op.outputs[0])
            if steps is not None:
                kernel = inputs["weight"].shape[2:] if "weight" in inputs else ()
                steps.append(Performed(op.op_type, _numbers(op.outputs[0]), result.shape, kernel))
            for var in _read(op):
                if last[var.name] == number and var.name not in self._constants:
                    values.pop(var.name, None)
        return np.asarray(values[self.output], dtype=np.float32)

    def _as_declared(self, result: Any, var: Any) -> Any:  # noqa: ANN401
        array = np.asarray(result)
        if array.dtype.kind != "f" or not self._rounded:
            return array
        return array.astype(_FLOATS.get(_numbers(var), np.float32)).astype(np.float32)

    def _materialized(self) -> dict[str, Any]:
        """Return the values of constants and compressed weights."""
        found = {}
        for op in self._operations:
            if op.op_type == "const":
                found[op.outputs[0].name] = _plain(op.outputs[0].val)
            elif op.op_type.startswith("constexpr_"):
                found[op.outputs[0].name] = _plain(op.materialized_val_inference())
        return found


def _constant_kinds(operations: list[Any]) -> set[str]:
    return {op.op_type for op in operations if op.op_type == "const" or op.op_type.startswith("constexpr_")}


def _read(op: Any) -> list[Any]:  # noqa: ANN401
    """Return the variables that an operation reads."""
    return [var for var in op.inputs.values() if var is not None and not isinstance(var, (list, tuple))]


def _value(var: Any, values: dict[str, Any]) -> Any:  # noqa: ANN401
    return values[var.name] if var.name in values else _plain(var.val)


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return a value with its floats in float32, whatever they were stored as."""
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype.kind == "f" else array if array.ndim else array.item()


def _numbers(var: Any) -> str:  # noqa: ANN401
    from coremltools.converters.mil.mil import types

    return str(types.builtin_to_string(var.dtype))

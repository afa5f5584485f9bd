"""A TFLite model under construction: tensors, buffers, operators, one subgraph, one signature.

The flatbuffer schema is TensorFlow Lite's `schema.fbs`, version 3, as generated in `ai_edge_litert`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.errors import require
from ensharpen_edge.export.targets.tflite.codes import Codes

Array = NDArray[Any]

SIGNATURE = "serving_default"
_SCHEMA_VERSION = 3


class TfliteBuilder:
    """Collects a model. Tensors are referred to by their index.

    Args:
        description: For the file's header.

    Raises:
        MissingToolError: ai-edge-litert is not installed.
    """

    def __init__(self, description: str) -> None:
        self._schema = require("ai_edge_litert.schema_py_generated", "tflite")
        schema = self._schema
        self._model = schema.ModelT()
        self._model.version = _SCHEMA_VERSION
        self._model.description = description.encode()
        self._model.buffers = [schema.BufferT()]
        self._model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.name = b"main"
        self._graph.tensors, self._graph.operators = [], []
        self._model.subgraphs = [self._graph]
        self._codes: dict[tuple[int, int], int] = {}

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        signature: Sequence[int] | None = None,
        codes: Codes | None = None,
    ) -> int:
        """Add an activation, and return its index.

        Args:
            name: Unique.
            shape: Shape in the first run.
            dtype: numpy name; that of the codes where there are some.
            signature: The shape with -1 for sides that may change.
            codes: Codes of an integer tensor.
        """
        if codes is not None:
            dtype = codes.dtype
        made = self._schema.TensorT()
        made.name = name.encode()
        made.shape = np.array(shape, dtype=np.int32)
        if signature is not None:
            made.shapeSignature = np.array(signature, dtype=np.int32)
        made.type = getattr(self._schema.TensorType, dtype.upper())
        made.buffer = 0
        if codes is not None:
            made.quantization = self._quantization([codes.step], [codes.zero], 0)
        self._graph.tensors.append(made)
        return len(self._graph.tensors) - 1

    def constant(self, name: str, values: Array, steps: Sequence[float] = (), axis: int = 0) -> int:
        """Add a constant tensor of the array's type.

        Args:
            name: Unique.
            values: Its content.
            steps: Steps of integers, per index along `axis`; their code of 0 is 0.
            axis: Axis that the steps belong to.
        """
        index = self.tensor(name, values.shape, values.dtype.name)
        self._graph.tensors[index].buffer = self._buffer(np.ascontiguousarray(values).tobytes())
        if len(steps):
            self._graph.tensors[index].quantization = self._quantization(steps, [0] * len(steps), axis)
        return index

    def rename(self, index: int, name: str) -> None:
        """Give a tensor another name."""
        self._graph.tensors[index].name = name.encode()

    def _quantization(self, steps: Sequence[float], zeros: Sequence[int], axis: int) -> Any:  # noqa: ANN401
        made = self._schema.QuantizationParametersT()
        made.scale, made.zeroPoint = np.array(steps, dtype=np.float32), np.array(zeros, dtype=np.int64)
        made.quantizedDimension = axis
        return made

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str = "",
        version: int = 1,
        **values: object,
    ) -> None:
        """Append an operator.

        Args:
            name: Name in the schema's `BuiltinOperator`, e.g. `CONV_2D`.
            inputs, outputs: Tensors.
            options: Name of the options table, e.g. `Conv2DOptions`; empty for none.
            version: The lowest one whose kernel does what is asked.
            values: Fields of the options.
        """
        made = self._schema.OperatorT()
        made.opcodeIndex = self._operator_code(getattr(self._schema.BuiltinOperator, name), version)
        made.inputs, made.outputs = (np.array(indices, dtype=np.int32) for indices in (inputs, outputs))
        if options:
            made.builtinOptionsType = getattr(self._schema.BuiltinOptions, options)
            made.builtinOptions = getattr(self._schema, f"{options}T")()
            for field, value in values.items():
                setattr(made.builtinOptions, field, value)
        self._graph.operators.append(made)

    def enumerated(self, kind: str, name: str) -> int:
        """Return a value of one of the schema's enumerations, e.g. `Padding`, `SAME`."""
        return int(getattr(getattr(self._schema, kind), name))

    def metadata(self, name: str, content: bytes) -> None:
        """Add bytes that readers find by a name."""
        entry = self._schema.MetadataT()
        entry.name, entry.buffer = name.encode(), self._buffer(content)
        self._model.metadata = [*(self._model.metadata or []), entry]

    def finish(self, inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
        """Return the file's bytes, with a signature that names the model's inputs and outputs."""
        # flatbuffers comes with ai-edge-litert, which may be missing when this module is loaded.
        from ensharpen_edge.export.targets.tflite.shared_vectors import pack_model

        self._graph.inputs = np.array(list(inputs.values()), dtype=np.int32)
        self._graph.outputs = np.array(list(outputs.values()), dtype=np.int32)
        signature = self._schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE.encode(), 0
        signature.inputs, signature.outputs = (self._names(names) for names in (inputs, outputs))
        self._model.signatureDefs = [signature]
        return pack_model(self._model)

    def _names(self, tensors: dict[str, int]) -> list[Any]:
        entries = []
        for name, index in tensors.items():
            entry = self._schema.TensorMapT()
            entry.name, entry.tensorIndex = name.encode(), index
            entries.append(entry)
        return entries

    def _buffer(self, content: bytes) -> int:
        made = self._schema.BufferT()
        made.data = np.frombuffer(content, dtype=np.uint8)
        self._model.buffers.append(made)
        return len(self._model.buffers) - 1

    def _operator_code(self, code: int, version: int) -> int:
        if (code, version) not in self._codes:
            made = self._schema.OperatorCodeT()
            # Readers older than the 128th operator look at the first field only.
            made.deprecatedBuiltinCode, made.builtinCode, made.version = min(code, 127), code, version
            self._codes[code, version] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(made)
        return self._codes[code, version]

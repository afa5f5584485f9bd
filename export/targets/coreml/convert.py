"""ONNX to a Core ML package, operator by operator, and the weights' compression."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.errors import UsageError, require
from ensharpen_edge.export.targets.coreml.lowerings import LOWERINGS
from ensharpen_edge.export.targets.coreml.writer import CodedConvolutions, ProgramWriter
from ensharpen_edge.runtime.mil.quiet import quiet


@dataclass(frozen=True)
class CoremlJob:
    """One package to write.

    Attributes:
        model: onnx.ModelProto, float, for any size, shuffles in depth order.
        sizes: (height, width) that it takes, the usual one first.
        flexible: Whether all between the smallest and the largest of them are taken as well.
        half: Whether to compute in half precision.
        deployment: Oldest system, in `options.DEPLOYMENTS`.
        pixels: Whether images (RGB) go in and out, instead of arrays in [0, 1].
        enlarges: How many times as high and wide as the input the output is.
        coded: Convolutions in codes.
        metadata: `author`, `licence`, `description`, `version`, of the `input` and the `output`, and anything else by
            name.
    """

    model: Any
    sizes: tuple[tuple[int, int], ...]
    half: bool
    flexible: bool = False
    deployment: str = "iOS16"
    pixels: bool = False
    enlarges: int = 1
    coded: CodedConvolutions = field(default_factory=CodedConvolutions)
    metadata: dict[str, str] = field(default_factory=dict)


def to_coreml(job: CoremlJob) -> Any:  # noqa: ANN401 (coremltools.models.MLModel)
    """Return the package's model; `save` writes it.

    Raises:
        MissingToolError: coremltools is not installed.
        UsageError: An operator has no counterpart.
    """
    with quiet():
        ct = require("coremltools", "coreml")
        from coremltools.converters.mil import Builder as mb
        from coremltools.converters.mil.mil import get_new_symbol

        target = getattr(ct.target, job.deployment)
        source, result = job.model.graph.input[0], job.model.graph.output[0]
        white = 255.0 if job.pixels else 1.0

        def program(image: Any) -> Any:  # noqa: ANN401 (the argument's name is the input's)
            writer = ProgramWriter(job.model, job.coded)
            writer.set(source.name, image)
            for node in job.model.graph.node:
                if node.op_type == "Constant":
                    continue
                if node.op_type not in LOWERINGS:
                    raise UsageError(f"the operator {node.op_type} ({node.name}) has no Core ML form here")
                writer.set(node.output[0], LOWERINGS[node.op_type](writer, node))
            output = writer.get(result.name)
            if job.pixels:
                # What an image does with values beyond its range is documented nowhere.
                output = mb.mul(x=output, y=np.float32(white), name="to_pixels")
                output = mb.clip(x=output, alpha=np.float32(0.0), beta=np.float32(white), name="within_pixels")
            return mb.identity(x=output, name=result.name)

        sides = job.sizes[0] if len(job.sizes) == 1 else (get_new_symbol(), get_new_symbol())
        made = mb.program(input_specs=[mb.TensorSpec(shape=(1, 3, *sides))], opset_version=target)(program)
        shape = _shape(ct, job)
        if job.pixels:
            inputs = [ct.ImageType(name=source.name, shape=shape, scale=1.0 / 255.0, color_layout=ct.colorlayout.RGB)]
            outputs = [ct.ImageType(name=result.name, color_layout=ct.colorlayout.RGB)]
        else:
            inputs = [ct.TensorType(name=source.name, shape=shape, dtype=np.float32)]
            outputs = [ct.TensorType(name=result.name, dtype=np.float32)]
        # The converter of such programs reads `inputs` only: without this line images would come out as arrays.
        made.functions["main"].set_output_types(outputs)
        model = ct.convert(
            made,
            inputs=inputs,
            outputs=outputs,
            minimum_deployment_target=target,
            compute_precision=ct.precision.FLOAT16 if job.half else ct.precision.FLOAT32,
            skip_model_load=True,
        )
        if job.pixels:
            model = _with_output_sizes(ct, model, job)
        describe(model, job.metadata)
    return model


def _with_output_sizes(ct: Any, model: Any, job: CoremlJob) -> Any:  # noqa: ANN401
    """The model with the sizes of its output image in its description: of several, coremltools makes 1x1."""
    spec = model.get_spec()
    image = spec.description.output[0].type.imageType
    sizes = [(height * job.enlarges, width * job.enlarges) for height, width in job.sizes]
    image.height, image.width = sizes[0]
    if len(sizes) > 1:
        image.ClearField("SizeFlexibility")
    if job.flexible:
        rows, columns = zip(*sizes, strict=True)
        image.imageSizeRange.heightRange.lowerBound, image.imageSizeRange.heightRange.upperBound = min(rows), max(rows)
        image.imageSizeRange.widthRange.lowerBound, image.imageSizeRange.widthRange.upperBound = (
            min(columns),
            max(columns),
        )
    elif len(sizes) > 1:
        for height, width in sizes:
            image.enumeratedSizes.sizes.add(height=height, width=width)
    return ct.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)


def _shape(ct: Any, job: CoremlJob) -> Any:  # noqa: ANN401 (what the input types of coremltools take)
    shapes = [(1, 3, *size) for size in job.sizes]
    if len(shapes) == 1:
        return shapes[0]
    if not job.flexible:
        return ct.EnumeratedShapes(shapes=shapes, default=shapes[0])
    ranges = [ct.RangeDim(min(sides), max(sides), default=sides[0]) for sides in zip(*job.sizes, strict=True)]
    return ct.Shape(shape=(1, 3, *ranges))


def describe(model: Any, metadata: dict[str, str]) -> None:  # noqa: ANN401
    """Fill in what Xcode and apps show."""
    model.author = metadata.get("author", "")
    model.license = metadata.get("licence", "")
    model.version = metadata.get("version", "")
    model.short_description = metadata.get("description", "")
    spec = model.get_spec()
    model.input_description[spec.description.input[0].name] = metadata.get("input", "")
    model.output_description[spec.description.output[0].name] = metadata.get("output", "")
    for name, text in metadata.items():
        if name not in ("author", "licence", "version", "description", "input", "output"):
            model.user_defined_metadata[name] = text


def package_bytes(path: Path) -> int:
    """Return the bytes of all files in a package."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())

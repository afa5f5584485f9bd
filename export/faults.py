"""Damage on purpose, for the drill that shows the gate ringing."""

from __future__ import annotations

from pathlib import Path

from ensharpen_edge.models.student import Student


def damage_student(student: Student) -> None:
    """Scale one folded depthwise kernel by 1.5, in place: a mistake a wrong folding formula would make."""
    kernels = [
        value for name, value in student.state_dict().items() if name.endswith(("depthwise.weight", "stem.weight"))
    ]
    kernels[-1].mul_(1.5)


def damage_file(path: Path) -> None:
    """Scale one weight tensor of a written ONNX file by 1.5: a mistake a converter would make."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    values = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array((values * 1.5).astype(values.dtype), tensor.name))
    onnx.save_model(model, str(path))

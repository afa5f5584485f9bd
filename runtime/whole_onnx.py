"""An artifact's ONNX file, read so that nothing but its own hashed bytes can be run."""

from __future__ import annotations

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.runtime.jetson_kit.faults import DeviceError
from ensharpen_edge.runtime.jetson_kit.onnx_external_data import check_whole


def read_whole_onnx(artifact: Artifact) -> bytes:
    """Return the bytes of an artifact's ONNX file, verified, and known to hold the values of all its tensors.

    The manifest's hash covers the model file alone. Tensors that lie elsewhere would be loaded from the current folder,
    whatever is there.

    Raises:
        IntegrityError: The file is unreadable, is not the manifest's, is no ONNX file, or keeps tensors in other files.
    """
    content = artifact.read_model()
    try:
        check_whole(str(artifact.model_path), content)
    except DeviceError as error:
        raise IntegrityError(str(error), hint=error.hint) from error
    return content

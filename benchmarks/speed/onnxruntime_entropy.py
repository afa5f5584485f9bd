"""ONNX Runtime's entropy calibrator on some crops; prints its peak memory. Run in a process of its own:

python -m ensharpen_edge.benchmarks.speed.onnxruntime_entropy ARTIFACT PHOTOS COUNT CROP
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from ensharpen_edge.arrays import F32
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.speed.calibration_cost import crops_of
from ensharpen_edge.console import print_json
from ensharpen_edge.errors import require
from ensharpen_edge.process_memory import peak_resident_mib
from ensharpen_edge.runtime.whole_onnx import read_whole_onnx


def main(artifact: Path, data: Path, count: int, crop: int) -> None:
    """Calibrate with centre crops of photographs, and print `{"peak_mib": ...}`."""
    require("onnx", "onnx")
    require("onnxruntime", "onnx")
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

    opened = Artifact.open(artifact)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(crops_of(data, crop, count))

        def get_next(self) -> dict[str, F32] | None:
            batch = next(self._left, None)
            return None if batch is None else {opened.manifest.io.input_name: batch}

    # The calibrator prints what it does; standard output is for the result.
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        model = Path(folder) / "model.onnx"
        model.write_bytes(read_whole_onnx(opened))
        calibrator = create_calibrator(
            model,
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.Entropy,
        )
        calibrator.collect_data(Reader())
        calibrator.compute_data()
    print_json({"peak_mib": peak_resident_mib()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))

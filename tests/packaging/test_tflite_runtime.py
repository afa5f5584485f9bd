"""The files in the last tflite-runtime, which wants an older numpy than the rest: an environment of its own."""

from __future__ import annotations

import json
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="tflite-runtime 2.14 has no wheels for it"),
]

RUN = """
import importlib.util, json, sys
from pathlib import Path
import numpy as np
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.runtime.engines.registry import open_engine
assert importlib.util.find_spec("ai_edge_litert") is None and np.__version__ < "2"
result = {}
for path in sys.argv[2:]:
    artifact = Artifact.open(Path(path))
    with open_engine(artifact, threads=1) as engine:
        output = engine.run(artifact.golden().input)
    np.save(Path(sys.argv[1]) / f"{artifact.path.name}.npy", output)
    result[artifact.path.name] = list(output.shape)
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def old_python(tmp_path_factory, distributions, run) -> Path:
    folder = tmp_path_factory.mktemp("tflite-runtime")
    venv.create(folder)
    python = folder / "bin" / "python"
    install = (sys.executable, "-m", "pip", "--python", python, "install", "-q")
    run(*install, "tflite-runtime==2.14.0", "numpy<2", "pillow")
    run(*install, "--no-deps", distributions["wheel"])
    return python


def test_both_runtimes_give_the_same_pictures(old_python, shipped_export, run, tmp_path):
    artifacts = [shipped_export("tflite", precision) for precision in ("fp32", "fp16", "int8", "int8-weights")]
    exported = {artifact.path.name: artifact for artifact in artifacts}
    (tmp_path / "run.py").write_text(RUN)
    paths = [artifact.path for artifact in exported.values()]
    shapes = json.loads(run(old_python, tmp_path / "run.py", tmp_path, *paths, cwd=tmp_path).splitlines()[-1])
    for name, artifact in exported.items():
        expected = artifact.golden().expected
        assert shapes[name] == list(expected.shape)
        difference = np.abs(np.load(tmp_path / f"{name}.npy").astype(float) - expected.astype(float))
        assert difference.max() <= (1 if expected.dtype == np.int8 else 1e-5), name
        assert artifact.manifest.graph["minimum_runtime"].split(".") < ["2", "9"]

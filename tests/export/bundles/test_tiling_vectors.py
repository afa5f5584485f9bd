"""One specification of tiling: the vectors are the runtime's, and every language replays them."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import pairwise

import pytest

from ensharpen_edge.export.bundles.tiling_vectors import VECTORS, as_text, frame, shipped_vectors, tiling_vectors
from ensharpen_edge.runtime.pipeline import cut_window
from ensharpen_edge.runtime.tiling import Span, Tile


def test_the_file_is_what_the_runtime_computes():
    assert shipped_vectors() == as_text(tiling_vectors())


def test_the_vectors_reach_the_corners_of_the_specification():
    plans, windows = (json.loads(shipped_vectors())[name] for name in ("plans", "windows"))
    assert any(len(plan["rows"]) > 1 and len(plan["columns"]) > 1 for plan in plans)
    assert any(plan["padded"] == plan["window"] for plan in plans), "smaller than the only window"
    assert any(plan["padded"] == plan["smallest"] for plan in plans), "smaller than the smallest window"
    assert any(plan["rows"][-1][0] < plan["rows"][-2][3] - plan["halo"] for plan in plans if len(plan["rows"]) > 1)
    assert any(window["rows"][1] > 2 * window["height"] for window in windows), "mirrored more than once"
    for plan in plans:
        for spans, length in zip((plan["rows"], plan["columns"]), plan["padded"], strict=True):
            kept = [(span[2], span[3]) for span in spans]
            assert kept[0][0] == 0
            assert kept[-1][1] == length
            assert all(one[1] == other[0] for one, other in pairwise(kept))


def test_a_mirror_is_numpys():
    window = cut_window(frame(5, 7), Tile(Span(0, 8, 0, 8), Span(0, 8, 0, 8)))
    assert (window[5:8, :7] == frame(5, 7)[3:0:-1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("change", [None, "plan", "window"])
def test_javascript_replays_them(bundle, node, tmp_path, change):
    shutil.copytree(bundle, tmp_path / "site")
    vectors = json.loads((tmp_path / "site" / VECTORS).read_text())
    if change == "plan":
        vectors["plans"][20]["rows"][-1][2] += 1
    if change == "window":
        vectors["windows"][3]["adler32"] ^= 1
    (tmp_path / "site" / VECTORS).write_text(json.dumps(vectors))
    done = subprocess.run(
        [node, "check-tiling.mjs"], cwd=tmp_path / "site", capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if change is None else 3), done.stderr
    assert f"{0 if change is None else 1} differ" in done.stdout

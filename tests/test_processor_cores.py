"""The number of threads that computing takes where none is asked for."""

from __future__ import annotations

import pytest

from ensharpen_edge.processor_cores import usable_cores, usual_threads
from ensharpen_edge.runtime.engines.registry import open_engine


@pytest.mark.parametrize(("wanted", "threads"), [("3", 3), ("", None), ("0", None), ("many", None)])
def test_the_users_own_number_counts(monkeypatch, wanted, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert usual_threads() == (threads or usable_cores())


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "taken"), [(0, 3), (2, 2)])
def test_engines_take_it_where_no_number_is_asked_for(monkeypatch, artifact, asked, taken):
    ort = pytest.importorskip("onnxruntime")
    seen = []
    usual = ort.InferenceSession

    def session(model, options, **named):
        seen.append(options.intra_op_num_threads)
        return usual(model, options, **named)

    monkeypatch.setattr(ort, "InferenceSession", session)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    open_engine(artifact, threads=asked).close()
    assert seen == [taken]

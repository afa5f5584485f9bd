"""Running engines, over a fake TensorRT whose engines multiply."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ensharpen_edge.runtime.jetson_kit.faults import DeviceError
from ensharpen_edge.runtime.jetson_kit.session import Session

_spec = importlib.util.spec_from_file_location("fake_tensorrt", Path(__file__).with_name("fake_tensorrt.py"))
fake = importlib.util.module_from_spec(_spec)
sys.modules["fake_tensorrt"] = fake
_spec.loader.exec_module(fake)


def opened(memory=None, shared=False, **engine):
    memory = memory or fake.FakeMemory()
    log = SimpleNamespace(errors=[])
    return Session(fake.fake_tensorrt(memory), fake.engine_bytes(**engine), memory, log, shared=shared), memory


def test_it_computes_and_grows(rng):
    session, memory = opened()
    for shape in ((1, 3, 16, 16), (1, 3, 64, 64), (1, 3, 16, 16)):
        batch = rng.random(shape, dtype=np.float32)
        assert np.array_equal(session.run(batch), batch * np.float32(0.5))
    assert len(memory.blocks) == 2, "what was too small is freed"


@pytest.mark.parametrize("shared", [False, True])
def test_changing_shapes_need_no_more_memory_than_the_largest(rng, shared):
    session, memory = opened(shared=shared)
    for _ in range(20):
        for shape in ((1, 3, 48, 32), (1, 3, 32, 48), (1, 3, 16, 16)):
            session.run(rng.random(shape, dtype=np.float32))
    assert len(memory.pages) == 2
    assert memory.graphs == 1
    session.close()
    assert memory.graphs == 0


def test_after_a_window_that_was_too_large_smaller_ones_work(rng):
    session, memory = opened(fake.FakeMemory(limit=4 * 3 * 48 * 48))
    fits = rng.random((1, 3, 48, 48), dtype=np.float32)
    session.run(fits)
    with pytest.raises(MemoryError):
        session.run(rng.random((1, 3, 64, 64), dtype=np.float32))
    small = rng.random((1, 3, 32, 32), dtype=np.float32)
    assert np.array_equal(session.run(small), small * np.float32(0.5))
    assert set(memory.blocks) >= {address for address, _ in session._device.values()}


def test_an_accelerators_core_is_told_to_the_runtime():
    memory = fake.FakeMemory()
    log = SimpleNamespace(errors=[])
    session = Session(fake.fake_tensorrt(memory), fake.engine_bytes(), memory, log, dla=1)
    assert session._runtime.DLA_core == 1


def test_one_shape_is_launched_as_a_graph(rng):
    session, memory = opened()
    first, second = (rng.random((1, 3, 32, 32), dtype=np.float32) for _ in range(2))
    session.run(first)
    memory.log.clear()
    assert np.array_equal(session.run(second), second * np.float32(0.5))
    assert memory.log == ["launch", "upload", "download", "synchronize"]


def test_backends_without_graphs_work_too(rng):
    session, memory = opened(fake.FakeMemory(records=False))
    batch = rng.random((1, 3, 32, 32), dtype=np.float32)
    assert np.array_equal(session.run(batch), session.run(batch))
    assert "launch" not in memory.log


def test_shared_memory_needs_no_copies(rng):
    session, memory = opened(shared=True)
    for shape in ((1, 3, 16, 16), (1, 3, 32, 32)):
        batch = rng.random(shape, dtype=np.float32)
        assert np.array_equal(session.run(batch), batch * np.float32(0.5))
    assert not {"upload", "download"} & set(memory.log)


def test_pixels_in_and_out():
    session, _ = opened(dtype="uint8", gain=1)
    pixels = np.arange(3 * 64, dtype=np.uint8).reshape(1, 3, 8, 8)
    assert np.array_equal(session.run(pixels), pixels)


def test_shapes_outside_the_profile():
    session, _ = opened()
    with pytest.raises(DeviceError, match="takes shapes from"):
        session.run(np.zeros((1, 3, 72, 64), np.float32))
    assert session.run(np.ones((1, 3, 64, 64), np.float32)).mean() == 0.5


def test_damaged_engines_failed_launches_and_full_devices():
    memory = fake.FakeMemory()
    with pytest.raises(DeviceError, match="magic tag") as error:
        Session(fake.fake_tensorrt(memory), b"\x00garbage", memory, SimpleNamespace(errors=[]))
    assert error.value.code == 8
    session, _ = opened(fails=True)
    with pytest.raises(DeviceError, match="did not run"):
        session.run(np.zeros((1, 3, 8, 8), np.float32))
    session, _ = opened(fake.FakeMemory(limit=100))
    with pytest.raises(MemoryError):
        session.run(np.zeros((1, 3, 8, 8), np.float32))


def test_layers_and_closing():
    from ensharpen_edge.runtime.jetson_kit.layer_report import layer_report

    session, memory = opened()
    assert layer_report(session.layers()) == {"layers": 2, "reformats": 1, "outputs": {"fp16": 1, "int8": 1}}
    assert layer_report("no JSON") == {"layers": 0, "reformats": 0, "outputs": {}}
    session.close()
    assert memory.closed

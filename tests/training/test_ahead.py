"""Batches made by another thread are the same ones, in the same order, and its mistakes arrive."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from ensharpen_edge.data.source import FolderSource
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.training.ahead import Ahead
from ensharpen_edge.training.batches import BatchSource, degrade_ahead, degrade_groups, iterate_batches
from ensharpen_edge.training.curriculum import place_by_steps

CPU = torch.device("cpu")


def test_results_arrive_in_order():
    assert [made for made, _ in Ahead(range(20), lambda number: number * number, CPU)] == [n * n for n in range(20)]


def test_only_a_few_wait_and_the_thread_ends_with_its_consumer():
    made: list[int] = []
    results = iter(Ahead(range(1000), lambda number: made.append(number) or number, CPU))
    assert next(results)[0] == 0
    time.sleep(0.3)
    assert len(made) <= 5, "it must not run far ahead: every waiting batch takes memory on the GPU"
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "degrade ahead"]
    assert len(made) <= 6


def test_an_error_of_the_thread_is_raised_where_results_are_taken():
    def make(number: int) -> int:
        if number == 2:
            raise BadInputError("third.jpg: damaged")
        return number

    taken = []
    with pytest.raises(BadInputError, match="damaged"):
        taken.extend(made for made, _ in Ahead(range(5), make, CPU))


def test_batches_degraded_ahead_are_the_same(few, photos):
    timeline = place_by_steps(few.stages, few.steps)
    source = BatchSource(few, timeline, FolderSource(photos.split()[0]))
    drawn = [source[step] for step in range(3)]
    for ahead, groups in zip(degrade_ahead(drawn, few, timeline, CPU), drawn, strict=True):
        directly = degrade_groups(groups, few, timeline, CPU)
        assert torch.equal(ahead.degraded, directly.degraded)
        assert ahead.names == directly.names


def test_a_photograph_that_cannot_be_read_stops_the_run_on_a_gpu_too(few):
    timeline = place_by_steps(few.stages, few.steps)
    with pytest.raises(BadInputError, match=r"gone\.jpg"):
        list(degrade_ahead([BadInputError("gone.jpg: no such file")], few, timeline, CPU))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU with a driver")
def test_a_stream_of_its_own_changes_nothing(few, photos):
    device = torch.device("cuda")
    timeline = place_by_steps(few.stages, few.steps)
    source = BatchSource(few, timeline, FolderSource(photos.split()[0]))
    for step, ahead in enumerate(iterate_batches(source, 0, device, workers=0)):
        directly = degrade_groups(source[step], few, timeline, device)
        assert torch.equal(ahead.degraded, directly.degraded)

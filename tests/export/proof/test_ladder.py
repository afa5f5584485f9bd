from __future__ import annotations

import numpy as np
import pytest

from ensharpen_edge.errors import ParityError
from ensharpen_edge.export.precision import PIXELS_OUT, PRECISIONS
from ensharpen_edge.export.proof.ladder import Rung, check_parity, climb
from ensharpen_edge.export.proof.probes import SHAPES, parity_probes
from ensharpen_edge.imaging.bundled import bundled_photos


def offset(value: float):
    return lambda batch: batch + np.float32(value)


PROBES = parity_probes(64, 64)


def test_probes_hold_photographs_and_traps():
    names = {probe.name for probe in PROBES}
    assert {"black", "white", "flat", "gradient", "checkerboard", "saturated-text"} <= names
    assert len(bundled_photos()) >= 4
    for shape in SHAPES:
        for probe in parity_probes(*shape):
            assert probe.image.shape == (1, 3, *shape)
            assert probe.image.dtype == np.float32
            assert 0.0 <= probe.image.min() <= probe.image.max() <= 1.0


def test_the_ladder_blames_the_rung_that_lost_most():
    rungs = [
        Rung("torch", offset(0)),
        Rung("a", offset(1e-3)),
        Rung("b", offset(2e-2)),
        Rung("c", offset(2.01e-2)),
    ]
    report = climb(rungs, PROBES)
    assert report.worst_rung.name == "b"
    assert report.rungs[-1].max_abs_torch == pytest.approx(2.01e-2, rel=1e-3)
    assert report.rungs[-1].psnr_torch == pytest.approx(-20 * np.log10(2.01e-2), abs=0.01)
    with pytest.raises(ParityError) as error:
        check_parity(report)
    assert "'a' differs" in str(error.value)
    assert "'b'" in error.value.hint


def test_an_exact_ladder_has_no_one_to_blame():
    names = [PIXELS_OUT, *(precision.name for precision in PRECISIONS)]
    rungs = [Rung(name, offset(0), name) for name in names]
    report = climb([Rung("torch", offset(0)), *rungs], PROBES)
    assert report.worst_rung is None
    check_parity(report)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_on_one_probe_is_enough(bad):
    def poison(batch):
        out = batch.copy()
        if batch.max() == 0.0:
            out[0, 0, 0, 0] = bad
        return out

    report = climb([Rung("torch", offset(0)), Rung("poisoned", poison)], PROBES)
    with pytest.raises(ParityError, match=r"NaN or Inf.*black"):
        check_parity(report)


def test_wrong_shape_is_named():
    with pytest.raises(ParityError, match="returned shape"):
        climb([Rung("torch", offset(0)), Rung("cut", lambda b: b[:, :, 1:])], PROBES)


def test_each_rung_is_held_to_its_own_precision():
    def report(precision: str):
        rungs = [Rung("folded", offset(0)), Rung("half", offset(2e-3), precision)]
        return climb([Rung("torch", offset(0)), *rungs], PROBES)

    with pytest.raises(ParityError, match=r"'half'.*needs 60 dB"):
        check_parity(report("fp16"))
    check_parity(report("int8"))


def test_half_precision_excuses_no_wrong_folding():
    rungs = [Rung("torch", offset(0)), Rung("folded", offset(5e-4)), Rung("fp16 arithmetic", offset(5e-4), "fp16")]
    with pytest.raises(ParityError, match="'folded' differs"):
        check_parity(climb(rungs, PROBES))


def test_a_reference_that_is_not_finite_proves_nothing():
    report = climb([Rung("torch", lambda b: b * np.nan), Rung("export", offset(0))], PROBES[:2])
    with pytest.raises(ParityError, match="NaN or Inf"):
        check_parity(report)

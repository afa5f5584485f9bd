"""The quality gate catches exports that are near the network but no longer sharpen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ensharpen_edge.calibration.photo_choice import choose_crops
from ensharpen_edge.calibration.settings import CalibrationSettings
from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.errors import BadInputError, ParityError, QualityError
from ensharpen_edge.export.proof.gate import TRAINED_PHOTO_DROP, GateLimits, check_quality, score_pairs
from ensharpen_edge.export.proof.gate_photos import gate_pairs, refuse_calibrated
from ensharpen_edge.export.proof.large_window import check_large_window
from ensharpen_edge.models.student_network import find_network


def shipped(name):
    return find_network(name).run


@pytest.fixture(scope="module")
def student():
    return shipped("nano")


@pytest.fixture(scope="module")
def pairs():
    return list(gate_pairs())


def test_the_student_itself_passes(student, pairs):
    report = score_pairs(student, student, pairs)
    check_quality(report, GateLimits())
    assert report.retained == 1.0
    assert report.mean_student > report.mean_degraded + 1.0
    assert len(report.scores) == len(pairs) >= 12


@pytest.mark.slow
def test_larger_students_sharpen_more(student, photo_folder):
    pairs = list(gate_pairs((photo_folder,)))
    means = [score_pairs(run, run, pairs).mean_student for run in (student, shipped("small"), shipped("base"))]
    assert means[0] + 0.1 < means[1] < means[2] - 0.05


def test_an_export_that_returns_its_input_fails(student, pairs):
    with pytest.raises(QualityError, match="loses"):
        check_quality(score_pairs(student, lambda batch: batch, pairs), GateLimits())


def test_the_retained_gain_is_a_limit_of_its_own(student, pairs):
    def weaker(batch):
        return 0.9 * student(batch) + 0.1 * batch

    report = score_pairs(student, weaker, pairs)
    assert 0.9 < report.retained < 0.98
    with pytest.raises(QualityError, match="retains"):
        check_quality(report, GateLimits(mean_drop=1.0))


def test_a_photograph_may_be_held_to_a_limit_of_its_own(student, pairs):
    first = pairs[0].degraded

    def fails_once(batch):
        return 0.97 * student(batch) + 0.03 * batch if batch is first else student(batch)

    report = score_pairs(student, fails_once, pairs)
    lost = report.scores[0].student - report.scores[0].exported
    assert 0 < lost == max(score.student - score.exported for score in report.scores)
    loose = GateLimits(mean_drop=1.0, retained=0.5, photo_drop=lost + 0.001)
    check_quality(report, loose)
    with pytest.raises(QualityError, match=f"loses {lost:.2f} dB on {report.scores[0].name}"):
        check_quality(report, replace(loose, photo_drop=lost - 0.001))
    assert GateLimits().of_precision("fp32").photo_drop is None
    assert GateLimits().of_trained().photo_drop == TRAINED_PHOTO_DROP
    assert GateLimits(photo_drop=0.2).of_trained().photo_drop == 0.2


def test_a_student_that_ruins_sharp_photographs_is_not_released(student, pairs):
    sharp = {pair.sharp.tobytes() for pair in pairs}

    def ruins(batch):
        return student(batch) * 0.5 if batch.tobytes() in sharp else student(batch)

    with pytest.raises(QualityError, match="stay sharp"):
        check_quality(score_pairs(ruins, ruins, pairs), GateLimits())


def test_reports_are_json(student, pairs):
    report = score_pairs(student, lambda b: student(b) * np.nan, pairs[:2])
    json.dumps(report.to_dict(), allow_nan=False)


def test_an_export_that_repaints_sharp_photographs_fails(student, pairs):
    sharp = {pair.sharp.tobytes() for pair in pairs}

    def repaints(batch):
        out = student(batch)
        return np.clip(out * 1.1, 0, 1) if batch.tobytes() in sharp else out

    with pytest.raises(QualityError, match="stay sharp"):
        check_quality(score_pairs(student, repaints, pairs), GateLimits())


def test_a_wrong_border_fails_however_small_its_share(student, pairs):
    def first_row(batch, codes):
        out = student(batch).copy()
        out[:, :, 0] = np.clip(out[:, :, 0] - codes / 255, 0, 1)
        return out

    for precision, codes in (("fp32", 8), ("fp16", 8), ("int8", 40)):
        report = score_pairs(student, lambda batch, codes=codes: first_row(batch, codes), pairs[:3])
        limits = GateLimits(mean_drop=9.0, retained=0.0).of_precision(precision)
        with pytest.raises(QualityError, match="in one place"):
            check_quality(report, replace(limits, agreement=0.0))


def test_a_smaller_agreement_lowers_that_of_a_block():
    assert GateLimits().of_precision("int8").block == 30.0
    assert GateLimits(agreement=39.0).of_precision("int8").block == 21.0
    assert GateLimits(agreement=60.0).of_precision("fp32").block == 43.0


@pytest.mark.slow
def test_windows_that_only_large_photographs_need_are_looked_at(student):
    check_large_window(student, student, 8, 55.0)

    def black_when_large(batch):
        return student(batch) * (batch.shape[3] <= 512)

    with pytest.raises(ParityError, match="window of 1400x1000"):
        check_large_window(black_when_large, student, 8, 55.0)


def test_nan_fails(student, pairs):
    with pytest.raises(QualityError):
        check_quality(score_pairs(student, lambda b: student(b) * np.nan, pairs[:2]), GateLimits())


def test_a_network_that_does_not_sharpen_has_nothing_to_retain(pairs):
    with pytest.raises(BadInputError, match="itself gains only"):
        score_pairs(lambda b: b, lambda b: b, pairs)


def test_denoisers_are_judged_on_noise():
    pairs = list(gate_pairs(task="denoise"))
    levels = {pair.condition: float((pair.degraded - pair.sharp).std() * 255) for pair in pairs}
    assert len(levels) == 3
    for condition, level in levels.items():
        stated = float(condition.split()[-1])
        assert 0.75 * stated < level < 1.05 * stated, "clipping takes a little of it"


def test_networks_that_enlarge_are_judged_on_smaller_photographs():
    pairs = list(gate_pairs(task="upscale2"))
    assert all(2 * pair.degraded.shape[2] == pair.sharp.shape[2] for pair in pairs)

    def repeats(batch):
        return batch.repeat(2, axis=2).repeat(2, axis=3)

    def darkens(batch):
        return 0.9 * repeats(batch)

    with pytest.raises(BadInputError, match="itself gains only"):
        score_pairs(repeats, repeats, pairs[:3])
    truths = {pair.degraded.tobytes(): pair.sharp for pair in pairs[:3]}
    report = score_pairs(lambda batch: truths[batch.tobytes()], darkens, pairs[:3])
    assert report.mean_student == 60.0
    assert report.worst_identity < 30.0, "a darker picture is not what it was, when it is made smaller again"


def test_photographs_of_the_user(photo_folder, tmp_path):
    pairs = list(gate_pairs([photo_folder]))
    assert len(pairs) == 15
    assert all(pair.sharp.shape == (1, 3, 256, 256) for pair in pairs)
    with pytest.raises(BadInputError, match="no photographs"):
        list(gate_pairs([tmp_path]))


def test_photographs_that_were_calibrated_with_do_not_judge(photo_folder):
    refuse_calibrated([photo_folder], {"0" * 64})
    (choice, *_) = choose_crops(load_photos(photo_folder), CalibrationSettings(photo_folder, 6, 64, allow_few=True))
    with pytest.raises(BadInputError, match=f"1 photographs of .* were calibrated with: {choice.photo}"):
        refuse_calibrated([photo_folder], {choice.sha256})

"""Plans: files, and the search for the one with the fewest float layers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ensharpen_edge.calibration import planning as planning_module
from ensharpen_edge.calibration.judge import Judge, JudgeLimits, _bundled
from ensharpen_edge.calibration.plan import FLOAT, INT8, Plan, load_plan, save_plan
from ensharpen_edge.calibration.plan_search import find_plan
from ensharpen_edge.calibration.planning import ADDED, MISSED, Planning
from ensharpen_edge.calibration.sensitivity import DamageMeter, measure_all
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import BadInputError, QualityError, UsageError
from ensharpen_edge.imaging.bundled import WINDOWS, bundled_photos
from ensharpen_edge.progress import as_text

pytestmark = pytest.mark.slow


def judge_with(planning, **limits) -> Judge:
    return Judge(planning.judge.images, graph_run(planning.quantizer.model), JudgeLimits(**limits))


def search(planning, keep=(), **limits):
    judge = judge_with(planning, **limits)
    return find_plan(planning.quantizer, judge, planning.meter, keep)


@pytest.fixture(scope="module")
def loose(planning):
    return search(planning, ["head", "tail"], max_drop=0.2, photo_psnr=44.0, synthetic_psnr=15.0, retained=0.9)


def test_a_plan_within_the_limits_and_measured(planning, loose):
    plan, verdict = loose
    assert verdict.passed
    assert verdict.worst_photo >= 44.0
    assert {"Add", "decoder.heads.sharpen"} <= set(plan.kept)
    again = judge_with(planning).errors(graph_run(planning.quantizer.quantized(plan.chosen(planning.quantizer.layers))))
    assert np.allclose(again, verdict.errors)


def test_stricter_limits_free_more_layers(planning, loose):
    strict, verdict = search(planning, ["head", "tail"], max_drop=0.05, photo_psnr=50.0, synthetic_psnr=15.0)
    assert verdict.worst_photo >= 50.0
    assert len(strict.kept) > len(loose[0].kept)
    with pytest.raises(QualityError, match="no layer can be quantized"):
        search(planning, photo_psnr=110.0)


def test_the_greedy_choice_beats_a_blind_one(planning, loose):
    """Freeing as many layers from the input on costs more than freeing the ones that were found."""
    plan, verdict = loose
    names = [layer.name for layer in planning.quantizer.layers]
    blind = Plan({name: FLOAT if name in names[: len(plan.kept)] else INT8 for name in names}, "onnx")
    run = graph_run(planning.quantizer.quantized(blind.chosen(planning.quantizer.layers)))
    assert planning.judge.errors(run)[: planning.judge.photographs].max() > verdict.errors.max() or (
        planning.judge.verdict(run).worst_photo < verdict.worst_photo
    )


def test_images_that_the_judge_missed_join_it(planning):
    """A checkerboard, taken for a photograph, breaks every plan that was made without it."""
    board = next(image for image in planning.judge.images if image.name.startswith("checkerboard"))
    limits = JudgeLimits(max_drop=0.5, photo_psnr=42.0, synthetic_psnr=5.0, retained=0.8)
    floats = graph_run(planning.quantizer.model)
    judge = Judge([image for image in planning.judge.images if image.photograph][:4], floats, limits)
    few = replace(planning, judge=judge, meter=planning.meter.with_judge(judge), others=())
    told: list[str] = []
    alone, _ = few.search(["head", "tail"], as_text(told.append))
    assert not any("searching again" in text for text in told)
    wider = replace(few, others=(replace(board, photograph=True),))
    warned, verdict = wider.search(["head", "tail"], as_text(told.append))
    assert any("fails on 1 other images" in text for text in told)
    assert len(warned.kept) > len(alone.kept)
    assert (alone.notes[ADDED], warned.notes[ADDED]) == ([], [board.name])
    quantized = graph_run(planning.quantizer.quantized(warned.chosen(planning.quantizer.layers)))
    error = np.mean((quantized(board.degraded) - floats(board.degraded)) ** 2)
    assert 10 * np.log10(1 / error) >= 42.0
    assert verdict.passed


def test_the_ladders_photographs_are_looked_at(planning):
    """An export is compared with float on them: a plan that fails there would be made in vain."""
    bundled = [image for image in planning.others if image.name.startswith("kodak")]
    assert len(bundled) == (5 + len(WINDOWS)) * len(bundled_photos())
    assert {image.degraded.shape[2:] for image in bundled} == {(64, 64), *WINDOWS}
    sharp = dict(bundled_photos())["kodak23"][96:160, 96:160]
    centre = next(image for image in bundled if image.name == "kodak23 at 96, 96")
    assert np.array_equal(np.rint(255 * centre.degraded[0].transpose(1, 2, 0)).astype(np.uint8), sharp)


def test_a_plan_that_never_fits_says_so(planning, monkeypatch):
    some = planning.judge.images[:2]
    judge = Judge(some, graph_run(planning.quantizer.model), planning.judge.limits)
    few = replace(planning, judge=judge, meter=planning.meter.with_judge(judge))
    monkeypatch.setattr(Planning, "_missed", lambda *_: list(some))
    monkeypatch.setattr(planning_module, "ATTEMPTS", 2)
    kept = [layer.name for layer in planning.quantizer.layers[6:]]  # a search among few layers is a short one
    plan, _ = few.search(kept)
    assert plan.notes[MISSED] == [image.name for image in some]


def test_round_trip_and_editing(planning, loose, tmp_path):
    path = tmp_path / "plan.json"
    save_plan(loose[0], path)
    assert load_plan(path) == loose[0]
    content = json.loads(path.read_text())
    content["layers"]["encoder.down2"] = FLOAT
    path.write_text(json.dumps(content))
    assert "encoder.down2" not in [layer.name for layer in load_plan(path).chosen(planning.quantizer.layers)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a plan"),
        ("[]", "not a plan"),
        ('{"scheme": "onnx", "layers": {"a": "int9"}}', "a is 'int9'"),
    ],
)
def test_broken_plans(tmp_path, text, message):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(BadInputError, match=message):
        load_plan(tmp_path / "plan.json")


def test_a_plan_for_another_network(planning):
    with pytest.raises(UsageError, match="another network"):
        Plan({"encoder.stem": INT8, "roof": FLOAT}, "onnx").chosen(planning.quantizer.layers)


def test_measurements_are_kept_and_go_on(planning, tmp_path):
    cache = tmp_path / "s.jsonl"
    meter = DamageMeter(planning.quantizer, planning.judge, cache)
    layer = planning.quantizer.layers[3]
    first = meter.layer(layer)
    with cache.open("a") as file:
        file.write('{"key": "cut o')

    class Unused:
        images, photographs = planning.judge.images, planning.judge.photographs

        def errors(self, run, numbers):
            raise AssertionError("measured again")

    again = DamageMeter(planning.quantizer, Unused(), cache)
    assert again.layer(layer) == first
    with pytest.raises(AssertionError, match="measured again"):
        again.layer(planning.quantizer.layers[4])


def test_every_layer_and_tensor_alone_and_left_out(planning, tmp_path):
    from PIL import Image

    from ensharpen_edge.calibration.chart import draw_sensitivities

    class Some:
        """A few layers are enough to see every kind of measurement."""

        layers = planning.quantizer.layers[:3]

        def __getattr__(self, name):
            return getattr(planning.quantizer, name)

    some = Some()
    seen = []
    damages = measure_all(planning.meter, some, lambda _doing, done=0, total=0: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == len(damages)
    assert {(d.kind, d.how) for d in damages} == {(k, h) for k in ("layer", "tensor") for h in ("only", "all but")}
    only = {d.name: d.psnr for d in damages if (d.kind, d.how) == ("layer", "only")}
    without = {d.name: d.psnr for d in damages if (d.kind, d.how) == ("layer", "all but")}
    assert all(only[name] > without[name] for name in only), "one layer alone costs less than all the others"
    draw_sensitivities(damages, None, "nano", tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as image:
        assert image.size[0] > 500


def test_their_windows_lie_on_a_coarser_grid_where_a_network_has_one():
    assert {side % 64 for image in _bundled(64, 64) for side in image.degraded.shape[2:]} == {0}


def test_images_that_join_are_the_only_ones_measured(planning):
    layer, seen = planning.quantizer.layers[3], []
    few = Judge(planning.judge.images[:6], graph_run(planning.quantizer.model))
    wider = few.with_images(planning.judge.images[6:9], graph_run(planning.quantizer.model))
    first = DamageMeter(planning.quantizer, few)
    first.layer(layer)
    measured = wider.errors
    wider.errors = lambda run, numbers: seen.append(list(numbers)) or measured(run, numbers)
    damage = first.with_judge(wider).layer(layer)
    assert [len(numbers) for numbers in seen] == [3]
    del wider.errors
    assert damage == DamageMeter(planning.quantizer, wider).layer(layer), "as if all had been measured anew"

"""Stages on steps, and recipes as files."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.config import NANO, StudentConfig
from ensharpen_edge.training.config import DistillationConfig, TrainConfig
from ensharpen_edge.training.curriculum import Stage, place_by_steps, place_by_time
from ensharpen_edge.training.losses.registry import LossTerm
from ensharpen_edge.training.recipe import config_from_table, find_recipe, load_recipe, shipped_recipes
from ensharpen_edge.training.schedule import cosine_with_warmup
from ensharpen_edge.training.timeline_table import timeline_table

STAGES = (
    Stage("soft", 0.25, 64, 32, (0.2, 1.0)),
    Stage("lens", 0.25, 128, 16),
    Stage("photo", 0.5, 192, 8, (0.5, 1.0), depth=0.5),
)


def test_steps_are_shared_out():
    timeline = place_by_steps(STAGES, 1000)
    assert timeline.steps == (250, 250, 500)
    assert timeline.ends == (250, 500, 1000)
    assert [timeline.index_at(s) for s in (0, 249, 250, 499, 500, 999, 5000)] == [0, 0, 1, 1, 2, 2, 2]
    assert place_by_steps(STAGES, 3).steps == (1, 1, 1)
    for total in range(3, 60):
        assert place_by_steps(STAGES, total).total == total
    with pytest.raises(UsageError, match="too few"):
        place_by_steps(STAGES, 2)
    uneven = tuple(dataclasses.replace(STAGES[0], share=share) for share in (10.0, 0.1, 10.0, 0.1, 10.0, 0.1))
    for total in range(6, 40):
        steps = place_by_steps(uneven, total).steps
        assert (min(steps) >= 1, sum(steps)) == (True, total)


def test_strength_is_a_ramp_per_stage():
    timeline = place_by_steps(STAGES, 1000)
    assert timeline.strength_at(0) == pytest.approx(0.2)
    assert timeline.strength_at(249) == pytest.approx(1.0)
    assert timeline.strength_at(125) == pytest.approx(0.6, abs=0.01)
    assert timeline.strength_at(300) == 1.0
    assert timeline.strength_at(500) == pytest.approx(0.5)
    values = [timeline.strength_at(s) for s in range(500, 1000)]
    assert all(a <= b for a, b in itertools.pairwise(values))


def test_time_is_shared_out_by_measured_speed():
    timeline = place_by_time(STAGES, 10, (0.1, 0.2, 0.5))
    assert timeline.steps == (1500, 750, 600)


def test_pixels_are_counted():
    timeline = place_by_steps(STAGES, 1000)
    assert timeline.megapixels(250) == pytest.approx(250 * 32 * 64**2 / 1e6)
    assert timeline.megapixels(260) == pytest.approx((250 * 32 * 64**2 + 10 * 16 * 128**2) / 1e6)


@pytest.mark.parametrize(
    "change", [{"share": 0.0}, {"crop": 0}, {"batch": 0}, {"strength": (0.0, 1.5)}, {"depth": 0.0}], ids=str
)
def test_impossible_stages(change):
    with pytest.raises(UsageError):
        dataclasses.replace(STAGES[0], **change)


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_load_and_show_their_timeline(name):
    config = load_recipe(find_recipe(name), {"minutes": 5.0})
    assert config.model.name == name
    assert [stage.crop for stage in config.stages] == sorted(stage.crop for stage in config.stages)
    assert timeline_table(config).row_count == len(config.stages)
    assert timeline_table(config, place_by_steps(config.stages, 900)).row_count == len(config.stages)


def test_a_recipe_can_say_everything(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        """
model: {like: nano, name: mine, attention: block, multiscale: true}
steps: 100
mixes:
  text: {blurs: [{kind: gaussian, extent: [0.5, 1.5]}], noises: [{kind: none}], jpeg: 0.5}
stages: [{mix: text, crop: 64, batch: 8, strength: [0, 1]}]
losses: [{kind: charbonnier}, {kind: dct, weight: 0.02}]
distillation: {teacher: nano, response: 0.3}
adversarial: {weight: 0.002}
"""
    )
    config = load_recipe(path, {"seed": 4})
    assert config.model == dataclasses.replace(NANO, name="mine", attention="block", multiscale=True)
    assert config.known_mixes["text"].blurs[0].extent == (0.5, 1.5)
    assert config.losses[1] == LossTerm("dct", 0.02)
    assert config.distillation == DistillationConfig("nano", response=0.3)
    assert (config.seed, config.steps, config.minutes) == (4, 100, 0.0)
    assert load_recipe(path, {"minutes": 2.0}).steps == 0
    taught = load_recipe(path, {"distillation": {"labels": "folder"}}).distillation
    assert taught == DistillationConfig("nano", "folder", response=0.3), "added to the recipe's, not instead"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modell": "nano"}, "modell"),
        ({"model": "nanoo"}, "Did you mean 'nano'"),
        ({"model": {"like": "nano", "colour": 1}}, "unknown fields colour"),
        ({"stages": [{"mix": "softt"}]}, "Did you mean 'soft'"),
        ({"stages": [{"crop": 60}]}, "multiple of 8"),
        ({"stages": [{"crop": "wide"}]}, "crop"),
        ({"stages": []}, "at least one stage"),
        ({"losses": [{"kind": "l3"}]}, "unknown loss"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"learning_rate": 2.0}, "learning rate"),
        ({"precision": "8-bit"}, "expected one of 32-true, 16-mixed, bf16-mixed @ recipe.precision"),
        ({"stages": ["soft"]}, r"expected a table of fields .* @ recipe.stages\[0\]"),
        ({"judge": "jury"}, "judge"),
        ({"distillation": {}}, "needs a teacher"),
        ({"distillation": {"teacher": "x.onnx", "features": 1.0}}, "shows no features"),
        ({"distillation": {"labels": "x", "features": 1.0}}, "needs the teacher itself"),
        ({"adversarial": {"weight": 0.1}}, "adversarial weight"),
        ({"minutes": 1.0}, "either"),
        ({"mixes": {"a": {"blurs": [{"kind": "fog"}]}}}, "unknown blur"),
        ({"mixes": {"a": {"blurs": [{"kind": "gaussian", "extent": [1, 20]}]}}}, "ascending"),
        ({"mixes": {"a": {"blurs": [{"kind": "gaussian", "weight": float("inf")}]}}}, "finite"),
        ({"mixes": {"a": {"compression": {"quality": [90, 50]}}}}, "JPEG"),
        ({"weight_decay": -1.0}, "negative"),
        ({"clip": 0.0}, "clip"),
        ({"learning_rate": float("nan")}, "finite"),
        ({"seed": 2**70}, "seed"),
        ({"stages": [{"crop": 64.9}]}, "crop"),
        ({"stages": [{"batch": 1.9}]}, "batch"),
        ({"stages": [{"share": float("inf")}]}, "finite"),
        ({"distillation": {"teacher": "nano", "confidence": "no"}}, "confidence"),
        ({"adversarial": {"width": 0}}, "width"),
        ({"model": {"like": "nano", "name": "../../evil"}}, "letters"),
        ({"model": {"like": "nano", "name": "/somewhere/else"}}, "letters"),
        ({"model": {"like": "nano", "windows": 1.5}}, "whole numbers"),
        ({"model": {"like": "nano", "heads": ["denoise"]}, "adversarial": {}}, "sharpen"),
        ({"model": {"like": "nano", "heads": ["colour"]}, "distillation": {"teacher": "nano"}}, "sharpen"),
        ({"losses": [{"kind": "perceptual"}], "stages": [{"crop": 24}]}, "32 pixels"),
        ({"mixes": {"a": {"compression": {"subsampled": 2.0}}}}, "subsampled"),
        ({"mixes": {"a": {"passes": {"quality": [0, 500]}}}}, "JPEG"),
        ({"mixes": {"a": {"passes": {"sinc": -0.1}}}}, "sinc"),
        ({1: 2}, "mine.yaml"),
    ],
    ids=str,
)
def test_what_is_wrong_in_a_recipe_is_named(change, message):
    with pytest.raises(UsageError, match=message):
        config_from_table({"model": "nano", "steps": 10, **change}, "mine.yaml")


def test_unreadable_recipes(tmp_path):
    (tmp_path / "bad.yaml").write_text("{")
    (tmp_path / "list.yaml").write_text("- 1")
    for name in ("bad.yaml", "list.yaml"):
        with pytest.raises(UsageError):
            load_recipe(tmp_path / name, {})
    with pytest.raises(UsageError, match="Did you mean 'small'"):
        find_recipe("smal")
    (tmp_path / "twice.yaml").write_text("model: nano\nmixes:\n  a: {identity: 0.1}\n  a: {identity: 0.9}\n")
    with pytest.raises(UsageError, match="'a' stands twice"):
        load_recipe(tmp_path / "twice.yaml", {})
    (tmp_path / "short.yaml").write_text("model: nano\nlearning_rate: 1e-3\nweight_decay: 1.5E-4\nsteps: 10\n")
    short = load_recipe(tmp_path / "short.yaml", {})
    assert (short.learning_rate, short.weight_decay) == (0.001, 0.00015)


def test_crops_must_fit_the_networks_stride():
    blocks = StudentConfig("b", (8, 8, 8), (1, 1, 1, 1, 1), attention="block")
    with pytest.raises(UsageError, match="multiple of 64"):
        TrainConfig(blocks, steps=1)


def test_schedule():
    rates = [cosine_with_warmup(step, 1000, 1e-3, warmup=100) for step in range(1001)]
    assert rates[99] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-6)
    assert all(a <= b for a, b in itertools.pairwise(rates[:100]))
    assert all(a >= b for a, b in itertools.pairwise(rates[100:]))
    short = [cosine_with_warmup(step, 50, 1e-3) for step in range(51)]
    assert max(short) == pytest.approx(1e-3)
    assert short[-1] == pytest.approx(1e-6), "a short run comes to rest as well"

"""Teachers of every kind, their labels, and what the objective makes of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.degrade.mixes import MIXES
from ensharpen_edge.degrade.soft_photo import soft_photo
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.models.config import NANO, StudentConfig
from ensharpen_edge.models.student import Student
from ensharpen_edge.training.batches import Batch
from ensharpen_edge.training.config import DistillationConfig, TrainConfig
from ensharpen_edge.training.distillation.confidence import removed_share
from ensharpen_edge.training.distillation.labels import LabelConfig, Labels, read_labels, write_labels
from ensharpen_edge.training.distillation.teacher import (
    CheckpointTeacher,
    OnnxTeacher,
    SelfEnsembleTeacher,
    open_teacher,
)
from ensharpen_edge.training.distillation.teacher_gain import teacher_gain
from ensharpen_edge.training.losses.registry import LossTerm
from ensharpen_edge.training.objective import Objective

TINY = StudentConfig("tiny", (8, 8, 16), (1, 1, 1, 1, 1))


@pytest.fixture(scope="module")
def soft(photo) -> tuple[torch.Tensor, torch.Tensor]:
    sharp = torch.from_numpy(photo[100:164, 100:228].copy()).permute(2, 0, 1)[None].float() / 255
    return soft_photo(sharp, 1.6, 0.0, torch.Generator().manual_seed(0)), sharp


def onnx_file(path, shape: list, *, scale: int = 1, outputs: int = 1, channels_last: bool = False) -> str:
    """A graph that returns its input (enlarged by `scale` along the last axis)."""
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    nodes = []
    for index in range(outputs):
        if scale == 1:
            nodes.append(helper.make_node("Identity", ["x"], [f"y{index}"]))
        else:
            nodes.append(helper.make_node("Concat", ["x"] * scale, [f"y{index}"], axis=2 if channels_last else 3))
    ends = [value(f"y{i}", TensorProto.FLOAT, None) for i in range(outputs)]
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, shape)], ends)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(model, str(path))
    return str(path)


def test_a_shipped_model_teaches(soft):
    degraded, sharp = soft
    teacher = open_teacher("nano")
    answer = teacher(degraded)
    before = psnr(degraded[0].numpy(), sharp[0].numpy(), data_range=1.0)
    assert psnr(answer[0].numpy(), sharp[0].numpy(), data_range=1.0) > before + 1.0
    assert isinstance(teacher, CheckpointTeacher)
    assert teacher.features(degraded).shape == (1, 64, 8, 16)
    assert not answer.requires_grad


def test_the_same_model_as_onnx_teaches_the_same(soft, artifact):
    teacher = OnnxTeacher(artifact.path / artifact.manifest.model_file)
    assert (teacher(soft[0]) - open_teacher("nano")(soft[0])).abs().max() < 1e-4


def test_several_views_teach_better(soft, tmp_path):
    degraded, sharp = soft
    once = open_teacher("nano")
    averaged = SelfEnsembleTeacher(once, 8)
    assert averaged.key == f"{once.key} x8" != once.key
    reached = [
        np.mean([psnr(a.numpy(), b.numpy(), data_range=1.0) for a, b in zip(teacher(degraded), sharp, strict=True)])
        for teacher in (once, averaged)
    ]
    assert reached[1] > reached[0] + 0.05
    wide = OnnxTeacher(tmp_path.joinpath(onnx_file(tmp_path / "wide.onnx", [1, 3, 64, 128])))
    assert torch.equal(SelfEnsembleTeacher(wide, 4)(degraded[:1]), degraded[:1])
    with pytest.raises(BadInputError, match="turned images do not fit"):
        SelfEnsembleTeacher(wide, 8)
    with pytest.raises(UsageError, match="not 5"):
        SelfEnsembleTeacher(once, 5)


@pytest.mark.parametrize(
    ("shape", "channels_last"),
    [(["n", 3, "h", "w"], False), ([1, 3, 64, 128], False), (["n", "h", "w", 3], True), ([1, 64, 128, 3], True)],
    ids=str,
)
def test_layouts_and_batches_of_public_models(tmp_path, soft, shape, channels_last):
    teacher = OnnxTeacher(tmp_path.joinpath(onnx_file(tmp_path / "t.onnx", shape, channels_last=channels_last)))
    assert teacher.size == ((64, 128) if 64 in shape else None)
    two = torch.cat([soft[0], soft[1]])
    assert torch.equal(teacher(two), two)
    if teacher.size:
        with pytest.raises(BadInputError, match="fixed to"):
            teacher(two[..., :64])


def test_unfit_teachers_are_refused(tmp_path, soft):
    with pytest.raises(BadInputError, match="one float32 RGB image"):
        OnnxTeacher(tmp_path.joinpath(onnx_file(tmp_path / "grey.onnx", ["n", 1, "h", "w"])))
    with pytest.raises(BadInputError, match="one float32 RGB image"):
        OnnxTeacher(tmp_path.joinpath(onnx_file(tmp_path / "two.onnx", ["n", 3, "h", "w"], outputs=2)))
    odd = OnnxTeacher(tmp_path.joinpath(onnx_file(tmp_path / "pairs.onnx", [2, 3, 64, 128])))
    assert torch.equal(odd(torch.cat([soft[1]] * 3)), torch.cat([soft[1]] * 3)), "a rest of a batch is filled up"
    with pytest.raises(BadInputError, match=r"floating point in \[0, 1\]"):
        OnnxTeacher(tmp_path.joinpath(onnx_file(tmp_path / "same.onnx", ["n", 3, "h", "w"])))(100.0 * soft[1])
    with pytest.raises(BadInputError, match="keeps the size"):
        OnnxTeacher(tmp_path.joinpath(onnx_file(tmp_path / "large.onnx", ["n", 3, "h", "w"], scale=2)))(soft[0])
    (tmp_path / "no.onnx").write_text("no")
    with pytest.raises(BadInputError, match="can open"):
        OnnxTeacher(tmp_path / "no.onnx")
    with pytest.raises(BadInputError, match="no such teacher"):
        open_teacher(str(tmp_path / "none.onnx"))
    with pytest.raises(UsageError, match="unknown model"):
        open_teacher("nanoo")


def test_confidence_is_the_removed_share():
    sharp = torch.zeros(3, 3, 8, 8)
    degraded = torch.full_like(sharp, 0.2)
    teacher = torch.stack([sharp[0], degraded[1], degraded[2] * 2])
    assert removed_share(teacher, degraded, sharp).tolist() == [1.0, 0.0, 0.0]
    half = removed_share(degraded * 0.5**0.5, degraded, sharp)
    assert half.tolist() == pytest.approx([0.5] * 3, abs=1e-5)
    assert removed_share(sharp, sharp, sharp).tolist() == [0.0] * 3


def test_labels_are_cached_by_content_and_resumed(tmp_path, photo_folder):
    photos = load_photos(photo_folder)
    teacher = open_teacher("nano")
    config = LabelConfig(MIXES["soft"], crop=64)
    folder = write_labels(teacher, photos, config, 3, tmp_path)
    stamp = (folder / "000001.safetensors").stat().st_mtime_ns
    assert write_labels(teacher, photos, config, 5, tmp_path) == folder
    assert (folder / "000001.safetensors").stat().st_mtime_ns == stamp, "kept"
    labels = read_labels(folder)
    assert len(read_labels(tmp_path)) == len(labels) == 5, "there is but one"
    assert labels.degraded.shape == labels.teacher.shape == labels.sharp.shape == (5, 3, 64, 64)
    assert labels.has_sharp.all()
    gain = teacher_gain(labels)
    assert len(gain.gains) + len(gain.kept) == len(labels)
    assert str(gain).startswith(f"{len(gain.gains)} degraded crops: ")
    for degraded, answer in zip(labels.degraded, labels.teacher, strict=True):
        again = teacher(torch.from_numpy(degraded)[None].float() / 255)[0]
        assert np.abs((again * 255).round().numpy() - answer).max() <= 1
    for other in (
        dataclasses.replace(config, seed=1),
        dataclasses.replace(config, crop=72),
        dataclasses.replace(config, mix=MIXES["lens"]),
        dataclasses.replace(config, mix=None),
    ):
        assert write_labels(teacher, photos, other, 1, tmp_path) != folder
    fewer = photos.subset(lambda name: name != "raft.png")
    assert write_labels(teacher, fewer, config, 1, tmp_path) != folder


def test_unlabelled_photographs_have_no_truth(tmp_path, photo_folder):
    folder = write_labels(open_teacher("nano"), load_photos(photo_folder), LabelConfig(None, 64), 2, tmp_path)
    labels = read_labels(folder)
    assert not labels.has_sharp.any()
    assert str(teacher_gain(labels)) == "the truth is not known"
    assert not np.array_equal(labels.degraded, labels.teacher)


def test_damaged_labels_are_refused(tmp_path, photo_folder):
    with pytest.raises(BadInputError, match="no finished labels"):
        read_labels(tmp_path)
    folder = write_labels(open_teacher("nano"), load_photos(photo_folder), LabelConfig(None, 64), 2, tmp_path)
    (folder / "000001.safetensors").write_bytes(b"\0" * 50)
    with pytest.raises(IntegrityError, match="damaged label"):
        read_labels(folder)
    grey = np.zeros((3, 64, 64), np.float32)
    save_file({"degraded": grey, "teacher": grey}, folder / "000001.safetensors")
    with pytest.raises(IntegrityError, match="other types"):
        read_labels(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="cannot write labels"):
        write_labels(open_teacher("nano"), load_photos(photo_folder), LabelConfig(None, 64), 2, tmp_path / "file")


def test_a_teacher_of_fixed_size_labels_that_size_only(tmp_path, photo_folder):
    teacher = OnnxTeacher(tmp_path.joinpath(onnx_file(tmp_path / "t.onnx", [1, 3, 64, 64])))
    photos = load_photos(photo_folder)
    with pytest.raises(BadInputError, match="fixed to 64x64"):
        write_labels(teacher, photos, LabelConfig(MIXES["soft"], 128), 1, tmp_path)
    assert len(read_labels(write_labels(teacher, photos, LabelConfig(MIXES["soft"], 64), 1, tmp_path))) == 1


def batch_of(soft: tuple[torch.Tensor, torch.Tensor], *, known: float = 1.0, label: bool = False) -> Batch:
    degraded, sharp = soft
    one = torch.ones(1)
    teacher = sharp * 0.9 if label else None
    return Batch(degraded, {"sharpen": sharp}, one * known, teacher, one * float(label), one, one * 0, ("p",))


def terms_of(distillation: DistillationConfig | None, batch: Batch, **options) -> tuple[Objective, dict[str, float]]:
    torch.manual_seed(0)
    config = TrainConfig(dataclasses.replace(TINY, **options), steps=1, distillation=distillation)
    student = Student(config.model).train()
    teacher = open_teacher("nano") if distillation and distillation.teacher else None
    objective = Objective(config, student, teacher)
    return objective, {n: float(t.detach()) for n, t in objective(batch, student.all_outputs(batch.degraded)).items()}


def test_response_shares_the_loss_between_truth_and_teacher(soft):
    _, alone = terms_of(None, batch_of(soft))
    _, shared = terms_of(DistillationConfig("nano", response=0.4, confidence=False), batch_of(soft))
    assert set(shared) == {"charbonnier", "teacher"}
    assert shared["charbonnier"] == pytest.approx(0.6 * alone["charbonnier"], rel=1e-4)
    _, trusting = terms_of(DistillationConfig("nano", response=0.4), batch_of(soft))
    assert 0.6 * alone["charbonnier"] < trusting["charbonnier"] < alone["charbonnier"]


def test_a_live_teacher_answers_in_the_precision_of_the_run(soft):
    """Half the time of a distilled step is the teacher's: it must not compute in float32 where the student does not."""
    seen = []
    teacher = open_teacher("nano")
    teacher.network.register_forward_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    for precision in ("32-true", "bf16-mixed"):
        config = TrainConfig(TINY, steps=1, precision=precision, distillation=DistillationConfig("nano"))
        batch, student = batch_of(soft), Student(TINY).train()
        terms = Objective(config, student, teacher)(batch, student.all_outputs(batch.degraded))
        assert float(terms["teacher"].detach()) > 0.0
    assert seen == [False, True]


def test_without_truth_only_the_teacher_teaches(soft):
    _, terms = terms_of(DistillationConfig("nano"), batch_of(soft, known=0.0))
    assert terms["charbonnier"] == 0.0
    assert terms["teacher"] > 0.0


def test_labels_count_before_the_live_teacher(soft):
    wanted = DistillationConfig("nano", confidence=False)
    _, live = terms_of(wanted, batch_of(soft))
    _, labelled = terms_of(wanted, batch_of(soft, label=True))
    _, labels_alone = terms_of(DistillationConfig(labels="folder", confidence=False), batch_of(soft, label=True))
    assert labelled["teacher"] != pytest.approx(live["teacher"], rel=0.01)
    assert labelled["teacher"] == pytest.approx(labels_alone["teacher"], rel=1e-5)


def test_features_pass_through_an_adapter_that_learns(soft):
    objective, terms = terms_of(DistillationConfig("nano", features=0.1), batch_of(soft))
    assert terms["features"] > 0.0
    assert objective.adapter is not None
    assert objective.adapter.adapt.weight.shape == (NANO.widths[2], TINY.widths[2], 1, 1)
    assert set(objective.trained_modules()) == {"adapter"}
    assert not any("network" in name for name in objective.state_dict()), "the teacher is no part of the state"


def test_two_terms_of_one_kind_are_added(soft):
    torch.manual_seed(0)
    batch = batch_of(soft)
    student = Student(TINY).train()
    outputs = student.all_outputs(batch.degraded)
    one, both = (
        Objective(TrainConfig(TINY, steps=1, losses=losses), student)(batch, outputs)["l1"]
        for losses in ((LossTerm("l1", 1.0),), (LossTerm("l1", 1.0), LossTerm("l1", 2.0)))
    )
    assert float(both.detach()) == pytest.approx(3 * float(one.detach()), rel=1e-5)


def test_scales_and_estimate_are_supervised(soft):
    batch = batch_of(soft)
    _, terms = terms_of(None, batch, multiscale=True, estimator=True)
    assert terms["scales"] > 0
    assert terms["estimate"] > 0
    unknown = dataclasses.replace(batch, blur=torch.tensor([torch.nan]), noise=torch.tensor([torch.nan]))
    assert terms_of(None, unknown, estimator=True)[1]["estimate"] == 0.0


def test_a_teacher_is_compared_with_what_it_was_given(photo):
    sharp = photo[:64, :64].transpose(2, 0, 1)
    noisy = (sharp.astype(int) + np.random.default_rng(0).integers(-20, 21, sharp.shape)).clip(0, 255).astype(np.uint8)
    degraded, answers = np.stack([noisy, noisy, sharp]), np.stack([sharp // 2 + noisy // 2, 255 - sharp, sharp])
    truth, known = np.stack([sharp] * 3), np.ones(3, dtype=bool)
    gain = teacher_gain(Labels(degraded, answers, truth, known, "", PhotoSet((), ())))
    assert 4 < gain.gains[0] < 7, "half the noise is 6 dB less, but for rounding"
    assert gain.gains[1] < 0
    assert gain.kept == (np.inf,)
    assert "2 degraded crops" in str(gain)
    assert "1 of them better; 1 sharp ones: lowest inf dB" in str(gain)

"""The evaluation protocol reproduces published conditions, and the command prints what it measured."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ensharpen_edge.benchmarks.quality.bootstrap import paired_bootstrap
from ensharpen_edge.benchmarks.quality.classical.unsharp import unsharp_mask
from ensharpen_edge.benchmarks.quality.contact_sheet import SheetRow, write_contact_sheet
from ensharpen_edge.benchmarks.quality.edges import measure_edges
from ensharpen_edge.benchmarks.quality.markdown_tables import markdown_report
from ensharpen_edge.benchmarks.quality.periodic import periodic
from ensharpen_edge.benchmarks.quality.protocol import GaussianCase, blur_circular, degrade, gaussian_kernel
from ensharpen_edge.benchmarks.quality.scoring import Score
from ensharpen_edge.benchmarks.quality.suite_result import SuiteResult
from ensharpen_edge.benchmarks.quality.suites import disk_kernel
from ensharpen_edge.errors import UsageError
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.models.checkpoint import shipped_models

pytestmark = pytest.mark.slow


def test_blur_matches_scipy(photo):
    image = photo[:90, :101].astype(np.float64)
    kernel = gaussian_kernel(1.6)
    ours = blur_circular(image, kernel)
    theirs = np.stack([ndimage.convolve(image[..., c], kernel, mode="wrap") for c in range(3)], axis=-1)
    assert np.abs(ours - theirs).max() < 1e-9


def test_degradation_is_seeded_and_not_clipped(photo):
    case = GaussianCase(1.6, 30.0)
    first = degrade(photo, case)
    assert np.array_equal(first, degrade(photo, case))
    assert first.max() > 1.0
    quiet = degrade(photo, GaussianCase(1.6, 0.0))
    assert (first - quiet).std() * 255 == pytest.approx(30.0, rel=0.02)


def test_unsharp_mask_sharpens(photo):
    soft = degrade(photo, GaussianCase(1.6, 0.0))
    target = photo / np.float32(255)
    assert psnr(unsharp_mask(soft, 2.0, 100), target, data_range=1.0) > psnr(soft, target, data_range=1.0) + 0.5


def report(done) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_quality_command(command, artifact, photo_folder):
    done = command("ensharpen-bench", "quality", artifact.path, "--data", photo_folder, "--self-ensemble", 2, "--json")
    (suite,) = report(done)["suites"]
    methods, (scores,) = suite["methods"], suite["cases"].values()
    several = f"{artifact.path.name} x2"
    assert list(methods) == ["degraded", "best unsharp", artifact.path.name, several]
    assert methods[several]["psnr"] > methods[artifact.path.name]["psnr"] + 0.03
    ours, unsharp = methods[artifact.path.name], methods["best unsharp"]
    assert ours["psnr"] > unsharp["psnr"] + 0.8 > methods["degraded"]["psnr"]
    assert ours["ssim"] > unsharp["ssim"]
    assert 1.0 < ours["gain"]["low"] < ours["gain"]["mean"] < ours["gain"]["high"]
    assert all(len(values["psnr"]) == 5 for values in scores.values())


def test_what_is_continued_periodically_has_no_edges(photo):
    image = photo[:41, :70].astype(np.float32)

    def soft(seen, mode="constant"):
        return ndimage.gaussian_filter(seen, (1.5, 1.5, 0), mode=mode)

    around, truth = periodic(soft, 16)(image), soft(image, "wrap")
    assert around.shape == image.shape
    assert np.abs(around - truth).max() < 1e-3
    twice = periodic(lambda seen: soft(seen).repeat(2, axis=0).repeat(2, axis=1), 16)(image)
    assert np.abs(twice - truth.repeat(2, axis=0).repeat(2, axis=1)).max() < 1e-3, "one that enlarges"


def test_edges_of_what_enlarges_are_not_compared():
    with pytest.raises(UsageError, match="twice enlarges"):
        measure_edges({"twice": lambda image: image.repeat(2, axis=0).repeat(2, axis=1)})


def test_circular_borders_cost_what_wrapping_brings(command, artifact, photo_folder):
    asked = ("quality", artifact.path, "--data", photo_folder, "--noise", 0)
    (before,), (after,) = (
        report(command("ensharpen-bench", *asked, *more, "--json"))["suites"] for more in ((), ("--wrap",))
    )
    assert after["title"] == f"{before['title']}, wrapped"
    name = artifact.path.name
    assert after["methods"][name]["psnr"] > before["methods"][name]["psnr"] + 0.15
    assert after["methods"]["degraded"] == before["methods"]["degraded"], "the input stays what it was"


@pytest.fixture
def little_photos(photo_folder, tmp_path):
    """The middle of every photograph: what takes seconds on a whole one is the perceptual metrics."""
    folder = tmp_path / "little"
    folder.mkdir()
    for path in photo_folder.glob("*.png"):
        with Image.open(path) as opened:
            opened.crop((128, 96, 384, 288)).save(folder / path.name)
    return folder


def test_suites_pairs_edges_and_baseline(command, artifact, static_artifact, little_photos, tmp_path):
    little = Image.open(little_photos / "raft.png")
    for kind, image in (("sharp", little), ("blur", little.reduce(2).resize(little.size))):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        image.save(tmp_path / "pairs" / kind / "one.png")
    np.savez(tmp_path / "kernels.npz", k1=np.eye(9) / 9)
    done = command(
        "ensharpen-bench", "quality", artifact.path, static_artifact.path, "--data", little_photos, "--limit", 1,
        "--suite", "disk", "--suite", "identity", "--suite", "levin-centred", "--kernels", tmp_path / "kernels.npz",
        "--pairs", tmp_path / "pairs", "--edges", "--metrics", "psnr,lpips,fsim,gmsd,ms-ssim",
        "--baseline", artifact.path, "--json",
    )  # fmt: skip
    found = report(done)
    disk, identity, levin, pairs = found["suites"]
    assert list(disk["cases"]) == ["disk 1.5", "disk 2.5", "disk 4"]
    assert list(levin["cases"]) == ["levin-centred k1"]
    assert pairs["title"] == "pairs, real pairs"
    assert identity["methods"]["degraded"]["psnr"] is None, "equal images have no finite PSNR"
    other = disk["methods"][str(static_artifact.path)]
    assert other["over_baseline"] is None, "one photograph gives no interval"
    assert other["psnr"] == disk["methods"][str(artifact.path)]["psnr"]
    assert set(other) == {"psnr", "lpips", "fsim", "gmsd", "ms-ssim", "equal", "gain", "over_baseline", "retained"}
    assert 0.9 < other["retained"] < 1.1
    edges = found["edges"]
    assert edges[str(artifact.path)]["mtf50"] > edges["degraded"]["mtf50"] * 1.5
    assert edges["unsharp 2/150"]["noise_gain"] > 1.5 > 1.0 > edges[str(artifact.path)]["noise_gain"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "nothing to measure"),
        (("--data", "{photos}", "--suite", "fog"), 2, "unknown suite"),
        (("--data", "{photos}", "--suite", "levin"), 2, "--kernels"),
        (("--data", "{photos}", "--suite", "levin-centred"), 2, "--kernels"),
        (("--data", "{photos}", "--suite", "levin", "--kernels", "{photos}/raft.png"), 9, "not a file of kernels"),
        (("--data", "{photos}", "--metrics", "sim"), 2, "unknown metric"),
        (("--data", "{photos}", "--metrics", "lpips,psnr"), 2, "first one ranks"),
        (("--data", "{photos}", "--baseline", "other"), 2, "none of the artifacts"),
        (("--data", "{photos}", "--oracle", "crystal ball"), 2, "unknown oracle"),
        (("--data", "{photos}", "--suite", "jpeg", "--oracle", "wiener"), 2, "--oracle: none of these"),
        (("--data", "{photos}", "--suite", "identity", "--wrap"), 2, "--wrap: none of these"),
        (("--data", "{photos}", "--card", "{photos}/raft.png"), 8, "not a readable card"),
        (("--pairs", "{photos}"), 9, "one name in blur/ and sharp/"),
    ],
    ids=str,
)
def test_what_cannot_be_measured(command, artifact, photo_folder, arguments, code, message):
    filled = [str(argument).format(photos=photo_folder) for argument in arguments]
    done = command("ensharpen-bench", "quality", artifact.path, *filled)
    assert done.returncode == code, done.stderr
    assert message in done.stderr


def test_disk_and_motion_kernels_are_the_training_sides():
    import torch

    from ensharpen_edge.benchmarks.quality.motion_kernels import stroke
    from ensharpen_edge.degrade.disk_blur import disk_kernels
    from ensharpen_edge.degrade.linear_motion import linear_motion_kernels

    for radius in (1.5, 4.0):
        assert np.abs(disk_kernel(radius) - disk_kernels(torch.tensor([radius]), 25)[0].numpy()).max() < 1e-6
    for length, angle in ((4.0, 30.0), (16.0, 90.0)):
        trained = linear_motion_kernels(torch.tensor([length]), torch.tensor([np.deg2rad(angle)]), 25)[0].numpy()
        assert np.abs(stroke(length, angle, 25) - trained).max() < 2e-3
        assert stroke(length, angle, 25).sum() == pytest.approx(1)


def test_centred_kernels_move_no_photograph_and_blur_as_before(photo):
    from ensharpen_edge.benchmarks.quality.motion_kernels import centre_of_mass, centred
    from ensharpen_edge.benchmarks.quality.protocol import blur_circular

    middle = centred(np.eye(9) / 9)
    assert np.array_equal(middle, np.eye(9) / 9), "what is centred stays as it is"
    path = np.zeros((13, 13))
    path[1:4, 2], path[1, 2:9] = 0.1, 0.1
    path /= path.sum()
    moved = centred(path)
    assert np.abs(centre_of_mass(path)).max() > 3
    assert np.abs(centre_of_mass(moved)).max() < 1e-8
    assert moved.min() >= 0
    assert moved.sum() == pytest.approx(1)
    # Apart from half a pixel's interpolation, what the camera saw has only moved as a whole.
    rows, columns = (-round(offset) for offset in centre_of_mass(path))
    there = np.roll(blur_circular(photo.astype(np.float64), path), (rows, columns), axis=(0, 1))
    here = blur_circular(photo.astype(np.float64), moved)
    still = blur_circular(photo.astype(np.float64), path)
    assert np.square(here - there).mean() < 0.2 * np.square(here - still).mean()


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (np.full((3, 5), 1 / 15), "no square kernel"),
        (np.full((4, 4), 1 / 16), "no square kernel"),
        (np.array([[0, 0, 0], [0, 2.0, -1.0], [0, 0, 0]]), "negative weights"),
        (np.full((3, 3), np.nan), "negative weights"),
        (np.ones((3, 3)), "do not sum to 1"),
    ],
    ids=str,
)
def test_what_is_no_kernel_is_refused(tmp_path, kernel, message):
    from ensharpen_edge.benchmarks.quality.motion_kernels import read_kernels
    from ensharpen_edge.errors import BadInputError

    np.savez(tmp_path / "kernels.npz", k1=kernel)
    with pytest.raises(BadInputError, match=message):
        read_kernels(tmp_path / "kernels.npz")


def test_a_photograph_must_hold_the_whole_kernel():
    from ensharpen_edge.benchmarks.quality.suites import _kernel_case, degraded_photos
    from ensharpen_edge.errors import BadInputError

    case = _kernel_case("wide", np.full((31, 31), 1 / 961), 0.0)
    with pytest.raises(BadInputError, match="smaller than 31 pixels"):
        list(degraded_photos([("small", np.zeros((30, 40, 3), np.uint8))], case))


def test_bootstrap_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for trial in range(200):
        base = rng.normal(30, 3, 40)
        interval = paired_bootstrap(base + rng.normal(0.3, 0.5, 40), base, draws=500, seed=trial)
        inside += interval.low <= 0.3 <= interval.high
    assert 0.88 <= inside / 200 <= 0.99
    clear = paired_bootstrap([1.0, 1.1, 0.9], [0.0, 0.0, 0.0])
    assert clear.certain
    assert str(clear) == "+1.00 [+0.90, +1.10]"
    for bad in (([1.0], [1.0, 2.0]), ([], []), ([math.inf], [1.0])):
        with pytest.raises(ValueError):
            paired_bootstrap(*bad)


def test_scores_are_recorded_on_the_card_of_the_same_weights(
    command, artifact, static_artifact, photo_folder, tmp_path
):
    shipped = shipped_models()["nano"].with_suffix(".json")
    card = tmp_path / "nano.json"
    foreign = {"suite": "sun, gaussian", "artifact": "other", "photographs": 3, "psnr": 1.0}
    card.write_text(json.dumps({**json.loads(shipped.read_text()), "scores": [foreign]}))
    arguments = ("quality", artifact.path, static_artifact.path, "--data", photo_folder, "--card", card)
    for _ in range(2):
        assert command("ensharpen-bench", *arguments, "--limit", 2).returncode == 0
    kept, entry, other = json.loads(card.read_text())["scores"]
    assert kept == foreign
    assert entry["psnr"] > entry["psnr_degraded"] + 1
    assert entry["conditions"] == ["gaussian 1.6/2.55"]
    assert (entry["photographs"], "gain" in entry) == (2, False)
    assert entry["artifact"] == str(artifact.path), "two folders have one name"
    assert entry["psnr"] == other["psnr"]
    assert str(photo_folder) not in entry["command"]
    card.write_text(json.dumps({"sha256": "0" * 64, "scores": []}))
    done = command("ensharpen-bench", *arguments)
    assert done.returncode == 8
    assert "other weights" in done.stderr


def test_oracles_tables_and_contact_sheet(command, artifact, little_photos, tmp_path):
    done = command(
        "ensharpen-bench", "quality", artifact.path, "--data", little_photos, "--suite", "disk", "--suite", "identity",
        "--oracle", "wiener", "--metrics", "psnr,ssim", "--markdown", tmp_path / "q.md",
        "--sheet", tmp_path / "new" / "q.png", "--json",
    )  # fmt: skip
    disk, identity = report(done)["suites"]
    oracle = "oracle Wiener, gradient prior"
    assert disk["methods"][oracle]["psnr"] > disk["methods"]["best unsharp"]["psnr"] + 0.5
    assert oracle not in identity["methods"], "a sharp photograph has no kernel to tell"
    chosen = {float(scores[oracle]["setting"]) for scores in disk["cases"].values()}
    assert chosen <= {0.001, 0.003, 0.01, 0.03, 0.1}, "within the range of weights, not at its ends"
    text = (tmp_path / "q.md").read_text()
    rows = {line.strip("| ").split(" | ")[0]: line.strip("| ").split(" | ")[1:] for line in text.splitlines()}
    measured = [np.mean(disk["cases"]["disk 2.5"][name]["psnr"]) for name in disk["methods"]]
    assert np.abs(np.subtract([float(cell) for cell in rows["disk 2.5"]], measured)).max() < 0.006
    assert rows["sharp"][0] == rows["lowest"][0] == "equal"
    assert float(rows["lowest"][-1]) < float(rows["sharp"][-1])
    assert float(rows["smallest gain of a photograph"][-1]) < float(rows["gain [95 %]"][-1].split()[0])
    assert f"quality {artifact.path.name} --data" in text
    with Image.open(tmp_path / "new" / "q.png") as sheet:
        pixels = np.asarray(sheet)
    cell = (pixels.shape[1] - 4 * 6) // 4 + 6
    assert pixels.shape[0] == 2 * (2 * 96 + 48)
    first, truth = (pixels[48:240, left : left + 192].astype(float) for left in (0, 3 * cell))
    assert np.abs(np.diff(truth, axis=1)).mean() > 1.3 * np.abs(np.diff(first, axis=1)).mean()


def test_sheet_of_little_photographs_of_different_sizes(tmp_path):
    rows = [
        SheetRow(
            "a photograph", {"degraded": np.zeros((30, 40, 3), np.uint8), "truth": np.ones((30, 40, 3), np.uint8)}
        ),
        SheetRow("another one with a very long name" * 4, {"a very long label": np.zeros((96, 96, 3), np.uint8)}),
    ]
    write_contact_sheet(rows, tmp_path / "sheet")
    with Image.open(tmp_path / "sheet") as sheet:
        assert sheet.format == "PNG"
        assert sheet.height == 2 * (30 + 96) + 4 * 24
        assert sheet.width > 600


def test_means_of_equal_images():
    score = {name: Score(name, {"psnr": values}) for name, values in (
        ("degraded", (30.0, math.inf, 31.0)), ("ours", (40.0, 41.0, math.inf)),
    )}  # fmt: skip
    text = markdown_report("x", [SuiteResult("real", {"real": list(score.values())}, "as photographed")], ("psnr",))
    assert "| real | 30.50 (1 equal) | 40.50 (1 equal) |" in text
    assert "3 photographs; as photographed." in text
    assert "| lowest | 30.00 | 40.00 |" in text
    found = SuiteResult("real", {"real": list(score.values())}).to_dict(("psnr",), None)["methods"]["ours"]
    assert (found["psnr"], found["equal"]) == (40.5, 1)


def test_places_that_cannot_be_written_are_found_first(command, artifact, photo_folder, tmp_path):
    (tmp_path / "file").write_text("no folder")
    wanted = ("--sheet", tmp_path / "file" / "q.png"), ("--markdown", tmp_path)
    for option, place in wanted:
        done = command("ensharpen-bench", "quality", artifact.path, "--data", photo_folder, option, place)
        assert done.returncode == 9, done.stderr
        assert not done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_suites_need_photographs_to_degrade(command, artifact, tmp_path):
    done = command("ensharpen-bench", "quality", artifact.path, "--pairs", tmp_path, "--suite", "gaussian")
    assert done.returncode == 2, done.stderr
    assert "--suite degrades sharp photographs" in done.stderr


def test_quality_command_without_photographs(command, artifact, tmp_path):
    done = command("ensharpen-bench", "quality", artifact.path, "--data", tmp_path)
    assert done.returncode == 9
    assert "no photographs" in done.stderr


def test_static_artifacts_are_measured_in_their_windows(command, artifact, static_artifact, photo_folder):
    done = command("ensharpen-bench", "quality", static_artifact.path, artifact.path, "--data", photo_folder, "--json")
    (scores,) = report(done)["suites"][0]["cases"].values()
    assert len(scores) == 4, "both are shown, though their folders have one name"
    assert scores[str(static_artifact.path)] == scores[str(artifact.path)]


def test_photographs_below_the_kernel_are_refused(command, artifact, tmp_path, photo):
    Image.fromarray(photo[:20, :20]).save(tmp_path / "small.png")
    done = command("ensharpen-bench", "quality", artifact.path, "--data", tmp_path)
    assert done.returncode == 9
    assert "small.png" in done.stderr


def test_overhead_command_reports_ratios(command, artifact, photo_folder):
    """That it runs and reports; the figures themselves depend on the machine and are not tested."""
    done = command(
        "ensharpen-bench", "overhead", artifact.path, "--photo", photo_folder / "raft.png",
        "--megapixels", 0.5, "--memory-megapixels", 2, "--tile", 256, "--rounds", 1, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [row["tiling"] for row in report["overhead"]] == ["off", "256"]
    assert all(row["pipeline_ratio"] > 0.5 for row in report["overhead"])
    assert 50 < report["peak_mib"] < 2000

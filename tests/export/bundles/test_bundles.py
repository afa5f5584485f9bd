"""Bundles are made whole or not at all, and say which byte was changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import ensharpen_edge as ee
from ensharpen_edge.artifact import MANIFEST
from ensharpen_edge.artifact_manifest import body_digest
from ensharpen_edge.errors import EnsharpenError, IntegrityError, UsageError
from ensharpen_edge.export.bundles.bundle import make_bundle
from ensharpen_edge.export.bundles.manifest import BUNDLE, BundleManifest
from ensharpen_edge.export.bundles.platform import Check
from ensharpen_edge.export.bundles.verify import verify_bundle
from ensharpen_edge.export.bundles.web.platform import WebPlatform
from ensharpen_edge.files import file_hashes

pytestmark = pytest.mark.slow


def test_it_holds_what_it_needs(bundle, artifact):
    manifest = BundleManifest.read(bundle)
    assert manifest.platform == "web"
    (model,) = manifest.models
    assert (model.name, model.folder, model.precision) == (artifact.path.name, f"models/{artifact.path.name}", "fp32")
    expected = {"README.md", "index.html", "LICENSE", "NOTICE", "ensharpen/index.js", "ensharpen/index.d.ts"}
    assert expected | {f"{model.folder}/{name}" for name in (MANIFEST, *artifact.manifest.files)} <= set(manifest.files)
    assert manifest.tools["onnxruntime-web"] in (bundle / "package.json").read_text()
    assert "npm install" in (bundle / "README.md").read_text()


def test_verify_finds_one_changed_byte_in_every_file(bundle, tmp_path):
    checks = verify_bundle(bundle)
    assert [check.what for check in checks][:2] == ["files", "tiling vectors"]
    copy = shutil.copytree(bundle, tmp_path / "copy")
    names = [path.relative_to(copy).as_posix() for path in sorted(copy.rglob("*")) if path.is_file()]
    assert len(names) > 15
    for name in names:
        file, content = copy / name, (copy / name).read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(IntegrityError, match=BUNDLE if name == BUNDLE else name):
            verify_bundle(copy)
        file.unlink()
        with pytest.raises(IntegrityError, match=BUNDLE if name == BUNDLE else f"{name} is missing"):
            verify_bundle(copy)
        file.write_bytes(content)
    (copy / "notes.txt").write_text("mine")
    assert Check("files that were added", "1: notes.txt", done=False) in verify_bundle(copy)


def test_the_command(command, artifact, tmp_path):
    out = tmp_path / "site"
    for _ in range(2):  # the second replaces the first
        done = command("ensharpen-bundle", "web", artifact.path, "--out", out)
        assert done.returncode == 0, done.stderr
        assert "1 model, " in done.stdout
    done = command("ensharpen-bundle", "verify", out, "--json")
    assert done.returncode == 0, done.stderr
    checks = {check["what"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks[f"golden image of {artifact.path.name}"]["done"]
    (out / "models" / artifact.path.name / "model.onnx").write_bytes(b"no")
    done = command("ensharpen-bundle", "verify", out)
    assert done.returncode == 8
    assert "model.onnx differs" in done.stderr


def test_from_python(artifact, tmp_path):
    manifest = ee.bundle("web", artifact.path, tmp_path / "site")
    assert manifest == BundleManifest.read(tmp_path / "site")
    with pytest.raises(UsageError, match="Did you mean 'web'"):
        ee.bundle("wep", artifact.path, tmp_path / "other")
    with pytest.raises(UsageError, match=r"bundles for web: .*colour"):
        ee.bundle("web", artifact.path, tmp_path / "other", colour="red")


def test_what_cannot_be_bundled_is_named(command, artifact, tflite_artifact, photo_folder, tmp_path):
    older = shutil.copytree(artifact.path, tmp_path / "older")
    text = (older / MANIFEST).read_text()
    (older / MANIFEST).write_text(text.replace('"schema": 3', '"schema": 2'))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    out = tmp_path / "out"
    for arguments, code, message in (
        ((tflite_artifact.path, "--out", out), 2, "is for tflite; web bundles run ONNX files"),
        ((older, "--out", out), 8, "manifest schema 2"),
        ((photo_folder, "--out", out), 8, "not an artifact"),
        ((artifact.path, "--out", mine), 2, "exists and is not a bundle"),
        ((artifact.path, "--out", out, "--onnxruntime-web", photo_folder), 9, "not the folder of an npm package"),
    ):
        done = command("ensharpen-bundle", "web", *arguments)
        assert done.returncode == code, done.stderr
        assert message in " ".join(done.stderr.split())
        assert not out.exists()
    assert (mine / "thesis.txt").read_text() == "mine"
    done = command("ensharpen-bundle", "verify", artifact.path)
    assert done.returncode == 8
    assert "not a bundle" in done.stderr


def test_files_of_others_stay(artifact, tmp_path):
    make_bundle(WebPlatform(), [artifact.path], tmp_path / "site")
    (tmp_path / "site" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds what is not the bundle's \(mine\.txt\)"):
        make_bundle(WebPlatform(), [artifact.path], tmp_path / "site")
    (tmp_path / "site" / "mine.txt").unlink()
    (tmp_path / "site" / "node_modules" / "x").mkdir(parents=True)
    (tmp_path / "site" / "node_modules" / "x" / "index.js").write_text("npm's")
    (tmp_path / "site" / "package-lock.json").write_text("npm's")
    assert "files that were added" not in [check.what for check in verify_bundle(tmp_path / "site")]
    make_bundle(WebPlatform(), [artifact.path], tmp_path / "site")
    style = tmp_path / "site" / "page.css"
    style.write_text(style.read_text() + "main { color: teal }")
    with pytest.raises(UsageError, match=r"holds what is not the bundle's \(page\.css\)"):
        make_bundle(WebPlatform(), [artifact.path], tmp_path / "site")
    assert "teal" in style.read_text()


def test_nothing_but_the_artifact_goes_along(artifact, tmp_path, monkeypatch):
    first, second = (shutil.copytree(artifact.path, tmp_path / part / "my net#1") for part in ("a", "b"))
    (first / ".env").write_text("secret")
    monkeypatch.chdir(first)
    manifest = make_bundle(WebPlatform(), [Path(), second], first / "web")
    assert [model.name for model in manifest.models] == ["my-net-1", "my-net-1-copy1"]
    assert not [name for name in manifest.files if ".env" in name]
    assert all(check.done for check in verify_bundle(first / "web") if check.what.startswith("golden"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body["models"][0].update(folder="../elsewhere"), "outside the bundle"),
        (lambda body: body["files"].pop("tiling-vectors.json"), "tiling-vectors.json is not listed"),
        (lambda body: body.update(files=["index.html"]), "files or models are of the wrong type"),
        (lambda body: body.update(platform="toaster"), "unknown platform"),
    ],
    ids=["model outside", "no vectors", "wrong type", "unknown platform"],
)
def test_a_resealed_manifest_is_read_with_care(bundle, tmp_path, change, message):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    body = json.loads((copy / BUNDLE).read_text())
    del body["digest"]
    change(body)
    (copy / BUNDLE).write_text(json.dumps({**body, "digest": body_digest(body)}))
    with pytest.raises(EnsharpenError, match=message):
        verify_bundle(copy)


def test_verify_runs_no_code_of_strangers(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "check-tiling.mjs").write_text('import fs from "node:fs"; fs.writeFileSync("ran", "")')
    body = json.loads((copy / BUNDLE).read_text())
    del body["digest"]
    body["files"] = file_hashes(copy, but=BUNDLE)
    (copy / BUNDLE).write_text(json.dumps({**body, "digest": body_digest(body)}))
    check = next(check for check in verify_bundle(copy) if check.what == "tiling in JavaScript")
    assert not check.done
    assert "is not this version's" in check.outcome
    assert not (copy / "ran").exists()


def test_a_full_disk_leaves_nothing(artifact, tmp_path, monkeypatch):
    from ensharpen_edge.errors import BadInputError

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(BadInputError, match="No space left"):
        make_bundle(WebPlatform(), [artifact.path], tmp_path / "site")
    assert list(tmp_path.iterdir()) == []

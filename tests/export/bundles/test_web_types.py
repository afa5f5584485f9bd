"""The module's types hold, for its own code and for whoever uses it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

pytestmark = pytest.mark.slow

STRICT = ("--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--module", "esnext")
STRICT += ("--moduleResolution", "bundler")
USER = """
import * as ort from "onnxruntime-web/wasm";
import { EnSharpen, decode } from "./ensharpen/index.js";
export async function run(file: Blob): Promise<ImageData> {
  const network = await EnSharpen.load("models/nano", { ort });
  const onProgress = (done: number, total: number) => console.log(done / total);
  const sharp = await network.sharpen(await decode(file), { strength: 0.8, onProgress });
  return new ImageData(sharp.data, sharp.width, sharp.height);
}
"""


def test_types_are_strict(bundle, packages, node, tmp_path):
    site = shutil.copytree(bundle, tmp_path / "site")
    (site / "node_modules").symlink_to(packages)
    (site / "user.ts").write_text(USER)
    (site / "wrong.ts").write_text(USER.replace("0.8", '"much"'))

    def check(libraries: str, *files: str) -> str:
        line = [node, packages / "typescript" / "bin" / "tsc", *STRICT, "--lib", libraries, *files]
        return subprocess.run(
            [str(part) for part in line], cwd=site, capture_output=True, text=True, check=False
        ).stdout

    assert check("es2023,dom,dom.iterable", "page.js", "user.ts") == ""
    assert check("es2023,webworker", "ensharpen/worker.js") == ""
    assert "Type 'string' is not assignable to type 'number'" in check("es2023,dom", "wrong.ts")

"""The README of a web bundle."""

from __future__ import annotations

from collections.abc import Sequence

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.export.bundles.manifest import BUNDLE, BundledModel


def readme(
    models: Sequence[BundledModel], artifacts: Sequence[Artifact], runtime: str, complete: bool, webgpu: bool
) -> str:
    """Return the text.

    Args:
        models: The artifacts by their names in the bundle.
        artifacts: The same, opened.
        runtime: Version of onnxruntime-web.
        complete: Whether it is in the bundle.
        webgpu: Whether its files for WebGPU are, too.
    """
    install = "" if complete else f"npm install        # onnxruntime-web {runtime}, once\n"
    rows = "\n".join(_row(model, artifact) for model, artifact in zip(models, artifacts, strict=True))
    first = models[0].folder
    gpu = "" if complete and not webgpu else "`?backend=webgpu` runs on the GPU where the browser has WebGPU. "
    return f"""# Sharpening in the browser

A page that sharpens photographs without sending them anywhere, and the ES module behind it.

```sh
{install}python3 -m http.server        # then open http://localhost:8000
```

Any static server will do. Browsers give threads to pages with the headers `Cross-Origin-Opener-Policy: same-origin`
and `Cross-Origin-Embedder-Policy: require-corp` only; without them one core computes. {gpu}Hashes are checked, for
which browsers want https or localhost. The page's own policy does not bind its worker: send
`Content-Security-Policy: connect-src 'self'` with every file where nothing but this server may be asked.

| model | precision | folder |
|---|---|---|
{rows}

## In a page of yours

```js
import * as ort from "onnxruntime-web/wasm";
import {{ EnSharpen, decode }} from "./ensharpen/index.js";

const network = await EnSharpen.load("{first}", {{ ort }});
await network.selfTest();                        // throws where this browser computes something else
const image = await decode(file);                // a Blob; or any ImageData
const sharp = await network.sharpen(image, {{ strength: 0.8, onProgress: (done, total) => console.log(done, total) }});
```

`ensharpen/worker.js` does the same in a worker; `page.js` shows how to talk to it. Types: `ensharpen/index.d.ts`.
Photographs are cut into windows of about 512 pixels with the context that the network needs; `tiling-vectors.json`
holds cases with their results, `node check-tiling.mjs` replays them.

Pictures are read by the browser: upright, in sRGB, in 8 bits, partly transparent pixels as a canvas holds them. The
result is a PNG without the source's metadata.

`{BUNDLE}` has the sha256 of every file; `ensharpen-bundle verify .` checks them, and the models, on any machine.
Licences: `LICENSE` for the code, the README of each model for its weights, onnxruntime-web's own (MIT) for the runtime.
"""


def _row(model: BundledModel, artifact: Artifact) -> str:
    return f"| {model.name} | {model.precision}, {artifact.model_bytes / 1024:.0f} KiB | `{model.folder}` |"

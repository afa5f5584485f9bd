"""`ensharpen-bundle`: artifacts with the code that runs them on a platform, and the check of such a bundle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.console import Version, command_line, print_json, run_command, show_progress, stdout
from ensharpen_edge.export.bundles.bundle import make_bundle
from ensharpen_edge.export.bundles.manifest import BundleManifest
from ensharpen_edge.export.bundles.verify import verify_bundle
from ensharpen_edge.export.bundles.web.platform import WebPlatform

app = command_line()

Artifacts = Annotated[list[Path], typer.Argument(help="Artifact folders, as ensharpen-export writes them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]


@app.callback()
def _main(version: Version = False) -> None:
    """Bundle artifacts with the code that runs them on a platform; check such a bundle again."""


@app.command()
def web(
    artifacts: Artifacts,
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")] = Path("build/web"),
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(help="Folder node_modules/onnxruntime-web, to copy into the bundle: it then needs no network."),
    ] = None,
    webgpu: Annotated[bool, typer.Option("--webgpu", help="Copy its files for WebGPU, too (27 MB more).")] = False,
    json_output: AsJson = False,
) -> None:
    """Make a page that sharpens in the browser, and the ES module behind it.

    [bold]Examples[/]

      ensharpen-bundle web build/nano-onnx-fp32 --out build/web
    """
    with show_progress(quiet=json_output) as tell:
        manifest = make_bundle(WebPlatform(onnxruntime_web, webgpu), artifacts, out, tell)
    _report(manifest, out, json_output)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A bundle.")],
    max_bytes: Annotated[
        int | None, typer.Option(min=1, help="Most bytes that its files may take together; more is exit code 6.")
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Check every file, replay every golden image, and run what of the platform's code runs here.

    [bold]Examples[/]

      ensharpen-bundle verify build/web

      ensharpen-bundle verify build/web --max-bytes 700000
    """
    with show_progress(quiet=json_output) as tell:
        checks = verify_bundle(folder, max_bytes, tell)
    if json_output:
        print_json({"bundle": str(folder), "checks": [asdict(check) for check in checks]})
        return
    for check in checks:
        stdout().print(f"{'ok  ' if check.done else '--  '}{check.what}: {check.outcome}")


def _report(manifest: BundleManifest, out: Path, json_output: bool) -> None:
    size = manifest.size(out)
    if json_output:
        print_json({"bundle": str(out), "bytes": size, **asdict(manifest)})
        return
    models, files = len(manifest.models), len(manifest.files)
    stdout().print(f"{out}  {models} model{'s' * (models > 1)}, {files} files, {size / 1e6:.1f} MB; see README.md")


def main() -> None:
    """Entry point of `ensharpen-bundle`."""
    run_command(app)

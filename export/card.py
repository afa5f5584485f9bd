"""The README.md inside an artifact."""

from __future__ import annotations

from typing import Any

from ensharpen_edge.artifact import Manifest
from ensharpen_edge.export.descriptions import describe_task


def artifact_card(manifest: Manifest, checkpoint_card: dict[str, Any]) -> str:
    """Markdown: what the artifact is, how to feed it, what it was measured to do, what it was trained on."""
    io, shape, gate = manifest.io, manifest.shape, manifest.gate
    last = manifest.parity["rungs"][-1]
    size = f"{shape.height}x{shape.width}" if shape.height else f"any, multiples of {shape.multiple_of}"
    psnr = "identical" if last["psnr_torch"] is None else f"{last['psnr_torch']:.1f} dB"
    training = checkpoint_card.get("training", {})
    lines = [
        f"# {manifest.name} for {manifest.target}, {manifest.precision}",
        "",
        describe_task(manifest.task),
        "",
        "| | |",
        "|---|---|",
        f"| file | `{manifest.model_file}` |",
        f"| input, output | `{io.input_name}`, `{io.output_name}`: {io.dtype}, {io.layout}, {io.channels}, "
        f"{io.value_range[0]:g} to {io.value_range[1]:g}, {io.colour_space} |",
        f"| size | {size} |",
        f"| exact tiling | {'yes' if shape.tile_exact else 'no'}: halo {shape.halo} px, origins on multiples of "
        f"{shape.multiple_of} |",
        f"| against the trained network | worst probe {psnr}, largest difference {last['max_abs_torch']:.2g} |",
        f"| PSNR on held-out photographs | degraded {gate['mean_degraded']:.2f} dB, network "
        f"{gate['mean_student']:.2f} dB, this file {gate['mean_exported']:.2f} dB |",
        f"| gain retained | {gate['retained']:.2%} |",
        f"| weights | sha256 `{manifest.source['checkpoint_sha256']}` |",
        f"| trained on | {training.get('data', 'not stated')} |",
        f"| licence of the weights | {checkpoint_card.get('licence', 'not stated')} |",
        "",
        "`manifest.json` holds the hashes of all files; `golden/` holds an input and the output expected for it.",
        "",
    ]
    return "\n".join(lines)

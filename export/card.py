"""The README.md inside an artifact."""

from __future__ import annotations

from ensharpen_edge.artifact_manifest import Manifest
from ensharpen_edge.export.descriptions import describe_task
from ensharpen_edge.export.feeding import Feeding, FileSizes
from ensharpen_edge.models.network import NetworkFacts


def artifact_card(manifest: Manifest, facts: NetworkFacts) -> str:
    """Return Markdown: what the artifact is, how to feed it, what it was measured to do, what it was trained on."""
    io, shape, gate = manifest.io, manifest.shape, manifest.gate
    feeding = Feeding(io, _sizes(manifest), shape.tile_exact, manifest.traits.pictures)
    package = manifest.model_file.split("/")[0]
    lines = [
        f"# {manifest.name} for {manifest.target}, {manifest.precision}",
        "",
        describe_task(manifest.task),
        "",
        "| | |",
        "|---|---|",
        f"| file | `{package}` |",
        f"| input | `{io.input_name}`: {feeding.numbers}, {io.dtype}, {io.colour_space} |",
        f"| output | `{io.output_name}`: {feeding.output_text}, {io.dtype} |",
        f"| size | {feeding.sizes} |",
        f"| exact tiling | {'yes' if shape.tile_exact else 'no'}: halo {shape.halo} px, origins on multiples of "
        f"{shape.multiple_of} |",
        _agreement(manifest),
        f"| PSNR on held-out photographs | degraded {gate['mean_degraded']:.2f} dB, network "
        f"{gate['mean_student']:.2f} dB, this file {gate['mean_exported']:.2f} dB |",
        f"| gain retained | {gate['retained']:.2%} |",
        f"| weights | sha256 `{manifest.source['checkpoint_sha256']}` |",
        f"| trained on | {facts.training.get('data', 'not stated')} |",
        f"| licence of the weights | {facts.licence} |",
        "",
        "`manifest.json` holds the hashes of all files; `golden/` holds an input and the output expected for it, as "
        "arrays and as pictures. " + _device_advice(manifest),
        "",
    ]
    return "\n".join(lines)


def _agreement(manifest: Manifest) -> str:
    trained = manifest.gate.get("trained")
    if trained is not None:
        return (
            f"| against its training in 8 bits | {trained['operators']} operators, {trained['equal_codes']:.1%} of the "
            "codes equal |"
        )
    last = manifest.parity["rungs"][-1]
    psnr = "identical" if last["psnr_torch"] is None else f"{last['psnr_torch']:.1f} dB"
    return f"| against the trained network | worst probe {psnr}, largest difference {last['max_abs_torch']:.2g} |"


def _device_advice(manifest: Manifest) -> str:
    limits = manifest.golden
    if limits.score_drop is not None:
        return (
            f"Integer kernels round elsewhere: a device should agree to {limits.agreement:.0f} dB, and score within "
            f"{limits.score_drop:g} dB of the expected output against the truth, which `golden/` holds as well."
        )
    return f"A device adds up in another order: it should agree to {limits.agreement:.0f} dB."


def _sizes(manifest: Manifest) -> FileSizes:
    shape, graph = manifest.shape, manifest.graph
    named = [tuple(size) for size in graph.get("sizes", [])]
    if not named and shape.height is not None and shape.width is not None:
        named = [(shape.height, shape.width)]
    return FileSizes(tuple(named), bool(graph.get("flexible")), manifest.traits.grid)

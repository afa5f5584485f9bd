"""From the trained network to the written, opened model file."""

from __future__ import annotations

import platform
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from ensharpen_edge import __version__
from ensharpen_edge.artifact import MANIFEST, Artifact
from ensharpen_edge.artifact_manifest import GoldenLimits, Manifest, ShapeContract
from ensharpen_edge.calibration.table import load_table
from ensharpen_edge.export.draft import Draft, made
from ensharpen_edge.export.proof.drills import damage_file, damage_network
from ensharpen_edge.export.proof.gate_photos import refuse_calibrated
from ensharpen_edge.export.proof.trained import LARGE_WINDOW, SCORE_DROP
from ensharpen_edge.export.targets.base import BuildJob
from ensharpen_edge.export.targets.registry import choose_image_dtype
from ensharpen_edge.files import file_hashes
from ensharpen_edge.runtime.engines.registry import open_engine


def fold(draft: Draft) -> Draft:
    """Fold the network; a drill may damage it."""
    draft.progress("folding branches")
    folded = draft.network.fold()
    if draft.request.fault == "folded":
        damage_network(folded)
    return replace(draft, folded=folded)


def build(draft: Draft) -> Draft:
    """Write the model file; a drill may damage it.

    Raises:
        UsageError: The target cannot write it.
        ParityError: A form on the way is not what it should be.
    """
    request, target, precision = draft.request, draft.target, draft.precision
    draft.progress(f"building {target.name} {precision.name}")
    made_file = target.build(
        BuildJob(
            made(draft.folded),
            precision,
            draft.size,
            draft.folder,
            request.chosen_options,
            request.complete_quantization(precision.name),
            choose_image_dtype(target, precision.name, request.image_dtype),
            request.out,
            draft.progress,
        )
    )
    return replace(draft, build=made_file)


def refuse_flattery(draft: Draft) -> Draft:
    """Demand that no photograph judges a file that was calibrated with it.

    Raises:
        BadInputError: Names them.
    """
    data, quantization = draft.request.data, made(draft.build).quantization
    if data and "table" in quantization:
        table = load_table(Path(quantization["table"]))
        refuse_calibrated(data, {choice.sha256 for choice in table.choices})
    return draft


def open_file(draft: Draft) -> Draft:
    """Describe the written file and open it with the engine that proves it; a drill may damage it before."""
    path = draft.folder / made(draft.build).model_file
    if draft.request.fault == "artifact":
        damage_file(path)
    manifest = _manifest(draft, file_hashes(draft.folder, but=MANIFEST))
    engine = draft.resources.enter_context(open_engine(Artifact(draft.folder, manifest), made(draft.build).device))
    return replace(draft, manifest=manifest, engine=engine)


def _golden_limits(draft: Draft) -> GoldenLimits:
    """Kernels of other devices add up in another order; those of integers round elsewhere, so that a network trained in
    8 bits passes by its score."""
    if draft.proof is None:
        return GoldenLimits(draft.precision.device_agreement)
    return GoldenLimits(LARGE_WINDOW, SCORE_DROP)


def _manifest(draft: Draft, files: dict[str, str]) -> Manifest:
    network, written = draft.network, made(draft.build)
    shape = network.geometry
    height, width = draft.size or (None, None)
    return Manifest(
        name=network.name,
        target=draft.target.name,
        precision=draft.precision.name,
        task=network.task,
        model_file=written.model_file,
        traits=written.traits,
        io=written.io,
        shape=ShapeContract(
            height=height,
            width=width,
            multiple_of=shape.total_stride,
            halo=shape.halo,
            receptive_radius=shape.receptive_radius,
            tile_exact=shape.tile_exact and written.tileable,
        ),
        source={
            "checkpoint_sha256": network.facts.sha256,
            "config": network.config,
            "training": dict(network.facts.training),
        },
        files=files,
        golden=_golden_limits(draft),
        calibration_key=written.calibration_key,
        quantization=written.quantization,
        graph=written.graph,
        tools={"ensharpen-edge": __version__, **written.tools},
        build={
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}",
        },
    )

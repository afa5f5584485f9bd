"""The last stages: golden vectors, the card, and the sealed manifest."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32, U8
from ensharpen_edge.artifact import GOLDEN, seal
from ensharpen_edge.export.card import artifact_card
from ensharpen_edge.export.draft import Draft, made
from ensharpen_edge.export.proof.gate_photos import gate_pairs
from ensharpen_edge.export.proof.probes import fit_image, parity_probes
from ensharpen_edge.export.targets.options import Size
from ensharpen_edge.imaging.crops import centre_crop
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.runtime.pipeline import sharpen_frame, to_batch
from ensharpen_edge.runtime.tiling import plan_tiles

GOLDEN_SIDE = 128
"""Sides of the golden input of a file for free sizes, in pixels, before they are rounded up to the network's stride."""


def write_golden(draft: Draft) -> Draft:
    """Write vectors as the file takes them, and the images to look at.

    A file of a network trained in 8 bits is given a soft photograph, and the truth goes with it.
    """
    draft.progress("sealing the artifact")
    engine, io = made(draft.engine), made(draft.manifest).io
    height, width = draft.size or (GOLDEN_SIDE, GOLDEN_SIDE)
    if draft.proof is None:
        pixels, others = _pixels(parity_probes(height, width)[0].image, (height, width)), {}
    else:
        pair = next(gate_pairs((), draft.network.task))
        pixels, truth = (_pixels(image, (height, width)) for image in (pair.degraded, pair.sharp))
        others = {"truth": to_batch(truth, io)}
    batch = to_batch(pixels, io)
    path = draft.folder / GOLDEN
    path.parent.mkdir()
    np.savez_compressed(path, **{"input": batch, "expected": engine.run(batch), **others})  # type: ignore[arg-type]
    sharp, _ = sharpen_frame(engine, io, plan_tiles(height, width, tile=None, halo=0, stride=1), pixels)
    for name, picture in (("input", pixels), ("expected", sharp)):
        write_photo(Photo(picture), path.parent / f"{name}.png")
    return draft


def _pixels(image: F32, size: Size) -> U8:
    """(1, 3, H, W) in [0, 1] -> the middle of it, or mirrored up to it, (*size, 3)."""
    middle = centre_crop(image[0].transpose(1, 2, 0), *size).transpose(2, 0, 1)[None]
    pixels: U8 = np.rint(fit_image(middle, size)[0].transpose(1, 2, 0) * 255.0).astype(np.uint8)
    return pixels


def _trained(draft: Draft) -> dict[str, Any]:
    return {} if draft.trained is None else {"trained": draft.trained.to_dict()}


def seal_artifact(draft: Draft) -> Draft:
    """Close the file, write the card, and seal everything with the manifest."""
    draft.resources.close()
    known, parity, gate = made(draft.manifest), made(draft.parity), made(draft.gate)
    manifest = replace(
        known,
        files={},
        shape=replace(known.shape, tile_sizes=draft.tile_sizes),
        parity=parity.to_dict(),
        gate={**gate.to_dict(), "limits": asdict(draft.limits), **_trained(draft)},
    )
    card = artifact_card(manifest, draft.network.facts)
    (draft.folder / "README.md").write_text(card, encoding="utf-8")
    seal(draft.folder, manifest)
    return replace(draft, manifest=manifest)

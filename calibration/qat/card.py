"""The card of a quantized checkpoint: its parent, how it was trained, and what it scores beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ensharpen_edge import __version__
from ensharpen_edge.calibration.qat.validation import QatScore
from ensharpen_edge.training.launch import device_name
from ensharpen_edge.training.provenance import Statement

if TYPE_CHECKING:
    from ensharpen_edge.calibration.qat.run import QatRun


def quantized_card(run: QatRun, score: QatScore, stated: Statement) -> dict[str, Any]:
    """Plain JSON types; the hash is missing.

    Args:
        run: At its end.
        score: Validation of the network that is written.
        stated: Licence and origin.
    """
    trainer, parent = run.trainer, run.parent
    config, standing = trainer.config, trainer.standing
    zero = "symmetric" if config.places.symmetric else "any zero"
    return {
        "name": run.name,
        "task": parent.card.get("task", parent.network.config.heads[0]),
        "licence": stated.licence,
        "quantization": {
            "placement": config.placement,
            "scheme": {
                "weights": "int8, symmetric, a step for each output channel",
                "activations": f"int8, {zero}, a step for each tensor",
                "image": "8-bit codes" if config.places.everything else "float",
            },
            "sites": len(trainer.network.placed.sites),
            "graph": run.graph,
            "parent": {"name": parent.network.config.name, "sha256": parent.sha256},
        },
        "training": {
            "data": stated.source,
            "photographs": run.gathered.photographs,
            "megapixels": round(run.gathered.megapixels, 1),
            "degradation": trainer.degradation,
            "settings": config.to_dict(),
            "steps": standing.step,
            "best_step": standing.best_step,
            "minutes": round(standing.seconds / 60, 1),
            "device": device_name(trainer.device),
            "version": __version__,
        },
        "validation": {
            "set": "held-out photographs, centre crops; `soft` with blur sigma and noise in code values",
            "columns": ["degraded", "float parent", "int8"],
            "psnr": [_decibels(value) for value in (score.before, score.parent, score.after)],
            "cases": {name: [_decibels(value) for value in row] for name, row in score.cases.items()},
            "agreement": _decibels(score.agreement),
        },
        "scores": [],
        "config": parent.network.config.to_dict(),
    }


def _decibels(psnr: float) -> float | None:
    """Rounded; None for images that are equal, for which JSON has no number."""
    return round(psnr, 3) if math.isfinite(psnr) else None

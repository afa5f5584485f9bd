"""The card of a checkpoint: what it was trained on, how, and what it scored on held-out photographs."""

from __future__ import annotations

import math
from typing import Any

from ensharpen_edge import __version__
from ensharpen_edge.training.launch import device_name
from ensharpen_edge.training.provenance import Provenance
from ensharpen_edge.training.trainer import Trainer


def training_card(trainer: Trainer, provenance: Provenance) -> dict[str, Any]:
    """Return the card of a run's checkpoint, as JSON types."""
    config, standing, timeline = trainer.config, trainer.standing, trainer.timeline
    settings = {key: value for key, value in config.to_dict().items() if key not in ("model", "steps", "minutes")}
    return {
        "name": config.model.name,
        "task": "+".join(config.model.heads),
        "licence": provenance.stated.licence,
        "training": {
            "data": provenance.stated.source,
            "photographs": provenance.photographs,
            "megapixels": round(provenance.megapixels, 1),
            "degradation": {s.mix: config.known_mixes[s.mix].to_dict() for s in config.stages},
            "settings": settings,
            "steps": standing.step,
            "stage_steps": list(standing.stage_steps),
            "best_step": standing.best_step,
            "megapixels_seen": round(timeline.megapixels(standing.step)),
            "teacher": provenance.teacher,
            "minutes": round(standing.seconds / 60, 1),
            "device": device_name(trainer.fabric.device),
            "version": __version__,
        },
        "validation": {
            "set": "held-out photographs, centre crops; `soft` with blur sigma and noise in code values",
            "task": config.model.heads[0],
            "psnr": _decibels(standing.best_psnr),
            "cases": {name: [_decibels(v) for v in pair] for name, pair in standing.best_cases.items()},
        },
        "scores": [],
    }


def _decibels(psnr: float) -> float | None:
    """Return a rounded PSNR, or None for images that are equal, for which JSON has no number."""
    return round(psnr, 3) if math.isfinite(psnr) else None

"""The card of a checkpoint: what it was trained on, how, and what it scored on held-out photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ensharpen_edge import __version__
from ensharpen_edge.training.trainer import Trainer


@dataclass(frozen=True)
class Provenance:
    """What only the user knows, or the loaded data say.

    Attributes:
        licence: Of the weights.
        source: Origin and licences of the photographs.
        photographs: Their number, 0 for shards.
        megapixels: Their pixels, in millions.
        teacher: sha256 of the teacher's file, or of the labels' key, or None.
    """

    licence: str = "not stated"
    source: str = "not stated"
    photographs: int = 0
    megapixels: float = 0.0
    teacher: str | None = None


def training_card(trainer: Trainer, provenance: Provenance) -> dict[str, Any]:
    """Plain JSON types."""
    config, progress, timeline = trainer.config, trainer.progress, trainer.timeline
    score = trainer.last_score if progress.best_step == progress.step else None
    settings = {key: value for key, value in config.to_dict().items() if key not in ("model", "steps", "minutes")}
    return {
        "name": config.model.name,
        "task": "+".join(config.model.heads),
        "licence": provenance.licence,
        "training": {
            "data": provenance.source,
            "photographs": provenance.photographs,
            "megapixels": round(provenance.megapixels, 1),
            "degradation": {s.mix: config.known_mixes[s.mix].to_dict() for s in config.stages},
            "settings": settings,
            "steps": progress.step,
            "stage_steps": list(progress.stage_steps),
            "best_step": progress.best_step,
            "megapixels_seen": round(timeline.megapixels(progress.step)),
            "teacher": provenance.teacher,
            "minutes": round(progress.seconds / 60, 1),
            "version": __version__,
        },
        "validation": {
            "set": "held-out photographs, centre crops; `soft` with blur sigma and noise in code values",
            "task": config.model.heads[0],
            "psnr": round(progress.best_psnr, 3),
            "cases": {name: [round(v, 3) for v in pair] for name, pair in score.cases.items()} if score else None,
        },
        "scores": [],
    }

"""The card of a checkpoint: what it was trained on, how, and what it scored on held-out photographs."""

from __future__ import annotations

from typing import Any

from ensharpen_edge import __version__
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.training.state import Progress
from ensharpen_edge.training.trainer import TrainConfig
from ensharpen_edge.training.validation import CASES


def training_card(
    config: TrainConfig,
    progress: Progress,
    photos: PhotoSet,
    scores: tuple[float, float],
    licence: str,
    source: str | None,
) -> dict[str, Any]:
    """Plain JSON types. `scores` are validation PSNR of the input and of the output, dB."""
    pixels = progress.step * config.batch * config.crop**2
    return {
        "name": config.model.name,
        "task": "sharpen",
        "licence": licence,
        "training": {
            "data": source or "not stated",
            "photographs": len(photos),
            "megapixels": round(photos.megapixels, 1),
            "degradation": config.mix.to_dict(),
            "steps": progress.step,
            "batch": config.batch,
            "crop": config.crop,
            "megapixels_seen": round(pixels / 1e6),
            "learning_rate": config.learning_rate,
            "loss": "charbonnier",
            "ema": config.ema,
            "seed": config.seed,
            "minutes": round(progress.seconds / 60, 1),
            "version": __version__,
        },
        "validation": {
            "set": "one photograph in 16, centre 256x256, blur sigma and noise (code values) in turn: "
            + ", ".join(f"{blur}/{noise}" for blur, noise in CASES),
            "degraded": round(scores[0], 3),
            "psnr": round(scores[1], 3),
        },
        "scores": [],
    }

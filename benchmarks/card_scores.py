"""Recording measured scores on the card of the checkpoint that an artifact came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.protocol import SEED, GaussianCase
from ensharpen_edge.benchmarks.quality import Score
from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.whole_file import whole_file


def score_entry(
    data: Path, photographs: int, case: GaussianCase, artifact: Artifact, degraded: Score, score: Score
) -> dict[str, Any]:
    """What a card says about one measurement: the set, the condition, the command, and the figures."""
    manifest = artifact.manifest
    return {
        "set": data.name,
        "photographs": photographs,
        "protocol": f"25x25 Gaussian, circular borders, noise seed {SEED} per image, not clipped",
        "blur": case.blur,
        "noise": case.noise,
        "artifact": f"{manifest.target} {manifest.precision}",
        "command": f"ensharpen-bench quality {artifact.path.name} --data {data.name} "
        f"--blur {case.blur:g} --noise {case.noise:g}",
        "psnr_degraded": round(degraded.mean("psnr"), 3),
        "psnr_rgb": round(score.mean("psnr"), 3),
        "psnr_y": round(score.mean("psnr-y"), 3),
        "ssim": round(score.mean("ssim"), 4),
    }


def record_score(card_path: Path, artifact: Artifact, entry: dict[str, Any]) -> None:
    """Put an entry on a card, in place of an earlier one for the same command.

    Raises:
        IntegrityError: No readable card, or the card of other weights than the artifact's.
    """
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        scores = [score for score in card["scores"] if score["command"] != entry["command"]]
        sha256 = card["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{card_path}: not a readable card ({error})") from error
    if sha256 != artifact.manifest.source["checkpoint_sha256"]:
        raise IntegrityError(f"{card_path}: belongs to other weights than {artifact.path}", hint="export them first")
    card["scores"] = [*scores, entry]
    with whole_file(card_path) as temporary:
        temporary.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")

"""Recording measured scores on the card of the checkpoint that an artifact came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.protocol import SEED
from ensharpen_edge.benchmarks.quality import DEGRADED
from ensharpen_edge.benchmarks.quality_report import SuiteResult, difference
from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.metrics.registry import METRICS
from ensharpen_edge.whole_file import whole_file

PROTOCOL = f"circular borders, noise seed {SEED} per image, not clipped; output rounded to 8 bits"


def score_entry(
    result: SuiteResult, method: str, artifact: Artifact, metrics: Sequence[str], command: str
) -> dict[str, Any]:
    """What a card says about one suite: photographs, conditions, the command, means, gain and its interval.

    Values that are not finite (PSNR of equal images) are null.
    """
    manifest, first = artifact.manifest, metrics[0]
    gain = difference(result, method, DEGRADED, first)
    entry: dict[str, Any] = {
        "suite": result.title,
        "conditions": list(result.cases),
        "photographs": len(result.per_photo(method, first)),
        "protocol": PROTOCOL,
        "artifact": f"{manifest.target} {manifest.precision}",
        "command": command,
        f"{first}_degraded": _rounded(result, DEGRADED, first),
    }
    entry |= {metric: _rounded(result, method, metric) for metric in metrics}
    if gain is not None:
        entry["gain"] = {name: round(value, 3) for name, value in vars(gain).items()}
    return entry


def _rounded(result: SuiteResult, method: str, metric: str) -> float | None:
    value = float(result.per_photo(method, metric).mean())
    return round(value, METRICS[metric].digits + 1) if np.isfinite(value) else None


def record_scores(
    card_path: Path,
    artifacts: Mapping[str, Artifact],
    results: Sequence[SuiteResult],
    metrics: Sequence[str],
    command: str,
) -> None:
    """Put the scores of the card's own weights on it, in place of earlier ones of the same artifacts and suites.

    Args:
        card_path: JSON file beside the weights.
        artifacts: By the names that `results` use.
        results: Measured suites.
        metrics: Names, in order.
        command: That measured them.

    Raises:
        IntegrityError: No readable card, or none of the artifacts came from its weights.
    """
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        earlier, sha256 = list(card["scores"]), card["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{card_path}: not a readable card ({error})") from error
    own = {name: a for name, a in artifacts.items() if a.manifest.source["checkpoint_sha256"] == sha256}
    if not own:
        raise IntegrityError(f"{card_path}: belongs to other weights than the artifacts", hint="export them first")
    entries = [score_entry(result, name, own[name], metrics, command) for result in results for name in own]
    replaced = {(entry["suite"], entry["artifact"]) for entry in entries}
    card["scores"] = [s for s in earlier if (s.get("suite"), s.get("artifact")) not in replaced] + entries
    with whole_file(card_path) as temporary:
        temporary.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")

"""Recording measured scores on the card of the checkpoint that an artifact came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.quality.scoring import DEGRADED
from ensharpen_edge.benchmarks.quality.suite_result import SuiteResult, difference, finite_mean
from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.files import write_file
from ensharpen_edge.metrics.registry import METRICS

_KEY = ("suite", "photographs", "artifact")


@dataclass(frozen=True)
class Card:
    """A card that scores will be written on.

    Attributes:
        path: JSON file beside the weights.
        content: Its content.
        artifacts: Names of the measured artifacts that came from its weights.
    """

    path: Path
    content: dict[str, Any]
    artifacts: tuple[str, ...]


def open_card(path: Path, artifacts: Mapping[str, Artifact]) -> Card:
    """Read a card, before anything is measured.

    Args:
        path: The card.
        artifacts: Artifacts that will be measured, by name.

    Raises:
        IntegrityError: The card cannot be read, or none of the artifacts came from its weights.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sha256 = content["sha256"]
        if not all(isinstance(score, dict) for score in content["scores"]):
            raise TypeError("scores are no list of tables")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path}: not a readable card ({error})") from error
    own = tuple(name for name, a in artifacts.items() if a.manifest.source["checkpoint_sha256"] == sha256)
    if not own:
        raise IntegrityError(f"{path}: belongs to other weights than the artifacts", hint="export them first")
    return Card(path, content, own)


def score_entry(result: SuiteResult, method: str, metrics: Sequence[str], command: str) -> dict[str, Any]:
    """Return what a card says about one suite: photographs, conditions, protocol, command, means and gain.

    Means are of finite values; `equal` counts the photographs that equal the truth, whose PSNR is infinite.
    """
    first = metrics[0]
    gain = difference(result, method, DEGRADED, first)
    entry: dict[str, Any] = {
        "suite": result.title,
        "conditions": list(result.cases),
        "photographs": len(result.per_photo(method, first)),
        "protocol": result.protocol,
        "artifact": method,
        "command": command,
        f"{first}_degraded": _rounded(result, DEGRADED, first),
    }
    entry |= {metric: _rounded(result, method, metric) for metric in metrics}
    if equal := finite_mean(result.per_photo(method, first))[1]:
        entry["equal"] = equal
    if gain is not None:
        entry["gain"] = {name: round(value, METRICS[first].digits + 1) for name, value in vars(gain).items()}
    return entry


def _rounded(result: SuiteResult, method: str, metric: str) -> float | None:
    mean, _ = finite_mean(result.per_photo(method, metric))
    return None if mean is None else round(mean, METRICS[metric].digits + 1)


def record_scores(card: Card, results: Sequence[SuiteResult], metrics: Sequence[str], command: str) -> None:
    """Write scores on a card, in place of earlier ones of the same artifact, suite and number of photographs.

    Args:
        card: From `open_card`.
        results: Measured suites.
        metrics: Names of the metrics, in order.
        command: Command line that measured them.

    Raises:
        BadInputError: The card cannot be written.
    """
    entries = [score_entry(result, name, metrics, command) for result in results for name in card.artifacts]
    replaced = {tuple(entry[key] for key in _KEY) for entry in entries}
    kept = [score for score in card.content["scores"] if tuple(score.get(key) for key in _KEY) not in replaced]
    content = {**card.content, "scores": kept + entries}
    write_file(card.path, (json.dumps(content, indent=2) + "\n").encode())

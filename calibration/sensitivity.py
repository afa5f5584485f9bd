"""Sensitivity: the damage of each layer and each tensor when it is quantized alone, and among all the others.

Every measurement is appended to a file under the key of everything it depends on, so an interrupted one goes on and a
repeated one is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ensharpen_edge.calibration.judge import Judge
from ensharpen_edge.calibration.layers import Layer
from ensharpen_edge.calibration.quantizer import Quantizer, Reads
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.progress import Progress, no_progress

LAYER, TENSOR, WEIGHT, READ = "layer", "tensor", "weight", "read"
ONLY, ALL_BUT = "only", "all but"


@dataclass(frozen=True)
class Damage:
    """One measurement.

    Attributes:
        kind: `layer` (its weights and all its activations), `tensor` (one activation, for all that read it), `weight`
            (of one layer) or `read` (one activation, for one layer).
        name: Name of the layer or tensor; for a `read`, both.
        how: `only` this is quantized, or `all but` this.
        errors: Mean squared difference to the float network on each of the judge's images, photographs first.
        photographs: How many of them are photographs.
    """

    kind: str
    name: str
    how: str
    errors: tuple[float, ...]
    photographs: int

    @property
    def psnr(self) -> float:
        """Against the float network over all photographs together, dB; 120 stands for "equal"."""
        return -10.0 * math.log10(max(float(np.mean(self.errors[: self.photographs])), 1e-12))


class DamageMeter:
    """Measures damages, or reads those measured before.

    Args:
        quantizer: The network, ready to be quantized.
        judge: Measures the damage.
        cache: File of earlier measurements, or None.
        threads: CPU threads of ONNX Runtime.
        before: A meter of the same network whose images are among the judge's.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        judge: Judge,
        cache: Path | None = None,
        threads: int = 0,
        before: DamageMeter | None = None,
    ) -> None:
        self._quantizer, self._judge, self._cache, self._threads = quantizer, judge, cache, threads
        self._images = [hashlib.sha256(image.degraded.tobytes()).hexdigest() for image in judge.images]
        self._key = _key(quantizer, self._images)
        self._known = _read(cache, self._key) if cache else {}
        self._before = before

    def with_judge(self, judge: Judge) -> DamageMeter:
        """Return a meter for another judge, with the same cache; images of this one are not measured again."""
        return DamageMeter(self._quantizer, judge, self._cache, self._threads, self)

    def layer(self, layer: Layer, how: str = ONLY) -> Damage:
        """Return the damage of a layer with its weights and activations."""
        layers = [layer] if how == ONLY else [other for other in self._quantizer.layers if other.name != layer.name]
        return self._measure(LAYER, layer.name, how, layers, self._quantizer.reads(layers))

    def tensor(self, name: str, how: str = ONLY) -> Damage:
        """Return the damage of one activation."""
        if how == ONLY:
            return self._measure(TENSOR, name, how, [], {name: None})
        everything = self._quantizer.layers
        others = {other: nodes for other, nodes in self._quantizer.reads(everything).items() if other != name}
        return self._measure(TENSOR, name, how, everything, others)

    def weight(self, layer: Layer) -> Damage:
        """Return the damage of the weights of one layer."""
        return self._measure(WEIGHT, layer.name, ONLY, [layer], {})

    def read(self, layer: Layer, name: str) -> Damage:
        """Return the damage of one activation in codes for one layer only."""
        return self._measure(READ, f"{layer.name} {name}", ONLY, [], {name: frozenset(layer.nodes[:1])})

    def by_image(self, kind: str, name: str, how: str) -> dict[str, float]:
        """Return the errors that are known of a part, by the sha256 of the image."""
        known = self._known.get((kind, name, how))
        return {} if known is None else dict(zip(self._images, known.errors, strict=True))

    def _measure(self, kind: str, name: str, how: str, layers: Sequence[Layer], reads: Reads) -> Damage:
        known = self._known.get((kind, name, how))
        if known is None:
            errors = self._before.by_image(kind, name, how) if self._before else {}
            new = [number for number, image in enumerate(self._images) if image not in errors]
            if new:
                run = graph_run(self._quantizer.simulated(layers, reads), self._threads)
                found = self._judge.errors(run, new).tolist()
                errors |= {self._images[number]: error for number, error in zip(new, found, strict=True)}
            in_order = tuple(errors[image] for image in self._images)
            known = Damage(kind, name, how, in_order, self._judge.photographs)
            self._known[kind, name, how] = known
            self._append(known)
        return known

    def _append(self, damage: Damage) -> None:
        if self._cache is None:
            return
        try:
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            with self._cache.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": self._key, **asdict(damage)}) + "\n")
        except OSError as error:
            raise BadInputError(f"{self._cache}: cannot be written to ({error})") from error


def measure_all(meter: DamageMeter, quantizer: Quantizer, progress: Progress = no_progress) -> list[Damage]:
    """Return the damages of every layer and every tensor, alone and left out.

    Args:
        meter: Measures the damages.
        quantizer: The network, ready to be quantized.
        progress: Told how many are done.
    """
    jobs: list[Callable[[], Damage]] = []
    for how in (ONLY, ALL_BUT):
        jobs += [lambda layer=layer, how=how: meter.layer(layer, how) for layer in quantizer.layers]  # type: ignore[misc]
        tensors = sorted(quantizer.reads(quantizer.layers))
        jobs += [lambda name=name, how=how: meter.tensor(name, how) for name in tensors]  # type: ignore[misc]
    damages = []
    for done, job in enumerate(jobs, start=1):
        damages.append(job())
        progress("measuring sensitivities", done, len(jobs))
    return damages


def _key(quantizer: Quantizer, images: Sequence[str]) -> str:
    digest = hashlib.sha256(quantizer.table.provenance.key.encode())
    digest.update(json.dumps(asdict(quantizer.settings), sort_keys=True).encode())
    digest.update(json.dumps(asdict(quantizer.scheme), sort_keys=True).encode())
    digest.update("".join(images).encode())
    return digest.hexdigest()


def _read(path: Path, key: str) -> dict[tuple[str, str, str], Damage]:
    """Return the measurements under this key; a line that was cut off by an interruption is measured again."""
    known: dict[tuple[str, str, str], Damage] = {}
    if not path.is_file():
        return known
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            if entry.pop("key") == key:
                errors = tuple(map(float, entry["errors"]))
                damage = Damage(entry["kind"], entry["name"], entry["how"], errors, int(entry["photographs"]))
                known[damage.kind, damage.name, damage.how] = damage
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return known

"""The self-test: does this device make of the golden image what the engine made of it that proved the file?

Devices, drivers and kernels are not always right: an emulated processor wrote a picture in which nine of ten values
were wrong, and no error was raised. An artifact therefore carries an image and what must come of it, and both are
replayed before its first photograph. A device that passed is remembered, with the artifact, the engine and its version.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ensharpen_edge._version import __version__
from ensharpen_edge.arrays import F32
from ensharpen_edge.artifact import MANIFEST, Artifact
from ensharpen_edge.artifact_manifest import IoContract
from ensharpen_edge.errors import EnsharpenError, ParityError
from ensharpen_edge.files import cache_folder, sha256_of, write_file
from ensharpen_edge.installed_modules import find_distribution
from ensharpen_edge.judging.scores import agreement, truth_psnr
from ensharpen_edge.runtime.engines.base import Batch, Engine

REMEMBERED_DEVICES = ("cpu", "interpreter")
"""Devices of which a test is remembered; the drivers of others change without a trace that could be asked for."""


@dataclass(frozen=True)
class SelfTest:
    """What came of the golden image on this device.

    Attributes:
        agreement: PSNR of the output against the expected one, dB; at most 120, minus infinity where it is not finite.
        needed: Smallest agreement that passes, dB.
        score_drop: How much worse than the expected output it is against the truth, dB; None where only the agreement
            counts.
        allowed_drop: Largest such loss that passes, dB.
        remembered: Whether it was measured before and not now.
    """

    agreement: float
    needed: float
    score_drop: float | None = None
    allowed_drop: float | None = None
    remembered: bool = False

    @property
    def passed(self) -> bool:
        """Whether this device computes what the file says."""
        scores = self.score_drop is None or self.allowed_drop is None or self.score_drop <= self.allowed_drop
        return self.agreement >= self.needed and scores

    def facts(self) -> str:
        """Return the figures in words."""
        drop = "" if self.score_drop is None else f", {self.score_drop:+.2f} dB lost against the truth"
        return f"{self.agreement:.1f} dB{drop} (needs {self.needed:.0f} dB)"

    def check(self, artifact: Artifact, engine: Engine) -> None:
        """Refuse a device that failed.

        Raises:
            ParityError: It did.
        """
        if self.passed:
            return
        drop = "" if self.score_drop is None else f", {self.score_drop:.2f} dB worse against the truth"
        raise ParityError(
            f"{artifact.path}: {engine.title} on {engine.device} does not reproduce the golden image: "
            f"{self.agreement:.1f} dB{drop}; needs {self.needed:.0f} dB"
            + ("" if self.allowed_drop is None else f", at most {self.allowed_drop:g} dB worse"),
            hint="this device, its driver or this version of the engine computes something else: try another --engine "
            "or --device, or export on this machine; --no-self-test goes on without asking",
        )


def replay(artifact: Artifact, engine: Engine) -> SelfTest:
    """Run the golden image through an engine and compare.

    Raises:
        IntegrityError: The artifact holds no golden vectors.
        OutOfMemoryError: The image does not fit into memory.
    """
    golden, io = artifact.golden(), artifact.manifest.io
    output, expected = (_unit(image, io) for image in (engine.run(golden.input), golden.expected))
    limits = artifact.manifest.golden
    if output.shape != expected.shape:
        return SelfTest(-math.inf, limits.agreement)
    if golden.truth is None or limits.score_drop is None:
        return SelfTest(agreement(output, expected), limits.agreement)
    truth = _unit(golden.truth, io)
    drop = truth_psnr(expected, truth) - truth_psnr(output, truth)
    return SelfTest(agreement(output, expected), limits.agreement, drop, limits.score_drop)


def self_test(artifact: Artifact, engine: Engine, again: bool = False) -> SelfTest:
    """Replay the golden image, unless this machine, engine and artifact have passed before.

    Args:
        artifact: The artifact that the engine was opened with.
        engine: The engine.
        again: Replay it in any case.

    Raises:
        ParityError: The device computes something else.
        IntegrityError, OutOfMemoryError: See `replay`.
    """
    record = _record(artifact, engine)
    known = None if again else _remembered(record)
    if known is not None:
        return known
    result = replay(artifact, engine)
    _remember(record, result)
    result.check(artifact, engine)
    return result


def _unit(image: Batch, io: IoContract) -> F32:
    """Return an image of the file's dtype and range as float32, black at 0 and white at 1."""
    black, white = io.ends
    return np.asarray((image.astype(np.float32) - np.float32(black)) / np.float32(white - black))


def _record(artifact: Artifact, engine: Engine) -> Path | None:
    """Return the file that remembers a test under everything that decides its outcome: artifact, engine, versions, and
    the processor. None where nothing can be remembered: no known version, no home, or a device whose driver may change.
    """
    versions = [str(found) for name in engine.distributions if (found := find_distribution(name)) is not None]
    if engine.device not in REMEMBERED_DEVICES or not versions:
        return None
    machine = platform.uname()
    facts = [
        sha256_of(artifact.path / MANIFEST),
        engine.name,
        engine.device,
        engine.provider,
        __version__,
        *versions,
        *(machine.system, machine.node, machine.release, machine.machine, platform.processor()),
        _processor(),
    ]
    try:
        folder = cache_folder("self-tests")
    except RuntimeError:  # neither HOME nor an entry in the list of users
        return None
    return folder / f"{hashlib.sha256(chr(10).join(facts).encode()).hexdigest()[:32]}.json"


def _processor() -> str:
    """Return the processor's model and what it can do, as Linux names them; an emulator is another one."""
    wanted = ("model name", "flags", "Features", "CPU implementer", "CPU part", "Hardware")
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(sorted({line for line in text.splitlines() if line.startswith(wanted)}))


def _remembered(record: Path | None) -> SelfTest | None:
    if record is None:
        return None
    try:
        known = SelfTest(**json.loads(record.read_text(encoding="utf-8")))
        return replace(known, remembered=True) if known.passed else None
    except (OSError, ValueError, TypeError):
        return None


def _remember(record: Path | None, result: SelfTest) -> None:
    """Note that it passed, or forget that it once did; what cannot be written is measured anew the next time."""
    if record is None:
        return
    try:
        if not result.passed:
            record.unlink(missing_ok=True)
            return
        record.parent.mkdir(parents=True, exist_ok=True)
        write_file(record, json.dumps(asdict(result)).encode())
    except (OSError, EnsharpenError):
        return

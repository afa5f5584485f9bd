"""Which machine figures come from, and what it was doing: times of two machines are not compared by accident."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ensharpen_edge.errors import EnsharpenError, ExitCode
from ensharpen_edge.installed_modules import find_distribution
from ensharpen_edge.processor_cores import usable_cores

_PACKAGES = (
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "ai-edge-litert",
    "tflite-runtime",
    "coremltools",
    "tensorrt",
    "tensorrt-rtx",
)
_SYSTEM = Path("/sys")
_PROC = Path("/proc")


class NotComparableError(EnsharpenError):
    """Times of two machines were to be compared, or there are none to compare."""

    exit_code = ExitCode.NOT_COMPARABLE


@dataclass(frozen=True)
class Fingerprint:
    """Everything that must be the same for times to be comparable.

    Attributes:
        cpu: Model of the processor.
        cores: Number of cores that this process may use.
        governor: Policy of the first core's clock, or "unknown".
        gpus: Names and driver versions of NVIDIA GPUs.
        power_mode: Jetson's nvpmodel, or "none".
        system: Operating system and architecture.
        packages: Names and versions of the distributions that run models.
    """

    cpu: str
    cores: int
    governor: str
    gpus: tuple[str, ...]
    power_mode: str
    system: str
    packages: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits of a hash over all fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def differences(self, other: Fingerprint) -> list[str]:
        """Return what is not the same, a line each."""
        mine, theirs = asdict(self), asdict(other)
        return [f"{name}: {mine[name]} -> {theirs[name]}" for name in mine if mine[name] != theirs[name]]

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Fingerprint:
        """Return the fingerprint that `asdict` made, after its way through JSON.

        Raises:
            KeyError, TypeError, ValueError: The content is something else.
        """
        packages = tuple((str(name), str(version)) for name, version in content["packages"])
        return cls(**{**content, "gpus": tuple(content["gpus"]), "packages": packages})


@dataclass(frozen=True)
class MachineState:
    """Load and heat of a machine; None where that cannot be read.

    Attributes:
        load: Runnable processes, mean over the last minute.
        megahertz: Clock of the fastest core.
        celsius: Temperature of the hottest zone.
        watts: Power of the board, on a Jetson.
    """

    load: float | None
    megahertz: float | None
    celsius: float | None
    watts: float | None


def fingerprint() -> Fingerprint:
    """Return the fingerprint of this machine."""
    return Fingerprint(
        _cpu_model(),
        usable_cores(),
        _read(_SYSTEM / "devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        tuple(_lines(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])),
        next((line for line in _lines(["nvpmodel", "-q"]) if line.startswith("NV Power Mode")), "none"),
        f"{platform.system()} {platform.machine()}",
        tuple((name, found.version) for name in _PACKAGES if (found := find_distribution(name))),
    )


def machine_state() -> MachineState:
    """Return what this machine is doing now."""
    clocks = [_number(path) for path in _SYSTEM.glob("devices/system/cpu/cpu*/cpufreq/scaling_cur_freq")]
    heat = [_number(path) for path in _SYSTEM.glob("class/thermal/thermal_zone*/temp")]
    known_clocks, known_heat = [c for c in clocks if c], [h for h in heat if h]
    return MachineState(
        os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        max(known_clocks) / 1000 if known_clocks else None,
        max(known_heat) / 1000 if known_heat else None,
        _board_watts(),
    )


def _board_watts() -> float | None:
    """Read the first rail of a Jetson's power monitor: millivolts times milliamperes, or milliwatts on JetPack 4."""
    for folder in _SYSTEM.glob("bus/i2c/drivers/ina3221/*/hwmon/hwmon*"):
        volts, amperes = _number(folder / "in1_input"), _number(folder / "curr1_input")
        if volts and amperes:
            return volts * amperes / 1e6
    for path in _SYSTEM.glob("bus/i2c/drivers/ina3221x/*/iio:device*/in_power0_input"):
        milliwatts = _number(path)
        if milliwatts:
            return milliwatts / 1000
    return None


def _cpu_model() -> str:
    """Return board and processor: many ARM boards share the name of one of them."""
    found = [(_read(_PROC / "device-tree/model") or "").strip("\0 ")]
    wanted = ("model name", "hardware", "cpu implementer", "cpu part")
    seen: dict[str, str] = {}
    for line in (_read(_PROC / "cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in wanted:
            seen.setdefault(key.strip().lower(), value.strip())
    found += [seen[key] for key in wanted if key in seen]
    found += _lines(["sysctl", "-n", "machdep.cpu.brand_string"]) if platform.system() == "Darwin" else []
    return ", ".join(part for part in found if part) or platform.processor() or platform.machine()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _number(path: Path) -> float | None:
    text = _read(path)
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _lines(command: Sequence[str]) -> list[str]:
    if shutil.which(command[0]) is None:
        return []
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []

"""The parity ladder: every stage of an export computes what the one before computed, or the report names it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.errors import ParityError
from ensharpen_edge.export.precision import parity_limits
from ensharpen_edge.export.proof.probes import Probe
from ensharpen_edge.json_numbers import json_numbers
from ensharpen_edge.metrics.psnr import mse, psnr_from_mse

Run = Callable[[F32], F32]
"""Compute float32 (1, 3, H, W) -> float32 (1, 3, sH, sW), both in [0, 1]."""


@dataclass(frozen=True)
class Rung:
    """One form of the network, able to run.

    Attributes:
        name: Shown in tables and blamed in errors.
        run: Function that computes it.
        precision: Precision whose limits it is held to, or `PIXELS_OUT`: only the rungs that really compute in half
            precision may differ by what half precision costs.
    """

    name: str
    run: Run
    precision: str = "fp32"


@dataclass(frozen=True)
class RungReport:
    """Differences of a rung; worst values over all probes and shapes.

    Attributes:
        name: Name of the rung.
        max_abs_previous, psnr_previous: Against the rung below it.
        max_abs_torch, psnr_torch: Against the trained network in torch.
        worst_probe: Probe on which `psnr_torch` was measured.
        psnr_photographs: As `psnr_torch`, on photographs only; infinite when there was no photograph.
        worst_photograph: Probe on which that was measured.
        finite: Whether there was no NaN or Inf anywhere.
        precision: Precision whose limits it is held to.
    """

    name: str
    max_abs_previous: float
    psnr_previous: float
    max_abs_torch: float
    psnr_torch: float
    worst_probe: str
    psnr_photographs: float
    worst_photograph: str
    finite: bool
    precision: str


@dataclass(frozen=True)
class ParityReport:
    """The whole ladder."""

    rungs: tuple[RungReport, ...]
    probes: int

    @property
    def worst_rung(self) -> RungReport | None:
        """The rung that lost most against the one below, or None for an exact ladder."""
        lossy = [rung for rung in self.rungs if rung.max_abs_previous > 0.0 or not rung.finite]
        return min(lossy, key=lambda rung: (rung.finite, rung.psnr_previous), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; infinite PSNR becomes None."""
        rungs = [json_numbers(asdict(rung)) for rung in self.rungs]
        worst = self.worst_rung
        return {"probes": self.probes, "rungs": rungs, "worst_rung": worst.name if worst else None}


def climb(rungs: Iterable[Rung], probes: Iterable[Probe]) -> ParityReport:
    """Run every probe through every rung. The first rung is the reference."""
    ladder = list(rungs)
    worst: list[RungReport | None] = [None] * (len(ladder) - 1)
    count = 0
    for probe in probes:
        count += 1
        reference = previous = ladder[0].run(probe.image)
        where = f"{probe.name} {probe.image.shape[2]}x{probe.image.shape[3]}"
        for index, rung in enumerate(ladder[1:]):
            output = rung.run(probe.image)
            report = _compare(rung, output, previous, reference, where)
            if probe.stress and report.finite:
                report = replace(report, psnr_photographs=math.inf, worst_photograph="")
            worst[index] = _worse(worst[index], report)
            previous = output
    return ParityReport(tuple(report for report in worst if report is not None), count)


def check_parity(report: ParityReport, agreement: float | None = None) -> None:
    """Hold every rung to the limits of its precision (see `precision.parity_limits`).

    Raises:
        ParityError: Names the rung, the measure, the worst probe, and the rung that lost most.
    """
    blame = report.worst_rung
    suspect = f"the rung that lost most is {blame.name!r} (on {blame.worst_probe})" if blame else None
    for rung in report.rungs:
        limits = parity_limits(rung.precision, agreement)
        if not rung.finite:
            raise ParityError(f"rung {rung.name!r} produced NaN or Inf on {rung.worst_probe}", hint=suspect)
        if limits.max_abs is not None and not rung.max_abs_torch <= limits.max_abs:
            raise ParityError(
                f"rung {rung.name!r} differs from torch by {rung.max_abs_torch:.3g}, allowed {limits.max_abs:.3g}",
                hint=suspect,
            )
        if limits.psnr is not None and not rung.psnr_torch >= limits.psnr:
            raise ParityError(
                f"rung {rung.name!r}: {rung.psnr_torch:.2f} dB against torch on {rung.worst_probe}, "
                f"needs {limits.psnr:.0f} dB",
                hint=suspect,
            )
        if limits.photographs is not None and not rung.psnr_photographs >= limits.photographs:
            raise ParityError(
                f"rung {rung.name!r}: {rung.psnr_photographs:.2f} dB against torch on {rung.worst_photograph}, "
                f"photographs need {limits.photographs:.0f} dB",
                hint=suspect,
            )


def _compare(rung: Rung, output: F32, previous: F32, reference: F32, where: str) -> RungReport:
    if output.shape != reference.shape:
        raise ParityError(f"rung {rung.name!r} returned shape {output.shape} for {where}, expected {reference.shape}")
    if not all(np.isfinite(image).all() for image in (output, previous, reference)):
        bad = (math.inf, -math.inf)
        return RungReport(rung.name, *bad, *bad, where, -math.inf, where, False, rung.precision)
    psnr = psnr_from_mse(mse(output, reference), 1.0)
    return RungReport(
        rung.name,
        float(np.abs(output - previous).max()),
        psnr_from_mse(mse(output, previous), 1.0),
        float(np.abs(output - reference).max()),
        psnr,
        where,
        psnr,
        where,
        True,
        rung.precision,
    )


def _worse(a: RungReport | None, b: RungReport) -> RungReport:
    if a is None:
        return b
    return RungReport(
        a.name,
        max(a.max_abs_previous, b.max_abs_previous),
        min(a.psnr_previous, b.psnr_previous),
        max(a.max_abs_torch, b.max_abs_torch),
        min(a.psnr_torch, b.psnr_torch),
        b.worst_probe if b.psnr_torch < a.psnr_torch else a.worst_probe,
        min(a.psnr_photographs, b.psnr_photographs),
        b.worst_photograph if b.psnr_photographs < a.psnr_photographs else a.worst_photograph,
        a.finite and b.finite,
        a.precision,
    )

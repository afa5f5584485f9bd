"""Which conditions run on which photographs, from what the command line asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.benchmarks.oracles import check_oracles, oracle_methods
from ensharpen_edge.benchmarks.periodic import periodic
from ensharpen_edge.benchmarks.protocol import GaussianCase
from ensharpen_edge.benchmarks.quality import Method, evaluate, unsharp_methods
from ensharpen_edge.benchmarks.quality_report import SuiteResult
from ensharpen_edge.benchmarks.suites import (
    PAIRS,
    PROTOCOLS,
    Case,
    Pair,
    degraded_pairs,
    find_cases,
    gaussian_case,
    pair_files,
    photo_files,
    real_pairs,
)
from ensharpen_edge.distinct_names import distinct_names
from ensharpen_edge.errors import UsageError
from ensharpen_edge.metrics.registry import Measure


@dataclass(frozen=True)
class PlannedCase:
    """One condition on one set.

    Attributes:
        pairs: Makes the pairs.
        kernel: That all of them were blurred with, for oracles; None where no one kernel says it all.
        margin: Pixels by which the photographs that blind methods are given go on periodically beyond their edges.
    """

    pairs: Callable[[], Iterator[Pair]]
    kernel: NDArray[np.float64] | None = None
    margin: int = 0

    def blind(self, methods: Mapping[str, Method]) -> dict[str, Method]:
        """Methods that are not told the kernel, as this condition runs them."""
        return {name: periodic(method, self.margin) if self.margin else method for name, method in methods.items()}


@dataclass(frozen=True)
class SuitePlan:
    """One suite on one set.

    Attributes:
        title: Suite and set.
        cases: Every condition by name.
        photographs: How many will be measured, over all conditions.
        protocol: How the pairs come about.
    """

    title: str
    cases: dict[str, PlannedCase]
    photographs: int
    protocol: str = ""

    def run(
        self,
        methods: Mapping[str, Method],
        measures: dict[str, Measure],
        progress: Callable[[], None],
        oracles: Sequence[str] = (),
    ) -> SuiteResult:
        """Measure everything; `oracles` are names of classical methods that are told the kernel, where there is one.

        Raises:
            BadInputError: A photograph that cannot be read or measured.
        """
        return SuiteResult(
            self.title,
            {
                name: evaluate(
                    case.pairs(),
                    case.blind(methods),
                    measures,
                    progress,
                    oracle_methods(oracles, case.kernel),
                    case.blind(unsharp_methods()),
                )
                for name, case in self.cases.items()
            },
            self.protocol,
        )


def _plan(title: str, files: list[Path], cases: tuple[Case, ...], protocol: str, wrap: int) -> SuitePlan:
    def planned(case: Case) -> PlannedCase:
        return PlannedCase(lambda: degraded_pairs(files, case), case.kernel, 0 if case.kernel is None else wrap)

    if wrap and any(case.kernel is not None for case in cases):
        title, protocol = f"{title}, wrapped", f"{protocol}; methods see it continued periodically"
    return SuitePlan(title, {case.name: planned(case) for case in cases}, len(files) * len(cases), protocol)


def plan_suites(
    folders: list[Path],
    suites: list[str],
    pairs: Path | None,
    kernels: Path | None,
    single: GaussianCase,
    limit: int,
    oracles: Sequence[str] = (),
    wrap: int = 0,
) -> list[SuitePlan]:
    """Every suite on every folder, then the real pairs.

    Args:
        folders: Of sharp photographs.
        suites: Names; none means the one condition `single`.
        pairs: Folder of real pairs, or None.
        kernels: Of the suites of camera shake.
        single: The condition without suites.
        limit: Photographs of each folder, 0 for all.
        oracles: Will be asked for.
        wrap: Pixels to continue photographs by periodically, where they were blurred with circular borders.

    Raises:
        UsageError: Nothing to measure, an unknown suite or oracle, or oracles (or `wrap`) and no kernel.
        MissingToolError: An oracle's package is not installed.
        BadInputError: A folder without photographs.
    """
    if not folders and pairs is None:
        raise UsageError("nothing to measure on", hint="give --data FOLDER, or --pairs FOLDER")
    if suites and not folders:
        raise UsageError("--suite degrades sharp photographs, and there are none", hint="give their folder: --data")
    check_oracles(oracles)
    keep = limit or None
    case = gaussian_case(single.blur, single.noise)
    chosen = {name: find_cases(name, kernels) for name in suites} or {case.name: (case,)}
    plans = []
    titles = distinct_names([folder.resolve() for folder in folders])
    for title, folder in zip(titles, folders, strict=True):
        files = photo_files(folder)[:keep]
        plans += [
            _plan(
                f"{title}, {name}",
                files,
                conditions,
                PROTOCOLS.get(name, PROTOCOLS["gaussian"]),
                wrap,
            )
            for name, conditions in chosen.items()
        ]
    if pairs is not None:
        found = pair_files(pairs)[:keep]
        real = {"real": PlannedCase(lambda: real_pairs(found))}
        plans.append(SuitePlan(f"{pairs.resolve().name}, real pairs", real, len(found), PROTOCOLS[PAIRS]))
    if (oracles or wrap) and not any(case.kernel is not None for plan in plans for case in plan.cases.values()):
        option = "--oracle" if oracles else "--wrap"
        raise UsageError(
            f"{option}: none of these suites blurs with a kernel", hint="gaussian, disk, motion and levin do"
        )
    return plans

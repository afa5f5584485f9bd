"""Which suites run on which photographs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.benchmarks.quality.classical.oracles import check_oracles, oracle_methods
from ensharpen_edge.benchmarks.quality.periodic import periodic
from ensharpen_edge.benchmarks.quality.protocol import GaussianCase
from ensharpen_edge.benchmarks.quality.scoring import Method, evaluate, unsharp_methods
from ensharpen_edge.benchmarks.quality.suite_result import SuiteResult
from ensharpen_edge.benchmarks.quality.suites import (
    PAIRS,
    PROTOCOLS,
    Case,
    Pair,
    degraded_pairs,
    find_cases,
    gaussian_case,
    real_pairs,
)
from ensharpen_edge.errors import UsageError
from ensharpen_edge.files import distinct_names
from ensharpen_edge.imaging.photo_folder import photo_files
from ensharpen_edge.judging.pairs import pair_files
from ensharpen_edge.metrics.registry import Measure

_SINGLE = GaussianCase(1.6, 2.55)


@dataclass(frozen=True)
class Condition:
    """One condition on one set of photographs.

    Attributes:
        pairs: Function that yields the pairs.
        kernel: Kernel that all of them were blurred with, for oracles; None where no one kernel says it all.
        margin: Pixels by which the photographs that blind methods are given go on periodically beyond their edges.
    """

    pairs: Callable[[], Iterator[Pair]]
    kernel: NDArray[np.float64] | None = None
    margin: int = 0

    def blind(self, methods: Mapping[str, Method]) -> dict[str, Method]:
        """Return methods that are not told the kernel, as this condition runs them."""
        return {name: periodic(method, self.margin) if self.margin else method for name, method in methods.items()}


@dataclass(frozen=True)
class SuiteRun:
    """One suite on one set of photographs.

    Attributes:
        title: Names of the suite and the set.
        conditions: Every condition by name.
        photographs: Number that will be measured, over all conditions.
        protocol: Sentence that says how the pairs come about.
    """

    title: str
    conditions: dict[str, Condition]
    photographs: int
    protocol: str = ""

    def measure(
        self,
        methods: Mapping[str, Method],
        measures: dict[str, Measure],
        advance: Callable[[], None] = lambda: None,
        oracles: Sequence[str] = (),
    ) -> SuiteResult:
        """Measure every condition.

        Args:
            methods: Methods by name.
            measures: Measures by metric; the first must be one where higher is better.
            advance: Called after each photograph of each condition.
            oracles: Names of classical methods that are told the kernel, where there is one.

        Raises:
            BadInputError: A photograph cannot be read or measured.
        """
        return SuiteResult(
            self.title,
            {
                name: evaluate(
                    condition.pairs(),
                    condition.blind(methods),
                    measures,
                    advance,
                    oracle_methods(oracles, condition.kernel),
                    condition.blind(unsharp_methods()),
                )
                for name, condition in self.conditions.items()
            },
            self.protocol,
        )


@dataclass(frozen=True)
class Selection:
    """Photographs and suites to measure on.

    Attributes:
        folders: Folders of sharp photographs.
        suites: Names of suites that degrade them; without any, the one condition `single` does.
        pairs: Folder of real pairs (`blur/` and `sharp/`), or None.
        kernels: npz file for the suites of camera shake, or None.
        single: Condition where no suites are named.
        limit: Take so many photographs of each folder; 0 takes all.
    """

    folders: tuple[Path, ...] = ()
    suites: tuple[str, ...] = ()
    pairs: Path | None = None
    kernels: Path | None = None
    single: GaussianCase = _SINGLE
    limit: int = 0


def select_suites(selection: Selection, oracles: Sequence[str] = (), wrap: int = 0) -> list[SuiteRun]:
    """Return every suite on every folder, then the real pairs.

    Args:
        selection: Photographs and suites.
        oracles: Names of the oracles that will be asked for.
        wrap: Pixels to continue photographs by periodically, where they were blurred with circular borders.

    Raises:
        UsageError: There is nothing to measure, a suite or oracle is unknown, or oracles (or `wrap`) are wanted and
            there is no kernel.
        MissingToolError: An oracle's package is not installed.
        BadInputError: A folder holds no photographs.
    """
    if not selection.folders and selection.pairs is None:
        raise UsageError("nothing to measure on", hint="give --data FOLDER, or --pairs FOLDER")
    if selection.suites and not selection.folders:
        raise UsageError("--suite degrades sharp photographs, and there are none", hint="give their folder: --data")
    check_oracles(oracles)
    single = gaussian_case(selection.single.blur, selection.single.noise)
    chosen = {name: find_cases(name, selection.kernels) for name in selection.suites} or {single.name: (single,)}
    keep = selection.limit or None
    runs = []
    titles = distinct_names([folder.resolve() for folder in selection.folders])
    for title, folder in zip(titles, selection.folders, strict=True):
        files = photo_files(folder)[:keep]
        for name, cases in chosen.items():
            runs.append(_suite(f"{title}, {name}", files, cases, PROTOCOLS.get(name, PROTOCOLS["gaussian"]), wrap))
    if selection.pairs is not None:
        found = pair_files(selection.pairs)[:keep]
        real = {"real": Condition(lambda: real_pairs(found))}
        runs.append(SuiteRun(f"{selection.pairs.resolve().name}, real pairs", real, len(found), PROTOCOLS[PAIRS]))
    if (oracles or wrap) and all(c.kernel is None for run in runs for c in run.conditions.values()):
        option = "--oracle" if oracles else "--wrap"
        raise UsageError(
            f"{option}: none of these suites blurs with a kernel", hint="gaussian, disk, motion and levin do"
        )
    return runs


def _suite(title: str, files: list[Path], cases: tuple[Case, ...], protocol: str, wrap: int) -> SuiteRun:
    def condition(case: Case) -> Condition:
        return Condition(lambda: degraded_pairs(files, case), case.kernel, 0 if case.kernel is None else wrap)

    if wrap and any(case.kernel is not None for case in cases):
        title, protocol = f"{title}, wrapped", f"{protocol}; methods see it continued periodically"
    return SuiteRun(title, {case.name: condition(case) for case in cases}, len(files) * len(cases), protocol)

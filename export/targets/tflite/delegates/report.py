"""Operators of a file that a delegate would run, and those that fall back to the CPU's plain kernels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.targets.tflite.delegates.lists import Delegate, delegates, find_delegate
from ensharpen_edge.export.targets.tflite.operators import ModelOperators, Operator


@dataclass(frozen=True)
class DelegateReport:
    """One delegate and one file.

    Attributes:
        delegate: The delegate.
        operators: Number of operators of the file.
        taken: Number of those that it runs.
        fallback: Share of the multiplications that the delegate does not run.
        refused: Number of operators it does not run, by the reason.
        partitions: Runs of operators that are taken one after the other: data move between all of them.
        api: Android API level from which all that is taken is taken; 0 where it does not apply.
        static_only: The file is for free sizes, and the delegate wants one size: it must be opened at one.
    """

    delegate: Delegate
    operators: int
    taken: int
    fallback: float
    refused: dict[str, int]
    partitions: int
    api: int
    static_only: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "operators": self.operators,
            "taken": self.taken,
            "fallback_share_of_macs": round(self.fallback, 4),
            "partitions": self.partitions,
            "refused": self.refused,
            "android_api": self.api or None,
            "needs_one_size": self.static_only,
            "note": self.delegate.note,
        }


def delegate_report(model: ModelOperators, delegate: Delegate) -> DelegateReport:
    """Compare a file with a delegate's list."""
    refused: Counter[str] = Counter()
    taken: list[bool] = []
    api = 0
    for operator in model.operators:
        reason = _refusal(operator, delegate)
        if reason is None and delegate.whole and refused:
            reason = "behind an operator that is not taken"
        taken.append(reason is None)
        if reason is None:
            api = max(api, _api(operator, delegate))
        else:
            refused[reason] += 1
    work = sum(operator.macs for operator in model.operators)
    lost = sum(operator.macs for operator, ok in zip(model.operators, taken, strict=True) if not ok)
    starts = sum(ok and not before for before, ok in zip([False, *taken[:-1]], taken, strict=True))
    static_only = delegate.static and model.free
    share = lost / work if work else 0.0
    return DelegateReport(
        delegate, len(taken), sum(taken), share, dict(refused.most_common()), starts, api, static_only
    )


def delegate_reports(model: ModelOperators) -> tuple[DelegateReport, ...]:
    """Return a report for every delegate."""
    return tuple(delegate_report(model, delegate) for delegate in delegates().values())


def require_delegate(model: ModelOperators, name: str) -> None:
    """Demand that a delegate runs the whole file.

    Raises:
        UsageError: Unknown delegate, or it would not; names the operators.
    """
    report = delegate_report(model, find_delegate(name))
    if report.refused:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in report.refused.items())
        raise UsageError(
            f"{report.delegate.title} would not take {report.operators - report.taken} of {report.operators} "
            f"operators: {reasons}",
            hint=_advice(report),
        )
    if report.static_only:
        raise UsageError(f"{report.delegate.title} wants one size", hint="give it: --size 512x512")


def _advice(report: DelegateReport) -> str:
    kinds = {kind for support in report.delegate.operators.values() for kind in support.kinds}
    lacking = {reason for reason in report.refused if " " not in reason}  # a bare name: see `_refusal`
    eight_bit = "float32" not in kinds
    if eight_bit:
        lacking -= {"QUANTIZE", "DEQUANTIZE"}  # which a file without floats does not have
    if lacking:
        missing = ", ".join(sorted(lacking))
        return f"it has no {missing} in any precision: leave --require-delegate out, the CPU runs the rest"
    if eight_bit:
        return "this delegate runs 8-bit files only: --precision int8 --plan all --keep '' (and see the gate)"
    return "choose another precision, or leave --require-delegate out: what is refused runs on the CPU"


def _refusal(operator: Operator, delegate: Delegate) -> str | None:
    support = delegate.operators.get(operator.name)
    if support is None:
        return operator.name
    if operator.kind not in support.kinds:
        return f"{operator.name} of {operator.kind}"
    if support.version is not None and operator.version > support.version and operator.kind != "constant":
        return f"{operator.name} version {operator.version}"
    if operator.rank > delegate.max_rank:
        return f"{operator.name} of rank {operator.rank}"
    return None


def _api(operator: Operator, delegate: Delegate) -> int:
    support = delegate.operators[operator.name]
    eight_bit = operator.kind in ("int8", "uint8") or operator.name == "QUANTIZE"
    return (support.int8_api if eight_bit and support.int8_api else support.api) or 0

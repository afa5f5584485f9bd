"""Which of a kit's graphs a TensorRT version is given, and how its builder is told the precision."""

from __future__ import annotations

from dataclasses import dataclass

from .faults import USAGE, DeviceError

FIRST_STRONG = (10, 0)
"""From here on networks can be strongly typed: the graph's own types decide, and no flag is set."""
OLDEST = (8, 5)
PRECISIONS = ("fp32", "fp16", "int8")


@dataclass(frozen=True)
class Attempt:
    """One engine to try.

    Attributes:
        graph: The graph's name.
        precision: The engine's precision.
        strong: Whether the network is strongly typed.
        flags: Builder flags to set.
        note: A remark for the report, or nothing.
    """

    graph: str
    precision: str
    strong: bool
    flags: tuple[str, ...]
    note: str = ""


def parse_version(text: str) -> tuple[int, int]:
    """Major and minor of e.g. `8.5.2.2`.

    Raises:
        DeviceError: Too old, or no version.
    """
    try:
        major, minor = (int(part) for part in text.split(".")[:2])
    except ValueError as error:
        raise DeviceError(USAGE, f"{text!r} is no TensorRT version") from error
    if (major, minor) < OLDEST:
        raise DeviceError(USAGE, f"TensorRT {text} is older than {OLDEST[0]}.{OLDEST[1]}", "update JetPack")
    return major, minor


def attempts(precision: str, version: tuple[int, int]) -> tuple[Attempt, ...]:
    """Return the attempts in order; the first that builds is taken.

    INT8 falls back to INT8 without depthwise convolutions, for which TensorRT 8.x often finds no implementation
    (NVIDIA/TensorRT issues 3385, 4060), and then to FP16.

    Raises:
        DeviceError: The precision is unknown.
    """
    if precision not in PRECISIONS:
        raise DeviceError(USAGE, f"unknown precision {precision!r}, known: {', '.join(PRECISIONS)}")
    strong = version >= FIRST_STRONG
    if precision == "fp32":
        return (Attempt("fp32", "fp32", strong, ()),)
    half = Attempt("fp16", "fp16", True, ()) if strong else Attempt("fp32", "fp16", False, ("FP16",))
    if precision == "fp16":
        return (half,)
    fallback = Attempt(half.graph, half.precision, half.strong, half.flags, "no INT8 engine could be built")
    if strong:
        return (
            Attempt("int8-fp16", "int8", True, ()),
            Attempt("int8-fp16-dense", "int8", True, (), "depthwise convolutions in fp16"),
            fallback,
        )
    return (Attempt("int8-dense", "int8", False, ("FP16", "INT8"), "depthwise convolutions in fp16"), fallback)


def accelerator_attempts(precision: str, version: tuple[int, int]) -> tuple[Attempt, ...]:
    """Return the attempts for the deep learning accelerator: a graph of its own, and scales from a calibration cache.

    Raises:
        DeviceError: This TensorRT drives no accelerator that way.
    """
    if version >= (10, 8):
        raise DeviceError(USAGE, "TensorRT after 10.7 drives no accelerator here", "leave --dla out")
    half = Attempt("dla", "fp16", False, ("FP16",))
    if precision != "int8":
        return (half,)
    return (Attempt("dla", "int8", False, ("FP16", "INT8"), "scales from dla.cache"), half)


def cache_header(version: str) -> str:
    """Return a calibration cache's first line for e.g. `8.5.2` or `10.3.0`; TensorRT takes none of another version.

    The number is `NV_TENSORRT_VERSION` of NvInferVersion.h: major, minor and patch with 1, 1 and 2 digits up to 8, with
    2 digits each from 10 on.
    """
    major, minor, patch = (int(part) for part in (*version.split("."), "0", "0")[:3])
    number = major * 10000 + minor * 100 + patch if major >= 10 else major * 1000 + minor * 100 + patch
    return f"TRT-{number}-EntropyCalibration2"


def trtexec_line(
    attempt: Attempt,
    version: tuple[int, int],
    shapes: tuple[str, str, str],
    name: str = "image",
    dla: int | None = None,
) -> str:
    """Return the command that builds the same with NVIDIA's own tool, which takes no shapes for a graph of one size."""
    parts = ["trtexec", f"--onnx={attempt.graph}.onnx", f"--saveEngine={attempt.graph}.engine"]
    if len(set(shapes)) > 1:
        for option, shape in (("min", shapes[0]), ("opt", shapes[1]), ("max", shapes[2])):
            parts.append(f"--{option}Shapes={name}:{shape}")
    if dla is not None:
        parts += [f"--useDLACore={dla}", "--allowGPUFallback"]
        parts += ["--calib=dla.cache"] if "INT8" in attempt.flags else []
    if attempt.strong:
        # 11 knows no other networks and has no option for it any more.
        parts += ["--stronglyTyped"] if version < (11, 0) else []
    else:
        parts += [f"--{flag.lower()}" for flag in attempt.flags]
    return " ".join(parts)

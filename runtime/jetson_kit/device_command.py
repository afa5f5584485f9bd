"""`build_engine.py` of a kit: build, self-test, measure, keep what is best, write the artifact."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from .build import BuildOptions, Built, build_first, check_shapes, logger
from .driver import find_gpu
from .faults import BAD_INPUT, MISSING, PARITY, USAGE, DeviceError
from .graph_choice import accelerator_attempts, attempts, cache_header, parse_version, trtexec_line
from .jetpack import JETPACKS
from .kit import Kit, check_destination, open_kit, write_artifact
from .layer_report import layer_report
from .memory_choice import open_memory
from .session import Session

LIMITS = {"fp32": 60.0, "fp16": 55.0, "int8": 44.0}
"""PSNR (dB) against the golden output. Kernels of a GPU add up in another order than those that wrote it."""
WORTH = 0.97
"""INT8 is kept when it takes at most so much of FP16's time."""
_WARM_UP, _ROUNDS = 10, 50
_EQUAL = 60.0
_DECIBELS = ("psnr", "score_drop")


def main(folder: Path, arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    try:
        options = _parser().parse_args(arguments)
        kit = open_kit(folder)
        shapes = _shapes(kit, options)
        if options.dla is not None and "dla" not in kit.build["graphs"]:
            raise DeviceError(
                USAGE, "the kit has no graph for the accelerator", "export with a fixed --size, for float images"
            )
        if options.dry_run:
            explain(kit, shapes, print, options.dla)
            return 0
        _build(kit, shapes, options)
        return 0
    except DeviceError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.code
    except MemoryError as error:
        print(f"error: {error}\nhint: close other programs, or give smaller shapes (--max 544x960)", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Build a TensorRT engine on this device, test it, measure it.")
    parser.add_argument("--out", type=Path, default=None, help="folder of the artifact (default: beside the kit)")
    parser.add_argument("--min", dest="smallest", help="smallest image, HEIGHTxWIDTH")
    parser.add_argument("--opt", dest="usual", help="usual image, HEIGHTxWIDTH")
    parser.add_argument("--max", dest="largest", help="largest image, HEIGHTxWIDTH")
    parser.add_argument("--workspace", type=_mebibytes, default=0, help="MiB that a layer may use")
    parser.add_argument("--level", type=int, choices=range(6), default=None, help="optimization level, from 8.6 on")
    parser.add_argument("--cuda-backend", default="auto", help="auto, cuda.bindings, cudart, pycuda")
    parser.add_argument("--timing-cache", type=Path, default=Path("timing-cache"), help="folder of timing caches")
    parser.add_argument(
        "--dla", type=int, default=None, help="core of the deep learning accelerator (Orin, TensorRT 8.5 to 10.7)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done, for every JetPack")
    return parser


def _mebibytes(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of MiB")
    return int(text)


def _shapes(kit: Kit, options: argparse.Namespace) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    given = (options.smallest, options.usual, options.largest)
    listed = [tuple(shape) for shape in kit.build["shapes"]]
    for index, text in enumerate(given):
        if text:
            try:
                height, width = (int(side) for side in text.split("x"))
            except ValueError as error:
                raise DeviceError(USAGE, f"{text!r} is no size, e.g. 720x1280") from error
            listed[index] = (1, 3, height, width)
    shapes = (listed[0], listed[1], listed[2])
    if kit.manifest["shape"]["height"] is not None and any(given):
        raise DeviceError(USAGE, "the kit's graphs have one size", "export without --size for others")
    check_shapes(shapes, int(kit.build["multiple_of"]))
    golden = kit.golden()[0].shape
    if not all(shapes[0][axis] <= golden[axis] <= shapes[2][axis] for axis in (2, 3)):
        raise DeviceError(
            USAGE,
            f"the engine is tested with {golden[2]}x{golden[3]} pixels, which must lie between --min and --max",
            "for one size, export the kit for it: ensharpen-export --target trt --size 720x1280",
        )
    return shapes


def explain(kit: Kit, shapes: Any, say: Any, dla: int | None = None) -> None:
    """Say how engines would be built on every JetPack, on its GPU or a core of its deep learning accelerator."""
    accelerator = dla is not None
    precision = kit.build["precision"]
    texts = tuple("x".join(str(side) for side in shape) for shape in shapes)
    say(f"{kit.manifest['name']}, {precision}, images from {texts[0]} over {texts[1]} to {texts[2]}")
    for jetpack in JETPACKS:
        version = parse_version(jetpack.tensorrt)
        say(f"\nJetPack {jetpack.name} ({jetpack.boards}): TensorRT {jetpack.tensorrt}, CUDA {jetpack.cuda}")
        try:
            tries = accelerator_attempts(precision, version) if accelerator else attempts(precision, version)
        except DeviceError as error:
            say(f"  none: {error}")
            continue
        for number, attempt in enumerate(tries):
            types = "strongly typed" if attempt.strong else "weakly typed, flags " + (" ".join(attempt.flags) or "none")
            note = f"; {attempt.note}" if attempt.note else ""
            say(f"  {number + 1}. {attempt.precision} from {attempt.graph}.onnx, {types}{note}")
        say(f"  by hand: {trtexec_line(tries[0], version, (texts[0], texts[1], texts[2]), dla=dla)}")
        if accelerator and "INT8" in tries[0].flags:
            say(f"           with {cache_header(jetpack.tensorrt)} as the first line of dla.cache")
    if precision == "int8" and not accelerator:
        say(f"\nthen FP16 is built as well; INT8 is kept only if it takes at most {WORTH:.0%} of its time")
    say("the engine must reproduce golden/vectors.npz, or there is no artifact")


def _tensorrt() -> Any:
    try:
        import tensorrt
    except ImportError as error:
        raise DeviceError(
            MISSING, f"tensorrt is not installed ({error})", "on a Jetson: sudo apt install python3-libnvinfer"
        ) from error
    return tensorrt


def _build(kit: Kit, shapes: Any, options: argparse.Namespace) -> None:
    gpu = find_gpu()  # before anything of TensorRT is loaded: without a driver it may crash
    trt = _tensorrt()
    version = parse_version(trt.__version__)
    print(f"{gpu.name}, compute capability {gpu.capability}, TensorRT {trt.__version__}")
    cache = options.timing_cache / gpu.name.replace(" ", "-")
    settings = BuildOptions(
        shapes,
        options.workspace << 20,
        options.level,
        cache,
        options.dla,
    )
    precision = kit.build["precision"]
    only_float = precision == "fp32" and options.dla is None
    for kept in dict.fromkeys((precision,) if only_float else (precision, "fp16")):
        check_destination(kit, _destination(kit, options, kept))
    tries = attempts(precision, version) if options.dla is None else accelerator_attempts(precision, version)
    built = build_first(trt, tries, kit.folder, settings, print)
    candidates = [built]
    if built.attempt.precision == "int8" and options.dla is None:
        candidates.append(build_first(trt, attempts("fp16", version), kit.folder, settings, print))
    backend, shared = options.cuda_backend, gpu.integrated
    measured = [_measure(trt, candidate, kit, shapes, backend, shared, options.dla) for candidate in candidates]
    kept = choose(measured)
    for row in measured:
        print(
            f"{row['precision']}: {row['milliseconds']:.2f} ms for {shapes[1][2]}x{shapes[1][3]} "
            f"({row['ms_per_megapixel']:.2f} ms/MP), {row['psnr']:.1f} dB against the golden output, "
            f"{row['layers']['layers']} layers, {row['layers']['reformats']} of them reformat"
        )
    if len(measured) > 1 and kept["precision"] != "int8":
        print("INT8 is not kept: " + kept["reason"])
    facts = {
        "gpu": gpu.name,
        "compute_capability": gpu.capability,
        "tensorrt": trt.__version__,
        "kept": kept["precision"],
        "measured": [_facts(row) for row in measured],
        "failures": list(built.failures),
        "rebuild": "python3 build_engine.py" + ("" if options.dla is None else f" --dla {options.dla}"),
        "dla": options.dla,
    }
    out = _destination(kit, options, kept["precision"])
    write_artifact(kit, out, kept["engine"], kept["precision"], facts, shapes, kept["needed"])
    print(f"{out}  {len(kept['engine']) / 1024:.0f} KiB")


def _destination(kit: Kit, options: argparse.Namespace, precision: str) -> Path:
    core = "" if options.dla is None else f"-dla{options.dla}"
    return Path(options.out or kit.folder.resolve().with_name(f"{kit.manifest['name']}-trt-{precision}{core}-engine"))


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for the manifest. JSON has no infinity: an output that is exactly the golden one has no PSNR."""
    finite = {key: row[key] if row[key] is not None and np.isfinite(row[key]) else None for key in _DECIBELS}
    return {**{key: value for key, value in row.items() if key != "engine"}, **finite}


def _measure(
    trt: Any, built: Built, kit: Kit, shapes: Any, backend: str, shared: bool, dla: int | None
) -> dict[str, Any]:
    """Test and time one engine."""
    session = Session(trt, built.engine, open_memory(backend), logger(trt, print), shared=shared, dla=dla)
    try:
        image, _ = kit.golden()
        quality = self_test(kit, built.attempt.precision, session.run(image))
        batch = np.resize(image, shapes[1])
        times = []
        for number in range(_WARM_UP + _ROUNDS):
            start = time.perf_counter()
            session.run(batch)
            if number >= _WARM_UP:
                times.append(1000 * (time.perf_counter() - start))
        median = statistics.median(times)
        return {
            "precision": built.attempt.precision,
            "graph": built.attempt.graph,
            **quality,
            "milliseconds": median,
            "ms_per_megapixel": median / (shapes[1][2] * shapes[1][3] / 1e6),
            "layers": layer_report(session.layers()),
            "engine": built.engine,
        }
    finally:
        session.close()


def self_test(kit: Kit, precision: str, output: Any) -> dict[str, Any]:
    """Compare an engine's output for the golden input with the expected one.

    The expected output is that of the kit's own precision: an engine of another one need not come nearer to it. Where
    the golden vectors hold the truth, the integers of a GPU may round elsewhere, and the score counts as well.

    Returns:
        `psnr` and what is `needed`, dB; `score_drop`, dB lost against the truth, or None; and whether it `passed`.
    """
    expected, truth, limits = kit.golden()[1], kit.truth(), kit.manifest["golden"]
    reached, needed = psnr(output, expected), min(LIMITS[precision], limits["agreement"])
    # Outputs that equal the truth have no finite PSNR.
    drop = None if truth is None else min(_EQUAL, psnr(expected, truth)) - min(_EQUAL, psnr(output, truth))
    scores = drop is None or limits["score_drop"] is None or drop <= limits["score_drop"]
    return {"psnr": reached, "needed": needed, "score_drop": drop, "passed": bool(reached >= needed and scores)}


def choose(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the engine to keep: the first that passes its self-test; INT8 only where it is faster than FP16.

    Raises:
        DeviceError: No engine passes.
    """
    good = [row for row in measured if row["passed"]]
    if not good:
        worst = measured[0]
        raise DeviceError(
            PARITY,
            f"{worst['precision']}: {worst['psnr']:.1f} dB against the golden output, needs {worst['needed']:.0f} dB"
            + ("" if worst["score_drop"] is None else f"; {worst['score_drop']:.2f} dB lost against the truth"),
            "send the layer report with your TensorRT version",
        )
    first = good[0]
    if first["precision"] != "int8":
        reason = "it does not reproduce the golden output" if len(measured) > 1 else ""
        return dict(first, reason=reason)
    others = [row for row in good if row["precision"] == "fp16"]
    if others and first["milliseconds"] > WORTH * others[0]["milliseconds"]:
        share = first["milliseconds"] / others[0]["milliseconds"]
        return dict(others[0], reason=f"it takes {share:.0%} of FP16's time on this device")
    return dict(first, reason="")


def psnr(output: Any, expected: Any) -> float:
    """Return the PSNR in dB, of floats in [0, 1] or 8-bit pixels; -inf where the output is not finite."""
    white = 255.0 if expected.dtype == np.uint8 else 1.0
    if not np.isfinite(output.astype(np.float64)).all():
        return float("-inf")
    error = float(np.mean((output.astype(np.float64) - expected.astype(np.float64)) ** 2)) / white**2
    return float("inf") if error == 0 else -10.0 * float(np.log10(error))

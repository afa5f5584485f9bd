"""Proof that the written file computes, and sharpens, what the network did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ensharpen_edge.artifact_manifest import FLOAT_DTYPE
from ensharpen_edge.errors import ParityError
from ensharpen_edge.export.draft import Draft, made
from ensharpen_edge.export.precision import PIXELS_OUT
from ensharpen_edge.export.proof.gate import GatePair, check_quality, score_pairs
from ensharpen_edge.export.proof.gate_photos import gate_pairs
from ensharpen_edge.export.proof.ladder import Rung, check_parity, climb
from ensharpen_edge.export.proof.large_window import check_large_window
from ensharpen_edge.export.proof.operators import check_operators, compare_operators
from ensharpen_edge.export.proof.probes import fit_image, ladder_probes
from ensharpen_edge.export.proof.tiling import check_tiling
from ensharpen_edge.export.proof.trained import (
    LARGE_WINDOW,
    TrainedLimits,
    TrainedReport,
    check_trained,
    score_trained,
)
from ensharpen_edge.export.targets.options import Size
from ensharpen_edge.runtime.tiling import round_up

_OPERATOR_SIZE = (128, 128)
"""(height, width) that operators of a file for free sizes are looked at with, in pixels."""


def climb_ladder(draft: Draft) -> Draft:
    """Run every probe through every form of the network, from torch to the written file."""
    draft.progress("climbing the parity ladder")
    written = made(draft.build)
    # 8-bit images cost more than a precision of floats does.
    rounds = written.io.dtype != FLOAT_DTYPE and draft.precision.parity.photographs is None
    rungs = [Rung("torch", draft.network.run), Rung("folded", made(draft.folded).run), *written.rungs]
    if draft.proof is None:
        rungs.append(Rung("artifact", draft.exported, PIXELS_OUT if rounds else draft.precision.name))
    return replace(draft, parity=climb(rungs, ladder_probes(draft.probed_sizes, draft.stride)))


def check_ladder(draft: Draft) -> Draft:
    """Hold the ladder to its limits.

    Raises:
        ParityError: Names the rung; of a quantized file also the layer that costs most.
    """
    try:
        check_parity(made(draft.parity), draft.limits.agreement)
    except ParityError as error:
        quantization = made(draft.build).quantization
        worst = quantization.get("worst_layer")
        if worst is None:
            raise
        raise ParityError(
            str(error),
            hint=f"the layer that costs most is {worst!r}, alone {quantization['worst_layer_psnr']} dB; "
            f"keep it in float (--keep head,tail,{worst}), or calibrate with more photographs",
        ) from error
    return draft


def look_at_operators(draft: Draft) -> Draft:
    """Compare a file of a network trained in 8 bits with it, operator by operator."""
    proof = draft.proof
    if proof is None or proof.tensors is None:
        return draft
    draft.progress("looking at every operator")
    probes = ladder_probes(draft.probed_sizes or (_OPERATOR_SIZE,), draft.stride)
    images = [probe.image for probe in probes if not probe.stress] or [probe.image for probe in probes]
    return replace(draft, trained=TrainedReport(compare_operators(proof.reference, proof.tensors, images)))


def check_written_codes(draft: Draft) -> Draft:
    """Hold the operators to their limit.

    Raises:
        ParityError: Names the operator.
    """
    if draft.trained is not None:
        check_operators(draft.trained.operators)
    return draft


def check_window(draft: Draft) -> Draft:
    """Compare one window as large as the runtime makes them, where the file takes any size.

    Raises:
        ParityError: They differ.
    """
    if not draft.probed_sizes and made(draft.manifest).shape.largest is None:
        draft.progress("one large window")
        reference, smallest = draft.network.run, draft.limits.agreement or 0.0
        if draft.proof is not None:
            reference, smallest = draft.proof.run, LARGE_WINDOW
        check_large_window(draft.exported, reference, draft.stride, smallest)
    return draft


def compare_tiles(draft: Draft) -> Draft:
    """Compare tiles with the whole, where they can be equal.

    Raises:
        ParityError: They are not.
    """
    if not made(draft.manifest).shape.tile_exact:
        return draft
    draft.progress("comparing tiles with the whole")
    return replace(draft, tile_sizes=check_tiling(made(draft.engine), draft.artifact))


def measure_sharpening(draft: Draft) -> Draft:
    """Score the written file and the network on the photographs of the gate."""
    draft.progress("measuring the sharpening")
    gate = score_pairs(draft.network.run, draft.exported, _pairs(draft))
    if draft.proof is None:
        return replace(draft, gate=gate)
    scores = score_trained(draft.network.run, draft.proof.run, draft.exported, _pairs(draft))
    return replace(draft, gate=gate, trained=replace(draft.trained or TrainedReport(), scores=scores))


def _pairs(draft: Draft) -> Iterator[GatePair]:
    for pair in gate_pairs(draft.request.data, draft.network.task):
        yield _fitted(pair, draft.size or _whole(pair, draft.stride))


def check_sharpening(draft: Draft) -> Draft:
    """Hold the scores to the limits, and a drill to its alarm.

    Raises:
        QualityError: The file sharpens less than it must.
        ParityError: A drill did damage that nobody noticed.
    """
    check_quality(made(draft.gate), draft.limits)
    if draft.trained is not None:
        check_trained(draft.trained.scores, TrainedLimits())
    if draft.request.fault:
        raise ParityError(f"the drill damaged {draft.request.fault!r} and no gate noticed")
    return draft


def _whole(pair: GatePair, stride: int) -> Size:
    """The size of the pair's input, up to the network's stride."""
    height, width = pair.degraded.shape[2:]
    return round_up(height, stride), round_up(width, stride)


def _fitted(pair: GatePair, size: Size) -> GatePair:
    """The pair with an input of a static size: cut, or mirrored up to it."""
    times = pair.sharp.shape[2] // pair.degraded.shape[2]
    larger = size[0] * times, size[1] * times
    return replace(pair, degraded=fit_image(pair.degraded, size), sharp=fit_image(pair.sharp, larger))

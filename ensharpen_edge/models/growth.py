"""A wider, deeper or dense student that starts as what a smaller, trained one computes.

After Net2Net (Chen et al. 2016), but without copies: old outputs ignore the new inputs (zero weights), new outputs are
fresh filters of everything, a new residual block adds nothing, and a new estimator scales by one. One side of every new
connection is random and the other zero, so gradients reach both and no two channels stay alike. A dense student grows
from a separable one's merged kernels: four times the weights, and every one of them useful from the first step.
"""

from __future__ import annotations

from torch import Tensor, nn

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.config import StudentConfig
from ensharpen_edge.models.folding import merge_separable
from ensharpen_edge.models.student import Student

_SAME = ("upsampling", "dense", "attention", "windows", "branches")


def grow(source: Student, config: StudentConfig) -> Student:
    """Return a student of `config` that returns what `source` returns, for the heads that both have.

    Args:
        source: Trained.
        config: A configuration at least as wide and deep, otherwise alike; heads that `source` lacks start at zero,
            and an estimator that it lacks has no effect yet.
            May be dense where `source` is separable, not the other way round.

    Raises:
        UsageError: Some part of it is smaller, or an option differs.
    """
    if config.dense and not source.config.dense:
        source = merge_separable(source)
    _check(source.config, config)
    grown = Student(config)
    known, state = source.state_dict(), grown.state_dict()
    swapped = {f"{name}.weight" for name, layer in grown.named_modules() if isinstance(layer, nn.ConvTranspose2d)}
    for name, fresh in state.items():
        old = known.get(name)
        if old is not None:
            # Transposed convolutions keep their inputs first.
            _insert(*((fresh.transpose(0, 1), old.transpose(0, 1)) if name in swapped else (fresh, old)))
        elif ".contract." in name:
            fresh.zero_()
    grown.load_state_dict(state)
    return grown


def _insert(fresh: Tensor, old: Tensor) -> None:
    """Put old weights into the corner of new ones, in place."""
    if fresh.dim() == 4 and fresh.shape[1] > old.shape[1]:
        fresh[: old.shape[0]].zero_()
    fresh[tuple(slice(0, side) for side in old.shape)].copy_(old)


def _check(old: StudentConfig, new: StudentConfig) -> None:
    differing = [name for name in _SAME if getattr(old, name) != getattr(new, name)]
    if old.estimator and not new.estimator:
        differing.append("estimator")
    if old.windows and old.widths[2] != new.widths[2]:
        raise UsageError(
            f"{new.name} cannot grow from {old.name}: attention divides {old.widths[2]} channels among its "
            "heads, so their number must stay"
        )
    if differing:
        raise UsageError(f"{new.name} cannot grow from {old.name}: they differ in {', '.join(differing)}")
    sizes = [(*old.widths, *old.depths, old.expansion), (*new.widths, *new.depths, new.expansion)]
    if any(before > after for before, after in zip(*sizes, strict=True)):
        raise UsageError(f"{new.name} cannot grow from {old.name}: some part of it is smaller")

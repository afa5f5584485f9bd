"""Precisions as data: a new one is one line in `PRECISIONS`, and a target that writes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ensharpen_edge.errors import unknown_name


@dataclass(frozen=True)
class ParityLimits:
    """Limits of a rung of the parity ladder against torch; every rung must be finite, too.

    Attributes:
        max_abs: Largest difference of any pixel, None for no limit.
        psnr: Smallest PSNR on any probe in dB, None for no limit.
        photographs: Smallest PSNR on any photograph among the probes in dB, None for no limit.
    """

    max_abs: float | None = None
    psnr: float | None = None
    photographs: float | None = None

    def with_agreement(self, agreement: float | None) -> ParityLimits:
        """Return the limits with another PSNR on photographs, in dB.

        A lower one lowers that of the other probes as well; limits without photographs and None change nothing.
        """
        if agreement is None or self.photographs is None or self.psnr is None:
            return self
        return replace(self, photographs=agreement, psnr=self.psnr + min(0.0, agreement - self.photographs))


@dataclass(frozen=True)
class Precision:
    """One precision and everything that follows from it.

    Attributes:
        name: Name in commands, manifests and file names.
        weight_bits: Bits of a weight; of a layer in codes, where `calibrated`.
        activation_bits: Bits of an activation, at least: targets may compute in wider floats; of a layer in codes,
            where `calibrated`.
        parity: Limits of the parity ladder.
        agreement: Smallest PSNR between an export and the network on any photograph of the gate, dB.
        block_agreement: The same in any block of 16x16 pixels, dB.
        device_agreement: Smallest PSNR of a device's output against the golden one, dB.
        calibrated: Whether layers of a plan compute in codes, with ranges from a calibration table.
        planned: Whether the plan is searched for; otherwise it has all layers but those that are kept by name.
        dynamic: Whether ranges of activations are taken from each input at run time.
        palette: Whether weights are indices into a table of 2^weight_bits values.
    """

    name: str
    weight_bits: int
    activation_bits: int
    parity: ParityLimits
    agreement: float
    block_agreement: float
    device_agreement: float
    calibrated: bool = False
    planned: bool = False
    dynamic: bool = False
    palette: bool = False

    @property
    def whole(self) -> bool:
        """Whether everything is computed in 32-bit floats."""
        return self.weight_bits == self.activation_bits == 32

    @property
    def compressed(self) -> bool:
        """Whether only the weights have fewer bits than floats, and are expanded before they are used."""
        return self.weight_bits < 16 and not self.calibrated and not self.dynamic


_CODES = ParityLimits(psnr=20.0, photographs=48.0)
"""256 codes are fitted to photographs, so a checkerboard may lose more."""


def _coded(
    name: str,
    weight_bits: int,
    activation_bits: int,
    *,
    device: float = 55.0,
    calibrated: bool = False,
    planned: bool = False,
    dynamic: bool = False,
    palette: bool = False,
) -> Precision:
    """A precision with fewer than 16 bits somewhere.

    Codes that were fitted to other photographs reach 35 dB in the worst of 50,000 blocks; a row of one block that is
    off by 8 code values leaves 42 dB.
    """
    return Precision(
        name, weight_bits, activation_bits, _CODES, 48.0, 30.0, device, calibrated, planned, dynamic, palette
    )


PRECISIONS: tuple[Precision, ...] = (
    Precision("fp32", 32, 32, ParityLimits(max_abs=1e-4), 55.0, 43.0, 60.0),
    Precision("fp16", 16, 16, ParityLimits(psnr=60.0), 55.0, 43.0, 55.0),
    Precision("fp16-weights", 16, 32, ParityLimits(psnr=60.0), 55.0, 43.0, 55.0),
    _coded("int8", 8, 8, device=44.0, calibrated=True, planned=True),
    _coded("int16x8", 8, 16, calibrated=True),
    _coded("int8-weights", 8, 16),
    _coded("int8-dynamic", 8, 8, dynamic=True),
    _coded("int4-weights", 4, 16),
    _coded("palette8", 8, 16, palette=True),
    _coded("palette6", 6, 16, palette=True),
    _coded("palette4", 4, 16, palette=True),
)
"""Agreements of floats are below the 58.9 dB that rounding to 8 bits alone leaves."""

PIXELS_OUT = "8-bit images"
"""In place of a precision: a rung whose output is rounded to 8 bits, which alone leaves 58.9 dB."""

_PIXELS = ParityLimits(psnr=57.0)


def find_precision(name: str) -> Precision:
    """Return the precision called `name`.

    Raises:
        UsageError: There is none; names the nearest.
    """
    for precision in PRECISIONS:
        if precision.name == name:
            return precision
    raise unknown_name("precision", name, [precision.name for precision in PRECISIONS])


def parity_limits(name: str, agreement: float | None = None) -> ParityLimits:
    """Return the limits of a rung.

    Args:
        name: A precision, or `PIXELS_OUT`.
        agreement: Smallest PSNR on photographs in dB, where the precision's own does not hold.
    """
    return _PIXELS if name == PIXELS_OUT else find_precision(name).parity.with_agreement(agreement)

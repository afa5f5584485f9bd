"""Mixes by name, for stages of a curriculum."""

from __future__ import annotations

from ensharpen_edge.degrade.mix import DegradationMix
from ensharpen_edge.degrade.noise_registry import NoiseChoice
from ensharpen_edge.degrade.registry import BlurChoice

_NOISES = (
    NoiseChoice("gaussian", 0.5),
    NoiseChoice("grey gaussian", 0.1),
    NoiseChoice("poisson", 0.1),
    NoiseChoice("sensor", 0.1),
    NoiseChoice("none", 0.2),
)
_LENS = (
    BlurChoice("gaussian", 0.5),
    BlurChoice("generalised gaussian", 0.15),
    BlurChoice("plateau", 0.15),
    BlurChoice("defocus disk", 0.2),
)
_MOTION = (BlurChoice("camera shake", 0.7), BlurChoice("linear motion", 0.3))

MIXES: dict[str, DegradationMix] = {
    "soft": DegradationMix(),
    "lens": DegradationMix(_LENS, _NOISES),
    "motion": DegradationMix(_MOTION, _NOISES, linear_light=0.3),
    "photo": DegradationMix(
        (
            *(BlurChoice(choice.kind, 0.6 * choice.weight) for choice in _LENS),
            *(BlurChoice(choice.kind, 0.35 * choice.weight) for choice in _MOTION),
            BlurChoice("sinc", 0.05),
        ),
        _NOISES,
        jpeg=0.3,
        twice=0.1,
    ),
    "second order": DegradationMix(twice=1.0, identity=0.0),
}
"""`soft`: Gaussian blur and white noise; `lens`: soft and defocused lenses; `motion`: camera shake and panning;
`photo`: everything, compression and second-order degradations included; `second order`: that alone."""

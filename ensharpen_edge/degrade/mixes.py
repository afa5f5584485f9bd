"""Mixes by name, for stages of a curriculum."""

from __future__ import annotations

from ensharpen_edge.degrade.jpeg import JpegConfig
from ensharpen_edge.degrade.mix import DegradationMix
from ensharpen_edge.degrade.noise_registry import NoiseChoice
from ensharpen_edge.degrade.registry import BlurChoice
from ensharpen_edge.errors import unknown_name

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

_LENSES_AND_HANDS = (
    BlurChoice("gaussian", 0.62),
    BlurChoice("generalised gaussian", 0.05),
    BlurChoice("plateau", 0.05),
    BlurChoice("defocus disk", 0.16, (0.8, 5.0)),
    BlurChoice("camera shake", 0.08, (1.5, 5.0)),
    BlurChoice("linear motion", 0.04, (2.0, 8.0)),
)
_LENSES_AND_SHAKE = (
    BlurChoice("gaussian", 0.54),
    BlurChoice("generalised gaussian", 0.04),
    BlurChoice("plateau", 0.04),
    BlurChoice("defocus disk", 0.14, (0.8, 5.0)),
    BlurChoice("camera shake", 0.17),
    BlurChoice("linear motion", 0.07),
)
_SENSORS = (NoiseChoice("gaussian", 0.75), NoiseChoice("sensor", 0.1), NoiseChoice("none", 0.15))
_CAMERAS = (
    NoiseChoice("gaussian", 0.6, (0.5, 25.0)),
    NoiseChoice("sensor", 0.15),
    NoiseChoice("poisson", 0.05),
    NoiseChoice("none", 0.2),
)
_HARDLY_SOFT = (BlurChoice("isotropic gaussian", 0.7, (0.1, 0.1)), BlurChoice("gaussian", 0.3, (0.1, 2.0)))
_BARELY_SOFT = (BlurChoice("isotropic gaussian", 0.5, (0.1, 0.1)), BlurChoice("gaussian", 0.5, (0.1, 1.2)))
_FAINT = (NoiseChoice("gaussian", 0.4, (0.5, 8.0)), NoiseChoice("none", 0.6))
_LOUD = (
    NoiseChoice("gaussian", 0.75, (0.5, 55.0)),
    NoiseChoice("grey gaussian", 0.05, (0.5, 40.0)),
    NoiseChoice("poisson", 0.05),
    NoiseChoice("sensor", 0.15),
)

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
    "lenses and hands": DegradationMix(_LENSES_AND_HANDS, _SENSORS, identity=0.06),
    "lenses and shake": DegradationMix(_LENSES_AND_SHAKE, _SENSORS, identity=0.06),
    "snapshots": DegradationMix(
        _LENSES_AND_HANDS, _CAMERAS, jpeg=0.5, compression=JpegConfig(quality=(40, 95)), identity=0.06
    ),
    "reduced": DegradationMix(_BARELY_SOFT, _FAINT, linear_light=0.0, jpeg=0.1, identity=0.5, eight_bit=1.0),
    "noise": DegradationMix(_HARDLY_SOFT, _LOUD, linear_light=0.0, identity=0.02, eight_bit=0.5),
}
"""`soft`: Gaussian blur and white noise; `lens`: soft and defocused lenses; `motion`: camera shake and panning;
`photo`: everything, compression and second-order degradations included; `second order`: that alone; `lenses and hands`:
soft lenses first of all, then defocus and short camera shake; `lenses and shake`: the same with a quarter of camera
shake and panning of any length; `snapshots`: `lenses and hands`, noisier and compressed; `noise`: for denoisers;
`reduced`: for networks that enlarge, whose photographs have been made smaller before."""


def find_mix(name: str) -> DegradationMix:
    """Return a mix by name.

    Raises:
        UsageError: There is none; names the nearest.
    """
    if name not in MIXES:
        raise unknown_name("mix", name, MIXES)
    return MIXES[name]

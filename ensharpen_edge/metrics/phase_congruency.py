"""Phase congruency: where the Fourier components of an image agree in phase, the eye sees a feature.

Kovesi: Image features from phase congruency, 1999, with log-Gabor wavelets and the noise compensation of the author's
second formulation; the parameters are those that FSIM uses.
"""

from __future__ import annotations

import math

import numpy as np

from ensharpen_edge.arrays import F64

_SCALES, _ORIENTATIONS = 4, 4
_SHORTEST_WAVE, _STEP = 6.0, 2.0
_BANDWIDTH = 0.55
_ANGULAR_RATIO = 1.2
_NOISE_DEVIATIONS = 2.0
_NOISE_SOFTENING = 1.7
_EPSILON = 1e-4


def _grid(height: int, width: int) -> tuple[F64, F64]:
    """Return the radius in cycles per pixel and angle of every Fourier coefficient, in numpy's order."""

    def axis(length: int) -> F64:
        half = np.arange(-(length // 2), length - length // 2) / (length - length % 2)
        return np.asarray(np.fft.ifftshift(half))

    y, x = np.meshgrid(axis(height), axis(width), indexing="ij")
    radius = np.hypot(x, y)
    radius[0, 0] = 1.0
    return radius, np.arctan2(-y, x)


def _wavelets(radius: F64) -> list[F64]:
    """Return radial log-Gabor filters from fine to coarse, cut off towards the corners."""
    low_pass = 1.0 / (1.0 + (radius / 0.45) ** 30)
    filters = []
    for scale in range(_SCALES):
        centre = 1.0 / (_SHORTEST_WAVE * _STEP**scale)
        gabor = np.exp(-(np.log(radius / centre) ** 2) / (2 * math.log(_BANDWIDTH) ** 2)) * low_pass
        gabor[0, 0] = 0.0
        filters.append(gabor)
    return filters


def _noise_energy(filters: list[F64], finest: F64) -> float:
    """Return the energy of noise alone, from the median response at the finest scale (Rayleigh distributed)."""
    mean_square = float(np.median(finest**2)) / math.log(2.0)
    power = mean_square / float((filters[0] ** 2).sum())
    pulses = [np.real(np.fft.ifft2(f)) * math.sqrt(f.size) for f in filters]
    squares = sum(float((pulse**2).sum()) for pulse in pulses)
    products = sum(float((pulses[i] * pulses[j]).sum()) for i in range(len(pulses)) for j in range(i + 1, len(pulses)))
    tau = math.sqrt(max(0.0, 2 * power * squares + 4 * power * products) / 2)
    mean, deviation = tau * math.sqrt(math.pi / 2), tau * math.sqrt(2 - math.pi / 2)
    return (mean + _NOISE_DEVIATIONS * deviation) / _NOISE_SOFTENING


def phase_congruency(plane: F64) -> F64:
    """(H, W) in [0, 1] for a plane (H, W) of code values."""
    spectrum = np.fft.fft2(plane)
    radius, angle = _grid(*plane.shape)
    radial = _wavelets(radius)
    spread = math.pi / _ORIENTATIONS / _ANGULAR_RATIO
    energy_sum, amplitude_sum = np.zeros_like(plane), np.zeros_like(plane)
    for orientation in range(_ORIENTATIONS):
        direction = orientation * math.pi / _ORIENTATIONS
        difference = np.abs(np.angle(np.exp(1j * (angle - direction))))
        angular = np.exp(-(difference**2) / (2 * spread**2))
        filters = [gabor * angular for gabor in radial]
        responses = [np.fft.ifft2(spectrum * f) for f in filters]
        amplitude_sum += np.sum([np.abs(response) for response in responses], axis=0)
        total = np.sum(responses, axis=0)
        mean = total / (np.abs(total) + _EPSILON)
        energy = np.zeros_like(plane)
        for response in responses:
            aligned = response * np.conj(mean)
            energy += aligned.real - np.abs(aligned.imag)
        energy_sum += np.maximum(energy - _noise_energy(filters, np.abs(responses[0])), 0.0)
    return energy_sum / (amplitude_sum + _EPSILON)

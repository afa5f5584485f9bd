"""Numbers that every judgement of sharpening shares."""

from __future__ import annotations

TINY_GAIN = 0.2
"""Smallest gain in dB from which a share of it can be told: where a network gains less, nothing can be retained."""

EQUAL_PSNR = 60.0
"""PSNR in dB that stands for "equal": a mean over photographs must stay a number when one has no error at all."""

CLOSEST_PSNR = 120.0
"""The same between two outputs, which are compared without rounding: float32 tells no smaller differences apart."""

"""EnSharpen Edge: sharpening networks from training to the device, proven at each step to still sharpen."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]

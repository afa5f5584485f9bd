"""EnSharpen Edge: sharpening networks from training to the device, proven at each step to still sharpen."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"
__all__ = ["__version__"]

# In a source checkout the stage folders (export, runtime, ...) lie beside this one; an installed package holds them.
# Python started in the checkout finds this folder before the installed package, so it must find the others too.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "pyproject.toml").is_file() and (_checkout / "runtime" / "tiling.py").is_file():
    __path__.append(str(_checkout))

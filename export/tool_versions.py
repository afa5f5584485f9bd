"""Versions of what made an artifact."""

from __future__ import annotations

import platform
from importlib import metadata

import torch


def tool_versions(*packages: str) -> dict[str, str]:
    """Python, torch and these packages."""
    versions = {name: metadata.version(name) for name in packages}
    return {"python": platform.python_version(), "torch": str(torch.__version__), **versions}

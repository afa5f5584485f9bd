"""The platforms that bundles are made for. A new one is a folder and one line here."""

from __future__ import annotations

from typing import Any

from ensharpen_edge.errors import UsageError, unknown_name
from ensharpen_edge.export.bundles.platform import Platform
from ensharpen_edge.export.bundles.web.platform import WebPlatform

PLATFORMS: dict[str, type[Platform]] = {platform.name: platform for platform in (WebPlatform,)}


def find_platform(name: str, **options: Any) -> Platform:  # noqa: ANN401 (the platform's own)
    """Return a platform with options of its own.

    Raises:
        UsageError: There is none of the name, and the nearest is named; or an option that it does not have.
    """
    if name not in PLATFORMS:
        raise unknown_name("platform", name, PLATFORMS)
    try:
        return PLATFORMS[name](**options)
    except TypeError as error:
        raise UsageError(f"bundles for {name}: {error}") from error

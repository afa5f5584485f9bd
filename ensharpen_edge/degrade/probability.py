"""Fields of a configuration that are probabilities."""

from __future__ import annotations

from ensharpen_edge.errors import UsageError


def check_probabilities(config: object, names: tuple[str, ...]) -> None:
    """Raise `UsageError` where one of these fields is not from 0 to 1."""
    for name in names:
        if not 0.0 <= getattr(config, name) <= 1.0:
            raise UsageError(f"{name} is a probability, got {getattr(config, name)}")

"""Names of the networks. A new one is one line here."""

from __future__ import annotations

from collections.abc import Iterator

from ensharpen_edge.errors import UsageError, unknown_name
from ensharpen_edge.models.config import BASE, NANO, SMALL, StudentConfig


class ModelRegistry:
    """Network configurations by name. An instance, not a module-level dictionary, so tests can make their own."""

    def __init__(self, configs: tuple[StudentConfig, ...] = ()) -> None:
        self._configs: dict[str, StudentConfig] = {}
        for config in configs:
            self.add(config)

    def add(self, config: StudentConfig) -> None:
        """Register a configuration.

        Raises:
            UsageError: The name is taken; the registry is left unchanged.
        """
        if config.name in self._configs:
            raise UsageError(f"model {config.name!r} is already registered")
        self._configs[config.name] = config

    def get(self, name: str) -> StudentConfig:
        """The configuration called `name`.

        Raises:
            UsageError: No such model; names the nearest.
        """
        if name not in self._configs:
            raise unknown_name("model", name, self._configs)
        return self._configs[name]

    def __iter__(self) -> Iterator[StudentConfig]:
        return iter(self._configs.values())


MODELS = ModelRegistry((NANO, SMALL, BASE))

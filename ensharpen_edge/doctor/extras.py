"""The package's extras: the purpose of each, and what of it is missing, by the requirements that the package states.

A requirement names a distribution, but code imports modules, and another distribution may bring the same one
(`onnxruntime-gpu` brings `onnxruntime`): a requirement is met when its module can be imported in a version that fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

from ensharpen_edge.errors import MissingToolError
from ensharpen_edge.installed_modules import InstalledModule, Provider, canonical_name, find_distribution, find_modules

DISTRIBUTION = "ensharpen-edge"
PURPOSES: dict[str, str] = {
    "": "run ONNX artifacts; time, compare",
    "onnx": "export: ONNX, and the first half of every other target; calibrate",
    "tflite": "run TFLite; with onnx: export it",
    "coreml": "with onnx: export Core ML; on macOS: run it",
    "openvino": "run ONNX on Intel's CPUs, GPUs and NPUs",
    "trt-check": "check graphs for TensorRT without a GPU",
    "train": "train, distil, label; calibrate with photographs of your own",
    "bench": "measure quality, draw reports",
}
"""Purposes by extra; the empty name stands for the package without any."""

_IMPORT_NAMES = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
}
"""Import names of distributions whose module is not called as they are."""


@dataclass(frozen=True)
class Shortfall:
    """A requirement that is not met.

    Attributes:
        wanted: Requirement as the package states it, e.g. `onnx>=1.16`.
        found: Version that is installed, with the distribution's name where it is another one; None without any.
        broken: Whether the distribution is installed, but its module cannot be found.
    """

    wanted: str
    found: str | None
    broken: bool = False

    def __str__(self) -> str:
        if self.broken:
            return f"{self.wanted} ({self.found} is installed, but its module cannot be found: install it again)"
        return self.wanted if self.found is None else f"{self.wanted} (there is {self.found})"


@dataclass(frozen=True)
class Extra:
    """One extra on this machine.

    Attributes:
        name: Name as in `pip install "ensharpen-edge[name]"`; empty for the package alone.
        purpose: Sentence that says what it is for.
        shortfalls: Requirements that are missing, too old or broken.
        notes: Sentences about modules that come from a distribution of another name, or from several.
    """

    name: str
    purpose: str
    shortfalls: tuple[Shortfall, ...]
    notes: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether everything is there."""
        return not self.shortfalls

    @property
    def install(self) -> str:
        """Command line that brings what is missing."""
        return f'pip install "{DISTRIBUTION}[{self.name}]"' if self.name else f"pip install {DISTRIBUTION}"


def import_name(distribution: str) -> str:
    """Return the name that code imports a required distribution by."""
    name = canonical_name(distribution)
    return _IMPORT_NAMES.get(name, name.replace("-", "_"))


def check_extras(requirements: Iterable[str] | None = None) -> list[Extra]:
    """Return every extra of `PURPOSES`, in that order.

    Nothing is imported: a requirement counts as met when an import would find its module, in a version that fits.

    Args:
        requirements: Requirements as `importlib.metadata.requires` gives them; those of the installed package by
            default.

    Raises:
        MissingToolError: The package runs from a folder and is not installed, so that nobody knows its requirements.
    """
    parsed = [Requirement(line) for line in (_stated() if requirements is None else requirements)]
    modules = find_modules([import_name(requirement.name) for requirement in parsed])
    return [_extra(name, purpose, parsed, modules) for name, purpose in PURPOSES.items()]


def _stated() -> list[str]:
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError as error:
        raise MissingToolError(
            f"{DISTRIBUTION} is not installed, so its requirements are not known", hint="pip install ."
        ) from error


def _extra(name: str, purpose: str, requirements: Sequence[Requirement], modules: dict[str, InstalledModule]) -> Extra:
    shortfalls, notes = [], []
    for requirement in requirements:
        if requirement.name != DISTRIBUTION and _belongs(requirement, name):
            module = modules[import_name(requirement.name)]
            shortfalls += _shortfalls(requirement, module)
            notes += _notes(requirement, module)
    return Extra(name, purpose, tuple(shortfalls), tuple(dict.fromkeys(notes)))


def _belongs(requirement: Requirement, extra: str) -> bool:
    """Whether the extra, and not already the package alone, asks for it on this machine."""
    if requirement.marker is None:
        return not extra
    alone = requirement.marker.evaluate({"extra": ""})
    return alone if not extra else requirement.marker.evaluate({"extra": extra}) and not alone


def _shortfalls(requirement: Requirement, module: InstalledModule) -> list[Shortfall]:
    wanted = f"{requirement.name}{requirement.specifier}"
    stated = find_distribution(requirement.name)
    if not module.importable:
        return [Shortfall(wanted, stated.version if stated else None, broken=stated is not None)]
    # Without a list of its modules a distribution is known by its name; a module without any has no version to check.
    providers = module.providers or ((stated,) if stated else ())
    return [
        Shortfall(wanted, _described(requirement, provider))
        for provider in providers
        if not requirement.specifier.contains(provider.version, prereleases=True)
    ]


def _described(requirement: Requirement, provider: Provider) -> str:
    own = canonical_name(provider.name) == canonical_name(requirement.name)
    return provider.version if own else str(provider)


def _notes(requirement: Requirement, module: InstalledModule) -> list[str]:
    if module.conflict:
        return [module.conflict]
    if find_distribution(requirement.name):
        return []  # it may bring its module by way of another distribution that it requires
    return [f"the module {module.name} comes from {provider}" for provider in module.providers]

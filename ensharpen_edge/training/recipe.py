"""Recipes: runs as YAML files. Every key is a field of `TrainConfig`; the model is a registry name or a table."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import cattrs
import yaml
from cattrs.errors import BaseValidationError
from cattrs.v import format_exception, transform_error

from ensharpen_edge.errors import EnsharpenError, UsageError, unknown_name
from ensharpen_edge.models.config import StudentConfig
from ensharpen_edge.models.registry import MODELS
from ensharpen_edge.training.config import TrainConfig


class _Loader(yaml.SafeLoader):
    """YAML as people write it: `1e-3` is a number, as in YAML 1.2, and a key that stands twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def shipped_recipes() -> dict[str, Path]:
    """Return recipes that come with the package, by name."""
    folder = Path(str(resources.files("ensharpen_edge.training"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_recipe(name: str) -> Path:
    """Return a shipped recipe by name, or a file by path.

    Raises:
        UsageError: Neither.
    """
    shipped = shipped_recipes()
    if name in shipped:
        return shipped[name]
    if Path(name).is_file():
        return Path(name)
    raise unknown_name("recipe", name, shipped)


def _model(value: Any, _type: Any) -> StudentConfig:  # noqa: ANN401
    if isinstance(value, str):
        return MODELS.get(value)
    if isinstance(value, dict) and "like" in value:
        base = MODELS.get(str(value["like"])).to_dict()
        return StudentConfig.from_dict({**base, **{key: item for key, item in value.items() if key != "like"}})
    return StudentConfig.from_dict(value)


def _number(value: Any, _type: Any) -> float:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(value)


def _whole(value: Any, _type: Any) -> int:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def _switch(value: Any, _type: Any) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {value!r}")
    return value


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook(bool, _switch)
    converter.register_structure_hook(StudentConfig, _model)
    return converter


def config_from_table(table: Any, where: str) -> TrainConfig:  # noqa: ANN401 (whatever a YAML file holds)
    """Check a table of fields and build the configuration.

    Args:
        table: Nested mappings and lists.
        where: File name, for messages.

    Raises:
        UsageError: Unknown fields, wrong types, impossible values; every one is named.
    """
    if not isinstance(table, dict):
        raise UsageError(f"{where}: a recipe is a table of fields, got {type(table).__name__}")
    _check_keys(table, where)
    try:
        return _converter().structure(table, TrainConfig)
    except EnsharpenError as error:
        raise UsageError(f"{where}: {error}", hint=error.hint) from error
    except BaseValidationError as error:
        ours = _first_of_ours(error)
        details = "; ".join(transform_error(error, path="recipe", format_exception=_describe))
        raise UsageError(f"{where}: {details}", hint=ours.hint if ours else None) from error


def _describe(error: BaseException, kind: type | None) -> str:
    """Describe a mistake: in our own words where they are ours, in those of cattrs otherwise."""
    if isinstance(error, (EnsharpenError, ValueError)):
        return str(error)
    if get_origin(kind) is Literal:
        return f"expected one of {', '.join(map(str, get_args(kind)))}"
    if isinstance(error, AttributeError):
        return f"expected a table of fields ({error})"
    return format_exception(error, kind)


def _check_keys(value: Any, where: str) -> None:  # noqa: ANN401
    """Raise `UsageError` where a table has a key that is no name."""
    if isinstance(value, dict):
        odd = [key for key in value if not isinstance(key, str)]
        if odd:
            raise UsageError(f"{where}: {odd[0]!r} is no name of a field")
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            _check_keys(item, where)


def _first_of_ours(error: BaseException) -> EnsharpenError | None:
    if isinstance(error, EnsharpenError):
        return error
    for inner in getattr(error, "exceptions", ()):
        if found := _first_of_ours(inner):
            return found
    return None


def load_recipe(path: Path, overrides: dict[str, Any]) -> TrainConfig:
    """Read a recipe.

    Args:
        path: YAML file.
        overrides: Fields that replace the file's; those of `distillation` are added to the file's. `steps` and
            `minutes` exclude each other: one that is given here drops the other of the file.

    Raises:
        UsageError: Not readable, not YAML, or not a valid configuration.
    """
    try:
        table = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: not a readable recipe ({error})") from error
    if isinstance(table, dict):
        if "steps" in overrides or "minutes" in overrides:
            table = {key: value for key, value in table.items() if key not in ("steps", "minutes")}
        taught = table.get("distillation") or {}
        if not isinstance(taught, dict):
            raise UsageError(
                f"{path}: distillation is a table of fields, got {taught!r}", hint="distillation: {teacher: ...}"
            )
        taught = {**taught, **overrides.get("distillation", {})}
        table = {**table, **overrides}
        if taught:
            table["distillation"] = taught
        if "steps" not in table and "minutes" not in table:
            table["minutes"] = 90.0
    return config_from_table(table, str(path))

"""Which layers are quantized: a file that people can read, edit and use again."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ensharpen_edge.calibration.layers import Layer, resolve
from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.files import whole_file

INT8, FLOAT = "int8", "float"


@dataclass(frozen=True)
class Plan:
    """A choice of the layers that are computed in codes.

    Attributes:
        layers: `int8` or `float` by layer, in the graph's order.
        scheme: The scheme that it was made for.
        notes: How it came about, as JSON types.
        settings: Range method and rounding that the notes' figures were measured with; empty where nothing was.
    """

    layers: dict[str, str]
    scheme: str
    notes: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the layers in float."""
        return tuple(name for name, precision in self.layers.items() if precision == FLOAT)

    def chosen(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the layers to quantize.

        Raises:
            UsageError: The plan is for other layers.
        """
        names = {layer.name for layer in layers}
        strange = sorted(set(self.layers) ^ names)
        if strange:
            raise UsageError(
                f"the plan is for another network or scheme: {len(strange)} layers differ ({', '.join(strange[:3])})",
                hint="make a plan for this one: ensharpen-calibrate",
            )
        return tuple(layer for layer in layers if self.layers[layer.name] == INT8)


def plan_file(scheme: str) -> str:
    """Return the name of the file that holds a scheme's plan, beside the table."""
    return f"plan-{scheme.replace(' ', '-')}.json"


def whole_plan(layers: Sequence[Layer], scheme: str, keep: Collection[str] = ()) -> Plan:
    """Return the plan with every layer in codes but those of these names (see `layers.resolve`)."""
    kept = resolve(keep, layers)
    chosen = {layer.name: FLOAT if layer.name in kept else INT8 for layer in layers}
    return Plan(chosen, scheme, {"kept by name": sorted(kept)})


def names_in(text: str) -> tuple[str, ...]:
    """Return the names between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def save_plan(plan: Plan, path: Path) -> None:
    """Write a plan.

    Raises:
        BadInputError: It cannot be written.
    """
    content = {"scheme": plan.scheme, "settings": plan.settings, "notes": plan.notes, "layers": plan.layers}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path}: cannot write the plan ({error})") from error


def load_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        BadInputError: Unreadable, or not a plan.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        layers = {str(name): str(precision) for name, precision in content["layers"].items()}
        plan = Plan(layers, str(content["scheme"]), dict(content.get("notes", {})), dict(content.get("settings", {})))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"{path}: not a plan ({error!r})", hint="ensharpen-calibrate writes one") from error
    wrong = {name: precision for name, precision in layers.items() if precision not in (INT8, FLOAT)}
    if wrong:
        name, precision = next(iter(wrong.items()))
        raise BadInputError(f"{path}: {name} is {precision!r}, a layer is {INT8!r} or {FLOAT!r}")
    return plan

"""Operations of a package that are documented to run on the Neural Engine, and the cost of their rows there.

Apple publishes no list. `neural_engine.json` holds what others measured or read, with the texts it comes from; on macOS
`compiling.planned_devices` asks Core ML itself.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ensharpen_edge.runtime.mil.program import MilProgram, Performed


@dataclass(frozen=True)
class NeuralEngineFacts:
    """Content of the data file.

    Attributes:
        sources: Texts by what was read from them.
        row_bytes: Rows are padded to a multiple of it.
        largest_side, largest_kernel: Largest sides of images and kernels that every generation takes.
        generations: Chips, from the oldest.
        operations: A letter by operation for each generation: `Y` runs there, `N` does not.
    """

    sources: dict[str, str]
    row_bytes: int
    largest_side: int
    largest_kernel: int
    generations: tuple[str, ...]
    operations: dict[str, str]


@cache
def neural_engine_facts() -> NeuralEngineFacts:
    """Return what is known."""
    text = (
        resources.files("ensharpen_edge.export.targets.coreml")
        .joinpath("neural_engine.json")
        .read_text(encoding="utf-8")
    )
    content = json.loads(text)
    return NeuralEngineFacts(**{**content, "generations": tuple(content["generations"])})


def neural_engine_report(program: MilProgram, flexible: bool) -> dict[str, Any]:
    """Return what a package's default size means for the Neural Engine, as JSON types.

    Args:
        program: The saved package's.
        flexible: Whether it takes a range of sizes.

    Returns:
        `operations`; by generation the number that run (`native`) and what does not (`leaves`, with counts);
        `padding`, the bytes of all activations with padded rows over those without; `notes`.
    """
    facts = neural_engine_facts()
    performed = program.performed()
    generations = {}
    for number, name in enumerate(facts.generations):
        leaves = Counter(reason for step in performed if (reason := _refusal(facts, step, number)))
        generations[name] = {"native": len(performed) - leaves.total(), "leaves": dict(sorted(leaves.items()))}
    notes = []
    if flexible:
        notes.append("of a range of sizes only the default one runs there; enumerated sizes all do")
    if any(step.kind == "quantize" for step in performed):
        notes.append("8-bit arithmetic from A17 Pro and M4 on; before, codes only save memory")
    return {
        "operations": len(performed),
        "generations": generations,
        "padding": round(_padding(facts, performed), 3),
        "notes": notes,
    }


def _refusal(facts: NeuralEngineFacts, step: Performed, generation: int) -> str | None:
    runs = facts.operations.get(step.kind)
    if runs is None:
        return f"{step.kind}: nothing is known"
    if step.numbers == "fp32" and step.kind not in ("cast", "dequantize"):
        return f"{step.kind} in fp32"
    if runs[generation] != "Y":
        return step.kind
    if max(step.shape, default=0) > facts.largest_side:
        return f"{step.kind} with a side over {facts.largest_side}"
    if max(step.kernel, default=0) > facts.largest_kernel:
        return f"{step.kind} with a kernel over {facts.largest_kernel}"
    return None


def _padding(facts: NeuralEngineFacts, performed: list[Performed]) -> float:
    plain = padded = 0
    for step in performed:
        width = 1 if step.numbers in ("int8", "uint8") else 2
        *outer, columns = step.shape or (1,)
        rows = 1
        for side in outer:
            rows *= side
        plain += rows * columns * width
        padded += rows * -(-columns * width // facts.row_bytes) * facts.row_bytes
    return padded / plain if plain else 1.0

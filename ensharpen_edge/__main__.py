"""`python -m ensharpen_edge`: the commands, a line each."""

from __future__ import annotations

import ast
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

from ensharpen_edge._version import __version__
from ensharpen_edge.console import stdout


def command_lines() -> dict[str, str]:
    """Return what each command of the installed package does, by its name, in a few words."""
    scripts = [entry for entry in distribution("ensharpen-edge").entry_points if entry.group == "console_scripts"]
    return {entry.name: _summary(entry.module) for entry in sorted(scripts)}


def _summary(module: str) -> str:
    """Return the first sentence of a module's docstring behind the command's name, without importing the module."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].partition(": ")[2]


def main() -> None:
    """Print the version and the commands."""
    console = stdout()
    console.print(f"EnSharpen Edge {__version__}\n")
    for name, summary in command_lines().items():
        console.print(f"  {name:20} {summary}")
    console.print("\nEach command explains itself with --help. In Python: import ensharpen_edge as ee; help(ee)")


if __name__ == "__main__":
    main()

"""`ensharpen-train` with everything that can be trained: the students, and their int8 forms, which begin at the graph
that is exported."""

from __future__ import annotations

from ensharpen_edge.commands.quantize import quantize
from ensharpen_edge.console import run_command
from ensharpen_edge.training.commands import app

app.command()(quantize)


def main() -> None:
    """Entry point of `ensharpen-train`."""
    run_command(app)


if __name__ == "__main__":
    main()

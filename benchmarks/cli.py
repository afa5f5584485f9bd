"""`ensharpen-bench`: quality and cost of artifacts."""

from __future__ import annotations

from ensharpen_edge.benchmarks.commands.calibration import calibration
from ensharpen_edge.benchmarks.commands.compare import compare
from ensharpen_edge.benchmarks.commands.demo import demo
from ensharpen_edge.benchmarks.commands.history import history
from ensharpen_edge.benchmarks.commands.latency import latency
from ensharpen_edge.benchmarks.commands.overhead import overhead
from ensharpen_edge.benchmarks.commands.peers import peers
from ensharpen_edge.benchmarks.commands.quality import quality
from ensharpen_edge.benchmarks.commands.report import report
from ensharpen_edge.benchmarks.commands.roofline import roofline
from ensharpen_edge.console import Version, command_line, run_command

app = command_line(no_args_is_help=True)

for _command in (report, latency, quality, compare, history, peers, roofline, overhead, calibration, demo):
    app.command()(_command)


@app.callback()
def root(version: Version = False) -> None:
    """Measure artifacts: how well they sharpen, and what they cost."""


def main() -> None:
    """Entry point of `ensharpen-bench`."""
    run_command(app)

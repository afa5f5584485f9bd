"""For torchrun: `torchrun --nproc-per-node 2 -m ensharpen_edge.training --data photos --config nano`."""

from __future__ import annotations

from ensharpen_edge.console import run_command
from ensharpen_edge.training.commands import app

if __name__ == "__main__":
    run_command(app)

"""Peak memory of this process."""

from __future__ import annotations

from pathlib import Path


def peak_resident_mib() -> float:
    """Return the peak resident memory of this very process in MiB.

    Linux's getrusage would count the parent's pages too, which exec inherits.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # exists on Unix only

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024)  # macOS counts bytes

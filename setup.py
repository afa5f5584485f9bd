"""Which folders become which packages: the stage folders are installed inside `ensharpen_edge`.

Everything else is in pyproject.toml. The packages are found, so a new folder needs no line here.
"""

from __future__ import annotations

from setuptools import find_packages, setup

PACKAGE = "ensharpen_edge"
STAGES = ("benchmarks", "calibration", "export", "runtime")

setup(
    packages=[
        *(f"{PACKAGE}.{name}" for name in find_packages(PACKAGE)),
        PACKAGE,
        *(f"{PACKAGE}.{stage}" for stage in STAGES),
        *(f"{PACKAGE}.{stage}.{name}" for stage in STAGES for name in find_packages(stage)),
    ],
    package_dir={f"{PACKAGE}.{stage}": stage for stage in STAGES},
)

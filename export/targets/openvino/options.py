"""Options of OpenVINO files: none of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ensharpen_edge.export.targets.options import TargetOptions


@dataclass(frozen=True)
class OpenVinoOptions(TargetOptions):
    """See `TargetOptions`."""

    files: ClassVar[str] = "openvino files"


OPTIONS = OpenVinoOptions

"""Options that only TFLite files have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ensharpen_edge.export.targets.options import TargetOptions, text_option
from ensharpen_edge.export.targets.tflite.delegates.lists import find_delegate


@dataclass(frozen=True)
class TfliteOptions(TargetOptions):
    """Options of the TFLite target.

    Attributes:
        require_delegate: Name of a delegate that must run the whole file, or None.

    Raises:
        UsageError: The delegate is unknown; names the nearest.
    """

    files: ClassVar[str] = "tflite files"

    require_delegate: str | None = text_option(
        "--require-delegate", "Refuse a tflite file that it would not run whole: xnnpack, gpu, nnapi, ..."
    )

    def __post_init__(self) -> None:
        if self.require_delegate is not None:
            find_delegate(self.require_delegate)


OPTIONS = TfliteOptions

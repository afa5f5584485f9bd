"""One window as large as the runtime makes them: the ladder's probes are small, and a file can fail from a size on."""

from __future__ import annotations

from ensharpen_edge.errors import ParityError
from ensharpen_edge.export.proof.ladder import Run
from ensharpen_edge.export.proof.tiling import large_frame
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.judging.scores import agreement


def check_large_window(exported: Run, reference: Run, multiple_of: int, smallest: float) -> None:
    """Compare the export with the network on photographs of more than a megapixel.

    Args:
        exported, reference: (1, 3, H, W) in [0, 1] -> the same.
        multiple_of: Sides are cut to multiples of it, in pixels.
        smallest: Smallest PSNR between the two, dB.

    Raises:
        ParityError: They differ by more.
    """
    frame = large_frame()
    height, width = (side // multiple_of * multiple_of for side in frame.shape[:2])
    image = to_planes(frame[:height, :width])
    reached = agreement(exported(image), reference(image))
    if not reached >= smallest:
        raise ParityError(
            f"the file differs from the network on a window of {width}x{height} pixels: {reached:.1f} dB, needs "
            f"{smallest:.0f} dB",
            hint="smaller windows agree: does the converter or the runtime handle large ones another way?",
        )

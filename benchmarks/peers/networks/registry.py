"""Public networks by name. A new one is one file and one line in `NETWORKS`."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ensharpen_edge.errors import require


@dataclass(frozen=True)
class PublicNetwork:
    """A network that others published.

    Attributes:
        title: Name and number of parameters, as it was published.
        module, name: Module and class that build it.
        grid: Multiple that sides of images must be, pixels.
    """

    title: str
    module: str
    name: str
    grid: int


NETWORKS: dict[str, PublicNetwork] = {
    "nafnet-c16-l28": PublicNetwork("NAFNet-C16-L28, 4.35 M", "nafnet", "NafNet", 16),
    "rt-focuser": PublicNetwork("RT-Focuser, 5.85 M", "rt_focuser", "RtFocuser", 16),
    "mimo-unet": PublicNetwork("MIMO-UNet, 6.81 M", "mimo_unet", "MimoUnet", 4),
}


def build_network(network: PublicNetwork) -> Any:  # noqa: ANN401 (torch.nn.Module)
    """Return the network with random weights, in evaluation mode.

    Raises:
        MissingToolError: torch is not installed.
    """
    torch = require("torch", "bench")
    torch.manual_seed(0)
    factory: Callable[[], Any] = getattr(import_module(f"{__package__}.{network.module}"), network.name)
    return factory().eval()


def network_onnx(network: PublicNetwork, size: tuple[int, int]) -> bytes:
    """Return the network as an ONNX graph for one (height, width), with input `image`.

    Raises:
        MissingToolError: torch or onnx is not installed.
    """
    torch = require("torch", "bench")
    require("onnx", "onnx")
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            build_network(network),
            (torch.zeros(1, 3, *size),),
            buffer,
            input_names=["image"],
            opset_version=17,
            dynamo=False,
        )
    return buffer.getvalue()

"""The software of a Jetson, by JetPack release."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JetPack:
    """One release.

    Attributes:
        name: The releases.
        tensorrt, cuda, python: The versions that come with it.
        boards: The boards that it runs on.
        dla: Whether its TensorRT still drives the deep learning accelerator (AGX Orin and Orin NX have one).
    """

    name: str
    tensorrt: str
    cuda: str
    python: str
    boards: str
    dla: bool


JETPACKS = (
    JetPack("5.1.1, 5.1.2", "8.5.2", "11.4", "3.8", "Orin, Xavier", True),
    JetPack("6.0", "8.6.2", "12.2", "3.10", "Orin", True),
    JetPack("6.1, 6.2", "10.3.0", "12.6", "3.10", "Orin", True),
    JetPack("7.0, 7.1", "10.13", "13.0", "3.12", "Thor", False),
    JetPack("7.2", "10.16.2", "13.2", "3.12", "Thor, Orin", False),
    JetPack("7.2.2 with TensorRT's own packages", "11.4.1", "13.x", "3.12", "AGX Orin, Thor", True),
)
"""Sources: NVIDIA's Deep-Learning-Accelerator-SW repository, TensorRT release notes, versions read off devices in
public issue threads (pytorch/TensorRT 3453, roboflow/inference 1935 and 2531)."""

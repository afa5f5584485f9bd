"""Where numbers become codes, as data: every target rounds the same tensors that training rounded."""

from __future__ import annotations

from dataclasses import dataclass

from ensharpen_edge.calibration.qat.graph_module import ADD, CONV, RELU, Network
from ensharpen_edge.errors import UsageError, unknown_name


@dataclass(frozen=True)
class Placement:
    """Which tensors are rounded.

    Attributes:
        name: For commands and cards.
        everything: Every operation reads and writes codes, and the image goes in and comes out as 8-bit codes.
            Otherwise convolutions read codes, while additions read and write what was not rounded, and a convolution
            that reads the image itself stays float: signed codes would keep seven bits of its eight.
        suffix: What the names of such networks end with, behind that they are quantized.
        symmetric: Codes are as many below zero as above it, as TensorRT wants them. Otherwise zero may be any code.
    """

    name: str
    everything: bool
    suffix: str = ""
    symmetric: bool = True


PLACEMENTS: dict[str, Placement] = {
    placement.name: placement
    for placement in (
        Placement("everything", everything=True),
        Placement("everything asymmetric", everything=True, symmetric=False),
        Placement("convolutions", everything=False, suffix="-convolutions"),
    )
}
"""`everything`: LiteRT and neural processors, which know no other form. `everything asymmetric`: the same where any
zero is allowed; one more bit for what is never negative. `convolutions`: TensorRT, which adds in half precision behind
a convolution for nothing."""


def find_placement(name: str) -> Placement:
    """The placement called `name`.

    Raises:
        UsageError: No such placement; names the nearest.
    """
    if name not in PLACEMENTS:
        raise unknown_name("placement", name, PLACEMENTS)
    return PLACEMENTS[name]


@dataclass(frozen=True)
class Site:
    """One tensor that is rounded with a step of its own.

    Attributes:
        tensor: Its name in the graph.
        positive: It comes out of a ReLU: codes below zero are never needed, and clipping at zero is the ReLU.
    """

    tensor: str
    positive: bool


@dataclass(frozen=True)
class PlacedSites:
    """A placement on a network.

    Attributes:
        placement: Placement of these sites.
        sites: In graph order. The image's own codes, in and out, are fixed and none of them.
        float_layers: Convolutions whose weights stay float.
    """

    placement: Placement
    sites: tuple[Site, ...]
    float_layers: frozenset[str]

    def __contains__(self, tensor: object) -> bool:
        return any(site.tensor == tensor for site in self.sites)


def place(network: Network, placement: Placement) -> PlacedSites:
    """The sites of a network.

    Raises:
        UsageError: Nothing is left to round.
    """
    image_reader = {o.layer for o in network.convolutions if network.source(o.inputs[0]) == network.image}
    if placement.everything:
        wanted = {
            operation.output
            for operation in network.operations
            if operation.kind in (CONV, RELU, ADD) and not _fused(network, operation.output, operation.kind)
        } - {network.source(network.sharp)}
    else:
        wanted = {network.source(operation.inputs[0]) for operation in network.convolutions} - {network.image}
    sites = tuple(Site(o.output, o.kind == RELU) for o in network.operations if o.output in wanted)
    if not sites:
        raise UsageError(f"the placement {placement.name!r} finds nothing to round in this network")
    return PlacedSites(placement, sites, frozenset() if placement.everything else frozenset(image_reader))


def _fused(network: Network, output: str, kind: str) -> bool:
    """Whether only a ReLU reads the convolution: then both are one, whose output is rounded once."""
    after = network.readers(output)
    return kind == CONV and len(after) == 1 and after[0].kind == RELU

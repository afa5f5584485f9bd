"""Building blocks of the students: convolution, ReLU and addition only, so that every target can run them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SOBEL_X = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
SOBEL_Y = ((-1.0, -2.0, -1.0), (0.0, 0.0, 0.0), (1.0, 2.0, 1.0))
LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


class BranchedDepthwiseConv(nn.Module):
    """Depthwise 3x3 convolution whose kernel is the sum of parallel linear branches.

    Branches: a free 3x3 kernel, a 1x1 kernel that starts as the identity, and per-channel multiples of the Sobel
    and Laplacian filters (edge-aware branches as in ECBSR, Zhang et al. 2021). Without normalisation the branches
    are linear, so their sum is taken on the kernels and one convolution runs in training as well: the branches
    shape the optimisation and cost no activations. `folded_kernel` is therefore exact.

    Input and output: float (N, C, H, W).
    """

    edges: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.empty(channels, 1, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.point = nn.Parameter(torch.ones(channels, 1, 1, 1))
        self.edge_gain = nn.Parameter(torch.zeros(channels, 3))
        filters = torch.tensor([SOBEL_X, SOBEL_Y, LAPLACIAN]) / 4.0
        self.register_buffer("edges", filters, persistent=False)
        nn.init.normal_(self.weight, std=0.2)

    def folded_kernel(self) -> Tensor:
        """Return the one (C, 1, 3, 3) kernel that equals all branches together."""
        edge = torch.einsum("ce,ehw->chw", self.edge_gain, self.edges).unsqueeze(1)
        return self.weight + F.pad(self.point, (1, 1, 1, 1)) + edge

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.folded_kernel(), self.bias, padding=1, groups=self.channels)


class ResidualBlock(nn.Module):
    """`x + contract(relu(expand(depthwise(x))))`.

    There is no activation between `depthwise` and `expand`, so the pair can be merged exactly into one dense
    3x3 convolution where a device prefers that (`folding.merge_separable`). The last layer starts small, so that
    a deep stack starts near the identity.

    Input and output: float (N, C, H, W).
    """

    def __init__(self, channels: int, expansion: int, *, branches: bool, dense: bool) -> None:
        super().__init__()
        hidden = channels * expansion
        if dense:
            self.expand: nn.Module = nn.Conv2d(channels, hidden, 3, padding=1)
        elif branches:
            self.depthwise: nn.Module = BranchedDepthwiseConv(channels)
            self.expand = nn.Conv2d(channels, hidden, 1)
        else:
            self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
            self.expand = nn.Conv2d(channels, hidden, 1)
        self.dense = dense
        self.contract = nn.Conv2d(hidden, channels, 1)
        nn.init.kaiming_normal_(self.contract.weight)
        with torch.no_grad():
            self.contract.weight.mul_(0.2)
            nn.init.zeros_(self.contract.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.dense else self.depthwise(x)
        residual: Tensor = self.contract(F.relu(self.expand(y)))
        return x + residual


class ResidualStack(nn.Sequential):
    """Residual blocks in a row, of which only the first `active` run while a network is grown."""

    def __init__(self, channels: int, depth: int, expansion: int, *, branches: bool, dense: bool) -> None:
        super().__init__(*(ResidualBlock(channels, expansion, branches=branches, dense=dense) for _ in range(depth)))
        self.active = depth

    def forward(self, x: Tensor) -> Tensor:
        for index, block in enumerate(self):
            if index < self.active:
                x = block(x)
        return x

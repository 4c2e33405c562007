"""The demo model's network. It knows nothing of how it is trained or shown."""

import torch
import torch.nn.functional as F
from torch import nn

LABELS = [
    "bricks", "checks", "diagonal stripes", "dots", "embers", "flowers", "grid", "horizontal stripes",
    "ocean", "rainbow", "rings", "spiral", "stars", "sunburst", "vertical stripes", "waves",
]  # fmt: skip
SIZE = 64
# Of each colour, over the training pictures (rounded).
MEAN, STD = 0.47, 0.26


def normalize(pictures):
    """Pictures with values in 0..1 to what the network takes."""
    return (pictures - MEAN) / STD


class ConvNorm(nn.Sequential):
    """Convolution, batch norm, ReLU; the size is divided by the stride."""

    def __init__(self, inputs, outputs, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()


class BlurPool(nn.Module):
    """Halves height and width after a fixed binomial blur (Zhang 2019)."""

    def __init__(self, channels):
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("taps", torch.outer(taps, taps).repeat(channels, 1, 1, 1))

    def forward(self, x):
        return F.conv2d(x, self.taps, stride=2, padding=1, groups=x.shape[1])


class Residual(nn.Module):
    """Two convolutions beside a 1×1 one; their sum goes through a ReLU."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.norm(self.second(self.first(x))) + self.shortcut(x))


class DemoNet(nn.Module):
    """Pictures [n, 3, h, w], normalized, to logits [n, 16]; any height and width from 16 up.

    Sizes halve by blurring, and at first by a convolution whose stride divides its kernel: other strided convolutions
    and max pooling leave their lattice in the gradient, and the gradient is what a visualization is made of.
    """

    def __init__(self):
        super().__init__()
        self.conv1 = ConvNorm(3, 24, 6, stride=2)
        self.conv2 = ConvNorm(24, 40, 3)
        self.pool2 = BlurPool(40)
        self.block3 = Residual(40, 64)
        self.pool3 = BlurPool(64)
        self.block4 = Residual(64, 96)
        self.block5 = Residual(96, 112)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.logits = nn.Linear(112, len(LABELS))

    def forward(self, x):
        x = self.pool2(self.conv2(self.conv1(x)))
        x = self.pool3(self.block3(x))
        x = self.pool(self.block5(self.block4(x)))
        return self.logits(torch.flatten(x, 1))

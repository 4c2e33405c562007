"""How a picture becomes the network's input, and the `model.toml` that says it; knows no torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from .errors import UsageError

# ImageNet's, which torchvision's and most others' RGB networks are trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass
class Preprocessing:
    """What is known of a network's input; None where it is not."""

    size: tuple[int, int] | None = None
    """Height, width in pixels."""
    resize: int | None = None
    """Shorter side in pixels before the centre crop of a dataset's images."""
    range: tuple[float, float] | None = None
    """Smallest and largest value of a pixel before normalization."""
    mean: tuple[float, ...] | None = None
    """One per channel, or one for all."""
    std: tuple[float, ...] | None = None
    """One per channel, or one for all."""
    channels: str | int | None = None
    """`RGB`, `BGR`, `GRAY` or a number."""
    labels: list[str] | None = None
    """One per class."""

    def over(self, other):
        """These values, and the other's where these are unknown."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        return Preprocessing(**{**vars(other), **known})


def count(channels):
    """Number of channels behind `RGB`, `BGR`, `GRAY` or a number."""
    return {"RGB": 3, "BGR": 3, "GRAY": 1}.get(channels, channels)


def check(known):
    """Refuses what `model.toml` cannot say.

    Raises `UsageError` with the value and the rule.
    """
    channels = known.channels
    named = channels in ("RGB", "BGR", "GRAY")
    if channels is not None and not named and not (isinstance(channels, int) and 1 <= channels <= 1024):
        raise UsageError(f"channels is {channels!r}; give RGB, BGR, GRAY or a number from 1 to 1024")
    sides = {"size": known.size, "resize": None if known.resize is None else (known.resize,)}
    for name, values in sides.items():
        expected = 2 if name == "size" else 1
        if values is not None and not (len(values) == expected and all(isinstance(side, int) and 1 <= side <= 16384 for side in values)):
            raise UsageError(f"{name} is {values}; give {'height and width' if expected == 2 else 'one number'} in pixels from 1 to 16384")
    for name in ("mean", "std"):
        values = getattr(known, name)
        if values is None:
            continue
        if not values or not all(math.isfinite(value) for value in values):
            raise UsageError(f"{name} is {values}; give one finite number for each channel, or one for all")
        if channels is not None and len(values) not in (1, count(channels)):
            raise UsageError(f"{name} has {len(values)} numbers for {count(channels)} channels; give one for each")
    if known.std is not None and min(known.std) <= 0:
        raise UsageError(f"std is {known.std}; every one must be above 0")
    low, high = known.range if known.range is not None and len(known.range) == 2 else (0, known.range is None)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"range is {known.range}; give the smallest and the largest pixel value, such as 0 1")


def complete(known, channels):
    """Fills in what is unknown for a network of so many channels; returns (preprocessing, notes on what was assumed)."""
    notes = []
    order = known.channels
    if order is None:
        order = {1: "GRAY", 3: "RGB"}.get(channels, channels)
        if channels == 3:
            notes.append('assumed channels "RGB"; if the network was trained on BGR images, give --channels BGR')
    mean, std = known.mean, known.std
    if mean is None and std is None and channels == 3:
        mean, std = IMAGENET_MEAN, IMAGENET_STD
        notes.append("assumed ImageNet's mean and std; if the network was trained with others, give --mean and --std")
    elif mean is None or std is None:
        missing = " and ".join(name for name, value in (("mean 0", mean), ("std 1", std)) if value is None)
        notes.append(f"assumed {missing}; if the network was trained with others, give --mean and --std")
        mean, std = mean or (0.0,), std or (1.0,)
    value_range = known.range
    if value_range is None:
        value_range = (0.0, 1.0)
        notes.append("assumed that pixels go from 0 to 1 before normalization; otherwise give --range, such as 0 255")
    mean, std = (tuple(values) * channels if len(values) == 1 else tuple(values) for values in (mean, std))
    filled = Preprocessing(range=value_range, mean=mean, std=std, channels=order)
    return filled.over(known), notes


def model_toml(known):
    """The text of `model.toml`."""
    lines = ['file = "model.pt2"']
    if known.labels:
        lines.append('labels = "labels.txt"')
    lines += ["", "[input]", f"size = [{known.size[0]}, {known.size[1]}]  # height, width"]
    if known.resize is not None:
        lines.append(f"resize = {known.resize}  # shorter side before the centre crop, for images of a dataset")
    lines += [
        f"range = {_floats(known.range)}  # of the image before normalization",
        f"mean = {_floats(known.mean)}",
        f"std = {_floats(known.std)}",
        f"channels = {json.dumps(known.channels)}",
    ]
    return "\n".join(lines) + "\n"


def _floats(values):
    return f"[{', '.join(repr(float(value)) for value in values)}]"

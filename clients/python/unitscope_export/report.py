"""What `export` tells about its result; knows no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """A model folder that was written, and how it was checked."""

    folder: Path
    """Holds `model.pt2`, `model.toml` and, where labels are known, `labels.txt`."""
    channels: int
    height: int
    """Pixels: the size in `model.toml`."""
    width: int
    output_shape: tuple[int, ...]
    """For one image of that size, without the batch axis."""
    dynamic_batch: bool
    dynamic_height: bool
    dynamic_width: bool
    square: bool
    """Whether height and width are dynamic, but must be equal."""
    difference: float
    """Largest max |a - b| / max |b| of all comparisons, a from the file, read back, b from the module."""
    compared: list[tuple[int, int, int]]
    """(batch, height, width) of the comparisons."""
    parameters: int
    """Elements of all parameters."""
    layers: int
    """Calls of modules that the exported graph knows by name."""
    seconds: float
    notes: list[str] = field(default_factory=list)
    """What was assumed, converted or could not be made dynamic, and why."""

    @property
    def dynamic(self):
        """Names of the dynamic dimensions: `batch`, `height`, `width`."""
        flags = {"batch": self.dynamic_batch, "height": self.dynamic_height, "width": self.dynamic_width}
        return [name for name, is_dynamic in flags.items() if is_dynamic]

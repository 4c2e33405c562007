"""Writes the demo model's folder: model.pt2, model.toml, labels.txt. It knows nothing of training."""

from pathlib import Path

import torch
from torch.export import Dim

from network import LABELS, MEAN, SIZE, STD

MODEL_TOML = f"""file = "model.pt2"
labels = "labels.txt"

[input]
size = [{SIZE}, {SIZE}]          # height, width
range = [0.0, 1.0]       # of the image before normalization
mean = [{MEAN}, {MEAN}, {MEAN}]
std = [{STD}, {STD}, {STD}]
channels = "RGB"
"""


def export(model: torch.nn.Module, folder: Path):
    """Exports the network for any batch, height and width."""
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().requires_grad_(False)
    # The sample input is stored in the file, so it is small; two of each, because an axis of size one is fixed.
    sample = torch.zeros(2, 3, 32, 40)
    shapes = {0: Dim("batch", min=1), 2: Dim("height", min=16), 3: Dim("width", min=16)}
    program = torch.export.export(model.to(memory_format=torch.contiguous_format), (sample,), dynamic_shapes=(shapes,))
    for node in program.graph.nodes:
        # Where the source lay on the exporting machine is nobody's business, and a third of the graph's text.
        node.meta.pop("stack_trace", None)
    torch.export.save(program, folder / "model.pt2")
    (folder / "model.toml").write_text(MODEL_TOML)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))

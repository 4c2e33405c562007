"""Writes PyTorch's numbers for the demo model: outputs, every layer, image gradients. It knows nothing of the engine.

    python demo/goldens.py

Reads the weights back from the model file, so that the numbers are those of the file. Keys are described in
tests/fixtures/goldens.py.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "fixtures"))

from goldens import arrays  # noqa: E402
from network import LABELS, DemoNet, normalize  # noqa: E402

MODEL = ROOT / "demo" / "models" / "demo" / "model.pt2"
OUT = ROOT / "tests" / "fixtures" / "golden" / "demo.npz"
GENERATOR = ROOT / "target" / "debug" / "unitscope-demo-pictures"
# No seed of training or testing.
SEED = 3
# The channels whose image gradients are stored: three depths and a class.
UNITS = [("conv2", 7), ("block3", 5), ("block5", 5), ("logits", LABELS.index("spiral"))]
# Label of the picture, height and width that are cut from it: two square ones in one batch, and one that is not.
INPUTS = [[("spiral", 40, 40), ("flowers", 40, 40)], [("embers", 32, 56)]]


def pictures():
    """One picture of each class as f32 [16, 3, 64, 64] in 0..1."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        subprocess.run([GENERATOR, "--seed", str(SEED), "--per-class", "1", "--size", "64", "--raw", raw], check=True)
        drawn = np.fromfile(raw, dtype=np.uint8).reshape(len(LABELS), 3, 64, 64)
    return torch.from_numpy(drawn).float() / 255


def main():
    torch.set_num_threads(1)
    model = DemoNet()
    model.load_state_dict(torch.export.load(MODEL).state_dict)
    model.eval().requires_grad_(False)
    drawn = pictures()
    inputs = [
        normalize(torch.stack([drawn[LABELS.index(label), :, :height, :width] for label, height, width in batch]))
        for batch in INPUTS
    ]
    OUT.parent.mkdir(exist_ok=True)
    np.savez(OUT, **arrays(model, inputs, UNITS))


if __name__ == "__main__":
    main()

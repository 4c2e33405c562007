"""Trains the demo model and writes its folder. It knows nothing of the service that shows the model.

    python demo/train.py --pictures target/debug/unitscope-demo-pictures --out demo/models/demo

Needs torch 2.11 and numpy. The network is trained on adversarial examples (Madry et al. 2018): the gradients of
such a network follow what people see, so that images made from its units do too (Santurkar et al. 2019,
Engstrom et al. 2019).
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from export import export
from network import LABELS, SIZE, DemoNet, normalize

# Seeds of the generator; the held-out pictures share none with the training ones.
TRAIN_SEED, HELD_OUT_SEED = 1, 2


def draw(program, seed, per_class):
    """Pictures as u8 [n, 3, SIZE, SIZE] and their labels, drawn by the generator."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        command = [program, "--seed", seed, "--per-class", per_class, "--size", SIZE, "--raw", raw]
        subprocess.run([str(part) for part in command], check=True)
        pictures = np.fromfile(raw, dtype=np.uint8).reshape(-1, 3, SIZE, SIZE)
    return torch.from_numpy(pictures), torch.arange(len(LABELS)).repeat_interleave(per_class)


def augment(pictures):
    """Turn up to 8°, scale by 0.8 to 1.8, shift up to an eighth, change colours and contrast, add noise."""
    n = len(pictures)
    angle = (torch.rand(n) * 2 - 1) * 0.14
    # Of the sampling lattice: what is sampled more densely looks larger.
    scale = 0.55 + 0.7 * torch.rand(n)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    shift = (torch.rand(n, 2) * 2 - 1) / 4
    theta = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], 1).view(n, 2, 3)
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    out = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    gain = 1 + 0.2 * (torch.rand(n, 3, 1, 1) * 2 - 1)
    bias = 0.1 * (torch.rand(n, 1, 1, 1) * 2 - 1)
    noise = 0.04 * torch.rand(n, 1, 1, 1) * torch.randn_like(out)
    return ((out - 0.5) * gain + 0.5 + bias + noise).clamp(0, 1)


def scores(model, pictures):
    """Logits, computed in bfloat16 where that is faster: the weights stay float32."""
    pictures = normalize(pictures).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        return model(pictures).float()


def unit_length(tensor):
    return tensor / tensor.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)


def attack(model, pictures, labels, radius, steps):
    """The pictures moved by at most `radius` (L2, values in 0..1) to where the loss is highest: projected gradient ascent."""
    change = unit_length(torch.randn_like(pictures)) * radius * torch.rand(len(pictures), 1, 1, 1)
    step = 1.25 * radius / steps
    for _ in range(steps):
        change.requires_grad_(True)
        loss = F.cross_entropy(scores(model, pictures + change), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, change)
        change = change.detach() + step * unit_length(gradient)
        length = change.flatten(1).norm(dim=1).clamp_min(radius).view(-1, 1, 1, 1)
        change = (pictures + change * radius / length).clamp(0, 1) - pictures
    return pictures + change


def train(model, pictures, labels, arguments):
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.rate, weight_decay=0.02)
    started = time.monotonic()
    share = 0.0
    step = 0
    while share < 1.0:
        # Rate and radius follow the share of time that has passed: warm up, then down to zero in a half cosine.
        share = min((time.monotonic() - started) / (60 * arguments.minutes), 1.0)
        warm = min(step / 100, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * warm * (0.5 + 0.5 * np.cos(np.pi * share))
        radius = arguments.radius * min(share / arguments.ramp, 1.0)
        pick = torch.randint(len(pictures), (arguments.batch,))
        batch, target = augment(pictures[pick].float() / 255), labels[pick]
        # The attack sees the network as it is used: running statistics, no updates of them.
        model.eval()
        # One step is enough for the first half, and twice as fast.
        batch = attack(model, batch, target, radius, 1 if share < 0.5 else 2)
        model.train()
        loss = F.cross_entropy(scores(model, batch), target, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 50 == 0:
            print(f"step {step}, {share:.0%} of the time, radius {radius:.2f}, loss {loss.item():.3f}", flush=True)
            if arguments.checkpoint:
                torch.save(model.state_dict(), arguments.checkpoint)


def accuracy(model, pictures, labels, radius=0.0):
    model.eval()
    right = 0
    for batch, target in zip(pictures.split(128), labels.split(128)):
        batch = batch.float() / 255
        if radius > 0:
            batch = attack(model, batch, target, radius, steps=10)
        with torch.no_grad():
            right += (model(normalize(batch)).argmax(1) == target).sum().item()
    return right / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", default="target/debug/unitscope-demo-pictures", help="the generator")
    parser.add_argument("--out", type=Path, default=Path("demo/models/demo"))
    parser.add_argument("--per-class", type=int, default=1200)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--radius", type=float, default=2.0, help="of the attack, L2, values in 0..1")
    parser.add_argument("--ramp", type=float, default=0.3, help="share of the time in which the radius grows")
    parser.add_argument("--resume", help="a checkpoint to start from")
    parser.add_argument("--checkpoint", help="where to keep the state while training")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    model = DemoNet().to(memory_format=torch.channels_last)
    if arguments.resume:
        model.load_state_dict(torch.load(arguments.resume))
    train(model, *draw(arguments.pictures, TRAIN_SEED, arguments.per_class), arguments)
    held_out = draw(arguments.pictures, HELD_OUT_SEED, 64)
    print(f"held-out accuracy {accuracy(model, *held_out):.2%}")
    print(f"under attack, radius {arguments.radius}: {accuracy(model, *held_out, arguments.radius):.2%}")
    export(model, arguments.out)


if __name__ == "__main__":
    main()

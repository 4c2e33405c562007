"""Time and memory of loading a model file of at least 100 MB against PyTorch's own readers, alternating, each load in a process of its own.

Needs PyTorch 2.11 and torchvision 0.26. Run it by `make bench-load`, which builds the engine's side
(`service/engine/examples/load_time.rs`) first. It makes the files from random weights, about 1.2 GB for each format, in --folder.

Ours is `Model::load`: reading, hashing and checking the file, lowering the graph, converting the weights, and one pass of zeros through the
network for the layers' shapes. PyTorch's is `torch.export.load` or `torch.jit.load` in a process that has imported torch before the clock
starts. Memory is how far the load raises the process's largest resident size (VmHWM), files mapped into it included. Both read the file
from the page cache: each file is read once before. Every library's code is warm too: the first round is not counted.
Prints one row per file with the medians and the ratios ours / PyTorch; exits 1 if a ratio is above --limit.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import warnings

import torch
import torchvision

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "bench"
NETWORKS = ["swin_t", "resnet101", "vit_b_16", "vgg11"]
READERS = {"pt2": "torch.export.load", "pt": "torch.jit.load"}

MANIFEST = """file = "model.{suffix}"

[input]
size = [224, 224]
range = [0.0, 1.0]
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
channels = "RGB"
"""

# The process that loads with PyTorch; it prints what `load_time` prints.
PYTORCH = """
import json, sys, time, torch
def peak():
    status = open("/proc/self/status").read()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
load = {"pt2": torch.export.load, "pt": torch.jit.load}[sys.argv[1]]
before, begin = peak(), time.perf_counter()
loaded = load(sys.argv[2])
seconds = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "before": before, "after": peak()}))
"""


def make(folder: pathlib.Path, name: str, suffix: str) -> pathlib.Path:
    """A model folder of a torchvision network with random weights."""
    made = folder / f"{name}_{suffix}"
    if (made / "model.toml").exists():
        return made
    made.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = torchvision.models.get_model(name, weights=None).eval()
    image = torch.zeros(2, 3, 224, 224)
    if suffix == "pt2":
        shapes = ({0: torch.export.Dim("batch", min=1, max=64)},)
        torch.export.save(torch.export.export(network, (image,), dynamic_shapes=shapes), made / "model.pt2")
    else:
        torch.jit.save(torch.jit.trace(network, image), made / "model.pt")
    # Last, so that a folder that has it is whole.
    (made / "model.toml").write_text(MANIFEST.format(suffix=suffix))
    return made


def loaded(command: list) -> dict | str:
    """What one process says of its load: seconds and bytes; or why it refuses."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return lines[-1]
    found = json.loads(done.stdout.splitlines()[-1])
    return {"seconds": found["seconds"], "bytes": found["after"] - found["before"]}


def measure(options, folder: pathlib.Path, name: str, suffix: str) -> dict | None:
    model = make(folder, name, suffix)
    file = model / f"model.{suffix}"
    size = len(file.read_bytes())
    sides = {"ours": [options.engine, model], "pytorch": [sys.executable, "-W", "ignore", "-c", PYTORCH, suffix, file]}
    runs = {side: [] for side in sides}
    for turn in range(options.rounds + 1):
        for side in list(sides)[:: 1 if turn % 2 else -1]:
            run = loaded(sides[side])
            if isinstance(run, str) and side == "ours" and suffix == "pt":
                print(f"{name:10} .{suffix}: skipped, the engine refuses the file: {run}", flush=True)
                return None
            if isinstance(run, str):
                sys.exit(f"{side}, {file}: {run}")
            if turn:
                runs[side].append(run)
    median = {side: {key: statistics.median(run[key] for run in runs[side]) for key in ("seconds", "bytes")} for side in sides}
    ratios = {key: median["ours"][key] / median["pytorch"][key] for key in ("seconds", "bytes")}
    ours, pytorch = median["ours"], median["pytorch"]
    print(
        f"{name:10} .{suffix:3} {size / 1e6:4.0f} MB: {READERS[suffix]} {pytorch['seconds']:6.2f} s, {pytorch['bytes'] / 1e6:5.0f} MB; "
        f"ours {ours['seconds']:6.2f} s, {ours['bytes'] / 1e6:5.0f} MB; ratios {ratios['seconds']:.2f}, {ratios['bytes']:.2f}",
        flush=True,
    )
    return {"name": name, "format": suffix, "file_bytes": size, "medians": median, "ratios": ratios, "runs": runs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default=str(ROOT / "target/release/examples/load_time"))
    parser.add_argument("--rounds", type=int, default=5, help="alternating measurements per side")
    parser.add_argument("--limit", type=float, default=1.2)
    parser.add_argument("--network", action="append", choices=NETWORKS)
    parser.add_argument("--format", action="append", choices=list(READERS))
    parser.add_argument("--folder", type=pathlib.Path, help="where the files are made and kept; without it, they go when it ends")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or pathlib.Path(temporary)
        cases = [(name, suffix) for suffix in options.format or READERS for name in options.network or NETWORKS]
        rows = [row for name, suffix in cases if (row := measure(options, folder, name, suffix))]
    if not rows:
        sys.exit("nothing was measured")
    worst = max(max(row["ratios"].values()) for row in rows)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "load.json").write_text(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__, "rows": rows}, indent=1))
    print(f"\nworst ratio {worst:.2f}, limit {options.limit}; torch {torch.__version__}, torchvision {torchvision.__version__}")
    sys.exit(worst > options.limit)


if __name__ == "__main__":
    main()

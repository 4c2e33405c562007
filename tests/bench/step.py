"""Time of one engine step against PyTorch eager on the same cut network, alternating in one run.

Needs PyTorch 2.11 (`pip install torch==2.11.0 numpy`) and the networks in `../shared/data/models`.
Run it by `make bench`, which builds the engine's side (`service/engine/examples/step_time.rs`) first.

Both sides: a forward pass to the layer and a backward pass to the input, given the gradient of the layer; weights frozen,
channels-last, float32, the same number of threads. The engine's side also empties the gradient buffer that plugins write. The rest of a
step (the parameterization, transforms, terms, the optimizer and the checks on what plugins return) is not in it.
Prints one row per case with the medians and the ratio engine / PyTorch; exits 1 if a ratio is above --limit.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "data" / "models"

# Until the threads of the side that ran last sleep; libgomp lets them spin first.
SETTLE_S = 0.05

# Three depths each, by module path.
CASES = {
    "googlenet_bvlc_imagenet": ["conv2", "inception_4a", "inception_5a"],
    "mobilenet_v1_025_imagenet": ["blocks.1", "blocks.6", "blocks.12"],
    "resnet56_cifar10": ["layer1.4", "layer2.4", "layer3.4"],
}


def cut(model: str, layer: str) -> torch.nn.Module:
    """The exported module up to what leaves `layer`."""
    module = torch.export.load(MODELS / model / "model.pt2").module()
    inside = [n for n in module.graph.nodes if any(path == layer for path, _ in n.meta.get("nn_module_stack", {}).values())]
    if not inside:
        sys.exit(f"layer `{layer}` is not in {model}")
    output = next(node for node in module.graph.nodes if node.op == "output")
    output.args = ((inside[-1],),)
    # The exporter's check of input shapes is no part of the network.
    for node in list(module.graph.nodes):
        if node.op == "call_module" and "guard" in str(node.target):
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.graph._codegen = torch.fx.graph.CodeGen()
    module.recompile()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module.to(memory_format=torch.channels_last)


class PyTorch:
    def __init__(self, model, layer, shape):
        self.module = cut(model, layer)
        self.x = torch.rand(shape).to(memory_format=torch.channels_last)
        with torch.no_grad():
            self.gradient = torch.ones_like(self.run(self.x))

    def run(self, x):
        out = self.module(x)
        return out[0] if isinstance(out, (tuple, list)) else out

    def step_ms(self):
        x = self.x.detach().requires_grad_(True)
        begin = time.perf_counter()
        (gradient,) = torch.autograd.grad(self.run(x), x, self.gradient)
        end = time.perf_counter()
        assert gradient.shape == x.shape
        return 1e3 * (end - begin)


class Engine:
    def __init__(self, binary, model, layer, batch, threads):
        command = [binary, str(MODELS / model), layer, str(batch), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def step_ms(self):
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the engine's side ended; its error stands above")
        return float(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default=str(ROOT / "target/release/examples/step_time"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=15, help="alternating measurements per side")
    parser.add_argument("--limit", type=float, default=1.05)
    parser.add_argument("--model", action="append", choices=list(CASES))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    rows = []
    for model in options.model or CASES:
        with open(MODELS / model / "model.toml") as file:
            size = json.loads(next(line for line in file if line.startswith("size")).split("=")[1].split("#")[0])
        for layer in CASES[model]:
            for batch in options.batches:
                rows.append(measure(options, model, layer, batch, size))
    worst = max(row["ratio"] for row in rows)
    print(f"\nworst ratio {worst:.3f}, limit {options.limit}; torch {torch.__version__}, {options.threads} threads")
    sys.exit(worst > options.limit)


def measure(options, model, layer, batch, size):
    pytorch = PyTorch(model, layer, (batch, 3, *size))
    engine = Engine(options.engine, model, layer, batch, options.threads)
    times = {"pytorch": [], "engine": []}
    # The first rounds warm caches and allocators.
    for round_number in range(options.rounds + 3):
        order = [("pytorch", pytorch), ("engine", engine)]
        for name, side in order if round_number % 2 else reversed(order):
            # The other side's OpenMP threads spin for some milliseconds after their last region, on the same cores.
            time.sleep(SETTLE_S)
            side.step_ms()
            elapsed = side.step_ms()
            if round_number >= 3:
                times[name].append(elapsed)
    engine.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["engine"] / medians["pytorch"]
    print(f"{model:28} {layer:14} batch {batch}: PyTorch {medians['pytorch']:8.2f} ms, engine {medians['engine']:8.2f} ms, ratio {ratio:.3f}", flush=True)
    return {"ratio": ratio}


if __name__ == "__main__":
    main()

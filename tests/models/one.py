#!/usr/bin/env python3
"""One network of the matrix: makes its files and PyTorch's values, has the engine compare itself, and prints one line of JSON; knows no table."""

import argparse
import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import networks
import torch

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(CHECKOUT, "clients", "python"))


class Cases:
    """What `compare` reads: tensors in one file, where they lie in another."""

    def __init__(self, folder: str):
        self.folder = folder
        self.cases = []
        self.file = open(os.path.join(folder, "cases.bin"), "wb")

    def store(self, tensor: torch.Tensor) -> dict:
        offset = self.file.tell()
        values = tensor.detach().to(torch.float32).contiguous()
        self.file.write(memoryview(values.numpy()).cast("B"))
        return {"offset": offset, "shape": list(tensor.shape)}

    def close(self) -> None:
        self.file.close()
        with open(os.path.join(self.folder, "cases.json"), "w", encoding="utf-8") as file:
            json.dump([{key: value for key, value in case.items() if key != "what"} for case in self.cases], file)


def first_tensor(value):
    """The first tensor of what a module returns."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            found = first_tensor(item)
            if found is not None:
                return found
    return None


def watch(module, image):
    """The output, and what every module returned, call by call. Copies: activations in place overwrite."""
    seen, calls, handles = [], {}, []
    for path, part in module.named_modules():
        def hook(_, __, output, path=path):
            if path and isinstance(output, torch.Tensor):
                call = calls.setdefault(path, 0)
                calls[path] += 1
                seen.append((path, call, output.detach().clone()))

        handles.append(part.register_forward_hook(hook))
    with torch.no_grad():
        output = first_tensor(module(image))
    for handle in handles:
        handle.remove()
    return output, seen


def gradient(module, image, path, channel, axis):
    """Of the mean of a channel of a module's output with respect to the image."""
    kept = []
    handle = module.get_submodule(path).register_forward_hook(lambda _, __, output: kept.append(output.clone()))
    image = image.clone(memory_format=torch.preserve_format).requires_grad_(True)
    module(image)
    handle.remove()
    value = kept[0].select(axis, channel)
    return torch.autograd.grad(value.mean(), image)[0]


def channel_axis(path_value) -> int:
    """Images have channels second; tokens and what is channels-last, last."""
    return 1 if path_value.dim() in (2, 4) else path_value.dim() - 1


def expected(network, cases: Cases) -> None:
    """PyTorch's values for a batch of two at the native size, with gradients at three depths."""
    torch.manual_seed(1)
    image = torch.randn(2, 3, *network.size)
    output, seen = watch(network.module, image)
    once = [entry for entry in seen if sum(other[0] == entry[0] for other in seen) == 1 and entry[2].dim() >= 2]
    # What has parameters has an operator of its own.
    weighty = {path for path, part in network.module.named_modules() if any(True for _ in part.parameters())}
    spatial = [entry for entry in once if entry[2].dim() in (3, 4) and entry[2].shape[0] == 2 and entry[0] in weighty]
    gradients = []
    other = copy.deepcopy(network.module).to(memory_format=torch.channels_last)
    for part in (0.2, 0.5, 0.9):
        path, _, value = spatial[int(part * (len(spatial) - 1))]
        axis = channel_axis(value)
        # Random networks have channels that are off; the first live one from the middle on is asked for.
        for channel in range(value.shape[axis] // 2, value.shape[axis]):
            plain = gradient(network.module, image, path, channel, axis)
            if plain.norm() > 0:
                break
        own = gradient(other, image.to(memory_format=torch.channels_last), path, channel, axis)
        difference = ((own - plain).norm() / plain.norm()).item()
        gradients.append({"layer": path, "channel": channel, "axis": axis, "value": cases.store(plain), "own": difference})
    cases.cases.append({
        "what": "native",
        "input": cases.store(image),
        "output": cases.store(output),
        "layers": [[path, call, cases.store(value)] for path, call, value in seen],
        "gradients": gradients,
    })


def add_case(cases: Cases, what: str, run, shape) -> None:
    """An output at another size, where PyTorch runs the very file there."""
    torch.manual_seed(2)
    image = torch.randn(*shape)
    try:
        with torch.no_grad():
            output = first_tensor(run(image))
    except Exception:  # whatever PyTorch says, it does not run
        return
    cases.cases.append({"what": what, "input": cases.store(image), "output": cases.store(output)})


def save(network, form: str, folder: str):
    """Writes the network in a form, and returns what runs that file; raises what PyTorch raises."""
    image = torch.randn(2, 3, *network.size)
    if form == "pt2":
        import unitscope_export

        unitscope_export.export(network.module, folder, size=network.size)
        return torch.export.load(os.path.join(folder, "model.pt2")).module()
    os.makedirs(folder)
    path = os.path.join(folder, "model.pt")
    if form == "scripted":
        torch.jit.script(network.module).save(path)
    else:
        # The checker runs it again, and finds fault with names.
        torch.jit.trace(network.module, image, check_trace=False).save(path)
    height, width = network.size
    with open(os.path.join(folder, "model.toml"), "w", encoding="utf-8") as file:
        file.write(
            f"file = 'model.pt'\n[input]\nsize = [{height}, {width}]\nrange = [0.0, 1.0]\n"
            "mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\nchannels = 'RGB'\n"
        )
    return torch.jit.load(path)


def run(network, form: str, native: Cases, options) -> dict:
    folder = os.path.join(options.work, f"{network.name}-{form}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        runs = save(network, form, folder)
    except Exception as error:  # whatever PyTorch cannot do is said in the table
        return {"absent": str(error).strip().splitlines()[0][:120]}
    with tempfile.TemporaryDirectory(dir=options.work) as more:
        cases = Cases(more)
        add_case(cases, "batch 3", runs, (3, 3, *network.size))
        add_case(cases, "192×256", runs, (1, 3, 192, 256))
        cases.close()
        reports = [compare(options.compare, folder, place) for place in (native.folder, more)]
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    if "error" in reports[0]:
        return reports[0]
    told = native.cases + cases.cases
    found = reports[0]["cases"] + reports[1].get("cases", [])
    for case, report in zip(told, found):
        report["what"] = case["what"]
        for gradient, result in zip(case.get("gradients", []), report.get("gradients", [])):
            result["own"] = gradient["own"]
    return {"seconds": reports[0]["seconds"], "layers": reports[0]["layers"], "cases": found}


def compare(program: str, folder: str, cases: str) -> dict:
    finished = subprocess.run([program, folder, cases], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    lines = finished.stdout.splitlines()
    return json.loads(lines[-1]) if lines else {"error": f"compare ended with {finished.returncode}: {finished.stderr[-300:]}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("name")
    parser.add_argument("forms")
    parser.add_argument("--compare", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    network = networks.load(options.name, options.library)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        native = Cases(folder)
        expected(network, native)
        native.close()
        print(json.dumps({form: run(network, form, native, options) for form in options.forms.split(",")}))


if __name__ == "__main__":
    main()

"""The shared networks in PyTorch, which judges every picture: cut at a layer, with images as their input. Knows no server."""

import functools
import hashlib
import pathlib
import sys
import tomllib

import numpy
import torch
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"

# Each network's data (all images of a folder that have the size that it was trained on) and three depths, as in docs/gallery.md.
# `:pre` is the value before the layer's activation, where no channel is dead at the start.
NETWORKS = {
    "resnet56_cifar10": ("cifar10", ["layer1.8:pre", "layer2.4:pre", "layer3.4:pre"]),
    "mobilenet_v1_025_imagenet": ("imagenet200", ["blocks.3:pre", "blocks.6:pre", "blocks.12:pre"]),
    "googlenet_bvlc_imagenet": ("imagenet200", ["inception_3a:pre", "inception_4a:pre", "inception_5a:pre"]),
}

ACTIVATIONS = [torch.ops.aten.relu.default, torch.ops.aten.hardtanh.default]

# Images in one pass of the judge: what fits into memory at every layer of every network.
PASS = 20


class Network:
    """One network of the folder `shared/data/models`."""

    def __init__(self, name):
        self.name = name
        self.folder = SHARED / "models" / name
        with open(self.folder / "model.toml", "rb") as file:
            self.input = tomllib.load(file)["input"]
        self.size = self.input["size"]
        data, self.depths = NETWORKS[name]
        self.images = sorted((SHARED / "images" / data).rglob("*.jpg"))
        if not self.images:
            sys.exit(f"error: there are no images in {SHARED / 'images' / data}")

    @functools.cached_property
    def digest(self):
        """Of the weights, so that values kept from another file are not taken for this one's."""
        with open(self.folder / "model.pt2", "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @functools.cached_property
    def program(self):
        return torch.export.load(self.folder / "model.pt2")

    def cut(self, layer):
        """The exported module up to what leaves `layer`, or with `:pre` up to what its activation is given."""
        return self.tapped([layer], lambda ends: ends[0])

    def tapped(self, layers, outputs=tuple):
        """The exported module up to what leaves these layers, as `cut` has it: it returns a tuple."""
        module = self.program.module()
        ends = outputs([self.end(module.graph, layer) for layer in layers])
        next(node for node in module.graph.nodes if node.op == "output").args = (ends,)
        # The exporter's check of input shapes is no part of the network.
        for node in [node for node in module.graph.nodes if node.op == "call_module" and "guard" in str(node.target)]:
            module.graph.erase_node(node)
        module.graph.eliminate_dead_code()
        module.graph._codegen = torch.fx.graph.CodeGen()
        module.recompile()
        return module.requires_grad_(False)

    def end(self, graph, layer):
        path = layer.removesuffix(":pre")
        inside = [node for node in graph.nodes if path in (p for p, _ in node.meta.get("nn_module_stack", {}).values())]
        leaving = [node for node in inside if any(user not in inside for user in node.users)]
        if len(leaving) != 1:
            sys.exit(f"error: {len(leaving)} values leave layer `{path}` of {self.name}, not one")
        return before_activation(graph, leaving[0]) if layer != path else leaving[0]

    def normalize(self, pictures):
        """[n, 3, h, w], RGB, 0 … 1, to what the network takes."""
        low, high = self.input["range"]
        x = low + (high - low) * pictures
        if self.input["channels"] == "BGR":
            x = x.flip(1)
        mean, std = (torch.tensor(self.input[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
        return (x - mean) / std

    def prepare(self, file):
        """An image of the data as model.toml says: its shorter side resized, its centre cut out. [3, h, w], RGB, 0 … 1."""
        image = Image.open(file)
        height, width = self.size
        if "resize" in self.input and min(image.size) != self.input["resize"]:
            factor = self.input["resize"] / min(image.size)
            image = image.resize([round(side * factor) for side in image.size], Image.Resampling.BILINEAR)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return pixels(image.crop((left, top, left + width, top + height)))

    def values(self, module, images):
        """What a cut module's channels do on images: their mean over positions, the largest position, the centre; each [n, c].

        `images`: functions that read one each, [3, h, w], RGB, 0 … 1, so that few are in memory at once."""
        parts = []
        with torch.no_grad():
            for begin in range(0, len(images), PASS):
                out = module(self.normalize(torch.stack([read() for read in images[begin : begin + PASS]])))
                height, width = out.shape[2:]
                parts.append((out.mean((2, 3)), out.amax((2, 3)), out[:, :, height // 2, width // 2]))
        return [torch.cat(part).numpy() for part in zip(*parts)]

    def values_of_pictures(self, module, files):
        """Of written pictures, which have the network's size and are taken as they are."""
        return self.values(module, [functools.partial(lambda file: pixels(Image.open(file)), file) for file in files])

    def data(self, layer, cache):
        """The values of every image that fits, kept in the file `cache`: (files, mean [n, c], largest [n, c])."""
        files = [str(file.relative_to(SHARED / "images")) for file in self.images]
        if cache.exists():
            kept = numpy.load(cache)
            if str(kept["digest"]) == self.digest and list(kept["files"]) == files:
                return files, kept["mean"], kept["largest"]
        print(f"{self.name} {layer}: what it does on {len(files)} images", flush=True)
        mean, largest, _ = self.values(self.cut(layer), [functools.partial(self.prepare, file) for file in self.images])
        cache.parent.mkdir(parents=True, exist_ok=True)
        numpy.savez(cache, digest=self.digest, files=files, mean=mean, largest=largest)
        return files, mean, largest

    def check(self):
        """That the judge sees what PyTorch saw when the network was exported: the stored input from the stored files, and the
        stored activations from the stored input."""
        stored = numpy.load(self.folder / "expected.npz")
        x = torch.from_numpy(stored["input"])
        read = self.normalize(torch.stack([self.prepare(SHARED / str(file)) for file in stored["files"]]))
        black, white = self.normalize(torch.zeros(1, 3, 1, 1)), self.normalize(torch.ones(1, 3, 1, 1))
        levels = ((read - x).abs() / (white - black)).max().item() * 255
        # JPEG decoders differ by a few grey levels of 256.
        if levels > 4:
            sys.exit(f"error: images are read otherwise than for {self.folder}/expected.npz, by up to {levels:.1f} grey levels")
        for name in [name for name in stored.files if name.startswith("layer:")]:
            with torch.no_grad():
                out = self.cut(name.removeprefix("layer:"))(x).numpy()
            if not numpy.allclose(out, stored[name], rtol=1e-3, atol=1e-3 * numpy.abs(stored[name]).max()):
                sys.exit(f"error: {self.name} gives other activations than {self.folder}/expected.npz at {name}")


def pixels(image):
    """[3, h, w], RGB, 0 … 1."""
    return torch.from_numpy(numpy.asarray(image.convert("RGB"), dtype=numpy.float32) / 255).permute(2, 0, 1)


def before_activation(graph, node):
    """What the activation that makes `node` is given; of a concatenation of activations, what they are given, concatenated."""
    if node.target in ACTIVATIONS:
        return node.args[0]
    if node.target is torch.ops.aten.cat.default and all(branch.target in ACTIVATIONS for branch in node.args[0]):
        with graph.inserting_after(node):
            return graph.call_function(node.target, ([branch.args[0] for branch in node.args[0]], *node.args[1:]))
    sys.exit(f"error: {node.target} is no activation, so there is nothing before it")


def evenly(items, count):
    """At most `count` of a sequence, evenly spaced, its ends among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]

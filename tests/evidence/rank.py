"""Does Rank score images as PyTorch does? `make evidence-rank` compares every unit of every layer of three networks, and the rankings.

Needs PyTorch 2.11 (`pip install -r tests/evidence/requirements.txt`), and `../shared/data`. Run it by `make evidence-rank`, which builds the
server first.

Method. JPEG decoders differ by a few grey levels, so the images of `../shared/data/images` (1,000 of CIFAR-10, 200 of ImageNet's classes) are
decoded once, by Pillow, and written as PNG of the same size; their shorter side is what model.toml asks for. So both sides see the same bytes, resize
nothing, and cut the same centre out. The real server scores them by every unit of every layer that it lists and that has channels, and of `layer:pre` where
it offers that, and returns all scores. PyTorch runs the exported network: forward hooks on the modules of the same paths (`torch.export.unflatten`), and for
`:pre`, which no hook sees, the exported graph ended before the activation. A layer agrees if max |a - b| is at most 1e-4 of max |b|, over all its
units and images. Reducers are the largest value and the mean for every layer; for three layers of each network and their `:pre` also the
centre, another position, the largest absolute value and the root of the sum of squares.

For the same three layers, and their `:pre`, the first and last nine images of every channel must be those of PyTorch's own ranking, in
order, ties by image id (the first half of the file's BLAKE3). Another image in a place is a swap, and allowed, where PyTorch's scores of the
two differ by less than 1e-5 of the larger.

Everything is kept under target/evidence/rank (the server's index, PyTorch's scores), so that a run that was interrupted goes on; `--fresh` forgets
it. Prints the report and writes it to target/evidence/rank/report.md and report.json. Exits 1 if a layer or a ranking differs.
"""

import hashlib
import json
import pathlib
import shutil
import sys
import tempfile
import time
import warnings

import blake3
import numpy
import torch
from networks import NETWORKS, ROOT, SHARED, Network, pixels
from PIL import Image
from ranker import UNITS, Ranker, common
from torchvision.transforms.v2.functional import center_crop

CACHE = ROOT / "target/evidence/rank"
# What is asked of every layer, and what of three.
REDUCERS, MORE = ["max", "mean"], ["centre", "at", "absmax", "l2"]
# |a − b| at most so much of the largest |b| of a layer.
LIMIT = 1e-4
# Images that PyTorch's scores tell apart by less may change places.
SWAP = 1e-5
HITS = 9
# What leaves the network, which is no module's.
OUTPUT = "output"
# Images in one pass of PyTorch: what a MobileNet and a GoogLeNet have room for with all layers.
PASS = 10


class Files:
    """The dataset of a network as PNG, in order of id as the server has it."""

    def __init__(self, network, folder):
        self.network, self.folder = network, folder
        for file in network.images:
            png = folder / file.parent.name / f"{file.stem}.png"
            png.parent.mkdir(parents=True, exist_ok=True)
            image = Image.open(file).convert("RGB")
            if min(image.size) != network.input.get("resize", min(network.size)):
                sys.exit(f"error: {file.name} is {image.width} × {image.height}, so that it would be resized")
            image.save(png, compress_level=1)
        every = sorted(folder.rglob("*.png"))
        ids = [blake3.blake3(png.read_bytes()).hexdigest()[:32] for png in every]
        self.images = sorted(zip(ids, [str(png.relative_to(folder)) for png in every]))
        self.digest = hashlib.sha256(json.dumps(self.images).encode() + network.digest.encode()).hexdigest()

    def __len__(self):
        return len(self.images)

    def inputs(self):
        """Normalized batches, [n, 3, h, w]."""
        for begin in range(0, len(self), PASS):
            some = [pixels(Image.open(self.folder / path)) for _, path in self.images[begin : begin + PASS]]
            yield self.network.normalize(torch.stack([center_crop(one, self.network.size) for one in some]))


def position_of(rows, columns):
    """Any that is neither a corner nor the centre, where there is one."""
    return rows // 3, columns // 4


def reduced(x, reducer):
    """[n, c, h, w] or [n, c] to [n, c]."""
    x = x if x.dim() == 4 else x[:, :, None, None]
    rows, columns = x.shape[2:]
    if reducer == "at":
        row, column = position_of(rows, columns)
        return x[:, :, row, column]
    return {
        "max": lambda: x.amax((2, 3)),
        "mean": lambda: x.double().mean((2, 3)).float(),
        "centre": lambda: x[:, :, rows // 2, columns // 2],
        "absmax": lambda: x.abs().amax((2, 3)),
        "l2": lambda: x.double().square().sum((2, 3)).sqrt().float(),
    }[reducer]()


def by_pytorch(network, files, wanted):
    """Of each (layer, reducer): units × images."""
    kept = CACHE / network.name / "pytorch.npz"
    names = [f"{layer} {reducer}" for layer, reducer in wanted]
    if kept.exists():
        found = numpy.load(kept)
        if str(found["digest"]) == files.digest and set(names) <= set(found.files):
            return {one: found[name] for one, name in zip(wanted, names)}
    plain = {layer for layer, _ in wanted if not layer.endswith(":pre")} - {OUTPUT}
    before = sorted({layer for layer, _ in wanted if layer.endswith(":pre")})
    parts = {one: [] for one in wanted}

    def take(layer, out):
        for of, reducer in wanted:
            if of == layer:
                parts[of, reducer].append(reduced(out, reducer).numpy())

    modules = torch.export.unflatten(network.program)
    for path, module in modules.named_modules():
        if path in plain:
            module.register_forward_hook(lambda _module, _inputs, out, layer=path: take(layer, out))
    tapped = network.tapped(before)
    begin = time.monotonic()
    with torch.inference_mode():
        for x in files.inputs():
            take(OUTPUT, modules(x))
            for layer, out in zip(before, tapped(x)):
                take(layer, out)
    print(f"{network.name}: PyTorch took {time.monotonic() - begin:.0f} s for {len(files)} images", flush=True)
    missing = sorted({layer for layer, _ in wanted if sum(map(len, parts[layer, "max"])) != len(files)})
    if missing:
        sys.exit(f"error: PyTorch did not run once through {', '.join(missing)}")
    found = {one: numpy.concatenate(part).T for one, part in parts.items()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    numpy.savez(kept, digest=files.digest, **{name: found[one] for one, name in zip(wanted, names)})
    return found


class Comparison:
    """One network: the server's scores and rankings against PyTorch's."""

    def __init__(self, network, files, ranker):
        self.network, self.files, self.ranker = network, files, ranker
        listed = ranker.layers(network.name)
        self.units = {layer.path: layer.units for layer in listed}
        self.units |= {f"{layer.path}:pre": layer.units for layer in listed if layer.has_pre_activation}
        self.positions = {layer.path: [size for axis, size in zip(layer.axes, layer.shape) if axis != "channel"] for layer in listed}
        plain = [layer.removesuffix(":pre") for layer in network.depths]
        self.chosen = [name for layer in plain for name in (layer, f"{layer}:pre")]
        self.wanted = [(layer, reducer) for layer in self.units for reducer in REDUCERS]
        self.wanted += [(layer, reducer) for layer in self.chosen for reducer in MORE]

    def run(self):
        self.pass_all()
        expected = by_pytorch(self.network, self.files, self.wanted)
        layers = [self.compare(layer, reducer, expected[layer, reducer]) for layer, reducer in self.wanted]
        rankings = [self.rank(layer, reducer, expected[layer, reducer]) for layer in self.chosen for reducer in REDUCERS]
        name = {"network": self.network.name}
        return [name | one for one in layers], [name | one for one in rankings]

    def pass_all(self):
        """Many layers in one pass for each reducer, so that what follows are look-ups."""
        names = list(self.units)
        for reducer in REDUCERS:
            for begin in range(0, len(names), UNITS):
                some = names[begin : begin + UNITS]
                self.score(reducer, [self.unit(some[0], 0, reducer)], layers=some)
        for reducer in MORE:
            self.score(reducer, [self.unit(layer, 0, reducer) for layer in self.chosen])

    def score(self, reducer, units, layers=()):
        job = self.ask(units, reducer, layers=layers)
        seconds = job.end_time.ToNanoseconds() / 1e9 - job.create_time.ToNanoseconds() / 1e9
        scored, count = job.rank_result.scored, len(layers) or len(units)
        print(f"{self.network.name}: {count} layers, {reducer}: {scored} images scored in {seconds:.1f} s", flush=True)
        if job.rank_result.images != len(self.files):
            sys.exit(f"error: {job.rank_result.images} of {len(self.files)} images have scores")

    def unit(self, layer, channel, reducer):
        position = [position_of(*(self.positions[layer.removesuffix(":pre")] or [1, 1]))] if reducer == "at" else []
        return (layer, channel, *position)

    def groups(self, layer, reducer):
        """The channels of a layer as requests take them."""
        units = [self.unit(layer, channel, reducer) for channel in range(self.units[layer])]
        return [units[begin : begin + UNITS] for begin in range(0, len(units), UNITS)]

    def ask(self, units, reducer, **others):
        return self.ranker.rank(self.network.name, self.network.name, units, "max" if reducer == "at" else reducer, **others)

    def compare(self, layer, reducer, expected):
        parts = []
        for units in self.groups(layer, reducer):
            job = self.ask(units, reducer, return_scores=True)
            scores, images = self.ranker.scores(job)
            if [(image["image"], image["path"]) for image in images] != self.files.images:
                sys.exit("error: images.csv does not list the images by the first half of their BLAKE3")
            parts.append(scores)
            self.ranker.forget(job)
        found = numpy.concatenate(parts)
        if found.shape != expected.shape:
            sys.exit(f"error: {self.network.name} {layer}: {found.shape} scores instead of {expected.shape}")
        largest = float(numpy.abs(expected).max())
        difference = float(numpy.abs(found.astype(numpy.float64) - expected).max())
        # Not a number on either side is no agreement.
        agrees = bool(difference <= LIMIT * largest)
        return {"layer": layer, "reducer": reducer, "units": len(expected), "largest": largest, "difference": difference, "agrees": agrees}

    def rank(self, layer, reducer, expected):
        """The first and last images of every channel, place by place."""
        counts = {"same": 0, "swapped": 0, "other": 0}
        others, ids = [], [image for image, _ in self.files.images]
        place_of = {path: place for place, (_, path) in enumerate(self.files.images)}
        for units in self.groups(layer, reducer):
            job = self.ask(units, reducer, top_k=HITS, bottom_k=HITS)
            for (_, channel), unit in zip(units, self.ranker.ranking(job)["units"]):
                scores = expected[channel]
                for group, sign in zip(unit["groups"], (-1, 1)):
                    # Files are in order of id, and the sort is stable.
                    own = numpy.argsort(sign * scores, kind="stable")[:HITS]
                    hits = [place_of[hit["path"]] for hit in group["hits"]]
                    if [hit["image"] for hit in group["hits"]] != [ids[hit] for hit in hits] or len(hits) != len(own):
                        sys.exit(f"error: {self.network.name} {layer}:{channel} has hits that are not the dataset's")
                    for nth, (hit, right) in enumerate(zip(hits, own)):
                        a, b = float(scores[hit]), float(scores[right])
                        verdict = "same" if hit == right else "swapped" if abs(a - b) < SWAP * max(abs(a), abs(b)) else "other"
                        counts[verdict] += 1
                        if verdict == "other":
                            where = {"channel": channel, "pick": group["pick"], "nth": nth + 1}
                            others.append({**where, "score": a, "of": b, "server": group["hits"][nth]["score"]})
            self.ranker.forget(job)
        return {"layer": layer, "reducer": reducer, "units": len(expected), **counts, "others": others}


def page(layers, rankings):
    """The report's tables."""
    lines = ["| Network | Reducer | Layers | Units × images | Agree | Largest difference, of the layer's largest score | At |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for network in NETWORKS:
        for reducer in [*REDUCERS, *MORE]:
            of = [one for one in layers if one["network"] == network and one["reducer"] == reducer]
            if of:
                worst = max(of, key=share)
                agree = sum(one["agrees"] for one in of)
                numbers = sum(one["units"] for one in of)
                lines.append(f"| {network} | {reducer} | {len(of)} | {numbers} × {of[0]['images']} | {agree} | {share(worst):.1e} | {worst['layer']} |")
    lines += ["", f"| Network | Layer | Reducer | Channels | Places | Same image | Swapped (< {SWAP:.0e}) | Other |", "|---|---|---|---|---|---|---|---|"]
    for one in rankings:
        places = one["same"] + one["swapped"] + one["other"]
        lines.append(
            f"| {one['network']} | {one['layer']} | {one['reducer']} | {one['units']} | {places} | {one['same']} | {one['swapped']} | {one['other']} |"
        )
    for one in rankings:
        for other in one["others"][:20]:
            lines.append(
                f"\n{one['network']} {one['layer']}:{other['channel']} {one['reducer']}, {other['pick']} {other['nth']}: PyTorch scores that image"
                f" {other['score']!r}, its own {other['of']!r}; the server's score is {other['server']!r}."
            )
    return "\n".join(lines) + "\n"


def share(one):
    return one["difference"] / one["largest"] if one["largest"] > 0 else 0.0


def main():
    parser = common(__doc__)
    parser.add_argument("--network", action="append", choices=list(NETWORKS))
    parser.add_argument("--fresh", action="store_true", help="forget what is kept")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.fresh:
        shutil.rmtree(CACHE, ignore_errors=True)
    networks = [Network(name) for name in options.network or NETWORKS]
    for network in networks:
        network.check()
    layers, rankings = [], []
    with tempfile.TemporaryDirectory() as folder:
        files = {network.name: Files(network, pathlib.Path(folder) / network.name) for network in networks}
        datasets = {name: of.folder for name, of in files.items()}
        with Ranker(options, SHARED / "models", CACHE / "index", datasets, CACHE / "server.log") as ranker:
            for network in networks:
                some, ranked = Comparison(network, files[network.name], ranker).run()
                layers += [{**one, "images": len(files[network.name])} for one in some]
                rankings += ranked
    text = page(layers, rankings)
    (CACHE / "report.md").write_text(text)
    (CACHE / "report.json").write_text(json.dumps({"torch": torch.__version__, "layers": layers, "rankings": rankings}, indent=1))
    print("\n" + text)
    sys.exit(not all(one["agrees"] for one in layers) or any(one["other"] for one in rankings))


if __name__ == "__main__":
    main()

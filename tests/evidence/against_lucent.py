"""Do our pictures drive units further than lucent's? `make evidence-lucent` makes both, and lays them side by side.

Needs what evidence.py needs, and lucent 0.1.8: `pip install --no-deps -r tests/evidence/requirements-lucent.txt`.

Method. The networks, layers and channels are those of the first job of each depth in evidence.py: eight evenly spaced channels at three
depths, objective `channel`. Ours: that job's pictures, 256 steps, the server's defaults. lucent's: `render_vis` with `param.image(size)`,
its standard transforms, 256 steps, `preprocess=False` and `fixed_image_size`, both sizes the network's; one picture at a time; its seeds
set to 0 before each. lucent sees the network behind its normalization (and BGR), cut at the layer, which is its one hookable module; the
values and gradients there are the whole network's. Both pictures are judged alike, by PyTorch, on the PNG: the margin is
(mean over positions − median of the data) / interquartile range of the data.

Patches to lucent: none. It is run with kornia 0.4.1, the newest that it allows.

Prints the mean margin of each network, and writes target/evidence/lucent.md, lucent.json and lucent.png (side by side). Exits 1 if the mean
margin of a network is below lucent's.
"""

import json
import os
import statistics
import sys
import time
import warnings

import numpy
import torch
from evidence import CHANNELS, STEPS, Layer, common
from networks import NETWORKS, ROOT, SHARED, Network
from PIL import Image, ImageDraw, ImageFont
from studio import Studio, pictures

# Of every depth so many channels stand on the sheet, the first ones.
SHOWN = 2
# Sides of the sheet's pictures, and of what stands around them, in pixels.
SIDE, CAPTION, GAP, HEADING = 160, 34, 12, 28


class Model(torch.nn.Module):
    """A network behind its normalization, up to a layer, as lucent takes it: the layer is the module `layer`."""

    def __init__(self, network, layer):
        super().__init__()
        # Not a submodule: lucent hooks all of them.
        self.before = (network.normalize, network.cut(layer))
        self.layer = torch.nn.Identity()

    def forward(self, x):
        normalize, cut = self.before
        return self.layer(cut(normalize(x)))


def lucent_picture(model, channel, size, steps, file):
    """Written once, 8 bits, rounded."""
    from lucent.optvis import objectives, param, render

    if file.exists():
        return
    torch.manual_seed(0)
    numpy.random.seed(0)
    height, width = size
    images = render.render_vis(
        model,
        objectives.channel("layer", channel),
        param_f=lambda: param.image(width, h=height),
        thresholds=(steps,),
        preprocess=False,
        fixed_image_size=height,
        progress=False,
        show_image=False,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name("." + file.name)
    Image.fromarray((images[0][0] * 255).round().astype(numpy.uint8)).save(part, "png")
    os.replace(part, file)


def compare(options, studio, network, path):
    """Both pictures of eight channels of a layer, and their margins."""
    layer = Layer(options, network, path, "channel")
    job = layer.jobs[0]
    layer.make(studio, options.steps, job)
    ours = pictures(layer.folder_of(job))
    ours = [ours[layer.unit(channel)]["png"] for channel in job]
    model = Model(network, path).eval()
    folder = layer.home / f"lucent-{options.steps}-steps"
    theirs = [folder / f"{channel}.png" for channel in job]
    for channel, file in zip(job, theirs):
        begin, was_there = time.monotonic(), file.exists()
        lucent_picture(model, channel, network.size, options.steps, file)
        if not was_there:
            print(f"{network.name} {path}:{channel}: lucent took {time.monotonic() - begin:.0f} s", flush=True)
    _, mean_on_data, _ = layer.data
    low, median, high = numpy.percentile(mean_on_data[:, job], [25, 50, 75], axis=0)
    margins = []
    for files in (ours, theirs):
        mean, _, _ = network.values_of_pictures(layer.cut, files)
        margins.append((mean[range(len(job)), job] - median) / (high - low))
    names = [{"network": network.name, "unit": layer.unit(channel)} for channel in job]
    return [
        name | {"ours": float(a), "lucent": float(b), "png": str(one), "lucent_png": str(other)}
        for name, a, b, one, other in zip(names, *margins, ours, theirs)
    ]


def main():
    parser = common(__doc__)
    parser.add_argument("--depth", action="append", type=int, choices=[1, 2, 3])
    parser.add_argument("--after-activation", action="store_true", help="layers themselves, not what stands before their activation")
    options = parser.parse_args()
    options.cache, options.channels, options.steps = ROOT / "target/evidence", CHANNELS, STEPS
    warnings.filterwarnings("ignore")
    if options.threads:
        torch.set_num_threads(options.threads)
    results = []
    with Studio(SHARED / "models", options.binaries, options.plugins, options.threads, options.cache / "server.log") as studio:
        for name in options.network or NETWORKS:
            network = Network(name)
            network.check()
            for depth in options.depth or [1, 2, 3]:
                layer = network.depths[depth - 1]
                layer = layer.removesuffix(":pre") if options.after_activation else layer
                results += compare(options, studio, network, layer)
    path = options.cache / ("lucent-after-activation" if options.after_activation else "lucent")
    path.with_suffix(".json").write_text(json.dumps(results, indent=1))
    sheet(results).save(path.with_suffix(".png"))
    text, worse = page(results)
    path.with_suffix(".md").write_text(text)
    print("\n" + text)
    sys.exit(bool(worse))


def page(results):
    """The tables, and the networks where lucent's mean margin is larger."""
    lines = ["| Network | Channels | Mean margin (IQR), ours | lucent | Ours is larger in |", "|---|---|---|---|---|"]
    worse = []
    for name in NETWORKS:
        of = [one for one in results if one["network"] == name]
        if not of:
            continue
        ours, lucent = (statistics.mean(one[key] for one in of) for key in ("ours", "lucent"))
        larger = sum(one["ours"] > one["lucent"] for one in of)
        lines.append(f"| {name} | {len(of)} | {ours:.2f} | {lucent:.2f} | {larger} of {len(of)} |")
        worse += [name] if ours < lucent else []
    lines += ["", "| Network | Unit | Ours | lucent |", "|---|---|---|---|"]
    lines += [f"| {one['network']} | {one['unit']} | {one['ours']:.2f} | {one['lucent']:.2f} |" for one in results]
    return "\n".join(lines) + "\n", worse


def sheet(results):
    """Pairs of pictures, ours left and lucent's right; a row for each network."""
    rows = []
    for name in NETWORKS:
        units = {}
        for one in results:
            if one["network"] == name:
                units.setdefault(one["unit"].rpartition(":")[0], []).append(one)
        rows += [[name, *(one for of_layer in units.values() for one in of_layer[:SHOWN])]] if units else []
    font, small = ImageFont.load_default(16), ImageFont.load_default(12)
    pair, row_height = 2 * SIDE + 2, HEADING + SIDE + CAPTION
    image = Image.new("RGB", (GAP + max(len(row) - 1 for row in rows) * (pair + GAP), GAP + len(rows) * (row_height + GAP)), "white")
    draw = ImageDraw.Draw(image)
    for y, (name, *shown) in zip(range(GAP, image.height, row_height + GAP), rows):
        draw.text((GAP, y), f"{name}   left: Unitscope, right: lucent", "black", font)
        for x, one in zip(range(GAP, image.width, pair + GAP), shown):
            for left, key in ((x, "png"), (x + SIDE + 2, "lucent_png")):
                picture = Image.open(one[key]).convert("RGB")
                # Small pictures keep their pixels visible.
                how = Image.Resampling.NEAREST if picture.width < SIDE else Image.Resampling.LANCZOS
                image.paste(picture.resize((SIDE, SIDE), how), (left, y + HEADING))
            draw.text((x, y + HEADING + SIDE + 2), one["unit"], "black", small)
            draw.text((x, y + HEADING + SIDE + 17), f"{one['ours']:.1f} IQR", "black", small)
            draw.text((x + SIDE + 2, y + HEADING + SIDE + 17), f"{one['lucent']:.1f} IQR", "black", small)
    return image


if __name__ == "__main__":
    main()

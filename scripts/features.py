#!/usr/bin/env python3
"""Makes docs/features.md and its pictures, one or more for each feature: starts a server on the demo model and on the networks of a
models folder, runs the client once for each picture that is not there yet or whose command has changed, and writes the page. Needs
Pillow (`pip install pillow`), which turns the client's PNGs into small JPEGs. Took half an hour with `--threads 1` on a busy machine.
"""

import argparse
import contextlib
import io
import pathlib
import random
import select
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from PIL import Image

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs/features.md"
PICTURES = CHECKOUT / "docs/features"
# The width of one picture on the page; several of one command stand in a row of at most ROW_PX, so that a table with them fits the page.
SIDE_PX = 176
ROW_PX = 560
# A page of a hundred pictures shall stay light.
LARGEST_BYTES = 60_000

GOOGLENET = "--model googlenet_bvlc_imagenet --steps 128"
# Most pictures are of this channel (dogs), so that what a feature does can be told from what the unit wants.
DOGS = f"{GOOGLENET} --unit inception_4a:pre:11"
PHOTOS = "../shared/data/images/imagenet200"
# Pictures of this page that others refer to.
BIRD, FACES = "docs/features/class.jpg", "docs/features/second.jpg"
# A picture of our own, see `draw_start`.
START = "docs/features/start.jpg"


@dataclass
class Picture:
    """What one command makes; without a command, a picture that another feature shows too."""

    name: str
    caption: str
    command: str = ""


@dataclass
class Feature:
    """What it does, when one wants it, and its pictures, which stand side by side."""

    name: str
    sentence: str
    pictures: list


WITHOUT = Picture("channel", "without")


def penalty(name, sentence, weight, **more):
    options = ", ".join([f"weight={weight}", *(f"{key}={value}" for key, value in more.items())])
    return Feature(name, sentence, [WITHOUT, Picture(name, options, f"{DOGS} --term '{name}({options})'")])


def transform(name, sentence, options):
    return Feature(name, sentence, [Picture("none", "none"), Picture(name, options, f"{DOGS} --transform '{name}({options})'")])


CHANGE = "--objective 'interpolate(inception_4a:pre, 11, channel2=97)' --copies 4"

SECTIONS = {
    "Objectives": [
        Feature(
            "channel",
            "The mean of one channel over space: what it looks for, again and again. The first thing to look at.",
            [Picture("channel", "inception_4a:pre:11", DOGS)],
        ),
        Feature(
            "unit",
            "One channel at one place: what it looks for, once, and how large its field of view is.",
            [Picture("channel", "the channel"), Picture("unit", "its middle unit", f"{DOGS}@center")],
        ),
        Feature(
            "layer",
            "The mean square of a whole layer, as in DeepDream: more of whatever it sees. Best with a start picture, see below.",
            [Picture("layer", "inception_4c", f"{GOOGLENET} --layer inception_4c")],
        ),
        Feature(
            "negative",
            "What a channel likes least; beside its positive it says what the channel tells apart.",
            [Picture("negative", "the channel, and its negative", f"{GOOGLENET} --unit inception_4a:pre:11 --negative")],
        ),
        Feature(
            "diversity",
            "Pushes the pictures of a job apart in style: shows the different things that one channel reacts to.",
            [
                Picture("copies", "without", f"{GOOGLENET} --unit inception_4b:77 --copies 3"),
                Picture("diversity", "with", f"{GOOGLENET} --unit inception_4b:77 --copies 3 --diversity 50"),
            ],
        ),
        Feature(
            "direction",
            "Several channels at once, each with a weight: for directions that a probe or a factorization found.",
            [
                Picture(
                    "direction", "4 of 16 channels",
                    f"{GOOGLENET} --objective 'direction(inception_4a.b5x5_reduce:pre, [0, 1, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0])'",
                )
            ],
        ),
        Feature(
            "class",
            "The logit of a class, by its number or label: what the network takes for it.",
            [
                Picture("class", "flamingo", f"{GOOGLENET} --objective 'class(\"n02007558 flamingo\")'"),
                Picture("class_number", "1, goldfish", f"{GOOGLENET} --objective 'class(1)'"),
            ],
        ),
        Feature(
            "target",
            "An activation of a given size instead of the largest: pictures from weak to strong.",
            [
                Picture(f"target_{value}", f"value={value}", f"{GOOGLENET} --objective 'target(inception_4a:pre, 11, value={value})'")
                for value in (0, 300, 600)
            ],
        ),
        Feature(
            "compare",
            "A caricature (`dot`) is what a layer finds remarkable in a reference picture, `cosine` its likeness whatever the strength,"
            " an inversion (`l2`) what the layer still knows of it. The reference is the picture of `class` above.",
            [
                Picture(f"compare_{measure}", f"measure={measure}",
                        f"{GOOGLENET} --objective 'compare(inception_4a, measure={measure}, reference=0)' --reference {BIRD}")
                for measure in ("dot", "cosine", "l2")
            ],
        ),
        Feature(
            "guide",
            "A dream led by a reference: every place of the picture goes for what is most like it there. Here from the start picture, led by the dog faces of `inception_4c:447`.",
            [
                Picture("start", "the start"),
                Picture("guide", "guided", f"{GOOGLENET} --objective 'guide(inception_4a, reference=0)' --reference {FACES} --start {START}"),
            ],
        ),
        Feature(
            "group",
            "A block of channels and positions: what a neighbourhood of units wants, or a channel in a part of the picture.",
            [Picture("group", "left half", f"{GOOGLENET} --objective 'group(inception_4a:pre, channel=11, channels=1, width=7)'")],
        ),
        Feature(
            "interpolate",
            "From one channel to another over the pictures of a job: how two features meet.",
            [Picture("interpolate", "channel 11 to 97", f"{GOOGLENET} {CHANGE}")],
        ),
        Feature(
            "alignment",
            "Holds things in place along an interpolation, so that neighbours can be compared; too much of it costs contrast.",
            [Picture("interpolate", "without"), Picture("alignment", "with", f"{GOOGLENET} {CHANGE.replace(')', ') + 0.1*alignment(inception_3b)', 1)}")],
        ),
        Feature(
            "Sums",
            "Several wishes at once, with weights: the larger a weight, the more the picture goes for it.",
            [
                Picture("first", "77", f"{GOOGLENET} --unit inception_4b:77"),
                Picture("sum", "77 + 447", f"{GOOGLENET} --objective 'channel(inception_4b, 77) + channel(inception_4c, 447)'"),
                Picture("weighted", "3*77 + 447", f"{GOOGLENET} --objective '3*channel(inception_4b, 77) + channel(inception_4c, 447)'"),
            ],
        ),
        Feature(
            "Products",
            "Both at once: a product is large only if no factor is small. The 5 keeps factors positive at the start.",
            [
                Picture("second", "447", f"{GOOGLENET} --unit inception_4c:447"),
                Picture("product", "77 * 447", f"{GOOGLENET} --objective '(5 + channel(inception_4b, 77)) * (5 + channel(inception_4c, 447))'"),
            ],
        ),
    ],
    "Penalties": [
        penalty("total_variation", "Smooths noise away and keeps edges: the usual first choice against grain.", 3000),
        penalty("blur", "Takes away what a small blur would take away: the finest grain.", 300000),
        penalty("l1", "Leaves grey what the objective does not need.", 3000),
        penalty("l2", "Holds contrast down, everywhere.", 1500),
        penalty("l_infinity", "Holds the strongest pixel back, and that one alone.", 1500),
        penalty("boundary_complexity", "Keeps the border flat, so that what the picture shows stands inside.", 60000, border_px=40),
        Feature(
            "input_distance",
            "Keeps the picture near the one that it starts from: the least change that drives a unit.",
            [
                Picture("start", "the start"),
                Picture("input_distance_without", "without", f"{DOGS} --start {START}"),
                Picture("input_distance", "weight=3000", f"{DOGS} --start {START} --reference {START} --term 'input_distance(weight=3000, reference=0)'"),
            ],
        ),
        Feature(
            "opacity",
            "What the objective does not need becomes transparent (here chequered); needs a parameterization with `alpha=true`.",
            [
                Picture("alpha", "without", f"{DOGS} --parameterization 'fourier(alpha=true)'"),
                Picture("opacity", "weight=1000", f"{DOGS} --parameterization 'fourier(alpha=true)' --term 'opacity(weight=1000)'"),
            ],
        ),
    ],
    "Step operations": [
        Feature(
            "normalize_gradient",
            "Gradients of length 1: plain gradient ascent (`sgd`) then works whatever the objective's scale. Adam does not need it.",
            [
                Picture("sgd_without", "sgd alone", f"{DOGS} --optimizer 'sgd(learning_rate=3)'"),
                Picture("normalize_gradient", "normalized", f"{DOGS} --optimizer 'sgd(learning_rate=3)' --term 'normalize_gradient()'"),
            ],
        ),
        Feature(
            "clip_gradient",
            "Shortens long gradients and leaves short ones as they are: no step runs away.",
            [
                Picture("sgd_without", "sgd alone"),
                Picture("clip_gradient", "max_norm=1", f"{DOGS} --optimizer 'sgd(learning_rate=3)' --term 'clip_gradient(max_norm=1)'"),
            ],
        ),
        Feature(
            "blur_gradient",
            "Coarse forms before fine ones. For `pixel`; under `fourier`, Adam evens out what the blur takes away.",
            [
                Picture("pixel", "without"),
                Picture("blur_gradient", "sigma_px=2", f"{DOGS} --parameterization pixel --term 'blur_gradient(sigma_px=2)'"),
            ],
        ),
        Feature(
            "decay",
            "What the objective does not keep up fades to grey.",
            [WITHOUT, Picture("decay", "rate=0.02", f"{DOGS} --term 'decay(rate=0.02)'")],
        ),
        Feature(
            "blur_image",
            "Blurs the picture itself between steps: only what comes back each time stays.",
            [WITHOUT, Picture("blur_image", "sigma_px=1, every=4", f"{DOGS} --term 'blur_image(sigma_px=1, every=4)'")],
        ),
        Feature(
            "clip_small",
            "Makes the faintest pixels grey, again and again: what matters stands alone.",
            [WITHOUT, Picture("clip_small", "percentile=40", f"{DOGS} --term 'clip_small(percentile=40)'")],
        ),
    ],
    "Parameterizations": [
        Feature(
            "fourier",
            "The default: low frequencies weigh more. Less decay gives fine, pale strokes; more gives bold forms.",
            [
                Picture("fourier_05", "decay_power=0.5", f"{DOGS} --parameterization 'fourier(decay_power=0.5)'"),
                Picture("channel", "decay_power=1"),
                Picture("fourier_15", "decay_power=1.5", f"{DOGS} --parameterization 'fourier(decay_power=1.5)'"),
            ],
        ),
        Feature(
            "decorrelate_colors=false",
            "Plain RGB instead of the colours of photographs: rawer colours, and more colour noise.",
            [Picture("channel", "true"), Picture("correlated", "false", f"{DOGS} --parameterization 'fourier(decorrelate_colors=false)'")],
        ),
        Feature(
            "pixel",
            "One number per pixel, nothing else: fine strokes and little colour, as no frequency is preferred.",
            [Picture("channel", "fourier"), Picture("pixel", "pixel", f"{DOGS} --parameterization pixel")],
        ),
        Feature(
            "laplacian",
            "A sum of pictures of falling size: coarse and fine forms alike, with strong contrast.",
            [Picture("channel", "fourier"), Picture("laplacian", "laplacian, levels=6", f"{DOGS} --parameterization 'laplacian(levels=6)'")],
        ),
        Feature(
            "cppn",
            "A small network that paints each pixel from its place: smooth shapes without grain.",
            [Picture("cppn_without", "fourier", f"{GOOGLENET} --unit inception_4a:pre:97"), Picture("cppn", "cppn", f"{GOOGLENET} --unit inception_4a:pre:97 --parameterization cppn")],
        ),
        Feature(
            "maco",
            "Only the phases of the spectrum move, so that each frequency has as much contrast as in photographs. `magnitude` takes it from a picture or folder.",
            [
                Picture("second", "fourier"),
                Picture("maco", "maco", f"{GOOGLENET} --unit inception_4c:447 --parameterization maco"),
                Picture("maco_magnitude", "magnitude of photographs",
                        f"{GOOGLENET} --unit inception_4c:447 --parameterization 'maco(magnitude={PHOTOS})'"),
            ],
        ),
        Feature(
            "alpha=true",
            "Pictures with an opacity. As a factor, `1 - opacity()` needs no weight: what is left opaque is what the unit looks at.",
            [
                Picture("alpha_channel", "channel",
                        f"{GOOGLENET} --objective 'channel(inception_4a:pre, 11) * (1 - opacity())' --parameterization 'fourier(alpha=true)'"),
                Picture("alpha_unit", "unit",
                        f"{GOOGLENET} --objective 'unit(inception_4a:pre, 11) * (1 - opacity())' --parameterization 'fourier(alpha=true)'"),
            ],
        ),
        Feature(
            "shared",
            "A part that all pictures have in common: an interpolation whose forms stay in place.",
            [Picture("interpolate", "without"), Picture("shared", "with", f"{GOOGLENET} {CHANGE} --parameterization 'fourier(shared=[2, 4, 8])'")],
        ),
    ],
    "Start": [
        Feature(
            "start",
            "A picture instead of noise. Here one that this page's script draws; what follows is DeepDream.",
            [
                Picture("start", "the start"),
                Picture("deepdream", "64 steps", f"{GOOGLENET.replace('128', '64')} --layer inception_4c --start {START}"),
            ],
        ),
        Feature(
            "redirect",
            "Wakes units that are off on every start, by letting gradients through activations that block them. It is on; without it the unit stays dead.",
            [
                Picture("redirect_no", "--no-redirect", f"{GOOGLENET.replace('128', '256')} --unit inception_4d:139 --no-redirect"),
                Picture("redirect", "by default", f"{GOOGLENET.replace('128', '256')} --unit inception_4d:139"),
            ],
        ),
        Feature(
            "smooth_pools",
            "Max pools pass gradients to their whole windows, as averages do, and not to the largest position alone.",
            [WITHOUT, Picture("smooth_pools", "--smooth-pools", f"{DOGS} --smooth-pools")],
        ),
        Feature(
            "starts",
            "So many starts for each picture, of which the weaker half goes again and again: for units that noise does not always reach.",
            [WITHOUT, Picture("starts", "--starts 8", f"{DOGS} --starts 8")],
        ),
    ],
    "Transforms": [
        Feature(
            "none",
            "The network sees the picture as it is: more grain, for a score that is higher as long as nothing moves.",
            [Picture("channel", "standard"), Picture("none", "none", f"{DOGS} --transforms none")],
        ),
        transform("jitter", "Moves the picture: takes away grain that hangs on the network's strides.", "pixels=48"),
        Feature(
            "pad",
            "Grey around the picture, so that what moves into view from outside is grey, and not the edge drawn out: borders are worth less.",
            [
                Picture("jitter", "jitter alone"),
                Picture("pad", "pad and jitter", f"{DOGS} --transform 'pad(pixels=24)' --transform 'jitter(pixels=48)'"),
            ],
        ),
        transform("random_scale", "Larger and smaller: forms that hold at more than one size.", "min=0.8, max=1.25"),
        transform("random_rotate", "Other angles: forms that need not stand upright.", "degrees=30"),
        transform("random_crop", "A part of the picture, enlarged: smaller forms, towards the middle, which more of the parts hold. MACO's transform.", "min=0.4, max=0.6"),
        transform("random_flip", "Left and right about, at random: no side is preferred.", "probability=0.5"),
        transform("color_shift", "Other colours: the form has to do it.", "shift=0.3, scale=0.3"),
        transform("noise", "Noise over everything the network sees: faint grain is lost in it, so that strong, broad forms remain.", "standard_deviation=0.2"),
        Feature(
            "views",
            "So many views of the picture at each step: a calmer gradient, at that many times the work.",
            [Picture("channel", "1 view"), Picture("views", "4 views", f"{DOGS} --views 4")],
        ),
    ],
    "Optimizers and schedules": [
        Feature("adam", "The default, at 0.05. A larger rate is faster and rougher.",
                [Picture("channel", "0.05"), Picture("adam", "0.2", f"{DOGS} --optimizer 'adam(learning_rate=0.2)'")]),
        Feature("nadam", "Adam with Nesterov's momentum: much like Adam; MACO's default.", [Picture("channel", "adam"), Picture("nadam", "nadam", f"{DOGS} --optimizer nadam")]),
        Feature("adamw", "Adam that also pulls the parameters to 0, and with them contrast.",
                [Picture("channel", "adam"), Picture("adamw", "weight_decay=0.5", f"{DOGS} --optimizer 'adamw(weight_decay=0.5)'")]),
        Feature("rmsprop", "Steps scaled by the gradient's recent size, without momentum.",
                [Picture("channel", "adam"), Picture("rmsprop", "rmsprop", f"{DOGS} --optimizer 'rmsprop(learning_rate=0.02)'")]),
        Feature("sgd", "Plain ascent, with momentum; together with `normalize_gradient`. Softer, as fine detail has small gradients.",
                [Picture("channel", "adam"), Picture("sgd", "momentum=0.9", f"{DOGS} --optimizer 'sgd(learning_rate=1, momentum=0.9)' --term 'normalize_gradient()'")]),
        Feature(
            "schedule",
            "How the rate changes: `cosine` comes to rest at the last step, `exponential` falls by a factor, `warmup_steps` starts gently.",
            [
                Picture("adam", "constant"),
                Picture("cosine", "cosine", f"{DOGS} --optimizer 'adam(learning_rate=0.2)' --schedule cosine"),
                Picture("exponential", "exponential", f"{DOGS} --optimizer 'adam(learning_rate=0.2)' --schedule 'exponential(decay=0.97)'"),
                Picture("warmup", "warm-up", f"{DOGS} --optimizer 'adam(learning_rate=0.2)' --schedule 'cosine(warmup_steps=16)'"),
            ],
        ),
    ],
    "Size, steps, snapshots": [
        Feature(
            "size",
            "Height and width of your own, where the model's export leaves them free.",
            [
                Picture("size_wide", "160 × 224", "--model mobilenet_v1_025_imagenet --steps 256 --unit blocks.3:pre:3 --size 160x224"),
                Picture("size_tall", "160 × 96 (demo)", "--model demo --steps 256 --unit logits:dots --size 160x96"),
            ],
        ),
        Feature("snapshots", "The picture on its way.", [Picture("snapshots", "after 4, 16, 64, 128 steps", f"{DOGS} --snapshots 4,16,64")]),
        Feature(
            "stop",
            "Ends before the last step: when the score no longer rises, when it has reached a value, or after some time.",
            [
                Picture("stop_plateau", "plateau()", f"{DOGS.replace('128', '1024')} --stop 'plateau()'"),
                Picture("stop_target", "target(value=300)", f"{DOGS} --stop 'target(value=300)'"),
                Picture("stop_seconds", "seconds(value=5)", f"{DOGS} --stop 'seconds(value=5)'"),
            ],
        ),
    ],
}

OPENING = """\
# Features

One picture for each feature, and the command that made it. `scripts/features.py` makes them again, and this page. Commands are typed in the
checkout, with a server running on its models; `unitscope optimize --help` and `unitscope terms show TERM` say the rest.

Most pictures are of one channel of GoogLeNet that looks for dogs, `inception_4a:pre:11`, with 128 steps and seed 0, so that what differs is
the feature. That channel reads some 800 in the end: hence the large weights of penalties. Commands stand in the order of the pictures; a
picture without one is from another place of this page. Each writes to `unitscope-out`, or to `--out`; here pictures are smaller.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=pathlib.Path, default=CHECKOUT.parent / "shared/data/models")
    parser.add_argument("--binaries", type=pathlib.Path, default=CHECKOUT / "target/release")
    parser.add_argument("--plugins", type=pathlib.Path, default=CHECKOUT / "target/plugins")
    parser.add_argument("--threads", default="", help="of the server [default: all cores]")
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="make these again, and no other")
    arguments = parser.parse_args()
    pictures = {picture.name: picture for features in SECTIONS.values() for feature in features for picture in feature.pictures if picture.command}
    unknown = [name for name in arguments.pictures if name not in pictures]
    if unknown:
        parser.error(f"no picture `{unknown[0]}`; there are {', '.join(pictures)}")
    wanted = [pictures[name] for name in arguments.pictures] or [picture for picture in pictures.values() if not is_made(picture)]
    PICTURES.mkdir(exist_ok=True)
    if not (CHECKOUT / START).exists():
        draw_start().save(CHECKOUT / START, quality=90)
    with serve(arguments) if wanted else contextlib.nullcontext() as address:
        for picture in wanted:
            make(arguments, address, picture)
    missing = [picture.name for picture in pictures.values() if not file_of(picture).exists()]
    if missing:
        sys.exit(f"error: the page waits for {', '.join(missing)}; run it without names")
    PAGE.write_text(page(), encoding="utf-8")


@contextlib.contextmanager
def serve(arguments):
    """The address of a server that runs meanwhile."""
    with tempfile.TemporaryDirectory() as models:
        for model in [CHECKOUT / "demo/models/demo", *arguments.networks.glob("*")]:
            pathlib.Path(models, model.name).symlink_to(model.resolve())
        threads = ["--threads", arguments.threads] if arguments.threads else []
        server = subprocess.Popen(
            [arguments.binaries / "unitscope-server", "--models", models, "--plugins", arguments.plugins,
             "--listen", "127.0.0.1:0", "--log", "warn", *threads],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            ready, _, _ = select.select([server.stdout], [], [], 60)
            yield server.stdout.readline().split()[-1] if ready else sys.exit("error: the server does not start")
        finally:
            server.terminate()
            server.wait()


def file_of(picture):
    return PICTURES / f"{picture.name}.jpg"


def is_made(picture):
    """Whether its file is there and of this command, which stands in the file's comment."""
    if not file_of(picture).exists():
        return False
    with Image.open(file_of(picture)) as image:
        return image.info.get("comment", b"").decode() == picture.command


def make(arguments, address, picture):
    print(f"{picture.name}: unitscope optimize {picture.command}", flush=True)
    with tempfile.TemporaryDirectory() as out:
        client = [arguments.binaries / "unitscope", "--server", address, "optimize", *shlex.split(picture.command), "--out", out]
        # 5: every picture is dead, which --no-redirect is to show.
        if subprocess.run(client, cwd=CHECKOUT).returncode not in (0, 5):
            sys.exit(f"error: `{picture.name}` was not made")
        write(row(in_order(pathlib.Path(out))), picture)


def in_order(out):
    """The PNGs of a job, snapshots before the picture that they became."""
    stems = sorted(path.stem for path in out.glob("*.json"))
    return [path for stem in stems for path in [*sorted(out.glob(f"{stem}.step-*.png")), out / f"{stem}.png"]]


def row(files):
    """The pictures side by side, transparency over a chequered ground."""
    images = [opaque(Image.open(file)) for file in files]
    gap_px = 4
    width_px = min(SIDE_PX, (ROW_PX + gap_px) // len(images) - gap_px)
    images = [image.resize((width, round(image.height * width / image.width)), Image.LANCZOS)
              for image in images for width in [min(image.width, width_px)]]
    sheet = Image.new("RGB", (sum(image.width + gap_px for image in images) - gap_px, max(image.height for image in images)), "white")
    for place, image in enumerate(images):
        sheet.paste(image, (place * (image.width + gap_px), 0))
    return sheet


def opaque(image):
    if image.mode != "RGBA":
        return image.convert("RGB")
    square_px = 8
    ground = Image.new("L", (-(-image.width // square_px), -(-image.height // square_px)))
    ground.putdata([(255, 225)[(place % ground.width + place // ground.width) % 2] for place in range(ground.width * ground.height)])
    ground = ground.resize((ground.width * square_px, ground.height * square_px), Image.NEAREST).crop((0, 0, *image.size)).convert("RGBA")
    return Image.alpha_composite(ground, image).convert("RGB")


def write(image, picture):
    for quality in range(88, 40, -4):
        data = io.BytesIO()
        image.save(data, "JPEG", quality=quality, comment=picture.command.encode())
        if data.tell() <= LARGEST_BYTES:
            break
    file_of(picture).write_bytes(data.getvalue())


def draw_start():
    """Clouds over a meadow, 224 × 224: noise of several scales in two gradients."""
    side_px, horizon = 224, 0.6
    draws = random.Random(0)
    clouds = Image.new("L", (side_px, side_px))
    for cells, share in ((3, 1.0), (6, 0.5), (12, 0.35), (28, 0.25), (56, 0.15)):
        noise = Image.new("L", (cells, cells))
        noise.putdata([draws.randrange(256) for _ in range(cells * cells)])
        clouds = Image.blend(clouds, noise.resize((side_px, side_px), Image.BICUBIC), share / (1 + share))
    image = Image.new("RGB", (side_px, side_px))
    shades = list(clouds.getdata())
    hills_px = [side_px * horizon + (shades[120 * side_px + column] - 128) / 8 for column in range(side_px)]
    pixels = []
    for place, shade in enumerate(shades):
        row_px, column_px = divmod(place, side_px)
        down, shade = row_px / side_px, (shade - 128) / 128
        if row_px < hills_px[column_px]:
            white = min(1, max(0, 2.5 * shade + 0.35))
            color = [blue + (235 - blue) * white for blue in (70 + 120 * down, 120 + 100 * down, 190 + 40 * down)]
        else:
            light = 0.75 + 0.5 * shade + 0.4 * (down - horizon)
            color = [green * light for green in (110, 140, 60)]
        pixels.append(tuple(round(min(255, max(0, value))) for value in color))
    image.putdata(pixels)
    return image


def page():
    parts = [OPENING]
    for section, features in SECTIONS.items():
        parts.append(f"## {section}\n")
        parts += [entry(feature) for feature in features]
    return "\n".join(parts)


def entry(feature):
    pictures = [(picture.caption, f"![{picture.caption}](features/{file_of(picture).name})") for picture in feature.pictures]
    # Rows of pictures stand below each other.
    wide = any(width_of(picture) > 2 * SIDE_PX for picture in feature.pictures)
    tables = [[picture] for picture in pictures] if wide else [pictures]
    lines = [f"### {feature.name}", "", feature.sentence, ""]
    for table in tables:
        lines += [f"| {' | '.join(cells)} |" for cells in ([caption for caption, _ in table], ["---"] * len(table), [shown for _, shown in table])]
        lines.append("")
    lines += [line for picture in feature.pictures if picture.command for line in typed(picture.command)]
    return "\n".join(lines) + "\n"


def width_of(picture):
    with Image.open(file_of(picture)) as image:
        return image.width


def typed(command, width=132):
    """The command as one types it, over several lines where it is long."""
    lines = ["    unitscope optimize"]
    for flag in command.split(" --"):
        flag = flag if flag.startswith("--") else f"--{flag}"
        if len(lines[-1]) + len(flag) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"      {flag}")
        else:
            lines[-1] += f" {flag}"
    return lines


if __name__ == "__main__":
    main()

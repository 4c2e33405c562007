"""Images per second of a Rank job, decoding included, against PyTorch with a DataLoader and a hook; how long look-ups take; how much memory it needs.

Needs PyTorch 2.11 (`pip install -r tests/evidence/requirements.txt`) and `../shared/data`. Run it by `make bench-rank`, which builds the server first.

The images are those of `../shared/data/images/imagenet200`, repeated; each copy gets a comment segment of its own, so that its bytes differ and its
picture does not. Files are in the page cache for both sides. The network is mobilenet_v1_025_imagenet.

Ours: from the call of Rank to the job's end, listing and digests included, with a server and an index that are new each time; the model is loaded
and 32 other images are ranked before. PyTorch: from the DataLoader's start to the last batch; 2 workers, batches of 32, Pillow, torchvision's
Resize, CenterCrop, ToTensor and Normalize, `inference_mode`, forward hooks that take the largest value over positions; whichever of contiguous and
channels-last, and of 1 and 2 threads, is fastest on the first images. Both take turns, with one layer and with all that the server lists; medians.

The ceiling is 2 / (decode + forward core-seconds of an image). Their sum is what a server with `--threads 1` needs for the same job in the same
run, in core-seconds as the system counts them: it holds besides what else a pass does for an image (reading, digest, normalization, reducing:
little). `decode_time` of the engine's examples, where it was built, tells the part of decoding.

Look-ups: the call of Rank for other units of the layer that was scored, at the client, with nothing and with thumbnails of nine images. Memory: the largest
resident size (VmHWM) of a server after 2,000 and of another after 20,000 images.

Prints all of it, writes target/bench/rank.json, and exits 1 if a figure misses its bar: 1.3 times PyTorch, 0.8 of the ceiling, 20 ms a look-up,
memory within 10 %.
"""

import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import torch
import torchvision
from PIL import Image
from torchvision import transforms

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/evidence"))

from networks import SHARED, Network  # noqa: E402
from ranker import Ranker, api, common, seconds_of  # noqa: E402

MODEL, LAYER = "mobilenet_v1_025_imagenet", "blocks.12"
OUT = ROOT / "target/bench"
# Of PyTorch's DataLoader, as the comparison has it.
WORKERS, BATCH = 2, 32
# Before anything is timed, and to choose PyTorch's best.
WARM, CHOOSE = 32, 320
LOOKUPS = 50
RATIO, SHARE, LOOKUP_MS, GROWTH = 1.3, 0.8, 20.0, 1.1


def copies(folder, count):
    """So many JPEG files that differ in their bytes alone."""
    originals = sorted((SHARED / "images/imagenet200").glob("*.jpg"))
    for nth in range(count):
        original = originals[nth % len(originals)].read_bytes()
        comment = f"{folder.name} {nth}".encode()
        # A comment behind the start of image: marker, length with its own two bytes, text.
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        place = folder / f"copy-{nth // len(originals):03}" / f"{nth:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(original[:2] + segment + original[2:])
    return sorted(folder.rglob("*.jpg"))


class Pictures(torch.utils.data.Dataset):
    """As people write it for ImageNet."""

    def __init__(self, files, network):
        self.files = files
        of = network.input
        steps = [transforms.Resize(of["resize"]), transforms.CenterCrop(of["size"]), transforms.ToTensor()]
        self.transform = transforms.Compose([*steps, transforms.Normalize(of["mean"], of["std"])])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, place):
        with Image.open(self.files[place]) as image:
            return self.transform(image.convert("RGB"))


class PyTorch:
    def __init__(self, network, layers):
        self.network, self.layers = network, layers
        self.module = torch.export.unflatten(network.program).requires_grad_(False)
        self.found, self.memory_format = [], torch.contiguous_format
        hooked = [module for path, module in self.module.named_modules() if path in layers]
        for module in hooked:
            module.register_forward_hook(self.hook)
        if len(hooked) != len(layers):
            sys.exit(f"error: PyTorch has {len(hooked)} of {len(layers)} layers")

    def hook(self, _module, _inputs, out):
        self.found.append(out.amax((2, 3)) if out.dim() == 4 else out)

    def choose(self, files, all_threads):
        """The fastest way to run."""
        rates = {}
        for memory_format in (torch.contiguous_format, torch.channels_last):
            for threads in all_threads:
                self.settings(memory_format, threads)
                self.seconds(files[:WARM])
                rates[memory_format, threads] = len(files) / self.seconds(files)[0]
        best = max(rates, key=rates.get)
        self.settings(*best)
        listed = ", ".join(f"{str(form).removeprefix('torch.')} {threads} threads {rate:.0f}/s" for (form, threads), rate in rates.items())
        print(f"PyTorch, {len(self.layers)} layers: {listed}", flush=True)
        return f"{str(best[0]).removeprefix('torch.')}, {best[1]} threads"

    def settings(self, memory_format, threads):
        self.memory_format = memory_format
        self.module.to(memory_format=memory_format)
        torch.set_num_threads(threads)

    def seconds(self, files):
        """Of all files; and core-seconds."""
        self.found.clear()
        begin, cores = time.perf_counter(), core_seconds()
        images = 0
        with torch.inference_mode():
            for x in torch.utils.data.DataLoader(Pictures(files, self.network), batch_size=BATCH, num_workers=WORKERS):
                self.module(x.contiguous(memory_format=self.memory_format))
                images += len(x)
        elapsed = time.perf_counter() - begin
        if images != len(files) or len(self.found) != len(self.layers) * -(-images // BATCH):
            sys.exit("error: PyTorch did not see every image in every layer")
        return elapsed, core_seconds() - cores


def core_seconds():
    """Of this process and its workers that have ended."""
    return sum(of.ru_utime + of.ru_stime for of in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


class Ours:
    """New servers with new indexes over the same files."""

    def __init__(self, options, home):
        self.options, self.home = options, home
        copies(home / "warm", WARM)

    def server(self, folder, threads=None):
        index = tempfile.mkdtemp(prefix="index-", dir=self.home)
        datasets = {"images": folder, "warm": self.home / "warm"}
        return Ranker(self.options, SHARED / "models", index, datasets, OUT / "server.log", threads)

    def warm(self, ranker, layers):
        """Loads the model; on other images, whose scores are of no use later."""
        ranker.layers(MODEL)
        ranker.rank(MODEL, "warm", [(layers[0], 0)], layers=layers)

    def run(self, ranker, layers, count):
        """One timed job: seconds, and core-seconds."""
        self.warm(ranker, layers)
        cores = ranker.core_seconds()
        job, elapsed = seconds_of(lambda: ranker.rank(MODEL, "images", [(layers[0], 0)], layers=layers, top_k=9))
        if job.rank_result.scored != count or job.rank_result.skipped:
            sys.exit(f"error: {job.rank_result.scored} of {count} images were scored, {job.rank_result.skipped} left out")
        return elapsed, ranker.core_seconds() - cores

    def seconds(self, folder, layers, count, threads=None):
        with self.server(folder, threads) as ranker:
            return self.run(ranker, layers, count)


def rates(options, ours, network, folder, files, layers):
    """Both sides in turns."""
    pytorch, count = PyTorch(network, layers), len(files)
    chosen = pytorch.choose(files[:CHOOSE], options.pytorch_threads)
    runs = {"pytorch": [], "ours": []}
    sides = {"pytorch": lambda: pytorch.seconds(files), "ours": lambda: ours.seconds(folder, layers, count)}
    for turn in range(options.rounds):
        for side in sides if turn % 2 else reversed(sides):
            runs[side].append(sides[side]())
        print(f"round {turn + 1}: " + ", ".join(f"{side} {count / of[-1][0]:.1f} images/s" for side, of in runs.items()), flush=True)
    found = {side: {"rate": count / median(of, 0), "core_ms": 1e3 * median(of, 1) / count} for side, of in runs.items()}
    ratio = found["ours"]["rate"] / found["pytorch"]["rate"]
    rates = ", ".join(f"{side} {of['rate']:.1f} images/s and {of['core_ms']:.2f} core-ms an image" for side, of in found.items())
    print(f"{len(layers)} layers: {rates}; ratio {ratio:.2f} (bar {RATIO}); PyTorch with {chosen}", flush=True)
    return {"layers": len(layers), "pytorch_settings": chosen, "ratio": ratio, "runs_s": runs, **found}


def median(runs, part):
    return statistics.median(run[part] for run in runs)


def ceiling(options, ours, folder, files, rate):
    """Of two cores, by one thread."""
    runs = [ours.seconds(folder, [LAYER], len(files), threads=1) for _ in range(3)]
    core = median(runs, 1) / len(files)
    found = {"one_thread_ms": 1e3 * median(runs, 0) / len(files), "core_ms": 1e3 * core, "ceiling": 2 / core, "share": rate * core / 2}
    print(f"one thread: {found['one_thread_ms']:.2f} ms an image, {found['core_ms']:.2f} core-ms", flush=True)
    if options.decode_time.exists():
        command = [options.decode_time, SHARED / "images/imagenet200", "256", "224"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        line = next(line for line in lines if line.startswith("decode, resize, crop:"))
        found["decode_ms"] = float(line.split(":")[1].split()[0])
        print(f"of which decoding {found['decode_ms']:.2f} ms, all else {found['core_ms'] - found['decode_ms']:.2f} ms", flush=True)
    print(f"ceiling {found['ceiling']:.1f} images/s, ours is {found['share']:.2f} of it (bar {SHARE})", flush=True)
    return found


def lookups(ranker):
    """Other units of the layer, one a call."""
    # Connects, and reads the pages.
    ranker.rank(MODEL, "images", [(LAYER, 0)], top_k=9)
    found = {}
    for what, others in (("nothing", {}), ("thumbnails", {"pictures": api().rank.HitPictures(thumbnails=True)})):
        times = []
        for channel in range(1, LOOKUPS + 1):
            job, elapsed = seconds_of(lambda channel=channel: ranker.rank(MODEL, "images", [(LAYER, channel)], top_k=9, **others))
            if job.rank_result.scored:
                sys.exit("error: a look-up scored images")
            times.append(1e3 * elapsed)
        found[what] = {"median_ms": statistics.median(times), "largest_ms": max(times)}
        numbers = f"median {statistics.median(times):.1f} ms, largest {max(times):.1f} ms of {LOOKUPS}"
        print(f"look-up, with {what}: {numbers} (bar {LOOKUP_MS} ms with nothing)", flush=True)
    return found


def memory(options, ours, home, folder):
    """Of servers that saw few and many images; and look-ups at the first."""
    found = {}
    for count in (options.images, options.many):
        place = folder
        if count != options.images:
            place = home / "many"
            copies(place, count)
        with ours.server(place) as ranker:
            elapsed, _ = ours.run(ranker, [LAYER], count)
            found[count] = ranker.memory_bytes("VmHWM")
            parts = ", ".join(f"{ranker.memory_bytes(part) / 1e6:.0f} MB {name}" for part, name in (("RssAnon", "its own"), ("RssFile", "of files")))
            print(f"{count} images: at most {found[count] / 1e6:.0f} MB in memory, {parts} at the end; {count / elapsed:.1f} images/s", flush=True)
            looked = lookups(ranker) if count == options.images else looked
    return found, looked


def main():
    parser = common(__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--many", type=int, default=20_000, help="images of the other measurement of memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pytorch-threads", type=int, nargs="+", default=[1, 2], help="to choose from")
    parser.add_argument("--decode-time", type=pathlib.Path, default=ROOT / "target/release/examples/decode_time")
    parser.add_argument("--only", choices=["one", "all", "memory"], help="one part: one layer, all layers, or memory and look-ups")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    OUT.mkdir(parents=True, exist_ok=True)
    network = Network(MODEL)
    found, missed = {"torch": torch.__version__, "torchvision": torchvision.__version__}, []
    with tempfile.TemporaryDirectory() as made:
        home = pathlib.Path(made)
        folder = home / "images"
        files = copies(folder, options.images)
        ours = Ours(options, home)
        if options.only in (None, "one"):
            found["one"] = rates(options, ours, network, folder, files, [LAYER])
            found["ceiling"] = ceiling(options, ours, folder, files, found["one"]["ours"]["rate"])
            missed += ["share of the ceiling"] if found["ceiling"]["share"] < SHARE else []
        if options.only in (None, "all"):
            with ours.server(folder) as ranker:
                every = [layer.path for layer in ranker.layers(MODEL) if layer.path != "output"]
            found["all"] = rates(options, ours, network, folder, files, every)
        missed += [f"ratio, {name} layers" for name in ("one", "all") if name in found and found[name]["ratio"] < RATIO]
        if options.only in (None, "memory"):
            found["memory_bytes"], found["lookups"] = memory(options, ours, home, folder)
            few, many = found["memory_bytes"].values()
            missed += ["memory"] if many > GROWTH * few else []
            missed += ["look-ups"] if found["lookups"]["nothing"]["median_ms"] >= LOOKUP_MS else []
    (OUT / "rank.json").write_text(json.dumps(found, indent=1))
    print(f"below its bar: {', '.join(missed)}" if missed else "every figure is within its bar")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()

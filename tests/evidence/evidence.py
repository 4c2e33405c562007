"""Do the pictures of units beat real images? `make evidence` holds pictures of three networks against all images that fit them.

Needs PyTorch 2.11 (`pip install -r tests/evidence/requirements.txt`), and `../shared/data`. Run it by `make evidence`, which builds the
server and the client first; `make evidence-quick` shows in minutes that all parts work.

Method. At three depths of each network (networks.py has the table) all channels, or 50 evenly spaced ones, get two pictures each:
objective `channel`, and objective `unit` at the centre. The real client asks the real server for them, in jobs of at most eight: 256 steps,
seed 0, all else the server's defaults. PyTorch, an independent implementation, then judges the written PNG, read back: the exported
network cut at the layer, normalized as model.toml says. The data are all images of a folder of `../shared/data/images`, prepared as
model.toml says. A picture of `channel` beats the data if its mean over positions is above that of every image; a picture of
`unit`, if its largest position is. The margin is (value − median of the data) / interquartile range of the data. A channel that is zero
at every position of every image and whose picture the server calls dead is counted apart, and listed. Failures are made again without
transforms, which tells those that fail because the network saw the picture moved, scaled and turned from those that climb badly. Before all
that, the judge itself is held to the numbers that were stored when the networks were exported.

Everything is kept under target/evidence: a run that was interrupted goes on where it stopped, and networks and depths may be run one by one
(`--network`, `--depth`). Prints the report, which is of all that is there, and writes it to target/evidence/report.md and report.json.
Exits 1 if it is complete and a share is below its target: 98 % for `channel`, 95 % for `unit`.
"""

import argparse
import functools
import math
import pathlib
import shutil
import sys
import time
import warnings

import torch
from networks import NETWORKS, ROOT, SHARED, Network, evenly
from report import OBJECTIVES, judge, write
from studio import Studio, made, pictures

CHANNELS = 50
STEPS = 256
# Pictures of a job: as many as share one pass by default.
JOB = 8
# What --quick does: the first depth of the two small networks.
QUICK = {"networks": ["resnet56_cifar10", "mobilenet_v1_025_imagenet"], "depths": [1], "channels": 4, "steps": 64}


class Layer:
    """One layer of one network, and one objective: its channels in jobs, and where its files lie."""

    def __init__(self, options, network, layer, objective):
        self.network, self.layer, self.objective = network, layer, objective
        self.home = options.cache / network.name / layer.replace(":", "-")
        self.folder = self.home / f"{objective}-{options.steps}-steps"
        self.at_most = options.channels

    @functools.cached_property
    def data(self):
        """Files, mean and largest position of every channel for each."""
        return self.network.data(self.layer, self.home / "data.npz")

    @functools.cached_property
    def channels(self):
        return evenly(range(self.data[1].shape[1]), self.at_most)

    @functools.cached_property
    def jobs(self):
        """Each holds evenly spaced channels, so that what is there of an unfinished run stands for all."""
        jobs = math.ceil(len(self.channels) / JOB)
        return [self.channels[job::jobs] for job in range(jobs)]

    def folder_of(self, job, transforms="standard"):
        folder = self.folder if transforms == "standard" else self.folder.with_name(f"{self.folder.name}-transforms-{transforms}")
        return folder / "-".join(map(str, job))

    def unit(self, channel):
        return f"{self.layer}:{channel}" + ("@center" if self.objective == "unit" else "")

    def make(self, studio, steps, job, transforms="standard"):
        folder = self.folder_of(job, transforms)
        folder.parent.mkdir(parents=True, exist_ok=True)
        return studio.make(self.network.name, [self.unit(channel) for channel in job], steps, folder, transforms)

    @functools.cached_property
    def cut(self):
        return self.network.cut(self.layer)

    def judged(self, job, transforms="standard"):
        """The job's pictures, judged."""
        found = pictures(self.folder_of(job, transforms))
        shown = [found[self.unit(channel)] for channel in job]
        values = self.network.values_of_pictures(self.cut, [picture["png"] for picture in shown])
        own = [[float(part[i, channel]) for part in values] for i, channel in enumerate(job)]
        for channel, picture, (mean, largest, centre) in zip(job, shown, own):
            measured = {"unit": self.unit(channel), "channel": channel, "mean": mean, "largest": largest, "centre": centre}
            measured |= {key: picture[key] for key in ("outcome", "score")} | {"png": str(picture["png"].relative_to(ROOT))}
            files, mean_on_data, largest_on_data = self.data
            data = {"mean": mean_on_data[:, channel], "largest": largest_on_data[:, channel]}
            yield judge(self.objective, measured, data, files)

    def everything(self):
        """What is there of all jobs, judged, by channel; failures with what they reach without transforms, where that is known."""
        done = [job for job in self.jobs if self.folder_of(job).exists()]
        judged = sorted((one for job in done for one in self.judged(job)), key=lambda one: one["channel"])
        for job in self.failed(judged):
            if self.folder_of(job, "none").exists():
                bare = {one["channel"]: one for one in self.judged(job, "none")}
                for one in judged:
                    if one["channel"] in bare:
                        one["without_transforms"] = bare[one["channel"]]
        return judged

    def failed(self, judged):
        """The channels of failures, in jobs."""
        channels = [one["channel"] for one in judged if not one["beats"] and not one["dead"]]
        return [channels[i : i + JOB] for i in range(0, len(channels), JOB)]


def main():
    options = arguments()
    warnings.filterwarnings("ignore")
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.fresh:
        for network in options.network:
            shutil.rmtree(options.cache / network, ignore_errors=True)
    networks = {name: Network(name) for name in NETWORKS}
    with Studio(SHARED / "models", options.binaries, options.plugins, options.threads, options.cache / "server.log") as studio:
        selection = list(selected(options, networks))
        run(options, studio, selection)
        explain(options, studio, selection)
    totals, complete = report(options, networks)
    below = any(total["share"] is not None and total["share"] < total["target"] for total in totals.values())
    sys.exit(complete and below and not options.quick)


def common(description):
    """What every script of this folder takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", choices=list(NETWORKS))
    parser.add_argument("--threads", type=int, help="of the server and of PyTorch [default: all cores]")
    parser.add_argument("--binaries", type=pathlib.Path, default=ROOT / "target/release")
    parser.add_argument("--plugins", type=pathlib.Path, default=ROOT / "target/plugins")
    return parser


def arguments():
    parser = common(__doc__)
    parser.add_argument("--depth", action="append", type=int, choices=[1, 2, 3])
    parser.add_argument("--objective", action="append", choices=list(OBJECTIVES))
    parser.add_argument("--after-activation", action="store_true", help="layers themselves, not what stands before their activation")
    parser.add_argument("--quick", action="store_true", help="four channels at one depth of the small networks, 64 steps")
    parser.add_argument("--fresh", action="store_true", help="forget what is kept of the networks")
    options = parser.parse_args()
    options.cache = ROOT / "target" / ("evidence-quick" if options.quick else "evidence")
    options.channels, options.steps = (QUICK["channels"], QUICK["steps"]) if options.quick else (CHANNELS, STEPS)
    options.network = options.network or (QUICK["networks"] if options.quick else list(NETWORKS))
    options.depth = options.depth or (QUICK["depths"] if options.quick else [1, 2, 3])
    options.objective = options.objective or list(OBJECTIVES)
    return options


def layers(options, networks, chosen, depths, objectives):
    for name in chosen:
        for depth in depths:
            layer = networks[name].depths[depth - 1]
            layer = layer.removesuffix(":pre") if options.after_activation else layer
            for objective in objectives:
                yield Layer(options, networks[name], layer, objective)


def selected(options, networks):
    for name in options.network:
        networks[name].check()
    print(f"{', '.join(options.network)}: PyTorch repeats what was stored at their export", flush=True)
    yield from layers(options, networks, options.network, options.depth, options.objective)


def run(options, studio, selection):
    """Makes and judges what is missing, with a line a job. The first job of every layer comes first, so that all have some soon."""
    most = max(len(layer.jobs) for layer in selection)
    jobs = [(layer, layer.jobs[number]) for number in range(most) for layer in selection if number < len(layer.jobs)]
    left = [(layer, job) for layer, job in jobs if not layer.folder_of(job).exists()]
    begin, done = time.monotonic(), 0
    for number, (layer, job) in enumerate(left):
        seconds = layer.make(studio, options.steps, job)
        judged = list(layer.judged(job))
        beat = sum(one["beats"] for one in judged)
        done += len(job) * cost(layer.network)
        rest = sum(len(job) * cost(layer.network) for layer, job in left[number + 1 :])
        minutes = (time.monotonic() - begin) / done * rest / 60
        print(
            f"{layer.network.name} {layer.layer} {layer.objective}: {beat} of {len(job)} beat every image; {seconds:.0f} s;"
            f" {len(left) - number - 1} jobs left, about {minutes:.0f} min",
            flush=True,
        )


def explain(options, studio, selection):
    """Makes each failure again without transforms: does it fail because the network saw the picture moved, scaled and turned?"""
    for layer in selection:
        for job in layer.failed(layer.everything()):
            print(f"{layer.network.name} {layer.layer} {layer.objective}: again without transforms: {len(job)} that failed", flush=True)
            layer.make(studio, options.steps, job, "none")


def cost(network):
    """What one picture costs beside one of another network, roughly: for the time left."""
    return {"resnet56_cifar10": 1, "mobilenet_v1_025_imagenet": 2, "googlenet_bvlc_imagenet": 6}[network.name]


def report(options, networks):
    """Of all that is there, whichever run made it. Returns the totals, and whether nothing is missing."""
    found, builds, complete = [], set(), True
    chosen, depths = (options.network, options.depth) if options.quick else (list(NETWORKS), [1, 2, 3])
    for layer in layers(options, networks, chosen, depths, list(OBJECTIVES)):
        jobs = [job for job in layer.jobs if layer.folder_of(job).exists()] if layer.folder.exists() else []
        complete &= bool(jobs) and len(jobs) == len(layer.jobs)
        if not jobs:
            continue
        builds |= {made(layer.folder_of(job))["build"] for job in jobs}
        names = {"network": layer.network.name, "layer": layer.layer, "objective": layer.objective}
        found.append({**names, "wanted": len(layer.channels), "pictures": layer.everything()})
    path = options.cache / ("report-after-activation" if options.after_activation else "report")
    totals = write(path, found, {"steps": options.steps, "torch": torch.__version__, "builds": sorted(builds)})
    print("\n" + path.with_suffix(".md").read_text())
    return totals, complete


if __name__ == "__main__":
    main()

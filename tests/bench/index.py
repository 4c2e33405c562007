#!/usr/bin/env python3
"""How long a question to the activation index takes when it holds a million images by 512 units.

Makes a tar of a million tiny pictures that all differ, and a network of one convolution with 512 channels; has the server score all of them once;
then asks for the nine largest images and three bands of one unit after the other: with the page cache warm, and for units whose columns were
dropped from it (posix_fadvise, POSIX_FADV_DONTNEED). Times are those of the whole client, start and connection included, and, in brackets, of
the job by the server's clock. Needs torch, NumPy and Pillow, 3 GB of disk for the index, 1.5 GB for the pictures, and some minutes.

    python3 tests/bench/index.py [--rows 1000000] [--folder DIR]
"""

import argparse
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import datetime

import numpy as np
import torch
from PIL import Image

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNITS = 512
SIDE = 8
QUESTIONS = 15


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, UNITS, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv(x)).amax((2, 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", default=os.path.join(CHECKOUT, "target", "release"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", help="keeps pictures and index there for the next time [default: a temporary folder]")
    arguments = parser.parse_args()
    if arguments.folder:
        os.makedirs(arguments.folder, exist_ok=True)
        measure(arguments, arguments.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(arguments, folder)


def measure(arguments, folder):
    make_model(os.path.join(folder, "models", "wide"))
    pictures = os.path.join(folder, f"pictures-{arguments.rows}.tar")
    if not os.path.exists(pictures):
        make_pictures(pictures, arguments.rows)
    index = os.path.join(folder, "index")
    with Server(arguments, folder, pictures, index) as server:
        began = time.time()
        server.ask(0)
        print(f"first question, which scores what is not in the index: {time.time() - began:.1f} s", flush=True)
        units = random.Random(0).sample(range(1, UNITS), 3 * QUESTIONS)
        # Read once, so that the page cache and the mapping have them.
        for unit in units[:QUESTIONS]:
            server.ask(unit)
        report("warm", [server.ask(unit) for unit in units[:QUESTIONS]])
        cold = []
        for unit in units[QUESTIONS : 2 * QUESTIONS]:
            drop(index)
            cold.append(server.ask(unit))
        report("cold", cold)
        print(f"server's peak memory: {server.peak_mib()} MiB")


def make_model(folder):
    os.makedirs(folder, exist_ok=True)
    batch = torch.export.Dim.DYNAMIC
    program = torch.export.export(Network().eval(), (torch.randn(2, 3, SIDE, SIDE),), dynamic_shapes=({0: batch},))
    torch.export.save(program, os.path.join(folder, "model.pt2"))
    with open(os.path.join(folder, "model.toml"), "w") as file:
        file.write(f"""file = "model.pt2"
[input]
size = [{SIDE}, {SIDE}]
range = [0.0, 1.0]
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
channels = "RGB"
""")


def make_pictures(path, rows):
    noise = np.random.default_rng(0)
    with tarfile.open(path + ".part", "w") as tar:
        for row in range(rows):
            pixels = noise.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, "BMP")
            member = tarfile.TarInfo(f"class-{row % 100:02}/{row:07}.bmp")
            member.size = data.tell()
            data.seek(0)
            tar.addfile(member, data)
    os.rename(path + ".part", path)


def drop(index):
    """Empties the page cache of the index's files, as far as nobody has mapped them."""
    for folder, _, files in os.walk(index):
        for file in files:
            descriptor = os.open(os.path.join(folder, file), os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def report(what, times):
    whole = [whole for whole, _ in times]
    job = [job for _, job in times]
    print(
        f"{what}: median {statistics.median(whole):.0f} ms, at most {max(whole):.0f} ms "
        f"(job: {statistics.median(job):.0f} ms, at most {max(job):.0f} ms), {len(times)} units",
        flush=True,
    )


class Server:
    def __init__(self, arguments, folder, pictures, index):
        self.client = os.path.join(arguments.binaries, "unitscope")
        self.command = [os.path.join(arguments.binaries, "unitscope-server"), "--models", os.path.join(folder, "models")]
        self.command += ["--dataset", f"pictures={pictures}", "--index", index, "--listen", "127.0.0.1:0", "--device", "cpu"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().split()[-1]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ask(self, unit):
        """Returns the client's and the job's milliseconds."""
        command = [self.client, "--server", f"http://{self.address}", "--json", "rank", "--model", "wide", "--dataset", "pictures"]
        command += ["--unit", f"output:{unit}", "--top", "9", "--band", "20:30", "--band", "45:55", "--band", "70:80"]
        began = time.time()
        answer = subprocess.run(command + ["--no-pictures", "--quiet"], capture_output=True, text=True)
        took_ms = 1e3 * (time.time() - began)
        if answer.returncode != 0:
            sys.exit(f"error: the client failed: {answer.stderr}")
        job = json.loads(answer.stdout)
        created, ended = (datetime.fromisoformat(job[name]) for name in ["createTime", "endTime"])
        return took_ms, 1e3 * (ended - created).total_seconds()

    def peak_mib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            line = next(line for line in file if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main()

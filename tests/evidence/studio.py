"""Asks a real `unitscope-server`, by the real client, for pictures, and keeps them. Knows nothing of PyTorch."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import server

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Of the client: all went well, and every picture is dead, which is for the judge to say more about.
DONE, ALL_DEAD = 0, 5


class Studio:
    """A server with the shared networks, which starts with the first picture that is not there yet; a context manager."""

    def __init__(self, models, binaries, plugins, threads, log):
        self.models, self.binaries, self.plugins, self.threads, self.log = models, binaries, plugins, threads, log
        self.server = self.address = self.build = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.server is not None:
            server.stop(self.server)

    def start(self):
        command = [self.binaries / "unitscope-server", "--models", self.models, "--plugins", self.plugins, "--listen", "127.0.0.1:0"]
        command += ["--threads", str(self.threads)] if self.threads else []
        self.server, self.address = server.start(command, self.log)
        # What pictures are made with, in short: other builds may make others.
        digest = hashlib.sha256()
        for path in [self.binaries / "unitscope-server", *sorted(self.plugins.glob("*.so"))]:
            digest.update(path.read_bytes())
        self.build = digest.hexdigest()[:12]

    def make(self, model, units, steps, folder, transforms="standard"):
        """One job with a picture of each unit (`LAYER:CHANNEL`, `LAYER:CHANNEL@center`), seed 0, all else the server's defaults.

        `transforms` is `standard` or `none`. Its files lie in `folder`, which is there once all of them are. Returns the seconds that it
        took, or 0 if it was there."""
        arguments = ["--transforms", transforms]
        for unit in units:
            arguments += ["--unit", unit]
        return self.run(model, arguments, steps, folder)

    def run(self, model, arguments, steps, folder):
        """One job by the client's arguments, as `make` does it."""
        if folder.exists():
            return 0.0
        if self.server is None:
            self.start()
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        command = [self.binaries / "unitscope", "--server", self.address, "optimize", "--model", model]
        command += ["--steps", str(steps), "--seed", "0", "--out", part, *arguments]
        begin = time.monotonic()
        client = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if client.returncode not in (DONE, ALL_DEAD):
            sys.stderr.write(client.stderr)
            sys.exit(f"error: the client ended with code {client.returncode}; the server's log is {os.path.relpath(self.log)}")
        seconds = time.monotonic() - begin
        with open(part / "made.json", "w") as file:
            json.dump({"seconds": round(seconds, 1), "build": self.build}, file)
        part.rename(folder)
        return seconds


def sidecars(folder):
    """Of a folder that `make` filled: by label what the client wrote beside each picture."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        with open(file) as opened:
            sidecar = json.load(opened)
        if "label" in sidecar:
            found[sidecar["label"]] = sidecar
    return found


def pictures(folder):
    """The same in short: the PNG, the outcome (`dead`, `completed`) and the server's own score."""

    def short(sidecar):
        outcome = sidecar["outcome"].removeprefix("OUTCOME_").lower()
        return {"png": folder / sidecar["png"], "outcome": outcome, "score": sidecar["score"]}

    return {label: short(sidecar) for label, sidecar in sidecars(folder).items()}


def made(folder):
    """The seconds that the folder's job took, and the build that made it."""
    with open(folder / "made.json") as file:
        return json.load(file)

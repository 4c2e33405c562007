#!/usr/bin/env python3
"""The demo: starts the server with the demo model, makes pictures and an evidence card, says what to open, stops the server.

Beside its pictures it puts some like those that the model was trained on, to compare. The card holds its pictures against others that the
model has never seen. It builds nothing; `make demo` does that first.
"""

import argparse
import os
import select
import shutil
import signal
import subprocess
import sys

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODELS = os.path.join(CHECKOUT, "demo", "models")
OUT = os.path.join(CHECKOUT, "demo-out")
TRAINING = os.path.join(OUT, "training-pictures")
# The network never saw these: it was trained and tested on other seeds.
HELD_OUT = os.path.join(OUT, "held-out-pictures")
HELD_OUT_SEED = 77
HELD_OUT_PER_CLASS = 100
# Besides every class: channels of the layers below, before their ReLU, where no channel is ever dead.
CHANNELS = ["block5:pre:0-3", "block4:pre:0-3"]
# What the card is about: classes, and channels with something to see in them.
CARD_UNITS = ["logits:spiral", "logits:checks", "block5:7", "block4:30"]
CARD_STEPS = 128
# Enough for this small model, and a minute or two on two cores.
STEPS = 256
# Loading plugins and binding a port take less than a second; a cold disk may take long to read libtorch.
START_S = 60
STOP_S = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", default=os.path.join(CHECKOUT, "target", "release"))
    parser.add_argument("--plugins", default=os.path.join(CHECKOUT, "target", "plugins"))
    arguments = parser.parse_args()
    # So that the server is stopped on a plain `kill` as well.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    log = os.path.join(OUT, "server.log")
    # Pictures of an earlier demo would be taken for this one's.
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    draw(arguments, TRAINING, per_class=4)
    draw(arguments, HELD_OUT, per_class=HELD_OUT_PER_CLASS, seed=HELD_OUT_SEED)
    with open(log, "w") as log_file:
        server = start(arguments, log_file)
        try:
            address = address_of(server, log)
            code = optimize(arguments, address) or card(arguments, address)
        except KeyboardInterrupt:
            code = 130
        finally:
            stop(server)
    if code == 130:
        sys.exit(code)
    if code != 0:
        sys.exit(f"error: the client ended with code {code}; the server's log is {os.path.relpath(log)}")
    # The client has just said where its contact sheet is.
    print(f"the model learned from pictures like those in {os.path.relpath(TRAINING)}/")


def draw(arguments, folder, per_class, seed=0):
    command = [os.path.join(arguments.binaries, "unitscope-demo-pictures"), "--out", folder]
    command += ["--per-class", str(per_class), "--seed", str(seed)]
    if subprocess.run(command).returncode != 0:
        sys.exit("error: pictures of the patterns could not be drawn (the message is above)")


def start(arguments, log_file):
    # A session of its own: Ctrl-C must reach the client only, which then says what became of its job.
    return subprocess.Popen(
        [os.path.join(arguments.binaries, "unitscope-server"), "--models", MODELS,
         "--plugins", arguments.plugins, "--dataset", f"held-out={HELD_OUT}",
         "--index", os.path.join(OUT, "index"), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=log_file, start_new_session=True, universal_newlines=True,
    )  # fmt: skip


def address_of(server, log):
    """The server prints `listening on HOST:PORT` once clients can connect."""
    ready, _, _ = select.select([server.stdout], [], [], START_S)
    line = server.stdout.readline() if ready else ""
    word, _, address = line.strip().rpartition(" ")
    if word != "listening on":
        with open(log) as file:
            sys.stderr.write(file.read())
        sys.exit("error: the server did not start (its log is above)")
    print(f"unitscope-server listens on {address}", flush=True)
    return address


def optimize(arguments, address):
    command = [os.path.join(arguments.binaries, "unitscope"), "--server", f"http://{address}"]
    command += ["optimize", "--model", "demo", "--steps", str(STEPS), "--out", os.path.relpath(OUT)]
    with open(os.path.join(MODELS, "demo", "labels.txt")) as file:
        classes = [f"logits:{label}" for label in file.read().splitlines()]
    for unit in classes + CHANNELS:
        command += ["--unit", unit]
    return subprocess.run(command).returncode


def card(arguments, address):
    command = [os.path.join(arguments.binaries, "unitscope"), "--server", f"http://{address}"]
    command += ["card", "--model", "demo", "--dataset", "held-out", "--steps", str(CARD_STEPS), "--out", os.path.relpath(OUT)]
    for unit in CARD_UNITS:
        command += ["--unit", unit]
    return subprocess.run(command).returncode


def stop(server):
    server.terminate()
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes the contact sheets of docs/gallery.md: starts a server on the demo model and on the networks of a models folder, and runs
the client once per sheet. `make gallery` builds both first. Takes about 15 minutes on two idle cores.
"""

import argparse
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"

# Sheet: what the client is asked for. docs/gallery.md shows the same commands.
SHEETS = {
    "googlenet": "--model googlenet_bvlc_imagenet --steps 256"
    " --unit conv2:pre:11 --unit conv2:pre:30 --unit inception_3a:pre:20 --unit inception_3b:pre:50"
    " --unit inception_4a:pre:11 --unit inception_4b:77 --unit inception_4c:447 --unit inception_4d:139"
    " --unit inception_4e:55 --unit inception_4e:pre:3 --unit inception_5a:pre:9 --unit inception_5b:pre:2",
    "mobilenet": "--model mobilenet_v1_025_imagenet --steps 256"
    " --unit blocks.3:pre:3-4 --unit blocks.3:pre:7-8 --unit blocks.6:pre:0-3 --unit blocks.12:pre:0-3",
    "resnet56": "--model resnet56_cifar10 --steps 256"
    " --unit layer1.8:pre:8-11 --unit layer2.4:pre:0-3 --unit layer3.4:pre:0-3",
    "demo": "--model demo --steps 256 --unit block3:pre:0-3 --unit block4:pre:0-3 --unit block5:pre:0-3 --unit logits:all",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=pathlib.Path, default=CHECKOUT.parent / "shared/data/models")
    parser.add_argument("--binaries", type=pathlib.Path, default=CHECKOUT / "target/release")
    parser.add_argument("--plugins", type=pathlib.Path, default=CHECKOUT / "target/plugins")
    parser.add_argument("sheets", nargs="*", metavar="SHEET", help="of: " + ", ".join(SHEETS))
    arguments = parser.parse_args()
    unknown = [sheet for sheet in arguments.sheets if sheet not in SHEETS]
    if unknown:
        parser.error(f"no sheet `{unknown[0]}`; there are {', '.join(SHEETS)}")
    with tempfile.TemporaryDirectory() as folder:
        models = pathlib.Path(folder, "models")
        models.mkdir()
        for model in [CHECKOUT / "demo/models/demo", *arguments.networks.glob("*")]:
            (models / model.name).symlink_to(model)
        server = subprocess.Popen(
            [arguments.binaries / "unitscope-server", "--models", models, "--plugins", arguments.plugins,
             "--listen", "127.0.0.1:0", "--log", "warn"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            ready, _, _ = select.select([server.stdout], [], [], 60)
            address = server.stdout.readline().split()[-1] if ready else sys.exit("error: the server does not start")
            for sheet in arguments.sheets or SHEETS:
                make(arguments, address, sheet, pathlib.Path(folder, sheet))
        finally:
            server.terminate()
            server.wait()


def make(arguments, address, sheet, out):
    print(f"{sheet}: unitscope optimize {SHEETS[sheet]}", flush=True)
    client = [arguments.binaries / "unitscope", "--server", address, "optimize", *SHEETS[sheet].split(), "--out", out]
    subprocess.run(client, check=True)
    shutil.copyfile(out / "contact-sheet.png", DOCS / f"{sheet}.png")


if __name__ == "__main__":
    main()

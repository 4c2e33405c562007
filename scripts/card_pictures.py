#!/usr/bin/env python3
"""Renders the demo's evidence card with headless Chromium, on a desktop and on a phone: docs/card-desktop.png, docs/card-phone.png.

Run `make demo` first. Needs `chromium` (or the program that --browser names).
"""

import argparse
import os
import subprocess
import sys
import tempfile

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CARD = os.path.join(CHECKOUT, "demo-out", "card.html")
# Width and height in CSS pixels. A phone's height is cut: a card is many screens long there.
VIEWS = {"desktop": (1200, 1900), "phone": (390, 2400)}
# Below this width a desktop browser makes its window no narrower, so that the page goes into a frame.
LEAST_WINDOW = 500
# Nothing that a fresh profile does needs the network.
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--allow-file-access-from-files",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--card", default=CARD)
    parser.add_argument("--out", default=os.path.join(CHECKOUT, "docs"))
    arguments = parser.parse_args()
    if not os.path.exists(arguments.card):
        sys.exit(f"error: {arguments.card} is not there; run `make demo` first")
    for view, size in VIEWS.items():
        picture = os.path.join(arguments.out, f"card-{view}.png")
        with tempfile.TemporaryDirectory() as folder:
            take(arguments.browser, os.path.abspath(arguments.card), picture, size, folder)
        print(os.path.relpath(picture))


def take(browser, card, picture, size, folder):
    width, height = size
    page = f"file://{card}"
    if width < LEAST_WINDOW:
        frame = os.path.join(folder, "frame.html")
        with open(frame, "w") as file:
            style = f"border:0;width:{width}px;height:{height}px"
            file.write(f'<body style="margin:0"><iframe src="{page}" style="{style}"></iframe>')
        page = f"file://{frame}"
    command = [browser, *QUIET, f"--user-data-dir={folder}/profile", f"--window-size={max(width, LEAST_WINDOW)},{height}"]
    command += [f"--screenshot={os.path.abspath(picture)}", page]
    if subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0 or not os.path.exists(picture):
        sys.exit(f"error: {browser} made no picture; is it installed?")
    crop(picture, width)


def crop(picture, width):
    """The window may be wider than the frame."""
    from PIL import Image

    with Image.open(picture) as image:
        image.crop((0, 0, width, image.height)).convert("RGB").quantize(256).save(picture, optimize=True)


if __name__ == "__main__":
    main()

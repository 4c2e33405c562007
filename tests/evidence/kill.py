"""Does the activation index survive a crash? `make evidence-kill` kills the server 50 times while it scores and writes, and looks whether it is right.

Needs NumPy and what `make demo` builds; no network but the demo model. Run it by `make evidence-kill`.

Method. A reference is scored once, undisturbed: every unit of every layer, over all pictures, which `unitscope-demo-pictures` draws. Then, in each
round, the dataset grows by some of them, or, in every fifth round, all tables are deleted besides, so that all are scored anew; the server is asked
to score every layer and gets SIGKILL at a random moment: in every second round at any moment of what the job is expected to take, in the others
within 0.2 s after a file begins to be written. It is started again on the same index folder, and asked for the scores of every unit of every
layer. They must equal the reference, bit for bit: passes have one shape. A round fails if they do not, if a request fails, or if an image is left
out. Tables grow by a segment a round, so that merges in the background are hit as well.

Prints a line a round; writes target/evidence/kill/report.json and the server's log. Exits 1 if a round fails.
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import numpy
from ranker import ROOT, Ranker, common

CACHE = ROOT / "target/evidence/kill"
MODEL, DATASET = "demo", "pictures"
CLASSES = 16
# Of the demo's generator; training used 1.
SEED = 3
# Every so many rounds all is scored anew, which takes long enough for checkpoints (one in 5 s) within the pass.
ANEW = 5
# After a file begins to be written.
WRITING_S = 0.2
# Between looks whether one does.
LOOK_S = 0.001


def everything(ranker, layers):
    """A job that scores every layer, files that came a moment ago included."""
    names = [layer.path for layer in layers]
    return ranker.submit(MODEL, DATASET, [(names[0], 0)], layers=names, refresh=True)


def all_scores(ranker, layers):
    """By layer: units × images; and the images' ids."""
    found, ids = {}, None
    for layer in layers:
        found[layer.path], images = ranker.all_scores(MODEL, DATASET, layer)
        ids = [image["image"] for image in images]
    return found, ids


class Reference:
    """What is right, of all pictures."""

    def __init__(self, options, folder):
        with Ranker(options, ROOT / "demo/models", CACHE / "reference", {DATASET: folder}, CACHE / "server.log") as ranker:
            self.layers = ranker.layers(MODEL)
            begin = time.monotonic()
            job = ranker.ended(everything(ranker, self.layers))
            # Of one image, through the network and into the index.
            self.image_s = (time.monotonic() - begin) / job.rank_result.images
            self.scores, ids = all_scores(ranker, self.layers)
        self.place = {image: nth for nth, image in enumerate(ids)}

    def equals(self, layer, found, ids):
        """Bit for bit."""
        right = self.scores[layer][:, [self.place[image] for image in ids]]
        return numpy.array_equal(found.view(numpy.int32), right.view(numpy.int32))


class Rounds:
    """A growing dataset, and an index that is killed again and again."""

    def __init__(self, options, reference, pool):
        self.options, self.reference, self.random = options, reference, random.Random(options.seed)
        self.pool = sorted(pool.rglob("*.png"))
        self.random.shuffle(self.pool)
        self.folder, self.index = CACHE / "growing", CACHE / "index"
        self.folder.mkdir()
        self.ranker = Ranker(options, ROOT / "demo/models", self.index, {DATASET: self.folder}, CACHE / "server.log")

    def add(self):
        count = self.options.images
        for file in self.pool[:count]:
            place = self.folder / file.parent.name / file.name
            place.parent.mkdir(exist_ok=True)
            file.rename(place)
        self.pool = self.pool[count:]
        return sum(1 for _ in self.folder.rglob("*.png"))

    def files(self):
        """Segments, and what is being written."""
        found = set()
        for parent, _, names in os.walk(self.index):
            found |= {os.path.join(parent, name) for name in names if name.endswith((".seg", ".part"))}
        return found

    def run(self, number):
        anew = number % ANEW == ANEW - 1
        with self.ranker as ranker:
            images = self.add()
            for table in ranker.tables() if anew else []:
                ranker.delete(table)
            wanted = images if anew else self.options.images
            before = self.files()
            killed_s = self.kill(number % 2 == 1, wanted * self.reference.image_s, before)
        left = self.files()
        with self.ranker as ranker:
            result = ranker.ended(everything(ranker, self.reference.layers)).rank_result
            found, ids = all_scores(ranker, self.reference.layers)
        right = sum(self.reference.equals(layer, scores, ids) for layer, scores in found.items())
        return {
            "images": images,
            "wanted": wanted,
            "killed_s": killed_s,
            "unfinished": sum(name.endswith(".part") for name in left),
            "written": len({os.path.dirname(name) for name in left - before if name.endswith(".seg")}),
            "again": result.scored,
            "layers_right": right,
            "right": right == len(self.reference.layers) and result.images == len(ids) == images and result.skipped == 0,
        }

    def kill(self, writing, expected_s, before):
        """At a random moment of a job; after how long."""
        everything(self.ranker, self.reference.layers)
        begin = time.monotonic()
        if writing:
            while not self.files() - before and time.monotonic() - begin < 2 * expected_s + 1:
                time.sleep(LOOK_S)
            time.sleep(self.random.uniform(0, WRITING_S))
        else:
            time.sleep(self.random.uniform(0, 1.1 * expected_s))
        self.ranker.kill()
        return time.monotonic() - begin


def main():
    parser = common(__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--images", type=int, default=160, help="pictures that are new in a round")
    parser.add_argument("--seed", type=int, default=0, help="of the moments [default: 0]")
    options = parser.parse_args()
    shutil.rmtree(CACHE, ignore_errors=True)
    pool = CACHE / "pool"
    pool.mkdir(parents=True)
    per_class = -(-options.images * options.rounds // CLASSES)
    command = [options.binaries / "unitscope-demo-pictures", "--seed", str(SEED), "--per-class", str(per_class), "--out", pool]
    if subprocess.run(command).returncode != 0:
        sys.exit("error: the pictures could not be drawn (the message is above)")
    reference = Reference(options, pool)
    tables = len(reference.layers)
    print(f"the reference: {sum(map(len, reference.scores.values()))} units of {tables} layers × {len(reference.place)} pictures", flush=True)
    rounds, done = Rounds(options, reference, pool), []
    for number in range(options.rounds):
        one = rounds.run(number)
        done.append(one)
        (CACHE / "report.json").write_text(json.dumps(done, indent=1))
        print(
            f"round {number + 1}: {one['wanted']} of {one['images']} pictures to score; killed after {one['killed_s']:.2f} s,"
            f" {one['written']} of {tables} tables had new segments, {one['unfinished']} files were unfinished;"
            f" {one['again']} scored again: {'right' if one['right'] else 'WRONG'}",
            flush=True,
        )
    report(done, tables)
    sys.exit(not all(one["right"] for one in done))


def report(done, tables):
    def count(of):
        return sum(map(of, done))

    none, every = count(lambda one: one["written"] == 0), count(lambda one: one["written"] == tables)
    print(f"\n{count(lambda one: one['right'])} of {len(done)} rounds are right.")
    print(f"At the kill no table had new segments in {none} rounds, some had in {len(done) - none - every}, all in {every}.")
    print(f"In {count(lambda one: one['unfinished'] > 0)} rounds a file was unfinished.")
    # What it says on its way, of which there should be nothing.
    lines = pathlib.Path(CACHE / "server.log").read_text().splitlines()
    warned = [line for line in lines if " WARN " in line or " ERROR " in line]
    print(f"The server's log has {len(warned)} warnings and errors.")
    print("\n".join(warned[:20]))


if __name__ == "__main__":
    main()

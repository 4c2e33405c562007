"""Do the demo model's class units rank pictures of their class first? `make evidence-classes` looks, in a folder, a manifest, tar shards and an S3 bucket.

Needs NumPy and what `make demo` builds. Run it by `make evidence-classes`. The S3 store is moto's, on this machine; it needs Python 3.11, and
is left out where it does not start.

Method. `unitscope-demo-pictures` draws 100 pictures of each of the 16 classes from a seed that training did not use (1 is the training's). The
server ranks them by the 16 units of `logits`: of the 144 pictures in the first nines at least 95 % must be of the unit's class. The same files are
then a CSV manifest, WebDataset shards (with a `.cls` beside each picture) and a bucket; before each the tables of the index are deleted, so that
every picture is read and scored from there. Scores must be the folder's bit for bit, and the first nine the same pictures with the same classes.

The evidence card of the 16 units must show the same first nines (`--no-card` leaves it out).

Prints a line a unit and a line a source; writes target/evidence/classes/report.json. Exits 1 if something differs.
"""

import csv
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

import numpy
from ranker import ROOT, Ranker, api, common

CACHE = ROOT / "target/evidence/classes"
MODEL, LAYER = "demo", "logits"
# As demo/train.py has it.
HELD_OUT_SEED = 2
PER_CLASS, HITS = 100, 9
# Of the first nines of all units.
SHARE = 0.95
SHARDS = 4


def manifest(files, folder, path):
    with open(path, "w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["path", "class"])
        writer.writerows((file.relative_to(folder), file.parent.name) for file in files)


def shards(files, folder):
    """WebDataset: the members of a picture share a name, `.cls` is the class."""
    folder.mkdir()
    for nth in range(SHARDS):
        with tarfile.open(folder / f"pictures-{nth:04}.tar", "w") as shard:
            for place, file in list(enumerate(files))[nth::SHARDS]:
                for ending, data in (("png", file.read_bytes()), ("cls", file.parent.name.encode())):
                    member = tarfile.TarInfo(f"{place:06}.{ending}")
                    member.size = len(data)
                    shard.addfile(member, io.BytesIO(data))


class Store:
    """A local S3 store that serves a folder, or nothing where it cannot be started; a context manager."""

    def __init__(self, folder):
        environment = {"PYTHONPATH": str(ROOT / ".test-clients/s3"), "PATH": "/usr/bin:/bin"}
        command = [sys.executable, ROOT / "tests/fixtures/s3.py", folder]
        with open(CACHE / "store.log", "w") as log:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True, env=environment)

    def __enter__(self):
        line = self.process.stdout.readline()
        if not line:
            return None
        store = json.loads(line)
        location = f"s3://{store.pop('bucket')}"
        return {"location": location, "allow_http": True, **store}

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def ranked(ranker, dataset, classes):
    """Of every class unit the first hits; and all scores, by image id."""
    for table in ranker.tables():
        ranker.delete(table)
    units = [(LAYER, channel) for channel in range(len(classes))]
    job = ranker.rank(MODEL, dataset, units, top_k=HITS, return_scores=True)
    result = job.rank_result
    scores, images = ranker.scores(job)
    hits = [unit["groups"][0]["hits"] for unit in ranker.ranking(job)["units"]]
    seconds = job.end_time.ToNanoseconds() / 1e9 - job.create_time.ToNanoseconds() / 1e9
    print(f"{dataset}: {result.images} images, {result.scored} scored, {result.skipped} left out, {seconds:.1f} s", flush=True)
    complete = result.images == result.scored == PER_CLASS * len(classes) and result.skipped == 0
    return hits, {image["image"]: column.tobytes() for image, column in zip(images, scores.T)}, complete


def card_hits(ranker, classes):
    """The first hits that the card shows: (image, class) of each unit, and whether its page names them."""
    spec = api().card.CardSpec(model=MODEL, dataset="folder", k=HITS, steps=16, diverse=0)
    for channel in range(len(classes)):
        spec.units.add(layer=LAYER, channel=channel)
    job = ranker.ended(ranker.cards.RenderCard(api().card_service.RenderCardRequest(spec=spec), timeout=600))
    page = ranker.read(job.card_result.html).decode()
    (CACHE / "card.html").write_text(page)
    ranking = ranker.ranking(api().job.Job(rank_result=job.card_result.ranking))
    shown = [[(hit["image"], hit["class"]) for hit in unit["groups"][0]["hits"]] for unit in ranking["units"]]
    return shown, all(path in page for unit in ranking["units"] for path in [unit["groups"][0]["hits"][0]["path"]])


def main():
    parser = common(__doc__)
    parser.add_argument("--no-card", action="store_true")
    options = parser.parse_args()
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    # Folders are named like labels, without spaces.
    classes = (ROOT / "demo/models/demo/labels.txt").read_text().replace(" ", "_").splitlines()
    with tempfile.TemporaryDirectory() as made:
        home = pathlib.Path(made)
        folder = home / "folder"
        command = [options.binaries / "unitscope-demo-pictures", "--seed", str(HELD_OUT_SEED), "--per-class", str(PER_CLASS), "--out", folder]
        if subprocess.run(command).returncode != 0:
            sys.exit("error: the pictures could not be drawn (the message is above)")
        files = sorted(folder.rglob("*.png"))
        manifest(files, home, home / "manifest.csv")
        shards(files, home / "shards")
        with Store(folder) as store:
            datasets = {"folder": folder, "manifest": home / "manifest.csv", "shards": home / "shards"} | ({"bucket": store} if store else {})
            with Ranker(options, ROOT / "demo/models", home / "index", datasets, CACHE / "server.log") as ranker:
                found = {name: ranked(ranker, name, classes) for name in datasets}
                card = None if options.no_card else card_hits(ranker, classes)
    sys.exit(not report(classes, found, card))


def report(classes, found, card):
    """Prints it; whether all is as it should be."""
    hits, scores, complete = found["folder"]
    right = [sum(hit["class"] == name for hit in of) for name, of in zip(classes, hits)]
    for name, count in zip(classes, right):
        print(f"{LAYER}:{name}: {count} of {HITS} are of the class")
    share = sum(right) / (HITS * len(classes))
    print(f"{sum(right)} of {HITS * len(classes)} are of their unit's class: {100 * share:.1f} %")
    same = {}
    for name, (others, other_scores, other_complete) in found.items():
        brief = [[(hit["image"], hit["class"], hit["score"]) for hit in of] for of in (*hits, *others)]
        same[name] = brief[: len(hits)] == brief[len(hits) :] and other_scores == scores and other_complete
        print(f"{name}: {'the same' if same[name] else 'OTHER'} first nines and scores")
    if "bucket" not in found:
        print("bucket: left out, the store does not start")
    if card is not None:
        shown, named = card
        same["card"] = named and shown == [[(hit["image"], hit["class"]) for hit in of] for of in hits]
        print(f"card: {'the same' if same['card'] else 'OTHER'} first nines")
    (CACHE / "report.json").write_text(json.dumps({"right": dict(zip(classes, right)), "share": share, "same": same}, indent=1))
    return share >= SHARE and all(same.values()) and complete


if __name__ == "__main__":
    main()

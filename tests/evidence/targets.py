"""Do pictures reach a given activation? `make evidence-targets` asks for a quarter, half and three quarters of what the best ones reach.

Needs what evidence.py needs, and its pictures of objective `channel`, first job of each layer: those are made first where they are missing.

Method. The networks, layers and channels are those of evidence.py: the first three channels of the first job at each depth. A channel's start is
its mean on the picture that all begin from, its best the one on the picture of objective `channel`. For each of start + 25, 50 and 75 % of
(best - start) the objective `target` makes a picture: 256 steps, seed 0, all else the server's
defaults. PyTorch judges the written PNG, as in evidence.py. It is off by |its mean - target| / |target|.

Prints the table, writes it to target/evidence/targets.md, and exits 1 if a picture is off by more than 5 %.
"""

import json
import sys
import warnings

import torch
from evidence import CHANNELS, STEPS, Layer, common
from networks import NETWORKS, ROOT, SHARED, Network
from studio import Studio, pictures, sidecars

SHARES = [0.25, 0.5, 0.75]
SHOWN = 3
LIMIT = 0.05


def aimed(options, studio, network, path):
    """Of one layer: unit, share, target, and what the picture's mean is."""
    layer = Layer(options, network, path, "channel")
    layer.make(studio, options.steps, layer.jobs[0])
    made = sidecars(layer.folder_of(layer.jobs[0]))
    wanted = []
    for channel in layer.jobs[0][:SHOWN]:
        of = made[layer.unit(channel)]
        start, best = of["startScore"], of["score"]
        wanted += [(channel, share, start + share * (best - start)) for share in SHARES]
    folder = layer.home / f"target-{options.steps}-steps"
    names = [f"{channel} at {share:.0%}" for channel, share, _ in wanted]
    labels = [argument for name in names for argument in ("--label", name)]
    expression = " + ".join(f'target("{path}", {channel}, {value!r}, images=[{place}])' for place, (channel, _, value) in enumerate(wanted))
    arguments = ["--objective", expression, "--copies", str(len(wanted)), *labels]
    studio.run(network.name, arguments, options.steps, folder)
    found = pictures(folder)
    mean, _, _ = network.values_of_pictures(layer.cut, [found[name]["png"] for name in names])
    for row, (channel, share, value) in enumerate(wanted):
        yield {"network": network.name, "unit": layer.unit(channel), "share": share, "target": value, "value": float(mean[row, channel])}


def main():
    options = common(__doc__).parse_args()
    options.cache, options.channels, options.steps = ROOT / "target/evidence", CHANNELS, STEPS
    warnings.filterwarnings("ignore")
    if options.threads:
        torch.set_num_threads(options.threads)
    results = []
    with Studio(SHARED / "models", options.binaries, options.plugins, options.threads, options.cache / "server.log") as studio:
        for name in options.network or NETWORKS:
            network = Network(name)
            network.check()
            for path in network.depths:
                results += aimed(options, studio, network, path)
                print(f"{name} {path}: done", flush=True)
    text, worst = page(results)
    (options.cache / "targets.md").write_text(text)
    (options.cache / "targets.json").write_text(json.dumps(results, indent=1))
    print("\n" + text)
    sys.exit(worst > LIMIT)


def off(one):
    return abs(one["value"] - one["target"]) / abs(one["target"])


def page(results):
    lines = ["| Network | Pictures | Within 5 % | Furthest off |", "|---|---|---|---|"]
    for name in NETWORKS:
        of = [off(one) for one in results if one["network"] == name]
        if of:
            lines.append(f"| {name} | {len(of)} | {sum(one <= LIMIT for one in of)} | {100 * max(of):.2f} % |")
    lines += ["", "| Network | Unit | Share | Target | Reached | Off |", "|---|---|---|---|---|---|"]
    for one in results:
        numbers = f"{one['share']:.0%} | {one['target']:.4g} | {one['value']:.4g} | {100 * off(one):.2f} %"
        lines.append(f"| {one['network']} | {one['unit']} | {numbers} |")
    return "\n".join(lines) + "\n", max(off(one) for one in results)


if __name__ == "__main__":
    main()

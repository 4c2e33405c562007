"""Judges values of pictures against those of the data, and writes what came of it: one JSON, one Markdown page. Knows no network."""

import json
import statistics

import numpy

# What a picture of each objective is judged by, and the share of pictures that must beat every image of the data.
OBJECTIVES = {"channel": ("mean", 0.98), "unit": ("largest", 0.95)}


def judge(objective, picture, data, files):
    """One picture against the data.

    `picture`: its values `mean`, `largest`, `centre`, its outcome and the server's score; `data`: this channel's values `mean`
    and `largest` for every image, [n] each."""
    criterion, _ = OBJECTIVES[objective]
    values = data[criterion]
    low, median, high = (float(v) for v in numpy.percentile(values, [25, 50, 75]))
    best = int(values.argmax())
    result = dict(picture)
    value = picture[criterion]
    result["value"] = value
    result["data"] = {"best": float(values[best]), "file": str(files[best]), "median": median, "iqr": high - low}
    result["beats"] = bool(value > values[best])
    # A channel that rests on most images has no spread to measure with.
    result["margin"] = (value - median) / (high - low) if high > low else None
    if objective == "unit":
        result["beats_at_centre"] = bool(picture["centre"] > values[best])
    # Behind a ReLU, what is never above zero never fires; before it, neither.
    result["fires_on_data"] = bool(data["largest"].max() > 0)
    result["dead"] = picture["outcome"] == "dead" and not result["fires_on_data"]
    return result


def tally(judged):
    """Of judged pictures: how many, dead ones apart, beat the data, and by how much."""
    alive = [one for one in judged if not one["dead"]]
    margins = [one["margin"] for one in alive if one["margin"] is not None]
    beat = sum(one["beats"] for one in alive)
    return {
        "pictures": len(judged),
        "dead": len(judged) - len(alive),
        "beat": beat,
        "share": beat / len(alive) if alive else None,
        "beat_at_centre": sum(one["beats_at_centre"] for one in alive) if alive and "beats_at_centre" in alive[0] else None,
        "median_margin": statistics.median(margins) if margins else None,
        "least_margin": min(margins, default=None),
        "without_margin": len(alive) - len(margins),
    }


def write(path, layers, settings):
    """`layers`: one entry a network, layer and objective, with its judged pictures; `path` without its ending."""
    totals = {}
    for objective, (_, target) in OBJECTIVES.items():
        of = [one for layer in layers if layer["objective"] == objective for one in layer["pictures"]]
        totals[objective] = {**tally(of), "target": target}
    with open(path.with_suffix(".json"), "w") as file:
        json.dump({**settings, "totals": totals, "layers": layers}, file, indent=1)
    with open(path.with_suffix(".md"), "w") as file:
        file.write(page(layers, totals, settings))
    return totals


def page(layers, totals, settings):
    lines = [
        f"Pictures of {settings['steps']} steps against every image of the data, judged by PyTorch {settings['torch']} on the written PNG.",
        "",
        "| Network | Layer | Objective | Pictures | Dead | Beat every image | Share | Median margin (IQR) | Least margin |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for layer in layers:
        lines.append(row([layer["network"], layer["layer"], layer["objective"]], tally(layer["pictures"]), layer["wanted"]))
    for objective, total in totals.items():
        lines.append(row(["**all**", "", objective], total, sum(layer["wanted"] for layer in layers if layer["objective"] == objective)))
    lines += ["", "Margin: (value − median of the data) / interquartile range of the data."]
    centre = totals["unit"]
    if centre["beat_at_centre"] is not None:
        lines.append(
            f"Of the {centre['pictures'] - centre['dead']} pictures of `unit`, {centre['beat_at_centre']} beat the data's largest position"
            " with the centre alone."
        )
    off = [difference(layer, one) for layer in layers for one in layer["pictures"] if one["data"]["iqr"] > 0]
    if off:
        lines.append(
            f"The server's own score, taken before the picture is rounded to 8 bits, differs from PyTorch's by up to {max(off):.2g} IQR,"
            f" median {statistics.median(off):.2g}."
        )
    if len(settings["builds"]) > 1:
        lines.append(f"**Made by {len(settings['builds'])} builds** ({', '.join(settings['builds'])}); `--fresh` makes all pictures anew.")
    every = [(layer["network"], one) for layer in layers for one in layer["pictures"]]
    lines += section("Failures", [(network, one) for network, one in every if not one["beats"] and not one["dead"]])
    lines += section("Dead, on the data too", [(network, one) for network, one in every if one["dead"]])
    return "\n".join(lines) + "\n"


def difference(layer, picture):
    """Between the server's score and the same value by PyTorch, in IQRs."""
    own = picture["mean" if layer["objective"] == "channel" else "centre"]
    return abs(picture["score"] - own) / picture["data"]["iqr"]


def row(names, tally, wanted):
    pictures = str(tally["pictures"]) if tally["pictures"] == wanted else f"{tally['pictures']} of {wanted}"
    share = f"{100 * tally['share']:.1f} %" if tally["share"] is not None else "–"
    margins = [f"{value:.1f}" if value is not None else "–" for value in (tally["median_margin"], tally["least_margin"])]
    return "| " + " | ".join([*names, pictures, str(tally["dead"]), str(tally["beat"]), share, *margins]) + " |"


def section(title, pictures):
    if not pictures:
        return ["", f"## {title}", "", "None."]
    lines = ["", f"## {title}", ""]
    lines += ["| Network | Unit | Outcome | Value | Best image | Its value | Median | Margin (IQR) | Value without transforms |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for network, one in pictures:
        data = one["data"]
        margin = f"{one['margin']:.1f}" if one["margin"] is not None else "–"
        bare = one.get("without_transforms")
        bare = "–" if bare is None else f"{bare['value']:.4g}, " + ("beats" if bare["beats"] else "fails")
        lines.append(
            f"| {network} | {one['unit']} | {one['outcome']} | {one['value']:.4g} | {data['file']} | {data['best']:.4g} |"
            f" {data['median']:.4g} | {margin} | {bare} |"
        )
    return lines

#!/usr/bin/env python3
"""Holds the engine against PyTorch on many networks, in every form in which a network can be saved.

For each network and each of pt2, scripted and traced: does it load; are its output and the values of all its layers those that PyTorch's forward hooks see
(max |a - b| <= 1e-4 max |b|); are the gradients of a channel's mean with respect to the image PyTorch's (relative L2), at three depths; does it run at
another batch size, and at 192x256 wherever PyTorch runs the same file. Results are kept in --work, so that an interrupted run goes on where it was.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings

import networks

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FORMS = ["pt2", "scripted", "traced"]
# The bar for values, and the floor of the bar for gradients.
VALUES = 1e-4
GRADIENTS = 1e-3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", required=True, help="the engine's example `compare`")
    parser.add_argument("--work", default=os.path.join(CHECKOUT, "target", "models"), help="where files and results go")
    parser.add_argument("--only", default="", help="names of networks, separated by commas")
    parser.add_argument("--forms", default=",".join(FORMS), help="of pt2, scripted and traced")
    parser.add_argument("--again", action="store_true", help="forget earlier results")
    parser.add_argument("--keep", action="store_true", help="keep the model files")
    parser.add_argument("--docs", help="write the table into this page, between its marks")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    names = [("torchvision", name) for name in networks.TORCHVISION] + [("timm", name) for name in networks.TIMM]
    if options.only:
        names = [pair for pair in names if pair[1] in options.only.split(",")]
    os.makedirs(options.work, exist_ok=True)
    results = []
    for library, name in names:
        results.append(run_network(library, name, options))
    table = render(results)
    print(table)
    if options.docs:
        write_between(options.docs, "<!-- matrix -->\n", "<!-- end of matrix -->", table)
    return 0 if all(passed(row) for result in results for row in result["forms"].values()) else 1


def run_network(library: str, name: str, options) -> dict:
    """All forms of one network; earlier results are taken as they are."""
    path = os.path.join(options.work, f"{library}-{name}.json")
    result = {"library": library, "name": name, "forms": {}}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    forms = options.forms.split(",")
    todo = [form for form in forms if options.again or form not in result["forms"]]
    if todo:
        # A process of its own: what one network allocates or breaks is no other's concern.
        command = [sys.executable, os.path.abspath(__file__).replace("matrix.py", "one.py"), library, name, ",".join(todo)]
        command += ["--compare", options.compare, "--work", options.work] + (["--keep"] if options.keep else [])
        finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        lines = finished.stdout.splitlines()
        found = json.loads(lines[-1]) if lines else {form: {"error": "the script ended early"} for form in todo}
        for form, row in found.items():
            row["form"] = form
        result["forms"].update(found)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    for form in forms:
        print(f"{name:32} {form:9} {words(result['forms'][form])}", flush=True)
    return result


def passed(row: dict) -> bool:
    """Whether a form holds every bar, or TorchScript cannot compile the network."""
    return not failures(row)


def failures(row: dict) -> list[str]:
    """What a form fails in, in words."""
    if "error" in row:
        return [row["error"]]
    if "absent" in row:
        return [] if row["form"] == "scripted" else [f"PyTorch cannot write it: {row['absent']}"]
    found = []
    for case in row["cases"]:
        what = case["what"]
        if "error" in case:
            found.append(f"{what}: {case['error']}")
            continue
        if not case["output"] <= VALUES:
            found.append(f"{what}: output differs by {case['output']}")
        if not case["worst"] <= VALUES:
            found.append(f"{what}: {case['worst_layer']} differs by {case['worst']}")
        if case["missing"]:
            found.append(f"{what}: not listed: {', '.join(case['missing'][:5])} ({len(case['missing'])})")
        for gradient in case["gradients"]:
            if "error" in gradient:
                found.append(f"{what}: gradient of {gradient['layer']}: {gradient['error']}")
            elif not close(gradient):
                found.append(f"{what}: gradient of {gradient['layer']} differs by {gradient['difference']:.2g}, PyTorch's own {gradient['own']:.2g}")
    return found


def bar(gradient: dict) -> float:
    return max(GRADIENTS, 3 * gradient["own"])


def close(gradient: dict) -> bool:
    """Within the bar, folded or, where the fold's rounding moves activations over their kinks, unfolded."""
    unfolded = gradient.get("unfolded")
    return gradient["difference"] <= bar(gradient) or (unfolded is not None and unfolded <= bar(gradient))


def slopes(row: dict) -> str:
    """The differences of the gradients, with PyTorch's own; where only the unfolded one keeps to the bar, that too."""
    texts = []
    for gradient in row["gradients"]:
        text = f"{gradient.get('difference', float('nan')):.0e}"
        if "difference" in gradient and gradient["difference"] > bar(gradient):
            text += f" unfolded {gradient.get('unfolded', float('nan')):.0e}"
        texts.append(f"{text} ({gradient['own']:.0e})")
    return ", ".join(texts)


def words(row: dict) -> str:
    """One line about a form."""
    if "absent" in row:
        return f"absent: {row['absent']}"
    failed = failures(row)
    if failed:
        return "FAILED " + "; ".join(failed)
    first = row["cases"][0]
    return f"ok, {first['compared']} layers, worst {max(case['worst'] for case in row['cases']):.1e}, gradients {slopes(first)}"


def render(results: list[dict]) -> str:
    """The table of docs/models.md."""
    import torch
    import torchvision

    lines = [
        f"torch {torch.__version__}, torchvision {torchvision.__version__}" + timm_version(results) + ".",
        "",
        "| network | form | layers | worst value | gradients (PyTorch's own) | 192×256 | |",
        "|---|---|---:|---:|---|---|---|",
    ]
    for result in results:
        for form, row in result["forms"].items():
            lines.append(f"| {result['name']} | {form} | {cells(row)} |")
    return "\n".join(lines) + "\n"


def cells(row: dict) -> str:
    if "absent" in row:
        return f"– | – | – | – | PyTorch cannot: {row['absent']}"
    failed = "; ".join(failures(row)).replace("|", "\\|")
    if "error" in row:
        return f"– | – | – | – | **{failed}**"
    first = row["cases"][0]
    if "error" in first:
        return f"– | – | – | – | **{failed}**"
    other = "yes" if any(case["what"] == "192×256" for case in row["cases"]) else "not in PyTorch either"
    worst = max(max(case["worst"], case["output"]) for case in row["cases"] if "worst" in case)
    return f"{first['compared']} | {worst:.0e} | {slopes(first)} | {other} | {'**' + failed + '**' if failed else ''}"


def write_between(path: str, begin: str, end: str, text: str) -> None:
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(begin)
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + begin + text + end + rest.split(end)[1])


def timm_version(results: list[dict]) -> str:
    if all(result["library"] != "timm" for result in results):
        return ""
    import timm

    return f", timm {timm.__version__}"


if __name__ == "__main__":
    sys.exit(main())

"""The command line: `python -m unitscope_export --help`; knows how to ask and to tell, and leaves the rest to `export`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from .errors import ExportError, UsageError

# Exit codes.
DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

DESCRIPTION = """\
Exports a PyTorch module to a model folder of Unitscope: model.pt2 (torch.export), model.toml (how pictures become its
input) and labels.txt where the classes are known. Batch, height and width stay free where the module allows it.
What was written is read back and compared with the module on random images. The module runs with your own torch."""

EPILOG = """\
examples:
  python -m unitscope_export --torchvision resnet18
  python -m unitscope_export --torchvision resnet50 --weights IMAGENET1K_V1 --name resnet50_v1
  python -m unitscope_export --timm vit_small_patch14_reg4_dinov2 --random
  python -m unitscope_export net.py:build --size 64x64 --mean 0.47 --std 0.26 --labels classes.txt
  python -m unitscope_export mypackage.models:resnet --channels BGR --range 0 255 --mean 104 117 123 --std 1
  python -m unitscope_export checkpoint.pt --trust --size 28x28 --channels GRAY

`net.py:build` is a function without arguments that returns the module with its weights:

  def build():
      model = Net()
      model.load_state_dict(torch.load("net_weights.pt", map_location="cpu"))
      return model

exit codes: 0 written and checked; 1 the module does not export, or the result differs from it; 2 wrong options."""


def main(arguments=None):
    # While modules run, the standard streams are closed to them.
    out, progress = sys.stdout, sys.stderr
    asked = _parser().parse_args(arguments)
    try:
        _export(asked, out, progress)
        return DONE
    except ExportError as error:
        print(f"error: {error}", file=progress)
        for advice in error.advice:
            print(f"  try: {advice}", file=progress)
        return WRONG_USE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=progress)
        return INTERRUPTED


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m unitscope_export", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    source = parser.add_argument_group("what to export (one of)")
    source.add_argument(
        "source", nargs="?", metavar="MODULE_OR_FILE",
        help="package.module:factory, path/file.py:factory, or a .pt or .pth file that holds a whole pickled module",
    )  # fmt: skip
    source.add_argument("--torchvision", metavar="NAME", help="a model of torchvision, with its default weights")
    source.add_argument("--timm", metavar="NAME", help="a model of timm, with its pretrained weights")
    source.add_argument("--weights", metavar="NAME", help="other weights of the torchvision model, such as IMAGENET1K_V1")
    source.add_argument("--random", action="store_true", help="random weights for --torchvision or --timm: no download")
    source.add_argument(
        "--trust", action="store_true",
        help="read a pickled module; a pickle is a program and runs when it is read, so only if you trust its author",
    )  # fmt: skip

    image = parser.add_argument_group("the network's input (known of torchvision and timm models; else guessed, with a word)")
    image.add_argument("--size", type=_size, metavar="HxW", help="height and width in pixels, such as 224x224")
    image.add_argument("--resize", type=int, metavar="PX", help="shorter side before the centre crop of a dataset's images")
    image.add_argument("--channels", type=_channels, metavar="ORDER", help="RGB, BGR, GRAY or a number of channels")
    image.add_argument("--range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="of pixels before normalization: 0 1 or 0 255")
    image.add_argument("--mean", type=float, nargs="+", metavar="X", help="one a channel, or one for all; of pixels in --range")
    image.add_argument("--std", type=float, nargs="+", metavar="X", help="one a channel, or one for all")

    result = parser.add_argument_group("the result")
    result.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="what unitscope-server --models reads (models)")
    result.add_argument("--name", help="the model's name, a new folder in DIR (from the source)")
    result.add_argument("--labels", type=Path, metavar="FILE", help="one class a line, in the order of the output")
    result.add_argument("--output", metavar="KEY", help="of several outputs the one to keep, such as logits or 1.0 (the first)")
    sizes = result.add_mutually_exclusive_group()
    sizes.add_argument("--batch-only", action="store_true", help="fix height and width")
    sizes.add_argument("--fixed", action="store_true", help="fix height and width, and the batch to 1")
    result.add_argument("--force", action="store_true", help="replace a model of this name")
    return parser


def _size(text):
    sides = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", text)
    if not sides:
        raise argparse.ArgumentTypeError(f"`{text}` is no size; give height and width in pixels, such as 224x224")
    return int(sides[1]), int(sides[2] or sides[1])


def _channels(text):
    if text.upper() in ("RGB", "BGR", "GRAY"):
        return text.upper()
    if not re.fullmatch(r"\d{1,4}", text):
        raise argparse.ArgumentTypeError(f"`{text}` are no channels; give RGB, BGR, GRAY or a number")
    return int(text)


def _export(asked, out, progress):
    sources = [name for name in ("source", "torchvision", "timm") if getattr(asked, name)]
    if len(sources) != 1:
        raise UsageError("give one of MODULE_OR_FILE, --torchvision and --timm", ["--help shows examples"])
    if asked.weights and (not asked.torchvision or asked.random):
        raise UsageError("--weights chooses weights of --torchvision, and not with --random")
    if asked.random and asked.source:
        raise UsageError("--random is for --torchvision and --timm; a factory decides about its weights itself")
    labels = _labels(asked.labels)

    def say(step):
        print(f"{step} …", file=progress, flush=True)

    say("loading torch")
    _need_torch()
    from . import preprocessing
    from .exporter import export

    say(f"building {asked.source or asked.torchvision or asked.timm}")
    found = _found(asked)
    own = preprocessing.Preprocessing(
        size=asked.size, resize=asked.resize, range=asked.range, mean=asked.mean, std=asked.std, channels=asked.channels, labels=labels
    )
    if asked.size and not asked.resize:
        # It belongs to the size that the source knows.
        found.known.resize = None
    known = own.over(found.known)
    report = export(
        found.module, asked.models / (asked.name or found.name), **vars(known), output=asked.output,
        dynamic="none" if asked.fixed else "batch" if asked.batch_only else "size", overwrite=asked.force, progress=say,
    )  # fmt: skip
    report.notes[:0] = found.notes
    print(summary(report), file=out)


def _need_torch():
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise UsageError(f"torch cannot be imported: {error}", ["run this with the Python that your network runs with"]) from error


def _found(asked):
    from . import sources

    if asked.torchvision:
        return sources.from_torchvision(asked.torchvision, asked.weights, asked.random)
    if asked.timm:
        return sources.from_timm(asked.timm, asked.random)
    if asked.source.endswith((".pt", ".pth", ".pt2")):
        return sources.from_pickle(asked.source, asked.trust)
    return sources.from_code(asked.source)


def _labels(path):
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` cannot be read: {error}") from error


def summary(report):
    """What was written, as a table, with the notes and the next command."""
    free = ", ".join(report.dynamic) or "none: pictures have this size, one a pass"
    if report.square:
        free += " (square images only)"
    rows = [
        ("input", f"{report.channels} channel{'s' if report.channels > 1 else ''}, {report.height}x{report.width} px"),
        ("dynamic", free),
        ("output", "x".join(map(str, report.output_shape)) + " for one image"),
        ("parameters", f"{report.parameters:,}"),
        ("layers", f"{report.layers:,} calls of modules"),
        ("checked", f"{len(report.compared)} sizes of input: max |a - b| is at most {report.difference:.1e} of max |b|"),
        ("took", f"{report.seconds:.0f} s"),
    ]
    lines = [f"wrote {report.folder}"]
    lines += [f"  {name:<11}{value}" for name, value in rows]
    lines += [f"  note: {note}" for note in report.notes]
    lines.append(f"next: unitscope-server --models {report.folder.parent} …, then: unitscope models show {report.folder.name}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
